/**
 * How many wake-ups were lost: rows that should have a message standing in a queue, less the messages that are there.
 *
 * 1. The answer is a proof only as good as the queue's approximate counts: it is asked for every few seconds, used once, and whoever uses
 *    it leaves young wake-ups alone.
 * 2. A queue that refuses to be counted proves nothing: 0. One that does not answer at all takes no wake-ups either: rows that are due wait
 *    in the database, unmarked, until it is back.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { countStandingFiles } from '#shared/jobs/wake-files.ts';
import { countStandingJobs } from '#shared/jobs/wake-jobs.ts';
import { isAnswered } from '#shared/queue/batch-request.ts';
import type { QueueDepth } from '#shared/queue/queue-depth.ts';
import { countStandingChunks } from '#shared/records/wake-chunks.ts';
import { isLong, type WorkQueue } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';

/** Fresh every `intervalMs`, 0 in between; undefined while the queue does not answer. */
export type CountMissing = (queue: 'ingest' | WorkQueue) => Promise<number | undefined>;

export interface CountMissingOptions {
  readonly sql: Sql;
  readonly readDepth: (queue: 'ingest' | WorkQueue) => Promise<QueueDepth>;
  readonly intervalMs: number;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** Records are short work. */
const NO_CHUNKS = { standing: 0, running: 0 };

export function createCountMissing(options: CountMissingOptions): CountMissing {
  const { sql, readDepth, intervalMs, logger, now = () => performance.now() } = options;
  const countedAtMs = new Map<string, number>();
  const silent = new Set<string>();

  /** Messages are counted first: one sent in between then makes too few missing, not too many. */
  async function count(queue: 'ingest' | WorkQueue): Promise<number> {
    const { visible, delayed, inFlight } = await readDepth(queue);
    const messages = visible + delayed + inFlight;
    if (queue === 'ingest') return (await countStandingFiles(sql)) - messages;
    const [jobs, chunks] = await Promise.all([
      countStandingJobs(sql, queue),
      isLong(queue) ? NO_CHUNKS : countStandingChunks(sql, queue),
    ]);
    // The message of what is running is in flight and is nobody else's wake-up.
    return jobs.standing + chunks.standing - Math.max(0, messages - jobs.running - chunks.running);
  }

  return async (queue) => {
    if (now() - (countedAtMs.get(queue) ?? Number.NEGATIVE_INFINITY) < intervalMs)
      return silent.has(queue) ? undefined : 0;
    countedAtMs.set(queue, now());
    try {
      const missing = await count(queue);
      silent.delete(queue);
      return Math.max(0, missing);
    } catch (error) {
      if (isAnswered(error)) silent.delete(queue);
      else silent.add(queue);
      logger.warn({ err: error, queue }, 'queue cannot be counted');
      return silent.has(queue) ? undefined : 0;
    }
  };
}
