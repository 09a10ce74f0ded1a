/** A copy in parts, as details and streams show it. */
import { z } from 'zod';
import type { TransferView } from '#shared/transfers/find-transfers.ts';

export const transferSummarySchema = z
  .object({
    job_id: z.string().nullable().describe('Null for the copy to the archive.'),
    purpose: z.string().describe('The kind of step, or archive.'),
    step_seq: z.number().nullable(),
    plan: z
      .string()
      .describe(
        'server-side: copied by the store; streamed: through the worker; unknown-length: generated while it is sent.',
      ),
    state: z.string().describe('COPYING, COMPLETING, ABORTING, DONE or ABORTED.'),
    bytes_done: z.number().describe('Includes parts in flight.'),
    bytes_total: z.number().nullable().describe('Null while the length is unknown.'),
    bytes_per_second: z.number().describe('Over the last ten seconds.'),
    seconds_left: z.number().nullable().describe('At that rate; null if the rate or the total is unknown.'),
    resumes: z.number().describe('How often another worker continued the copy after its worker died.'),
    proof: z.string().nullable().describe('How the copy was verified; null before that.'),
    started_at: z.string(),
    updated_at: z.string(),
    finished_at: z.string().nullable(),
  })
  .meta({ id: 'Transfer' });
export type TransferSummary = z.infer<typeof transferSummarySchema>;

export function toTransferSummary(view: TransferView): TransferSummary {
  return {
    job_id: view.purpose === 'archive' ? null : view.ownerId,
    purpose: view.purpose,
    step_seq: view.stepSeq,
    plan: view.plan,
    state: view.state,
    bytes_done: view.bytesDone,
    bytes_total: view.bytesTotal,
    bytes_per_second: view.bytesPerSecond,
    seconds_left: view.secondsLeft,
    resumes: view.resumes,
    proof: view.proof,
    started_at: view.startedAt.toISOString(),
    updated_at: view.updatedAt.toISOString(),
    finished_at: view.finishedAt?.toISOString() ?? null,
  };
}
