/**
 * What a YAML document of a source may say: what is fetched from a remote, when it is looked for, when it is ready, and what happens to it there.
 *
 * 1. Unknown keys are faults: a misspelt option must not be passed over in silence.
 * 2. What is fetched keeps its name; `into` says below which directories of the tenant's landing it goes.
 */
import { z } from 'zod';
import { cronSchema } from '#shared/definitions/cron.ts';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema, timeZoneSchema } from '#shared/definitions/name-schemas.ts';
import { isCanonicalPrefix } from '#shared/definitions/remote-schema.ts';
import { globsSchema } from '#shared/definitions/routes/glob-schema.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import { compilePullTemplate } from '#shared/pulls/pull-template.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const suffixSchema = z
  .string()
  .regex(/^\.[A-Za-z0-9._-]{1,30}$/, 'must be a suffix such as .done')
  .refine((suffix) => !suffix.includes('..'), { error: 'must be a suffix such as .done' });

const templateSchema = z.string().superRefine((source, context) => {
  const template = compilePullTemplate(source);
  if (!template.ok) context.addIssue({ code: 'custom', message: template.message });
});

/** In the words of the project that the files belong to. */
export const projectSchema = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/, 'must be 1 to 128 letters, digits, ".", "_" and "-"')
  .refine((text) => !text.includes('..'), { error: 'must not have ".."' });

const whenSchema = z.union(
  [
    z.literal('on-request'),
    z.strictObject({ every: durationSchema({ minMs: 5 * SECOND_MS, maxMs: DAY_MS }), calendar: idSchema.optional() }),
    /** In the tenant's time zone unless another one, or that of a calendar, is named. On other days than the calendar's nothing is listed. */
    z
      .strictObject({ cron: cronSchema, timeZone: timeZoneSchema.optional(), calendar: idSchema.optional() })
      .refine(({ timeZone, calendar }) => timeZone === undefined || calendar === undefined, {
        error: 'is that of the calendar; leave it out',
        path: ['timeZone'],
      }),
  ],
  { error: 'must be { every: 5m }, { cron: "*/5 6-20 * * mon-fri" } or on-request' },
);

const readySchema = z.union(
  [
    /** Size and time did not change for so long, by two listings at least. */
    z.strictObject({ stable: durationSchema({ minMs: 0, maxMs: DAY_MS }) }),
    /** `x.csv.done` says that `x.csv` is whole. */
    z.strictObject({ marker: suffixSchema }),
    /** First seen so long ago. */
    z.strictObject({ age: durationSchema({ minMs: 0, maxMs: 7 * DAY_MS }) }),
    /** Taken by renaming it, before it is read. */
    z.strictObject({ rename: z.literal(true) }),
  ],
  { error: 'must be { stable: 30s }, { marker: .done }, { age: 10m } or { rename: true }' },
);

const DEFAULT_RETRY = { maxAttempts: 5, firstDelay: 30 * SECOND_MS, maxDelay: HOUR_MS };

export const sourceDocumentSchema = z
  .strictObject({
    kind: z.literal('source'),
    tenant: idSchema,
    name: idSchema,
    description: z.string().max(500).optional(),
    remote: idSchema,
    directory: z
      .string()
      .transform((directory) => (directory.endsWith('/') ? directory : `${directory}/`))
      .refine(isCanonicalPrefix, { error: 'must be an absolute directory without "..", "//" or control characters' }),
    match: globsSchema.default(['*']),
    exclude: globsSchema.default([]),
    minSize: sizeSchema.optional(),
    maxSize: sizeSchema.optional(),
    when: whenSchema.default({ every: 5 * MINUTE_MS }),
    ready: readySchema.default({ stable: 30 * SECOND_MS }),
    /** By what a file is known again. `name`: a name is fetched once. `content`: fetched when size or time differ, and landed when its bytes do. */
    identity: z.enum(['size-and-time', 'name', 'content']).default('size-and-time'),
    /** A file `x.csv.sha256` next to `x.csv` with its SHA-256. */
    checksum: z
      .union([
        z.strictObject({ sidecar: suffixSchema }),
        /** Asked of an FTPS server that offers SHA-256; others are not asked. */
        z.strictObject({ hash: z.literal('auto') }),
      ])
      .optional(),
    project: projectSchema,
    pipeline: projectSchema.optional(),
    into: templateSchema.default('{{ project }}/{{ name }}'),
    afterwards: z.union([z.enum(['delete', 'keep']), z.strictObject({ move: templateSchema })]).default('delete'),
    /** `carried`: after all jobs of the file succeeded. */
    afterwardsWhen: z.enum(['landed', 'carried']).default('landed'),
    retry: z
      .strictObject({
        maxAttempts: z.int().min(1).max(100).default(DEFAULT_RETRY.maxAttempts),
        firstDelay: durationSchema({ minMs: 0, maxMs: DAY_MS }).default(DEFAULT_RETRY.firstDelay),
        maxDelay: durationSchema({ minMs: 0, maxMs: DAY_MS }).default(DEFAULT_RETRY.maxDelay),
      })
      .default(DEFAULT_RETRY),
  })
  .superRefine(({ afterwards, identity, ready }, context) => {
    if (afterwards === 'keep' && 'rename' in ready)
      context.addIssue({
        code: 'custom',
        path: ['afterwards'],
        message: 'a file that is renamed to take it cannot be kept',
      });
    if (afterwards === 'delete' && identity === 'name')
      context.addIssue({
        code: 'custom',
        path: ['identity'],
        message: 'with identity: name a name is fetched once; a file that is deleted afterwards may come again',
      });
  });
export type SourceDocument = z.output<typeof sourceDocumentSchema>;
