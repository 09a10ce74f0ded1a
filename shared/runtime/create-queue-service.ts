/**
 * A service that consumes one queue over the database: its connections, its worker, its outage guard and its health, started and stopped
 * together. What it does with a message is the `handling` that `open` gives.
 *
 * 1. Stopping: no more receives; handlers get the drain time; then what `open` made is stopped; only then do the connections close.
 * 2. While the database is down no more is received than the slots hold: each receive would count towards the DLQ for nothing. What fails for
 *    it pauses the receives; what waits for it keeps its slot.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { assertDatabaseAnswers, connectDatabase, type DatabaseConfig, type Sql } from '#shared/db/connect-database.ts';
import { createWakeUpSenders, type WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { QUEUE_SETTINGS } from '#shared/queue/queue-settings.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSender, type Sender } from '#shared/queue/send-messages.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import type { WorkerMessages, WorkerOptions } from '#shared/queue/worker-options.ts';
import { type QueueId, queueName } from '#shared/runtime/config/resource-names.ts';
import type { Health } from '#shared/runtime/health/operations-server.ts';
import { type Dependencies, watchDependencies } from '#shared/runtime/health/watch-dependencies.ts';
import { createOutageGuard } from '#shared/runtime/pause-on-outage.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import { startTracing } from '#shared/runtime/tracing/start-tracing.ts';
import { NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { TracingConfig } from '#shared/runtime/tracing/tracing-variables.ts';

export interface QueueServiceConfig extends DatabaseConfig, TracingConfig {
  readonly AWS_REGION: string;
  readonly LONGSHORE_PREFIX: string;
  readonly LONGSHORE_FAIR_QUEUES: boolean;
  readonly LONGSHORE_DRAIN_MS: number;
  /** Messages side by side. */
  readonly LONGSHORE_SLOTS: number;
  /** Receives side by side. */
  readonly LONGSHORE_POLLERS: number;
}

/** How messages are handled: what a worker takes of this. */
type Handling<Messages extends WorkerMessages> = Pick<
  WorkerOptions<Messages>,
  'handle' | 'handleBatch' | 'batch' | 'tenantOf' | 'maxTenantShare' | 'urgent' | 'deadlineMs'
>;

export interface QueueServiceParts {
  readonly sql: Sql;
  /** To the queues named in `sendsTo`. */
  readonly wakeUps: WakeUpSenders;
  /** To a standard queue that the service consumes: bodies as they came. */
  readonly senderTo: (queue: QueueId) => Sender<string>;
  readonly tracing: Tracing;
  readonly registry: Registry;
}

export interface OpenedService<Messages extends WorkerMessages> {
  readonly handling: Handling<Messages>;
  start?(): void;
  /** Nothing is begun any more; what is under way may end. */
  drain?(): void;
  /** After the last handler; bounded by a second. */
  flush?(): Promise<unknown>;
  /** Bounded by three seconds; the database is there until then. */
  close?(): Promise<unknown>;
}

export interface QueueServiceOptions<Messages extends WorkerMessages> {
  readonly name: string;
  /** Handled alike, each with its own slots: none waits for another. */
  readonly queues: readonly ConsumedQueue[];
  /** What the queues carry. */
  readonly messages: Messages;
  readonly sendsTo: readonly QueueId[];
  /** Watched, and destroyed at the end. */
  readonly s3?: readonly S3Connection[];
  readonly open: (parts: QueueServiceParts) => OpenedService<Messages>;
  /** Another queue that the service consumes, with a handler and its own slots. */
  readonly besides?: SecondQueue;
}

export interface ConsumedQueue {
  readonly queue: QueueId;
  /** Messages side by side. */
  readonly slots: number;
}

interface SecondQueue {
  readonly queue: QueueId;
  readonly messages: WorkerMessages;
  // The messages' types are the concern of whoever handles them.
  readonly handleBatch: (parts: QueueServiceParts) => NonNullable<Handling<WorkerMessages>['handleBatch']>;
  readonly deadlineMs: number;
}

type S3Connection = NonNullable<Dependencies['s3']>[number] & { destroy(): void };

const DATABASE_TIMEOUT_MS = 5_000;
/** Health reports know a service by its session, and the pool closes one that is idle for a minute. */
const SEEN_EVERY_MS = 20_000;
/** For the last statements, when handlers did not end in time. */
const FLUSH_MS = 1_000;
/** For giving back what others wait for, such as connections to partners' servers. */
const CLOSE_MS = 3_000;

