/** `post`: the file, whole, as one call of a partner's operation that says how it takes files. */
import { z } from 'zod';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import type { StepOptionsKind } from '../step-options.ts';

const postOptionsSchema = z.strictObject({
  partner: idSchema,
  operation: idSchema,
});
export type PostOptions = z.output<typeof postOptionsSchema>;

export const postOptions: StepOptionsKind<PostOptions> = {
  kind: 'post',
  schema: postOptionsSchema,
  // The content is held in memory: it is small, whatever the fleet calls large.
  classOf: () => 'short',
};
