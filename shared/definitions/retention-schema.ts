/** `retention` of a tenant or a route: for how long finished files are kept. */
import { z } from 'zod';
import { durationSchema } from './duration.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const periodSchema = durationSchema({ minMs: MINUTE_MS, maxMs: 36_500 * DAY_MS });

export const retentionSchema = z
  .strictObject({
    /** From the end of a file: its row, its jobs and all that belongs to them. */
    files: periodSchema.optional(),
    /** Its objects: the original in the archive, what was delivered, and what went back to the sender. As long as the file when absent. */
    objects: periodSchema.optional(),
  })
  .refine(({ files, objects }) => files !== undefined || objects !== undefined, { error: 'needs files, or objects' })
  .refine(({ files, objects }) => files === undefined || objects === undefined || objects <= files, {
    error: 'is longer than files: objects do not outlive the rows that name them',
    path: ['objects'],
  });
export type Retention = z.output<typeof retentionSchema>;
