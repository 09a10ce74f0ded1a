/**
 * The engine of records: wake-ups of chunks in, outcomes of their records stored. `handle` is what it does with one wake-up.
 *
 * 1. A message is acknowledged once the chunk left this worker's hands: settled, or given back with a time at which the clocks wake it.
 *    When there is nothing to do (a live lease, done, not due), it is acknowledged too.
 * 2. A lost lease leaves the message as it is: whoever gets it next finds the rows as they are then.
 * 3. Stopping has two steps: from `drain` on nothing is begun, and calls under way may end; when a handler's own signal is aborted they
 *    are given up.
 * 4. The parts: `record-commits.ts` talks to the database, `run-chunk.ts` carries a chunk, `walk-record.ts` a record,
 *    `next-record-move.ts` decides where it goes.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import type { PartnerDirectory } from '#shared/partners/partner-directory.ts';
import { acknowledge, type Disposition, leave, release } from '#shared/queue/disposition.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { endedBy, NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { JobMetrics } from '#shared/worker/job-metrics.ts';
import { openLeases } from '#shared/worker/open-leases.ts';
import { createChunkBulkhead } from './chunk-bulkhead.ts';
import { RecordCommits } from './record-commits.ts';
import type { RecordMetrics } from './record-metrics.ts';
import { type ChunkEnd, runChunk } from './run-chunk.ts';
import { createCallTrace } from './trace-calls.ts';

export interface RecordRunnerOptions {
  readonly sql: Sql;
  readonly partners: PartnerDirectory;
  /** Messages that this process handles side by side. */
  readonly slots: number;
  /** Which process, e.g. `partner-worker/4711`. */
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  /** Wake-ups of one tenant that may stand in one queue. */
  readonly admissionWindow?: number;
  readonly wakeUps: Pick<WakeUpSenders, 'sendJobs' | 'sendChunks'>;
  readonly metrics: RecordMetrics;
  readonly jobMetrics: Pick<JobMetrics, 'groupSize' | 'leasesLost' | 'wakeUpsUnsent'>;
  readonly tracing?: Tracing;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface RecordRunner {
  start(): void;
  /**
   * `stop` is aborted when the worker stops and waits no longer; `traceparent` is the message's. Throws when the database is away for longer
   * than a while.
   */
  handle(chunkId: string, stop: AbortSignal, traceparent?: string): Promise<Disposition>;
  /** Nothing is begun any more. */
  drain(): void;
  /** After the last `handle` has ended; bounded by the statements' deadlines. */
  stop(): Promise<void>;
}

export function createRecordRunner(options: RecordRunnerOptions): RecordRunner {
  const { sql, partners, leaseMs, metrics, jobMetrics, logger } = options;
  const { now = () => performance.now(), random = Math.random, tracing = NO_TRACING } = options;
  const commits = new RecordCommits({ ...options, metrics: jobMetrics, now, random });
  const { keeper, routes } = openLeases({ sql, leaseMs, metrics: jobMetrics, logger, now });
  const parts = { commits, partners, metrics, bulkhead: createChunkBulkhead(options.slots), now, random };
  let isDraining = false;
  metrics.watchBreakers(() => partners.states());

  async function handle(chunkId: string, stop: AbortSignal, traceparent?: string): Promise<Disposition> {
    if (isDraining) return release();
    const startedAt = new Date();
    const startedMs = now();
    const claim = await commits.claimChunk(chunkId);
    if (claim === undefined) {
      logger.debug({ chunkId }, 'nothing to do for chunk');
      return acknowledge;
    }
    const chunk = claim.row;
    const facts = { tenant: chunk.tenantId, fileId: chunk.fileId, jobId: chunk.jobId, chunkId };
    const span = tracing.join(chunk.fileId, 'carry records', { queue: 'partner-steps', startedAt, traceparent, facts });
    return await endedBy(span, async () => {
      const lease = keeper.hold('chunk', chunk, claim.askedAtMs);
      const calls = createCallTrace(span);
      let end: ChunkEnd;
      try {
        const found = await routes.find(chunk.routeVersionId);
        end = await runChunk(parts, { chunk, found, lease, calls, traceparent, stop, isDraining: () => isDraining });
      } finally {
        lease.release();
      }
      metrics.chunks.inc({ outcome: end.outcome });
      const came = { ...end, records: chunk.records.length, epoch: chunk.epoch };
      span.end({ ...came, ...calls.counts() }, end.outcome === 'lost' ? 'LEASE_LOST' : undefined);
      logger.info({ ...facts, ...came, durationMs: Math.round(now() - startedMs) }, 'chunk handled');
      return end.outcome === 'lost' ? leave : acknowledge;
    });
  }

  return {
    start: () => keeper.start(),
    handle,
    drain() {
      isDraining = true;
    },
    async stop() {
      isDraining = true;
      await commits.flush();
      keeper.stop();
      partners.close();
    },
  };
}
