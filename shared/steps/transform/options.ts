/** `transform`: what is done to the bytes and to the name, one operation after the other. */
import { z } from 'zod';
import { csvDialectSchema, differingDelimiters } from '#shared/formats/csv-dialect.ts';
import { compileNameTemplate } from '#shared/routes/name-template.ts';
import { sizeSchema } from '#shared/routes/size.ts';
import type { StepOptionsKind } from '../step-options.ts';

const gunzipSchema = z.strictObject({
  /** A small archive that becomes a huge file is refused once it is past this factor (and past 10 MB). */
  maxRatio: z.number().min(1).max(10_000).default(200),
  maxBytes: sizeSchema.default(10_000_000_000),
});

const csvToNdjsonSchema = z
  .strictObject({
    ...csvDialectSchema,
    /** More rejected rows than this fail the step. */
    maxRejected: z.int().min(0).max(1_000_000).default(1_000),
  })
  .refine(differingDelimiters, { error: 'delimiter and quote must differ', path: ['quote'] });

const renameSchema = z.string().superRefine((template, context) => {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) context.addIssue({ code: 'custom', message: compiled.message });
});

/** An operation without options may be written `gunzip:`, which YAML reads as null. */
function orNull<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (value === null ? {} : value), schema);
}

const operationSchema = z.union(
  [
    z.strictObject({ gunzip: orNull(gunzipSchema) }),
    z.strictObject({ 'csv-to-ndjson': orNull(csvToNdjsonSchema) }),
    z.strictObject({ rename: renameSchema }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? describeOperationFault(issue.input) : undefined) },
);

export const transformOptionsSchema = z.strictObject({ ops: z.array(operationSchema).min(1).max(10) });
export type TransformOptions = z.infer<typeof transformOptionsSchema>;
export type TransformOperation = TransformOptions['ops'][number];

export const transformOptions: StepOptionsKind<TransformOptions> = {
  kind: 'transform',
  schema: transformOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};

function describeOperationFault(_input: unknown): string {
  return 'expected one operation: gunzip, csv-to-ndjson or rename';
}
