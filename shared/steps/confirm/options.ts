/** `confirm`: what is at the destination is what was meant. No options; it checks the delivery before it. */
import { z } from 'zod';
import type { StepOptionsKind } from '../step-options.ts';

const confirmOptionsSchema = z.strictObject({});
export type ConfirmOptions = z.infer<typeof confirmOptionsSchema>;

export const confirmOptions: StepOptionsKind<ConfirmOptions> = {
  kind: 'confirm',
  schema: confirmOptionsSchema,
  classOf: () => 'short',
};
