/**
 * The `records:` section of a route: how the records stand in a file, and what each of their columns may hold.
 *
 * 1. Unknown options, and options that mean nothing for a column's type, are faults: a rule that is not applied must not look applied.
 * 2. Parsing a parsed section changes nothing, as for the route around it.
 * 3. Column names are plain words, so that no name of a partner's can reach a prototype.
 */
import { z } from 'zod';
import { compileDateFormat } from '#shared/formats/records/date-format.ts';
import { compileLinearPattern } from './linear-pattern.ts';
import { sizeSchema } from './size.ts';

export const REASON_COLUMN = 'reject_reason';
/** The longest record that a z/OS data set can have. */
const LONGEST_FIXED_RECORD = 32_760;
const MOST_COLUMNS = 500;

const EBCDIC_ENCODINGS = ['cp037', 'cp500', 'cp1047'] as const;
const encodingSchema = z.enum(['utf-8', 'latin-1', 'utf-16le', 'utf-16be', ...EBCDIC_ENCODINGS]);
export type RecordEncoding = z.infer<typeof encodingSchema>;

export function isEbcdic(encoding: RecordEncoding): boolean {
  return (EBCDIC_ENCODINGS as readonly string[]).includes(encoding);
}

const columnNameSchema = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,62}$/, 'must be 1 to 63 letters, digits and "_", beginning with a letter')
  .refine((name) => name.toLowerCase() !== REASON_COLUMN, {
    error: `"${REASON_COLUMN}" is the column of rejected rows`,
  });

const decimalTextSchema = z
  .union([z.number(), z.string()])
  .transform(String)
  .refine((text) => /^-?\d{1,38}(?:\.\d{1,18})?$/.test(text), { error: 'must be a number or a date' });
const boundSchema = z.union([
  z.string().regex(/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2})?$/, 'must be a number or a date such as 2026-01-31'),
  decimalTextSchema,
]);

const COLUMN_TYPES = ['text', 'integer', 'decimal', 'boolean', 'date', 'zoned', 'packed', 'binary'] as const;

const columnFields = {
  name: columnNameSchema,
  /** The name in a CSV header or the key in an NDJSON object, when it is another. */
  source: z.string().min(1).max(200).optional(),
  /** Fixed width: the first position, counted from 1. */
  from: z.int().min(1).max(LONGEST_FIXED_RECORD).optional(),
  /** Fixed width: how many positions. */
  length: z.int().min(1).max(LONGEST_FIXED_RECORD).optional(),
  type: z.enum(COLUMN_TYPES).default('text'),
  /** Blanks around a text; by default those on the right in fixed width, none elsewhere. */
  trim: z.enum(['both', 'left', 'right', 'none']).optional(),
  required: z.boolean().default(false),
  /** Texts that stand for "no value", e.g. `00000000` for a date. */
  nullValues: z.array(z.string().min(1).max(200)).max(20).optional(),
  /** `zoned`, `packed`, `binary`: implied decimal places. `decimal`: the most digits after the point. */
  decimals: z.int().min(0).max(18).optional(),
  /** `zoned`: where the sign is: over a digit, or a `+` or `-` of its own. */
  sign: z.enum(['trailing', 'leading', 'trailing-separate', 'leading-separate']).optional(),
  /** False: negative values are refused, and a `binary` has no sign bit. */
  signed: z.boolean().optional(),
  byteOrder: z.enum(['big', 'little']).optional(),
  /** `date`: `yyyy`, `yy`, `MM`, `dd`, `DDD`, `HH`, `mm`, `ss`, and what stands between them. */
  format: z.string().min(2).max(40).optional(),
  /** `yy` below it is 20yy, else 19yy. */
  pivotYear: z.int().min(0).max(100).optional(),
  minLength: z.int().min(0).max(1_000_000).optional(),
  maxLength: z.int().min(1).max(1_000_000).optional(),
  /** The whole value has to match. */
  pattern: z.string().min(1).optional(),
  enum: z.array(z.string().max(200)).min(1).max(1_000).optional(),
  min: boundSchema.optional(),
  max: boundSchema.optional(),
  /** Within the file. */
  unique: z.boolean().default(false),
  /** Its value is shown to nobody. */
  sensitive: z.boolean().default(false),
};

