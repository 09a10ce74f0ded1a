/** `index`: the file is found by the words in it, and by what was found out about it. */
import { z } from 'zod';
import { encodingSchema } from '#shared/definitions/routes/encoding-schema.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import type { StepOptionsKind } from '../step-options.ts';

const KIB = 1024;
/** The words of more do not fit a row. */
const MOST_BYTES = 256 * KIB;

const indexOptionsSchema = z.strictObject({
  /** Of the beginning of a text; 0 for the facts alone. */
  upTo: sizeSchema.default(64 * KIB).refine((bytes) => bytes <= MOST_BYTES, { error: 'must be at most 256 KiB' }),
  /** A byte order mark wins over it. */
  encoding: encodingSchema.default('utf-8'),
});
export type IndexOptions = z.infer<typeof indexOptionsSchema>;

export const indexOptions: StepOptionsKind<IndexOptions> = {
  kind: 'index',
  schema: indexOptionsSchema,
  classOf: () => 'short',
  simulate: ({ upTo }) => ({
    would:
      upTo === 0 ? 'make it found by its facts' : `make it found by its facts and the words of its first ${upTo} bytes`,
  }),
};
