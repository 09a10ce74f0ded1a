/** `transform`: what is done to the bytes and to the name, one operation after the other. */
import { z } from 'zod';
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import { csvDialectSchema, differingDelimiters } from '#shared/formats/csv/csv-dialect.ts';
import type { StepOptionsKind } from '../step-options.ts';
import { pgpOperations } from './pgp-operations.ts';

const gunzipSchema = z.strictObject({
  /** A small archive that becomes a huge file is refused once it is past this factor (and past 10 MB). */
  maxRatio: z.number().min(1).max(10_000).default(200),
  maxBytes: sizeSchema.default(10_000_000_000),
});

const csvToNdjsonSchema = z
  .strictObject({
    ...csvDialectSchema,
    /** More rejected rows than this fail the step. */
    maxRejected: z.int().min(0).max(100_000).default(1_000),
  })
  .refine(differingDelimiters, { error: 'delimiter and quote must differ', path: ['quote'] });

const templateSchema = z.string().superRefine((template, context) => {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) context.addIssue({ code: 'custom', message: compiled.message });
});

const zipSchema = z.strictObject({
  /** Template of the name that the file has in the zip; as it is called when absent. */
  name: templateSchema.optional(),
});

/** An operation without options may be written `gunzip:`, which YAML reads as null. */
function orNull<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (value === null ? {} : value), schema);
}

const NO_SINGLE_OPERATION =
  'expected one operation: gunzip, csv-to-ndjson, zip, pgp-decrypt, pgp-verify, pgp-encrypt, pgp-sign or rename';
const NO_OPERATION = `${NO_SINGLE_OPERATION}, with its options behind it, as in "- gunzip: {}"`;

const operationSchema = z
  .strictObject(
    {
      gunzip: orNull(gunzipSchema).optional(),
      'csv-to-ndjson': orNull(csvToNdjsonSchema).optional(),
      zip: orNull(zipSchema).optional(),
      'pgp-decrypt': pgpOperations['pgp-decrypt'].optional(),
      'pgp-verify': pgpOperations['pgp-verify'].optional(),
      'pgp-encrypt': pgpOperations['pgp-encrypt'].optional(),
      'pgp-sign': pgpOperations['pgp-sign'].optional(),
      rename: templateSchema.optional(),
    },
    {
      error: ({ code }) =>
        (({ unrecognized_keys: NO_SINGLE_OPERATION, invalid_type: NO_OPERATION }) as Record<string, string>)[
          code ?? ''
        ],
    },
  )
  .refine((operation) => Object.keys(operation).length === 1, { error: NO_SINGLE_OPERATION });

const transformOptionsSchema = z.strictObject({ ops: z.array(operationSchema).min(1).max(10) });
export type TransformOptions = z.infer<typeof transformOptionsSchema>;
export type TransformOperation = TransformOptions['ops'][number];

export const transformOptions: StepOptionsKind<TransformOptions> = {
  kind: 'transform',
  schema: transformOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};