type ColumnType = (typeof COLUMN_TYPES)[number];
/** Options that mean something for some types only. */
const TYPES_OF_OPTION: Readonly<Record<string, readonly ColumnType[]>> = {
  trim: ['text'],
  nullValues: ['text', 'integer', 'decimal', 'date', 'zoned', 'boolean'],
  decimals: ['decimal', 'zoned', 'packed', 'binary'],
  sign: ['zoned'],
  signed: ['integer', 'decimal', 'zoned', 'packed', 'binary'],
  byteOrder: ['binary'],
  format: ['date'],
  pivotYear: ['date'],
  minLength: ['text'],
  maxLength: ['text'],
  pattern: ['text', 'integer', 'decimal'],
  enum: ['text', 'integer', 'decimal'],
  min: ['integer', 'decimal', 'zoned', 'packed', 'binary', 'date'],
  max: ['integer', 'decimal', 'zoned', 'packed', 'binary', 'date'],
};
const LONGEST_PACKED_BYTES = 19;
const LONGEST_BINARY_BYTES = 8;

type ColumnInput = z.infer<z.ZodObject<typeof columnFields>>;

const columnSchema = z.strictObject(columnFields).superRefine((column, context) => {
  const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  for (const [option, types] of Object.entries(TYPES_OF_OPTION)) {
    if (column[option as keyof ColumnInput] !== undefined && !types.includes(column.type)) {
      refuse(option, `means nothing for the type ${column.type}; it is for ${types.join(', ')}`);
    }
  }
  if (column.pattern !== undefined) {
    const pattern = compileLinearPattern(column.pattern);
    if (!pattern.ok) refuse('pattern', pattern.message);
  }
  if (column.type === 'date') {
    const format = compileDateFormat(column.format ?? 'yyyy-MM-dd');
    if (!format.ok) refuse('format', format.message);
  }
  if (column.minLength !== undefined && column.maxLength !== undefined && column.minLength > column.maxLength) {
    refuse('minLength', 'is greater than maxLength');
  }
  for (const bound of ['min', 'max'] as const) {
    const isDate = column[bound]?.includes('-', 1) ?? false;
    if (column[bound] !== undefined && isDate !== (column.type === 'date')) {
      refuse(bound, column.type === 'date' ? 'must be a date such as 2026-01-31' : 'must be a number');
    }
  }
  const longest = { packed: LONGEST_PACKED_BYTES, binary: LONGEST_BINARY_BYTES }[column.type as 'packed' | 'binary'];
  if (longest !== undefined && (column.length ?? 0) > longest) {
    refuse('length', `a ${column.type} column has at most ${longest} bytes`);
  }
});
export type RecordColumn = z.infer<typeof columnSchema>;

const columnsSchema = z
  .array(columnSchema)
  .min(1)
  .max(MOST_COLUMNS)
  .superRefine((columns, context) => {
    for (const key of ['name', 'source'] as const) {
      const names = columns.map((column) => (key === 'name' ? column.name : (column.source ?? column.name)));
      const repeated = names.findIndex((name, index) => names.indexOf(name) < index);
      if (repeated >= 0) context.addIssue({ code: 'custom', path: [repeated, key], message: 'is used twice' });
    }
  });

const shareSchema = z
  .union([z.number(), z.string()], { error: 'expected a share such as 5% or 0.05' })
  .transform((value, context) => {
    const match = typeof value === 'string' ? /^(\d{1,3}(?:\.\d{1,4})?) ?%$/.exec(value) : null;
    const share = typeof value === 'number' ? value : match === null ? Number.NaN : Number(match[1]) / 100;
    if (share >= 0 && share <= 1) return share;
    context.addIssue({ code: 'custom', message: 'must be a share from 0% to 100%, e.g. 5% or 0.05' });
    return z.NEVER;
  });

const onRejectSchema = z.preprocess(
  (value) => (typeof value === 'string' ? { action: value } : value),
  z.discriminatedUnion('action', [
    z.strictObject({ action: z.literal('reject-file') }),
    z.strictObject({ action: z.literal('hold') }),
    z.strictObject({
      action: z.literal('reject-rows'),
      /** Of all rows; past it the file is treated as `otherwise` says. */
      upToShare: shareSchema.default(1),
      otherwise: z.enum(['reject-file', 'hold']).default('reject-file'),
    }),
  ]),
);
export type OnReject = z.infer<typeof onRejectSchema>;

