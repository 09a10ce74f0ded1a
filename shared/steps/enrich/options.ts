/** `enrich`: facts about the file, from a partner's API or a database, for conditions and templates of later steps. */
import { z } from 'zod';
import { databaseColumnSchema, tableSchema } from '#shared/definitions/database-schema.ts';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import type { StepOptionsKind } from '../step-options.ts';

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

const factNameSchema = z.string().regex(/^[a-z][A-Za-z0-9_]{0,62}$/, 'must be a name such as customerTier');
const templateSchema = z.string().superRefine((template, context) => {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) context.addIssue({ code: 'custom', message: compiled.message });
});

const isNotEmpty = (entries: object) => Object.keys(entries).length > 0;

function factsOf(source: z.ZodType<string>) {
  return z
    .record(factNameSchema, source)
    .refine((facts) => isNotEmpty(facts) && Object.keys(facts).length <= 20, { error: 'names from 1 to 20 facts' });
}

const commonFields = {
  /** Nothing is found: `accept` continues without the facts. */
  onNone: z.enum(['fail', 'accept']).default('fail'),
  /** What was found for the same question is used again for so long. */
  cacheFor: durationSchema({ minMs: 0, maxMs: DAY_MS }).default(0),
};

const enrichOptionsSchema = z.union(
  [
    z.strictObject({
      partner: idSchema,
      operation: idSchema,
      /** Templates, by the name that the operation has them under `record`. */
      values: z.record(idSchema, templateSchema).default({}),
      /** Fact by the name under `output` of the operation. */
      facts: factsOf(z.string().min(1).max(100)),
      ...commonFields,
    }),
    z.strictObject({
      database: idSchema,
      table: tableSchema,
      /** Templates by column; each has to be equal. */
      where: z.record(databaseColumnSchema, templateSchema).refine(isNotEmpty, { error: 'names at least one column' }),
      /** Fact by column. */
      facts: factsOf(databaseColumnSchema),
      timeout: durationSchema({ minMs: 100, maxMs: 60 * SECOND_MS }).default(10 * SECOND_MS),
      ...commonFields,
    }),
  ],
  { error: 'a look-up has partner, operation and facts, or database, table, where and facts' },
);
export type EnrichOptions = z.output<typeof enrichOptionsSchema>;
export type PartnerLookUp = Extract<EnrichOptions, { partner: string }>;
export type TableLookUp = Extract<EnrichOptions, { database: string }>;

export const enrichOptions: StepOptionsKind<EnrichOptions> = {
  kind: 'enrich',
  schema: enrichOptionsSchema,
  classOf: () => 'short',
  simulate(options) {
    const facts = Object.keys(options.facts).join(', ');
    if ('partner' in options) return { would: `ask ${options.partner} ${options.operation} for ${facts}` };
    return { would: `look up ${facts} in ${options.table} of the database ${options.database}` };
  },
};
