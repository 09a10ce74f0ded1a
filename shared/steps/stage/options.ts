/** `stage`: the job goes on with a copy of its own. No options. */
import { z } from 'zod';
import type { StepOptionsKind } from '../step-options.ts';

const stageOptionsSchema = z.strictObject({});
export type StageOptions = z.infer<typeof stageOptionsSchema>;

export const stageOptions: StepOptionsKind<StageOptions> = {
  kind: 'stage',
  schema: stageOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};