const commonFields = {
  /** A byte order mark at the beginning wins over this. */
  encoding: encodingSchema.default('utf-8'),
  /** `auto` goes by the first bytes. */
  gzip: z.union([z.boolean(), z.literal('auto')]).default('auto'),
  maxExpandRatio: z.number().min(1).max(10_000).default(200),
  maxExpandedBytes: sizeSchema.default(10_000_000_000),
  /** A longer record is an error and never fills the memory. */
  maxRecordBytes: z.int().min(1).max(16_777_216).default(1_048_576),
  /** Columns that together name a record for good, over resubmissions. */
  businessKey: z.array(columnNameSchema).min(1).max(10).optional(),
  onReject: onRejectSchema.default({ action: 'reject-file' }),
  columns: columnsSchema,
};

const oneCharacter = z.string().refine((value) => /^[\x20-\x7e\t]$/.test(value), {
  error: 'must be one ASCII character, not a line break',
});
/** Columns or keys that the layout does not name. */
const unknownSchema = z.enum(['reject', 'ignore']).default('reject');

const csvRecordsSchema = z.strictObject({
  format: z.literal('csv'),
  delimiter: oneCharacter.default(','),
  /** Doubled inside a quoted field, as in RFC 4180. */
  quote: oneCharacter.default('"'),
  /** False: the columns stand in the order of the layout. */
  header: z.boolean().default(true),
  unknown: unknownSchema,
  ...commonFields,
});

const ndjsonRecordsSchema = z.strictObject({ format: z.literal('ndjson'), unknown: unknownSchema, ...commonFields });

const fixedRecordsSchema = z.strictObject({
  format: z.literal('fixed'),
  recordLength: z.int().min(1).max(LONGEST_FIXED_RECORD),
  /** False: one record follows the other, as mainframes send them. By default false for EBCDIC, else true. */
  lineEnds: z.boolean().optional(),
  /** UTF-8 only: what `from` and `length` count. UTF-16 counts units of two bytes, every other encoding bytes. */
  positions: z.enum(['characters', 'bytes']).optional(),
  /** With line ends: `pad` takes lines whose trailing blanks were cut off. */
  shortLines: z.enum(['reject', 'pad']).default('reject'),
  /** Where the type of a record stands; needed for header and trailer. */
  typeField: z
    .strictObject({
      from: z.int().min(1).max(LONGEST_FIXED_RECORD),
      length: z.int().min(1).max(20),
      detail: z.string().min(1).max(20),
    })
    .optional(),
  header: z.strictObject({ type: z.string().min(1).max(20), columns: columnsSchema.optional() }).optional(),
  trailer: z
    .strictObject({
      type: z.string().min(1).max(20),
      columns: columnsSchema,
      /** The trailer's column with the number of records. */
      count: columnNameSchema.optional(),
      /** Whether `count` includes header and trailer. */
      countOf: z.enum(['details', 'all-records']).default('details'),
      totals: z
        .array(z.strictObject({ column: columnNameSchema, sumOf: columnNameSchema }))
        .max(20)
        .default([]),
    })
    .optional(),
  ...commonFields,
});
export type FixedRecords = z.infer<typeof fixedRecordsSchema>;
export type CsvRecords = z.infer<typeof csvRecordsSchema>;
export type NdjsonRecords = z.infer<typeof ndjsonRecordsSchema>;

/** Wrong combinations, by path. */
type Refuse = (path: readonly (string | number)[], message: string) => void;

export const recordsSchema = z
  .discriminatedUnion('format', [csvRecordsSchema, fixedRecordsSchema, ndjsonRecordsSchema], {
    error: (issue) => (issue.code === 'invalid_union' ? 'format must be csv, fixed or ndjson' : undefined),
  })
  .superRefine((records, context) => {
    const refuse: Refuse = (path, message) => context.addIssue({ code: 'custom', path: [...path], message });
    for (const [index, name] of (records.businessKey ?? []).entries()) {
      const column = records.columns.find((candidate) => candidate.name === name);
      if (column === undefined) refuse(['businessKey', index], `"${name}" is none of the columns`);
      else if (!column.required) refuse(['businessKey', index], `the column "${name}" has to be required`);
    }
    if (records.format === 'fixed') checkFixed(records, refuse);
    else checkTextColumns(records, refuse);
    if (records.format === 'csv' && records.delimiter === records.quote) {
      refuse(['quote'], 'delimiter and quote must differ');
    }
  });
