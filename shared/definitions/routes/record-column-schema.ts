/**
 * A column of a record: where it stands, of which type it is, and what it may hold.
 *
 * 1. Names are plain words, so that no name of a partner's can reach a prototype.
 */
import { z } from 'zod';
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import { compileDateFormat } from '#shared/formats/records/date-format.ts';

/** Behind a rejected row, for the sender to read. */
export const REASON_COLUMN = 'reject_reason';
/** The longest record that a z/OS data set can have. */
export const LONGEST_FIXED_RECORD = 32_760;
const MOST_COLUMNS = 500;

export const columnNameSchema = z
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

const COLUMN_TYPES = [
  'text',
  'integer',
  'decimal',
  'boolean',
  'date',
  'zoned',
  'packed',
  'binary',
  'email',
  'time-zone',
] as const;

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
  /** CSV: the header may lack it; every row is then without a value. */
  optional: z.boolean().optional(),
  /** Texts that stand for "no value", e.g. `00000000` for a date. */
  nullValues: z.array(z.string().min(1).max(200)).max(20).optional(),
  /** `zoned`, `packed`, `binary`: implied decimal places. `decimal`: the most digits after the point. */
  decimals: z.int().min(0).max(18).optional(),
  /** `decimal`: the character before the decimals. */
  decimalMark: z.enum(['.', ',']).optional(),
  /** What is between groups of three digits, where it is at all: a blank is also a no-break one. */
  groupMark: z.enum([',', '.', ' ', "'"]).optional(),
  /** How a negative number may be written besides `-5`: `5-` or `(5)`. */
  negative: z.enum(['trailing', 'parentheses']).optional(),
  /** `zoned`: where the sign is: over a digit, or a `+` or `-` of its own. */
  sign: z.enum(['trailing', 'leading', 'trailing-separate', 'leading-separate']).optional(),
  /** `zoned`, not EBCDIC: the characters of signed digits: `{ A-I } J-R`, or `p-y` for negative ones (Micro Focus, GnuCOBOL). */
  overpunch: z.enum(['ibm', 'ascii']).optional(),
  /** False: negative values are refused, and a `binary` has no sign bit. */
  signed: z.boolean().optional(),
  byteOrder: z.enum(['big', 'little']).optional(),
  /** `date`: `yyyy`, `yy`, `MM`, `dd`, `DDD`, `HH`, `mm`, `ss`, and what is between them. */
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
export const NUMBER_TYPES: readonly ColumnType[] = ['integer', 'decimal', 'zoned', 'packed', 'binary'];

/** Options that mean something for some types only. */
const TYPES_OF_OPTION: Readonly<Record<string, readonly ColumnType[]>> = {
  trim: ['text'],
  nullValues: ['text', 'integer', 'decimal', 'date', 'zoned', 'boolean'],
  decimals: ['decimal', 'zoned', 'packed', 'binary'],
  decimalMark: ['decimal'],
  groupMark: ['integer', 'decimal'],
  negative: ['integer', 'decimal'],
  sign: ['zoned'],
  overpunch: ['zoned'],
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
  if (column.groupMark !== undefined && column.groupMark === (column.decimalMark ?? '.')) {
    refuse('groupMark', 'must not be the decimalMark');
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

export const columnsSchema = z
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
