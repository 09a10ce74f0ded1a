/**
 * The retry-sweeper: empties the DLQs and runs the clocks. Any number of them run side by side; there is no leader.
 * Composition only: each clock's work is its own file. What needs no queue begins without them, and continues while they do not answer.
 */
import type { Registry } from 'prom-client';
import { createTakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { createTenantDirectory } from '#shared/arrival/tenant-directory.ts';
import { assertDatabaseAnswers, connectDatabase } from '#shared/db/connect-database.ts';
import { createSendLetters } from '#shared/dead-letters/return-letters.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { recordedPrefix } from '#shared/files/replica-buckets.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createWakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { type QueueDepth, readQueueDepth } from '#shared/queue/queue-depth.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { DEAD_LETTER_SETTINGS } from '#shared/queue/queue-settings.ts';
import { lookUpQueue, type QueueUrl, resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSqsClient, type SQSClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient } from '#shared/queue/topics.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import {
  bucketName,
  deadLetterQueueName,
  QUEUE_IDS,
  type QueueId,
  queueName,
} from '#shared/runtime/config/resource-names.ts';
import { watchDependencies } from '#shared/runtime/health/watch-dependencies.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { createOutageGuard } from '#shared/runtime/pause-on-outage.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { startTracing } from '#shared/runtime/tracing/start-tracing.ts';
import { NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { RetrySweeperConfig } from './config.ts';
import { type Clocks, createClocks } from './create-clocks.ts';
import { createHandleDeadLetters } from './handle-dead-letters.ts';
import { createRetrySweeperMetrics } from './metrics.ts';

const NAME = 'retry-sweeper';
const DATABASE_TIMEOUT_MS = 5_000;
const DEADLINE_MS = 60_000;
/** In a row: fewer are a dependency that hiccuped. */
const FAILING_TICKS = 5;
/** See `ServiceDependencies.hangingMs`. */
const HANGING_MS = 180_000;

export interface ServiceDependencies {
  readonly config: RetrySweeperConfig;
  readonly logger: Logger;
  readonly registry: Registry;
  /** A tick of the fast clocks that takes longer hangs, and the process is not live. Default three minutes. */
  readonly hangingMs?: number;
}

type AnyQueue = QueueId | `${QueueId}-dlq`;

export function createRetrySweeper({ config, logger, registry, hangingMs = HANGING_MS }: ServiceDependencies): Service {
  const metrics = createRetrySweeperMetrics(registry);
  const queueMetrics = createQueueMetrics(registry);
  const sql = connectDatabase(config, `longshore-${NAME}`, { keepsPlans: true });
  const sqs = createSqsClient({ region: config.AWS_REGION, metrics: queueMetrics });
  const sns = createSnsClient({ region: config.AWS_REGION });
  const s3 = createS3Client({ ...config, requestTimeoutMs: 10_000 });
  watchDependencies(registry, { sql, sqs, s3: [s3] });
  const landingBucket = bucketName(recordedPrefix(config), 'landing');
  const probe = () => assertDatabaseAnswers(sql, DATABASE_TIMEOUT_MS);
  const stopping = new AbortController();
  let workers: readonly Worker[] = [];
  let clocks: Clocks = { fast: [], slow: [], close: () => {} };
  let tracing: Tracing = NO_TRACING;
  const guard = createOutageGuard({ workers: () => workers, probe, logger });

  async function receiveDeadLetters(handlerOf: (queue: QueueId) => ReturnType<typeof createHandleDeadLetters>) {
    const nameOf = (queue: QueueId) => deadLetterQueueName(config.LONGSHORE_PREFIX, queue);
    const urls = await resolveQueueUrls({ client: sqs, names: QUEUE_IDS.map(nameOf), signal: stopping.signal });
    if (stopping.signal.aborted) return;
    workers = QUEUE_IDS.map((queue) => {
      const handle = handlerOf(queue);
      return createWorker({
        queue: `${queue}-dlq`,
        queueUrl: urls[nameOf(queue)] ?? '',
        client: sqs,
        messages: 'raw',
        slots: 50,
        handleBatch: (received, { signal }) => handle(received, signal),
        onFailure: () => guard.suspect(),
        visibilityTimeoutMs: DEAD_LETTER_SETTINGS.visibilityTimeoutSeconds * 1_000,
        deadlineMs: DEADLINE_MS,
        logger,
        metrics: queueMetrics,
      });
    });
    for (const worker of workers) {
      if (guard.isPaused()) worker.pause();
      worker.start();
    }
  }

  return {
    async start() {
      tracing = await startTracing({ config, service: NAME, logger });
      await probe();
      const prefix = config.LONGSHORE_PREFIX;
      const queueUrls = lookUpQueues(sqs, prefix);
      const readDepth = (queue: AnyQueue): Promise<QueueDepth> =>
        readQueueDepth({ client: sqs, queueUrl: queueUrls[queue] });
      const senders = createWakeUpSenders({
        client: sqs,
        queueUrls,
        fairQueues: config.LONGSHORE_FAIR_QUEUES,
        logger,
      });
      const store = createObjectStore({ client: s3, metrics: { requests: metrics.s3Requests } });
      const takeArrivals = createTakeArrivals({
        sql,
        store,
        directory: createTenantDirectory({ sql }),
        landingBucket,
        quietMs: config.LONGSHORE_SFTP_QUIET_MS,
        senders,
        actor: NAME,
        tracing,
        logger,
      });
      const sendLetters = createSendLetters({ client: sqs, queueUrls });
      clocks = createClocks({
        config,
        sql,
        sns,
        s3,
        store,
        senders,
        sendLetters,
        takeArrivals,
        readDepth,
        metrics,
        logger,
      });
      for (const part of [...clocks.fast, ...clocks.slow]) part.start();
      const handlerOf = (queue: QueueId) => createHandleDeadLetters({ sql, queue, takeArrivals, metrics, logger });
      void receiveDeadLetters(handlerOf).catch(
        (error: unknown) => stopping.signal.aborted || logger.fatal({ err: error }, 'dead letters are not received'),
      );
    },
    async stop() {
      stopping.abort();
      guard.stop();
      const timeoutMs = config.LONGSHORE_DRAIN_MS;
      await Promise.all([...clocks.fast, ...clocks.slow, ...workers].map((part) => part.stop({ timeoutMs })));
      clocks.close();
      await Promise.all([tracing.stop(), sql.end({ timeout: 1 })]);
      for (const client of [sqs, sns, s3]) client.destroy();
    },
    liveness() {
      if (clocks.fast.some((clock) => clock.idleMs() > hangingMs)) return { ok: false, detail: 'a clock hangs' };
      const ok = workers.every((worker) => worker.isLive().ok);
      return { ok, detail: ok ? 'alive' : 'a dead-letter queue is not received from' };
    },
    async readiness() {
      await probe();
      if (workers.length === 0) return { ok: false, detail: 'the queues do not answer' };
      const isFailing = [...clocks.fast, ...clocks.slow].some((clock) => clock.failures() >= FAILING_TICKS);
      return isFailing ? { ok: false, detail: 'a clock fails at every tick' } : { ok: true, detail: 'ready' };
    },
  };
}

function lookUpQueues(client: SQSClient, prefix: string): Record<AnyQueue, QueueUrl> {
  const lookUps = QUEUE_IDS.flatMap((queue) => [
    [queue, lookUpQueue(client, queueName(prefix, queue))] as const,
    [`${queue}-dlq`, lookUpQueue(client, deadLetterQueueName(prefix, queue))] as const,
  ]);
  return Object.fromEntries(lookUps) as Record<AnyQueue, QueueUrl>;
}
