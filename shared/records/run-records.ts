/**
 * The engine of records: wake-ups of chunks in, outcomes of their records stored. `handle` is what it does with one wake-up.
 *
 * 1. A chunk leaves this worker's hands settled, or given back with a time at which the clocks wake it.
 * 2. Stopping has two steps: from `drain` on nothing is begun, and calls under way may end; when a handler's own signal is aborted they
 *    are given up.
 * 3. The parts: `leased-runner.ts` claims, holds and answers, `record-commits.ts` talks to the database, `run-chunk.ts` carries a chunk,
 *    `advance-record.ts` a record, `next-record-move.ts` decides where it goes.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import type { PartnerDirectory } from '#shared/partners/partner-directory.ts';
import { type Disposition, release } from '#shared/queue/disposition.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { JobMetrics } from '#shared/worker/job-metrics.ts';
import { createLeasedRunner, type LeasedWork, type WakeUpMessage } from '#shared/worker/leased-runner.ts';
import { createChunkBulkhead } from './chunk-bulkhead.ts';
import type { ClaimedChunk } from './claim-chunks.ts';
import { RecordCommits } from './record-commits.ts';
import type { RecordMetrics } from './record-metrics.ts';
import { runChunk } from './run-chunk.ts';
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
  /** Wake-ups of one tenant that may be in one queue. */
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
   * `stop` is aborted when the worker stops and waits no longer; `message` is what the wake-up came in. Throws when the database is down for
   * longer than a while.
   */
  handle(chunkId: string, stop: AbortSignal, message?: WakeUpMessage): Promise<Disposition>;
  /** Nothing is begun any more. */
  drain(): void;
  /** After the last `handle` has ended; bounded by the statements' deadlines. */
  stop(): Promise<void>;
}

export function createRecordRunner(options: RecordRunnerOptions): RecordRunner {
  const { sql, partners, leaseMs, metrics, jobMetrics, logger } = options;
  const { now = () => performance.now(), random = Math.random, tracing = NO_TRACING } = options;
  const commits = new RecordCommits({ ...options, metrics: jobMetrics, now, random });
  const leased = createLeasedRunner({ sql, leaseMs, metrics: jobMetrics, tracing, logger, now });
  const { keeper, routes } = leased;
  const parts = { commits, partners, metrics, bulkhead: createChunkBulkhead(options.slots), now, random };
  let isDraining = false;
  metrics.watchBreakers(() => partners.states());

  const chunkWork: LeasedWork<ClaimedChunk> = {
    ...{ kind: 'chunk', name: 'chunk', spanName: 'carry records' },
    claim: (id) => commits.claimChunk(id),
    fileIdOf: ({ fileId }) => fileId,
    factsOf: ({ tenantId, fileId, jobId, id }) => ({ tenant: tenantId, fileId, jobId, chunkId: id }),
    async run(chunk, { underLease, span, stop, traceparent }) {
      const calls = createCallTrace(span);
      const end = await underLease(async (lease) => {
        const found = await routes.find(chunk.routeVersionId);
        return await runChunk(parts, { chunk, found, lease, calls, traceparent, stop, isDraining: () => isDraining });
      });
      metrics.chunks.inc({ outcome: end.outcome });
      const isLost = end.outcome === 'lost';
      return {
        fields: { ...end, records: chunk.records.length, epoch: chunk.epoch },
        spanFields: calls.counts(),
        fault: isLost ? 'LEASE_LOST' : undefined,
        isLost,
      };
    },
  };

  return {
    start: () => keeper.start(),
    handle: async (id, stop, message) =>
      isDraining ? release() : await leased.handle(chunkWork, { id, stop, ...message }),
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
