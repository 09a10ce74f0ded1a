/**
 * Counts of the records of jobs that have not ended, which nobody keeps.
 *
 * 1. Counting reads every record of the job, so a count serves all who ask for ten times as long as it took: however often a job is looked
 *    at, counting takes a tenth of one connection at most.
 * 2. Two jobs are counted at once; a count that takes longer than a statement may is an error like any other.
 */
import pLimit from 'p-limit';
import type { RecordSummary } from '#shared/steps/record-store.ts';

export type CountRecords = (jobId: string) => Promise<RecordSummary>;

export interface RecordCounterOptions {
  readonly summarise: CountRecords;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

interface Counted {
  readonly summary: Promise<RecordSummary>;
  /** Not before the count is there. */
  expiresAt: number;
}

const COUNTS_AT_ONCE = 2;
const SERVES_TIMES = 10;
const REMEMBERED_JOBS = 1_000;

export function createRecordCounter({ summarise, now = () => performance.now() }: RecordCounterOptions): CountRecords {
  const limit = pLimit(COUNTS_AT_ONCE);
  const remembered = new Map<string, Counted>();

  async function count(jobId: string): Promise<RecordSummary> {
    const begun = now();
    const summary = await summarise(jobId);
    const counted = remembered.get(jobId);
    if (counted !== undefined) counted.expiresAt = now() + (now() - begun) * SERVES_TIMES;
    return summary;
  }

  return (jobId) => {
    const known = remembered.get(jobId);
    if (known !== undefined && known.expiresAt > now()) return known.summary;
    remembered.delete(jobId);
    if (remembered.size >= REMEMBERED_JOBS) remembered.delete(remembered.keys().next().value ?? '');
    const counted = { summary: limit(() => count(jobId)), expiresAt: Number.POSITIVE_INFINITY };
    remembered.set(jobId, counted);
    counted.summary.catch(() => {
      if (remembered.get(jobId) === counted) remembered.delete(jobId);
    });
    return counted.summary;
  };
}