export function createQueueService<const Messages extends WorkerMessages>(
  { name, queues, messages, sendsTo, s3 = [], open, besides }: QueueServiceOptions<Messages>,
  { config, logger, registry }: ServiceContext<QueueServiceConfig>,
): Service {
  const metrics = createQueueMetrics(registry);
  const sql = connectDatabase(config, `longshore-${name}`, { keepsPlans: true });
  const sqs = createSqsClient({ region: config.AWS_REGION, metrics });
  watchDependencies(registry, { sql, sqs, s3 });
  const probe = () => assertDatabaseAnswers(sql, DATABASE_TIMEOUT_MS);
  const guard = createOutageGuard({
    workers: () => workers,
    probe,
    logger,
  });
  let tracing: Tracing = NO_TRACING;
  let opened: OpenedService<Messages> | undefined;
  let workers: readonly Worker[] = [];
  let presence: NodeJS.Timeout | undefined;

  async function findQueueUrls(): Promise<Record<QueueId, string>> {
    const ids = [
      ...new Set([...queues.map(({ queue }) => queue), ...sendsTo, ...(besides === undefined ? [] : [besides.queue])]),
    ];
    const nameOf = (id: QueueId) => queueName(config.LONGSHORE_PREFIX, id);
    const urls = await resolveQueueUrls({ client: sqs, names: ids.map(nameOf) });
    return Object.fromEntries(ids.map((id) => [id, urls[nameOf(id)]])) as Record<QueueId, string>;
  }

  function openSecond(
    { queue: id, messages: taken, handleBatch, deadlineMs }: SecondQueue,
    parts: QueueServiceParts,
    queueUrl: string,
  ) {
    const handle = handleBatch(parts);
    return createWorker({
      ...{ queue: id, messages: taken, queueUrl, deadlineMs, client: sqs, logger, metrics },
      handleBatch: handle,
      onFailure: () => guard.suspect(),
      ...{ slots: config.LONGSHORE_SLOTS, pollers: 1 },
      visibilityTimeoutMs: QUEUE_SETTINGS[id].visibilityTimeoutSeconds * 1_000,
    });
  }

  return {
    async start() {
      tracing = await startTracing({ config, service: name, logger });
      const [urls] = await Promise.all([findQueueUrls(), probe()]);
      const queueUrls = Object.fromEntries(sendsTo.map((id) => [id, urls[id]]));
      const wakeUps = createWakeUpSenders({
        client: sqs,
        queueUrls,
        fairQueues: config.LONGSHORE_FAIR_QUEUES,
        logger,
      });
      const senderTo = (queue: QueueId) =>
        createSender({ client: sqs, queueUrl: urls[queue], fifo: false, messages: 'raw' });
      const parts = { sql, wakeUps, senderTo, tracing, registry };
      const service = open(parts);
      opened = service;
      const consuming = queues.map(({ queue, slots }) =>
        createWorker<Messages>({
          ...service.handling,
          onFailure: () => guard.suspect(),
          queue,
          messages,
          queueUrl: urls[queue],
          client: sqs,
          slots,
          pollers: config.LONGSHORE_POLLERS,
          visibilityTimeoutMs: QUEUE_SETTINGS[queue].visibilityTimeoutSeconds * 1_000,
          logger,
          metrics,
        }),
      );
      workers = besides === undefined ? consuming : [...consuming, openSecond(besides, parts, urls[besides.queue])];
      service.start?.();
      for (const worker of workers) worker.start();
      presence = setInterval(() => void probe().catch(() => undefined), SEEN_EVERY_MS).unref();
    },
    async stop() {
      clearInterval(presence);
      guard.stop();
      opened?.drain?.();
      const stopped = { timeoutMs: config.LONGSHORE_DRAIN_MS };
      await Promise.all(workers.map((worker) => worker.stop(stopped)));
      await Promise.race([opened?.flush?.(), delay(FLUSH_MS, undefined, { ref: false })]);
      await Promise.race([opened?.close?.(), delay(CLOSE_MS, undefined, { ref: false })]);
      await Promise.all([tracing.stop(), sql.end({ timeout: 1 })]);
      for (const client of [sqs, ...s3]) client.destroy();
    },
    liveness(): Health {
      const looks = workers.map((worker) => worker.isLive());
      const { ok = true, lastPollAgeMs = 0 } = looks.find((look) => !look.ok) ?? looks[0] ?? {};
      return { ok, detail: ok ? 'alive' : `no receive for ${Math.round(lastPollAgeMs / 1_000)} s` };
    },
    async readiness(): Promise<Health> {
      if (guard.isPaused()) return { ok: false, detail: 'the database is down' };
      await probe();
      return { ok: true, detail: 'ready' };
    },
  };
}
