/** How the mail service misbehaves, for tests and for trying things out: `PUT /_behaviour` with JSON; what is absent is as it should be. */
import { z } from 'zod';

const shareField = z.number().min(0).max(1).default(0);

export const behaviourSchema = z.strictObject({
  /** Before each answer. */
  latencyMs: z.int().min(0).max(60_000).default(0),
  /** Of requests: answered with 500, and not taken. */
  failed: shareField,
  /** Answered with 429. */
  throttled: shareField,
  /** Taken, and the connection is cut before the answer. */
  lostReplies: shareField,
  /** Nothing more is taken of this day. */
  isQuotaSpent: z.boolean().default(false),
});
export type SesBehaviour = z.output<typeof behaviourSchema>;

export const WELL_BEHAVED: SesBehaviour = behaviourSchema.parse({});
