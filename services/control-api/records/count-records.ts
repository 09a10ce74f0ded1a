/** Counts of the records of jobs that have not ended, which nobody keeps: counting reads every record of the job. */
import type { RecordSummary } from '#shared/steps/record-store.ts';
import { serveByCost } from './serve-by-cost.ts';

/**
 * `standing` is what the caller shows next to the counts, such as HELD: what was counted under one is not served under the next, so who
 * sees that a list was read sees its rows, and who sees that a job has ended sees its last counts.
 */
export type CountRecords = (jobId: string, standing?: string) => Promise<RecordSummary>;

export interface RecordCounterOptions {
  readonly summarise: (jobId: string) => Promise<RecordSummary>;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

export function createRecordCounter({ summarise, now }: RecordCounterOptions): CountRecords {
  const serve = serveByCost({ read: (key) => summarise(key.slice(0, key.indexOf(' '))), now });
  return (jobId, standing = '') => serve(`${jobId} ${standing}`);
}
