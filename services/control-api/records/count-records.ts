/** Counts of the records of jobs that have not ended, which nobody keeps: counting reads every record of the job. */
import type { RecordSummary } from '#shared/steps/record-store.ts';
import { serveByCost } from './serve-by-cost.ts';

export type CountRecords = (jobId: string) => Promise<RecordSummary>;

export interface RecordCounterOptions {
  readonly summarise: CountRecords;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

export function createRecordCounter({ summarise, now }: RecordCounterOptions): CountRecords {
  return serveByCost({ read: summarise, now });
}
