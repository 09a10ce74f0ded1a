/** Counts of the records of jobs that have not ended, which nobody keeps: counting reads every record of the job. */
import type { RecordSummary } from '#shared/steps/record-store.ts';
import { serveByCost } from './serve-by-cost.ts';

/** What was counted before the job's end `endedAt` is not served after it: who sees a job that has ended sees its last counts. */
export type CountRecords = (jobId: string, endedAt?: Date | null) => Promise<RecordSummary>;

export interface RecordCounterOptions {
  readonly summarise: (jobId: string) => Promise<RecordSummary>;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

export function createRecordCounter({ summarise, now }: RecordCounterOptions): CountRecords {
  const serve = serveByCost({ read: (key) => summarise(key.slice(0, key.indexOf(' '))), now });
  return (jobId, endedAt) => serve(`${jobId} ${endedAt?.getTime() ?? ''}`);
}
