/** `retention` of a tenant or a route: for how long finished files are kept. */
import { z } from 'zod';
import { durationSchema } from './duration.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/**
 * A row outlives what could bring its file back: messages and archived events (14 days), and copies of the original in the landing of a
 * standby (14 days), which would be registered as new files after a failover.
 */
export const LEAST_FILE_DAYS = 15;
const MOST_MS = 36_500 * DAY_MS;

export const retentionSchema = z
  .strictObject({
    /** From the end of a file: its row, its jobs and all that belongs to them. */
    files: durationSchema({ minMs: LEAST_FILE_DAYS * DAY_MS, maxMs: MOST_MS }).optional(),
    /** Its objects: the original in the archive, what was delivered, and what went back to the sender. As long as the file when absent. */
    objects: durationSchema({ minMs: MINUTE_MS, maxMs: MOST_MS }).optional(),
  })
  .refine(({ files, objects }) => files !== undefined || objects !== undefined, { error: 'needs files, or objects' })
  .refine(({ files, objects }) => files === undefined || objects === undefined || objects <= files, {
    error: 'is longer than files: objects do not outlive the rows that name them',
    path: ['objects'],
  });
export type Retention = z.output<typeof retentionSchema>;
