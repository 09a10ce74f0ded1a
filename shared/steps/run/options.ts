/** `run`: another route of the tenant, as it is then, over the same file. */
import { z } from 'zod';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { onFailureSchema } from '../parallel/options.ts';
import type { StepOptionsKind } from '../step-options.ts';

const runOptionsSchema = z.strictObject({ route: idSchema, onFailure: onFailureSchema });
export type RunOptions = z.infer<typeof runOptionsSchema>;

export const runOptions: StepOptionsKind<RunOptions> = {
  kind: 'run',
  schema: runOptionsSchema,
  classOf: () => 'short',
};
