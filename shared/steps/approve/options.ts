/** `approve`: the job is held at this step until a person releases or rejects it. */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import type { StepOptionsKind } from '../step-options.ts';

const DAY_MS = 86_400_000;

const approveOptionsSchema = z.strictObject({
  /** Who is to decide, in words; everybody who may release files can. */
  by: z.string().min(1).max(200).optional(),
  /** What is to be looked at. */
  question: z.string().min(1).max(500).optional(),
  /** From when it was held. */
  within: durationSchema({ minMs: 60_000, maxMs: 30 * DAY_MS }).optional(),
  onTimeout: z.enum(['fail', 'release']).default('fail'),
});
export type ApproveOptions = z.infer<typeof approveOptionsSchema>;

export const approveOptions: StepOptionsKind<ApproveOptions> = {
  kind: 'approve',
  schema: approveOptionsSchema,
  classOf: () => 'short',
  simulate: ({ by }) => ({ would: by === undefined ? 'hold it for an operator' : `hold it for ${by}` }),
};
