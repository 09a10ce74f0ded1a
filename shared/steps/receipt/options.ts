/** `receipt`: a signed statement of what was received and delivered, for the sender. */
import { z } from 'zod';
import type { StepOptionsKind } from '../step-options.ts';

const receiptOptionsSchema = z.strictObject({
  /** `outbound`: as a file that the sender fetches; the API and the event `receipt.issued` have it in any case. */
  to: z
    .array(z.enum(['outbound']))
    .max(1)
    .default(['outbound']),
});
export type ReceiptOptions = z.output<typeof receiptOptionsSchema>;

export const receiptOptions: StepOptionsKind<ReceiptOptions> = {
  kind: 'receipt',
  schema: receiptOptionsSchema,
  // It reads the whole original.
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};