export type RecordsLayout = z.infer<typeof recordsSchema>;

function checkTextColumns(records: CsvRecords | NdjsonRecords, refuse: Refuse): void {
  records.columns.forEach((column, index) => {
    for (const option of ['from', 'length'] as const) {
      if (column[option] !== undefined) refuse(['columns', index, option], 'is for fixed width only');
    }
    if (column.type === 'packed' || column.type === 'binary') {
      refuse(['columns', index, 'type'], `${column.type} is for fixed width only`);
    }
  });
}

function checkFixed(records: FixedRecords, refuse: Refuse): void {
  const groups: readonly [readonly string[], readonly RecordColumn[] | undefined][] = [
    [['columns'], records.columns],
    [['header', 'columns'], records.header?.columns],
    [['trailer', 'columns'], records.trailer?.columns],
  ];
  for (const [path, columns] of groups) {
    columns?.forEach((column, index) => {
      checkPlace(column, records, (option, message) => refuse([...path, index, option], message));
    });
  }
  const { typeField, header, trailer } = records;
  if ((header ?? trailer) !== undefined && typeField === undefined) {
    refuse(['typeField'], 'header and trailer need a typeField to be told from the details');
  }
  if (typeField !== undefined) {
    if (typeField.from + typeField.length - 1 > records.recordLength) refuse(['typeField'], 'ends after recordLength');
    const types = [typeField.detail, header?.type, trailer?.type].filter((type) => type !== undefined);
    if (new Set(types.map((type) => type.trimEnd())).size < types.length)
      refuse(['typeField'], 'two types are the same');
  }
  if (records.positions !== undefined && records.encoding !== 'utf-8') refuse(['positions'], 'is for utf-8 only');
  if (records.lineEnds === false && records.encoding === 'utf-8' && records.positions !== 'bytes') {
    refuse(['lineEnds'], 'without line ends, utf-8 needs `positions: bytes`: else no record has a known length');
  }
  if (trailer !== undefined) checkTrailer(trailer, records.columns, refuse);
}

function checkPlace(
  column: RecordColumn,
  records: FixedRecords,
  refuse: (option: string, message: string) => void,
): void {
  if (column.from === undefined) refuse('from', 'is needed in fixed width');
  if (column.length === undefined) refuse('length', 'is needed in fixed width');
  if ((column.from ?? 1) + (column.length ?? 1) - 1 > records.recordLength) refuse('length', 'ends after recordLength');
  if (column.source !== undefined) refuse('source', 'means nothing in fixed width');
  const isBinary = column.type === 'packed' || column.type === 'binary';
  const isOfBytes = records.encoding !== 'utf-8' && !records.encoding.startsWith('utf-16');
  if (isBinary && !isOfBytes && records.positions !== 'bytes') {
    refuse('type', `${column.type} needs an encoding of single bytes, or \`positions: bytes\``);
  }
}

const NUMBER_TYPES: readonly ColumnType[] = ['integer', 'decimal', 'zoned', 'packed', 'binary'];

function checkTrailer(
  trailer: NonNullable<FixedRecords['trailer']>,
  details: readonly RecordColumn[],
  refuse: Refuse,
): void {
  const isNumber = (columns: readonly RecordColumn[], name: string) =>
    columns.some((column) => column.name === name && NUMBER_TYPES.includes(column.type));
  if (trailer.count !== undefined && !isNumber(trailer.columns, trailer.count)) {
    refuse(['trailer', 'count'], 'must name a number column of the trailer');
  }
  trailer.totals.forEach(({ column, sumOf }, index) => {
    if (!isNumber(trailer.columns, column)) {
      refuse(['trailer', 'totals', index, 'column'], 'must name a number column of the trailer');
    }
    if (!isNumber(details, sumOf)) refuse(['trailer', 'totals', index, 'sumOf'], 'must name a number column');
  });
}
