/** `validate`: what a file has to be before anything is done with it. */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import { csvDialectSchema, differingDelimiters } from '#shared/formats/csv/csv-dialect.ts';
import type { StepOptionsKind } from '../step-options.ts';

const csvSchema = z
  .strictObject({
    ...csvDialectSchema,
    /** The names of the first row, exactly and in this order. */
    header: z.array(z.string()).min(1).max(10_000).optional(),
    /** Number of columns; that of `header` when absent. */
    columns: z.int().min(1).max(10_000).optional(),
    /** True: every row has that many columns, for which the whole file is read. */
    everyRow: z.boolean().default(false),
  })
  .refine(differingDelimiters, { error: 'delimiter and quote must differ', path: ['quote'] })
  .refine((csv) => csv.header === undefined || csv.columns === undefined || csv.header.length === csv.columns, {
    error: 'columns differs from the number of names in header',
    path: ['columns'],
  });

/** A second file, named like the first plus a suffix, that the sender puts next to it. */
function companion(suffix: string, waitUpToMs: number) {
  return z.preprocess(
    (value) => (value === null ? {} : value),
    z.strictObject({
      suffix: z
        .string()
        .regex(/^\.[A-Za-z0-9._-]{1,32}$/, 'must be a suffix such as .done')
        .default(suffix),
      /** From the file's arrival; after it the file fails. */
      waitUpTo: durationSchema({ minMs: 0, maxMs: 7 * 86_400_000 }).default(waitUpToMs),
    }),
  );
}

const validateOptionsSchema = z
  .strictObject({
    minSize: sizeSchema.optional(),
    maxSize: sizeSchema.optional(),
    /** Zero bytes pass, whatever `minSize` and `csv` say. True by default, unless `csv` asks for a header. */
    allowEmpty: z.boolean().optional(),
    /** Regular expression (RE2) for the whole name. */
    namePattern: z
      .string()
      .superRefine((source, context) => {
        const compiled = compileLinearPattern(source);
        if (!compiled.ok) context.addIssue({ code: 'custom', message: compiled.message });
      })
      .optional(),
    csv: z.preprocess((value) => (value === null ? {} : value), csvSchema.optional()),
    /** The file is complete only when `<name>.done` is next to it. */
    marker: companion('.done', 3_600_000).optional(),
    /** `<name>.sha256` holds the SHA-256 of the file in hex, as `sha256sum` writes it. */
    checksumSidecar: companion('.sha256', 600_000).optional(),
  })
  .refine(({ minSize, maxSize }) => minSize === undefined || maxSize === undefined || minSize <= maxSize, {
    error: 'minSize is greater than maxSize',
    path: ['minSize'],
  });
export type ValidateOptions = z.infer<typeof validateOptionsSchema>;

/** When nobody says: a failed export must not look delivered where its header is asked for. */
export function takesEmpty({ allowEmpty, csv }: ValidateOptions): boolean {
  return allowEmpty ?? (csv?.header === undefined && csv?.columns === undefined);
}

export const validateOptions: StepOptionsKind<ValidateOptions> = {
  kind: 'validate',
  schema: validateOptionsSchema,
  classOf: (options, isLarge) =>
    isLarge && (options.checksumSidecar !== undefined || options.csv?.everyRow === true) ? 'long' : 'short',
  companionSuffixes: (options) =>
    [options.marker?.suffix, options.checksumSidecar?.suffix].filter((suffix) => suffix !== undefined),
};
