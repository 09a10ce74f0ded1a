/** `convert`: the records of the file in another format, or its text in another encoding. */
import { z } from 'zod';
import { checkJsonata } from '#shared/content/convert/jsonata-columns.ts';
import { compileMapping } from '#shared/content/convert/map-record.ts';
import { isXmlName, XML_ENCODING_NAMES } from '#shared/content/convert/xml-names.ts';
import { encodingSchema, isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import { maxRecordBytesSchema } from '#shared/definitions/routes/max-record-bytes.ts';
import { onRejectSchema } from '#shared/definitions/routes/records-schema.ts';
import { csvDialectSchema, differingDelimiters } from '#shared/formats/csv/csv-dialect.ts';
import type { JsonTemplate } from '#shared/partners/request-template.ts';
import type { StepOptionsKind } from '../step-options.ts';

const xmlNameSchema = z.string().max(100).refine(isXmlName, { error: 'must be the name of an XML element' });
const columnsSchema = z.array(z.string().min(1).max(200)).min(1).max(1_000);
const encoding = encodingSchema.default('utf-8');
const noHostEncoding = encodingSchema.refine((name) => !isEbcdic(name), { error: 'EBCDIC is for csv and text' });

/** `from: csv` for `from: { format: csv }`. */
function orFormat<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (typeof value === 'string' ? { format: value } : value), schema);
}

const differing = { error: 'delimiter and quote must differ', path: ['quote'] };

const fromSchema = z.discriminatedUnion(
  'format',
  [
    z
      .strictObject({
        format: z.literal('csv'),
        ...csvDialectSchema,
        /** Of a file without a header. */
        columns: columnsSchema.optional(),
      })
      .refine(differingDelimiters, differing),
    z.strictObject({ format: z.literal('ndjson'), encoding, maxRecordBytes: maxRecordBytesSchema }),
    z.strictObject({
      format: z.literal('json'),
      encoding: noHostEncoding.default('utf-8'),
      /** Keys that lead to the list of records, e.g. `data.items`; the document is the list when absent. */
      records: z
        .string()
        .regex(/^[^.]{1,100}(?:\.[^.]{1,100}){0,9}$/, 'must be keys with points between them, such as data.items')
        .optional(),
      maxRecordBytes: maxRecordBytesSchema,
    }),
    z.strictObject({
      format: z.literal('xml'),
      /** What the file declares when absent. */
      encoding: noHostEncoding.optional(),
      /** The element of one record. */
      record: xmlNameSchema,
      maxRecordBytes: maxRecordBytesSchema,
    }),
    z.strictObject({ format: z.literal('text'), encoding }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? 'format must be csv, json, ndjson, xml or text' : undefined) },
);

const toSchema = z.discriminatedUnion(
  'format',
  [
    z
      .strictObject({
        format: z.literal('csv'),
        delimiter: csvDialectSchema.delimiter,
        quote: csvDialectSchema.quote,
        encoding,
        header: z.boolean().default(true),
        lineEnds: z.enum(['lf', 'crlf']).default('lf'),
        /** In their order; those of the header or of `map` when absent. */
        columns: columnsSchema.optional(),
        /** Members of a record that are not one of the columns. */
        unknown: z.enum(['reject', 'ignore']).default('reject'),
      })
      .refine(differingDelimiters, differing),
    z.strictObject({ format: z.literal('ndjson'), encoding: noHostEncoding.default('utf-8') }),
    z.strictObject({ format: z.literal('json'), encoding: noHostEncoding.default('utf-8') }),
    z.strictObject({
      format: z.literal('xml'),
      encoding: encodingSchema.default('utf-8').refine((name) => XML_ENCODING_NAMES[name] !== undefined, {
        error: 'XML is written in UTF-8 or an encoding of bytes',
      }),
      root: xmlNameSchema.default('records'),
      record: xmlNameSchema.default('record'),
    }),
    z.strictObject({ format: z.literal('text'), encoding, lineEnds: z.enum(['keep', 'lf', 'crlf']).default('keep') }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? 'format must be csv, json, ndjson, xml or text' : undefined) },
);

const templateSchema: z.ZodType<JsonTemplate> = z.lazy(() =>
  z.union([
    z.string(),
    z.number(),
    z.boolean(),
    z.null(),
    z.array(templateSchema).max(100),
    z.record(z.string().max(100), templateSchema),
  ]),
);

const mapSchema = z
  .record(z.string().min(1).max(100), templateSchema)
  .refine((map) => Object.keys(map).length > 0, { error: 'names at least one column' })
  .superRefine((map, context) => {
    try {
      compileMapping(map);
    } catch (error) {
      const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
      context.addIssue({ code: 'custom', message: `the mapping cannot be used: ${line}` });
    }
  });

const jsonataSchema = z
  .record(z.string().min(1).max(100), z.string().min(1))
  .refine((columns) => Object.keys(columns).length > 0, { error: 'names at least one column' })
  .superRefine((columns, context) => {
    try {
      checkJsonata(columns);
    } catch (error) {
      context.addIssue({
        code: 'custom',
        message: `the mapping cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  });

const convertOptionsSchema = z
  .strictObject({
    from: orFormat(fromSchema),
    to: orFormat(toSchema),
    /** The members of each new record, as templates over `record`; the same as they were when absent. */
    map: mapSchema.optional(),
    /** The same as expressions of JSONata, in place of `map`. */
    jsonata: jsonataSchema.optional(),
    onReject: onRejectSchema.default({ action: 'reject-file' }),
  })
  .superRefine(({ from, to, map: templates, jsonata }, context) => {
    const map = templates ?? jsonata;
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if ((from.format === 'text') !== (to.format === 'text'))
      refuse(['to', 'format'], 'text is converted to text, and records to records');
    if (templates !== undefined && jsonata !== undefined) refuse(['jsonata'], 'give `map` or `jsonata`');
    if (from.format === 'text' && map !== undefined)
      refuse([jsonata === undefined ? 'map' : 'jsonata'], 'is for records');
    if (to.format !== 'csv') return;
    if (to.columns !== undefined && map !== undefined) refuse(['to', 'columns'], 'are those of `map`');
    if (to.columns === undefined && map === undefined && from.format !== 'csv')
      refuse(['to', 'columns'], 'name the columns, or `map` them: these records have no header');
  });
export type ConvertOptions = z.infer<typeof convertOptionsSchema>;

export const convertOptions: StepOptionsKind<ConvertOptions> = {
  kind: 'convert',
  schema: convertOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
  simulate(options, { name }) {
    const { from, to, map = options.jsonata } = options;
    const what =
      from.format === 'text'
        ? `convert its text from ${from.encoding} to ${to.encoding}`
        : `convert its records from ${from.format} to ${to.format}`;
    const mapped = map === undefined ? '' : `, mapped to ${Object.keys(map).join(', ')}`;
    return { would: `${what}${mapped}`, name: nameAfterConversion(options, name) };
  },
};

const KNOWN_EXTENSION = /(?<=.)\.(?:csv|txt|tsv|json|ndjson|jsonl|xml)$/i;

/** A text keeps its name; records get the extension of their format. */
export function nameAfterConversion({ to }: Pick<ConvertOptions, 'to'>, name: string): string {
  return to.format === 'text' ? name : `${name.replace(KNOWN_EXTENSION, '')}.${to.format}`;
}
