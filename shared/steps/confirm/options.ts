/** `confirm`: what is at the destination is what was meant; with `acknowledgement`, the partner said so too. */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { templateFault } from '../push/options.ts';
import type { StepOptionsKind } from '../step-options.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const confirmOptionsSchema = z.strictObject({
  /** A file of the partner that says that it has ours. */
  acknowledgement: z
    .strictObject({
      /** The remote where it comes, by the name of its definition. */
      from: idSchema,
      /** Template of its whole path. */
      path: z
        .string()
        .min(1)
        .superRefine((path, context) => {
          const message = templateFault(path, (text) => text);
          if (message !== undefined) context.addIssue({ code: 'custom', message });
        }),
      within: durationSchema({ minMs: MINUTE_MS, maxMs: 30 * DAY_MS }).default(120 * MINUTE_MS),
    })
    .optional(),
});
export type ConfirmOptions = z.output<typeof confirmOptionsSchema>;

export const confirmOptions: StepOptionsKind<ConfirmOptions> = {
  kind: 'confirm',
  schema: confirmOptionsSchema,
  classOf: () => 'short',
};
