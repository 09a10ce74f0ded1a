/**
 * Counts of the records of jobs that have not ended, which nobody keeps.
 *
 * 1. Counting reads every record of the job, so a count serves all who ask for ten times as long as it took: however often a job is looked
 *    at, counting takes a tenth of one connection at most.
 * 2. Two jobs are counted at once; a count that takes longer than a statement may is an error like any other.
 */
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type { RecordSummary } from '#shared/steps/record-store.ts';

export type CountRecords = (jobId: string) => Promise<RecordSummary>;

export interface RecordCounterOptions {
  readonly summarise: CountRecords;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

const COUNTS_AT_ONCE = 2;
const SERVES_TIMES = 10;
const REMEMBERED_JOBS = 1_000;

export function createRecordCounter({ summarise, now = () => performance.now() }: RecordCounterOptions): CountRecords {
  const limit = pLimit(COUNTS_AT_ONCE);
  const counts = new LRUCache<string, RecordSummary>({
    max: REMEMBERED_JOBS,
    ttl: 1,
    ttlResolution: 0,
    perf: { now },
    ignoreFetchAbort: true,
    fetchMethod: (jobId, _before, { options }) =>
      limit(async () => {
        const begun = now();
        const summary = await summarise(jobId);
        // 0 would be for ever.
        options.ttl = Math.max(1, (now() - begun) * SERVES_TIMES);
        return summary;
      }),
  });
  return (jobId) => counts.forceFetch(jobId);
}
