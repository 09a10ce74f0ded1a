/**
 * The retry-sweeper: empties the DLQs and runs the clocks. Any number of them run side by side; there is no leader.
 * Composition only: each clock's work is a file of its own. What needs no queue begins without them, and goes on while they do not answer.
 */
import type { Registry } from 'prom-client';
import { createTakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { createTenantDirectory } from '#shared/arrival/tenant-directory.ts';
import { assertDatabaseAnswers, connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { dropExpiredPartitions, ensurePartitions, isLockTimeout } from '#shared/db/partitions.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createWakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import type { MailServer } from '#shared/notices/send-mail.ts';
import { createNoticeSender, type NoticeSender } from '#shared/notices/send-notice.ts';
import { type QueueDepth, readQueueDepth } from '#shared/queue/queue-depth.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { DEAD_LETTER_SETTINGS } from '#shared/queue/queue-settings.ts';
import { lookUpQueue, type QueueUrl, resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSqsClient, type SQSClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient, createTopicPublisher, createTopics } from '#shared/queue/topics.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import { deleteExpiredKeys } from '#shared/records/delete-expired-keys.ts';
import { type ClockLoop, createClockLoop } from '#shared/runtime/clock-loop.ts';
import {
  BUCKET_IDS,
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
import { createSecretStore } from '#shared/runtime/secrets/create-secret-store.ts';
import { startTracing } from '#shared/runtime/tracing/start-tracing.ts';
import { NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import { createStoreDirectory, type StoreDirectory } from '#shared/stores/store-directory.ts';
import { abortAbandonedUploads } from './abort-abandoned-uploads.ts';
import type { RetrySweeperConfig } from './config.ts';
import { createCountMissing } from './count-missing.ts';
import { endOrphanedTransfers } from './end-orphaned-transfers.ts';
import { createHandleDeadLetters } from './handle-dead-letters.ts';
import { createRetrySweeperMetrics } from './metrics.ts';
import { observeFleet, observeQueues } from './observe-fleet.ts';
import { publishOutbox } from './publish-outbox.ts';
import { reconcileLanding } from './reconcile-landing.ts';
import { sendNotices } from './send-notices.ts';
import { createWakeBudget } from './wake-budget.ts';
import { wakeDueRecords } from './wake-due-records.ts';
import { wakeDueRows } from './wake-due-rows.ts';
import { createWatchCopies } from './watch-copies.ts';

const NAME = 'retry-sweeper';
const DATABASE_TIMEOUT_MS = 5_000;
const DEADLINE_MS = 60_000;
const OBSERVE_MS = 10_000;
const TRANSFERS_MS = 2_000;
const STORE_STALL_MS = 10_000;
const RETENTION_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** In a row: fewer are a dependency that hiccuped. */
const FAILING_TICKS = 5;
/** A tick of the fast clocks that takes longer hangs. */
const HANGING_MS = 180_000;

export interface ServiceDependencies {
  readonly config: RetrySweeperConfig;
  readonly logger: Logger;
  readonly registry: Registry;
}

type AnyQueue = QueueId | `${QueueId}-dlq`;

export function createRetrySweeper({ config, logger, registry }: ServiceDependencies): Service {
  const metrics = createRetrySweeperMetrics(registry);
  const queueMetrics = createQueueMetrics(registry);
  const sql = connectDatabase(config, `longshore-${NAME}`);
  const sqs = createSqsClient({ region: config.AWS_REGION, metrics: queueMetrics });
  const sns = createSnsClient({ region: config.AWS_REGION });
  const s3 = createS3Client({ ...config, requestTimeoutMs: 10_000 });
  watchDependencies(registry, { sql, sqs, s3: [s3] });
  const landingBucket = bucketName(config.LONGSHORE_PREFIX, 'landing');
  const ownBuckets = BUCKET_IDS.filter((id) => id !== 'landing').map((id) => bucketName(config.LONGSHORE_PREFIX, id));
  const probe = () => assertDatabaseAnswers(sql, DATABASE_TIMEOUT_MS);
  const stopping = new AbortController();
  let workers: readonly Worker[] = [];
  let fastClocks: readonly ClockLoop[] = [];
  let slowClocks: readonly ClockLoop[] = [];
  let sender: NoticeSender | undefined;
  let tracing: Tracing = NO_TRACING;
  let stores: StoreDirectory | undefined;
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
        handleBatch: (received, { signal }) => guard.watch(() => handle(received, signal)),
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
      // One for each clock that uses it: a proof serves once.
      const countMissing = () =>
        createCountMissing({ sql, readDepth, intervalMs: config.LONGSHORE_SWEEP_COUNT_MS, logger });
      const due = {
        sql,
        senders,
        countMissing: countMissing(),
        budget: createWakeBudget(config.LONGSHORE_SWEEP_WAKES_PER_MINUTE),
        admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
        graceMs: config.LONGSHORE_SWEEP_GRACE_MS,
        boundMs: config.LONGSHORE_SWEEP_BOUND_MS,
        metrics,
        logger,
      };
      const dueRecords = { ...due, countMissing: countMissing() };
      const publisher = createTopicPublisher({ client: sns, topicArns: () => createTopics({ client: sns, prefix }) });
      const secrets = createSecretStore(config);
      const external = createStoreDirectory({
        sql,
        secrets,
        sourceClient: s3,
        stallMs: STORE_STALL_MS,
        addressGuard: createAddressGuard({ allow: config.LONGSHORE_STORE_ADDRESSES ?? [] }),
        logger,
      });
      stores = external;
      sender = createNoticeSender({
        secrets,
        addressGuard: createAddressGuard({ allow: config.LONGSHORE_NOTICE_ADDRESSES ?? [] }),
        publisher,
        mailServer: mailServerOf(config),
      });
      const watchCopies = createWatchCopies({ sql });
      const telling = { sql, sender, mostAttempts: config.LONGSHORE_NOTICE_ATTEMPTS, metrics, logger };
      const tickMs = config.LONGSHORE_SWEEP_TICK_MS;
      const clock = (name: string, intervalMs: number, tick: (signal: AbortSignal) => Promise<'again' | 'done'>) =>
        createClockLoop({
          name,
          intervalMs,
          tick,
          onTick({ seconds, failures }) {
            metrics.clockSeconds.observe({ clock: name }, seconds);
            metrics.clockFailures.set({ clock: name }, failures);
          },
          logger,
        });
      fastClocks = [
        clock('wake', tickMs, () => wakeDueRows(due)),
        clock('records', tickMs, () => wakeDueRecords(dueRecords)),
        clock('outbox', tickMs, () => publishOutbox({ sql, publisher, metrics, logger })),
      ];
      slowClocks = [
        clock('notices', tickMs, () => sendNotices(telling)),
        clock('reconcile', config.LONGSHORE_RECONCILE_MS, async (signal) => {
          const youngestMs = config.LONGSHORE_RECONCILE_MIN_AGE_MS;
          const parts = { sql, store, takeArrivals, landingBucket, metrics, logger };
          await reconcileLanding({ ...parts, signal, now: Date.now, youngestMs });
          return 'done';
        }),
        clock('uploads', config.LONGSHORE_RECONCILE_MS, async (signal) => {
          const youngestMs = config.LONGSHORE_ABANDONED_UPLOAD_MS;
          await abortAbandonedUploads({ sql, store, buckets: ownBuckets, youngestMs, logger, signal, now: Date.now });
          return 'done';
        }),
        clock('transfers', TRANSFERS_MS, async (signal) => {
          await endOrphanedTransfers({ sql, store, stores: external, logger, signal });
          return 'done';
        }),
        clock('retention', RETENTION_MS, (signal) =>
          keepPartitions(sql, config.LONGSHORE_RETENTION_DAYS, logger, signal),
        ),
        clock('observe', OBSERVE_MS, async () => {
          await observeFleet({ sql, watchCopies, metrics });
          return 'done';
        }),
        clock('queues', OBSERVE_MS, async () => {
          await observeQueues({ readDepth, metrics });
          return 'done';
        }),
      ];
      for (const part of [...fastClocks, ...slowClocks]) part.start();
      const handlerOf = (queue: QueueId) => createHandleDeadLetters({ sql, queue, takeArrivals, metrics, logger });
      void receiveDeadLetters(handlerOf).catch(
        (error: unknown) => stopping.signal.aborted || logger.fatal({ err: error }, 'dead letters are not received'),
      );
    },
    async stop() {
      stopping.abort();
      guard.stop();
      const timeoutMs = config.LONGSHORE_DRAIN_MS;
      await Promise.all([...fastClocks, ...slowClocks, ...workers].map((part) => part.stop({ timeoutMs })));
      sender?.close();
      stores?.close();
      await Promise.all([tracing.stop(), sql.end({ timeout: 1 })]);
      for (const client of [sqs, sns, s3]) client.destroy();
    },
    liveness() {
      if (fastClocks.some((clock) => clock.idleMs() > HANGING_MS)) return { ok: false, detail: 'a clock hangs' };
      const ok = workers.every((worker) => worker.isLive().ok);
      return { ok, detail: ok ? 'alive' : 'a dead-letter queue is not received from' };
    },
    async readiness() {
      await probe();
      if (workers.length === 0) return { ok: false, detail: 'the queues do not answer' };
      const isFailing = [...fastClocks, ...slowClocks].some((clock) => clock.failures() >= FAILING_TICKS);
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

function mailServerOf(config: RetrySweeperConfig): MailServer | undefined {
  const { LONGSHORE_SMTP_HOST: host, LONGSHORE_SMTP_FROM: from } = config;
  if (host === undefined || from === undefined) return undefined;
  return {
    host,
    from,
    port: config.LONGSHORE_SMTP_PORT,
    tls: config.LONGSHORE_SMTP_TLS,
    user: config.LONGSHORE_SMTP_USER,
    passwordSecret: config.LONGSHORE_SMTP_PASSWORD_SECRET,
  };
}

async function keepPartitions(sql: Sql, retentionDays: number, logger: Logger, signal: AbortSignal): Promise<'done'> {
  const now = Date.now();
  const missing = await ensurePartitions(sql, new Date(now));
  const before = new Date(now - retentionDays * DAY_MS);
  const { dropped, faults } = await dropExpiredPartitions(sql, before);
  if (dropped.length > 0) logger.info({ dropped }, 'partitions dropped');
  const forgotten = await deleteExpiredKeys(sql, before, signal);
  if (forgotten > 0) logger.info({ forgotten }, 'business keys past retention forgotten');
  const undone = [...missing, ...faults];
  const late = undone.filter(isLockTimeout);
  const failed = undone.find((fault) => !isLockTimeout(fault));
  if (late.length > 0)
    logger.warn({ partitions: late.map(({ partition }) => partition) }, 'partitions are in use, left for later');
  if (failed !== undefined) throw failed.error;
  return 'done';
}
