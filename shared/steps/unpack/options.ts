/** `unpack`: each entry of an archive enters as its own file. */
import { z } from 'zod';
import { compileNameTemplate, SAMPLE_FACTS } from '#shared/definitions/name-template.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { globsSchema } from '#shared/definitions/routes/glob-schema.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import type { StepOptionsKind } from '../step-options.ts';

const unpackOptionsSchema = z.strictObject({
  /** `auto`: by the first bytes. `gz`: one file in gzip. */
  format: z.enum(['auto', 'zip', 'tar', 'tgz', 'gz']).default('auto'),
  /** Template of the directory in the tenant's home that the entries appear in. */
  into: z
    .string()
    .default('{{ directory }}/{{ stem }}')
    .superRefine((template, context) => {
      const compiled = compileNameTemplate(template);
      const rendered = compiled.ok ? canonicalKey(`${compiled.render(SAMPLE_FACTS)}/entry`) : compiled;
      if (!rendered.ok) context.addIssue({ code: 'custom', message: rendered.message });
    }),
  /** Globs of the paths of entries; all of them when absent. */
  only: globsSchema.optional(),
  maxEntries: z.int().min(1).max(50_000).default(10_000),
  maxBytes: sizeSchema.default(10_000_000_000),
  maxRatio: z.number().min(1).max(10_000).default(200),
  /** An archive in an archive in an archive: how far down files are unpacked. */
  maxDepth: z.int().min(1).max(8).default(3),
});
export type UnpackOptions = z.infer<typeof unpackOptionsSchema>;

export const unpackOptions: StepOptionsKind<UnpackOptions> = {
  kind: 'unpack',
  schema: unpackOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
  simulate: ({ into, only }) => ({
    would: `unpack ${only === undefined ? 'all entries' : `entries that match ${only.join(', ')}`} into ${into}, each as a file`,
  }),
};
