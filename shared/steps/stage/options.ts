/** `stage`: the job continues with its own copy. */
import { z } from 'zod';
import { copyWishSchema } from '#shared/steps/step-options.ts';
import type { StepOptionsKind } from '../step-options.ts';

const stageOptionsSchema = z.strictObject({ copy: copyWishSchema.optional() });
export type StageOptions = z.infer<typeof stageOptionsSchema>;

export const stageOptions: StepOptionsKind<StageOptions> = {
  kind: 'stage',
  schema: stageOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};
