/**
 * The `records:` section of a route: how the records are laid out in a file, and what each of their columns may hold.
 *
 * 1. Unknown options, and options that mean nothing where they stand, are faults: a rule that is not applied must not look applied.
 * 2. Parsing a parsed section changes nothing, as for the route around it.
 */
import { z } from 'zod';
import { sizeSchema } from '#shared/definitions/size.ts';
import { encodingSchema } from './encoding-schema.ts';
import { maxRecordBytesSchema } from './max-record-bytes.ts';
import {
  columnNameSchema,
  columnsSchema,
  LONGEST_FIXED_RECORD,
  NUMBER_TYPES,
  type RecordColumn,
} from './record-column-schema.ts';

const shareSchema = z
  .union([z.number(), z.string()], { error: 'expected a share such as 5% or 0.05' })
  .transform((value, context) => {
    const match = typeof value === 'string' ? /^(\d{1,3}(?:\.\d{1,4})?) ?%$/.exec(value) : null;
    const share = typeof value === 'number' ? value : match === null ? Number.NaN : Number(match[1]) / 100;
    if (share >= 0 && share <= 1) return share;
    context.addIssue({ code: 'custom', message: 'must be a share from 0% to 100%, e.g. 5% or 0.05' });
    return z.NEVER;
  });

export const onRejectSchema = z.preprocess(
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
  maxRecordBytes: maxRecordBytesSchema,
  /** Columns that together name a record for good, over resubmissions. */
  businessKey: z.array(columnNameSchema).min(1).max(10).optional(),
  onReject: onRejectSchema.default({ action: 'reject-file' }),
  /** The job fails when at least this share of its accepted records did not succeed. */
  failJobAt: shareSchema.refine((share) => share > 0, { error: 'must be more than 0%' }).default(1),
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
  /** False: the columns are in the order of the layout. */
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
  /** `v`: records of different lengths, each behind its record descriptor word (RDW); `vb`: those in blocks with their own word (BDW). */
  recordFormat: z.enum(['f', 'v', 'vb']).default('f'),
  /** UTF-8 only: what `from` and `length` count. UTF-16 counts units of two bytes, every other encoding bytes. */
  positions: z.enum(['characters', 'bytes']).optional(),
  /** With line ends: `pad` takes lines whose trailing blanks were cut off. With `v` and `vb`: records that end before their last columns. */
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
      if (column === undefined) refuse(['businessKey', index], `"${name}" is not one of the columns`);
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
    if (column.optional === true && (records.format !== 'csv' || !records.header || column.required))
      refuse(['columns', index, 'optional'], 'is for columns of a CSV with a header, and not for required ones');
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
    refuse(['typeField'], 'header and trailer need a typeField that distinguishes them from the details');
  }
  if (typeField !== undefined) {
    if (typeField.from + typeField.length - 1 > records.recordLength) refuse(['typeField'], 'ends after recordLength');
    const types = [typeField.detail, header?.type, trailer?.type].filter((type) => type !== undefined);
    if (new Set(types.map((type) => type.trimEnd())).size < types.length)
      refuse(['typeField'], 'two types are the same');
  }
  if (records.positions !== undefined && records.encoding !== 'utf-8') refuse(['positions'], 'is for utf-8 only');
  if (records.recordFormat !== 'f') {
    if (records.lineEnds === true) refuse(['lineEnds'], 'record descriptor words say where a record ends');
    if (records.encoding.startsWith('utf-')) refuse(['recordFormat'], 'needs an encoding of single bytes');
  }
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
  if (column.optional !== undefined) refuse('optional', 'means nothing in fixed width');
  const isBinary = column.type === 'packed' || column.type === 'binary';
  const isOfBytes = records.encoding !== 'utf-8' && !records.encoding.startsWith('utf-16');
  if (isBinary && !isOfBytes && records.positions !== 'bytes') {
    refuse('type', `${column.type} needs an encoding of single bytes, or \`positions: bytes\``);
  }
}

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
