/**
 * A service that runs jobs of one queue: the engine, its queue's worker and their connections, started and stopped together.
 *
 * 1. Stopping: no more receives, no record begun; running steps and calls get the drain time, then their signal; what they came to is stored, and only then
 *    do the connections close.
 * 2. While the database is away nothing is received: each receive would count towards the DLQ for nothing.
 */
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Counter } from 'prom-client';
import type { z } from 'zod';
import { assertDatabaseAnswers, connectDatabase } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import { requestStallMs } from '#shared/files/copies/stall-watch.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createPartClient, createS3Client } from '#shared/files/s3-client.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import type { WorkQueue } from '#shared/jobs/route-files.ts';
import { createWakeUpSenders, type WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { PARTNER_STEPS_MESSAGES, WORK_MESSAGES } from '#shared/messages/queue-messages.ts';
import type { MessageOf } from '#shared/queue/define-message.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { QUEUE_SETTINGS } from '#shared/queue/queue-settings.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import type { Received } from '#shared/queue/received.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import { CHUNK_WINDOW, createRecordStore } from '#shared/records/create-record-store.ts';
import type { WokenChunk } from '#shared/records/open-records.ts';
import type { RecordRunner, RecordRunnerOptions } from '#shared/records/run-records.ts';
import type { copyVariables } from '#shared/runtime/config/copy-variables.ts';
import type { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { BUCKET_IDS, type BucketId, bucketName, queueName } from '#shared/runtime/config/resource-names.ts';
import { queueServiceHealth } from '#shared/runtime/health/queue-service-health.ts';
import { watchDependencies } from '#shared/runtime/health/watch-dependencies.ts';
import { createOutageGuard } from '#shared/runtime/pause-on-outage.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import { createSecretStore, type SecretConfig } from '#shared/runtime/secrets/create-secret-store.ts';
import { startTracing } from '#shared/runtime/tracing/start-tracing.ts';
import { NO_TRACING, TRACEPARENT, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { StepKind } from '#shared/steps/step-context.ts';
import { createStoreDirectory, type StoreDirectory } from '#shared/stores/store-directory.ts';
import { transferLogOf } from '#shared/transfers/transfer-log-of.ts';
import { createArchiveFile } from './archive-held-file.ts';
import { createJobMetrics } from './job-metrics.ts';
import { createJobRunner, type JobRunner } from './run-jobs.ts';

export interface JobServiceConfig
  extends z.output<z.ZodObject<typeof fleetVariables & typeof copyVariables>>,
    SecretConfig {
  /** Jobs side by side. */
  readonly LONGSHORE_SLOTS: number;
  /** Receives side by side. */
  readonly LONGSHORE_POLLERS: number;
  /** For one try of a step, and for an archive copy. */
  readonly LONGSHORE_STEP_DEADLINE_MS: number;
  /** Share of the slots that one tenant takes while others may be waiting behind it. */
  readonly LONGSHORE_TENANT_SHARE_PERCENT: number;
}

export interface JobServiceOptions {
  readonly name: string;
  readonly queue: WorkQueue;
  readonly kinds: ReadonlyMap<string, StepKind<unknown>>;
  /** For one message, i.e. all the steps that a job walks here. After it the job changes hands. */
  readonly messageDeadlineMs: number;
  /** Takes chunks of records too. */
  readonly createRecordRunner?: (parts: RecordRunnerParts) => RecordRunner;
}

/** What records share with jobs. */
export type RecordRunnerParts = Omit<RecordRunnerOptions, 'partners' | 'metrics'>;

type WorkMessage = MessageOf<(typeof PARTNER_STEPS_MESSAGES)[number]>;

const DATABASE_TIMEOUT_MS = 5_000;
/** For the last statements, when handlers did not end in time. */
const FLUSH_MS = 1_000;

export function createJobService(
  { name, queue, kinds, messageDeadlineMs, createRecordRunner }: JobServiceOptions,
  { config, logger, registry }: ServiceContext<JobServiceConfig>,
): Service {
  const { LONGSHORE_PREFIX: prefix, LONGSHORE_LEASE_MS: leaseMs } = config;
  const queueMetrics = createQueueMetrics(registry);
  const metrics = createJobMetrics(registry);
  const s3Requests = new Counter({
    name: 'longshore_s3_requests_total',
    help: 'Requests sent to the object store.',
    labelNames: ['operation'] as const,
    registers: [registry],
  });
  const sql = connectDatabase(config, `longshore-${name}`);
  const sqs = createSqsClient({ region: config.AWS_REGION, metrics: queueMetrics });
  const s3 = createS3Client(config);
  const stallMs = requestStallMs(config.LONGSHORE_COPY_STALL_MS);
  const partClient = createPartClient({ ...config, stallMs });
  watchDependencies(registry, { sql, sqs, s3: [s3, partClient] });
  const probe = () => assertDatabaseAnswers(sql, DATABASE_TIMEOUT_MS);
  const guard = createOutageGuard({ workers: () => (worker === undefined ? [] : [worker]), probe, logger });
  const workerName = `${name}/${hostname()}/${process.pid}`;
  let worker: Worker | undefined;
  let runner: JobRunner | undefined;
  let records: RecordRunner | undefined;
  let tracing: Tracing = NO_TRACING;
  let stores: StoreDirectory | undefined;

  function createRunner(wakeUps: WakeUpSenders): JobRunner {
    const copying = {
      partBuffers: new PartBuffers({ count: config.LONGSHORE_COPY_PARTS, bytes: config.LONGSHORE_COPY_PART_BYTES }),
      metrics: { requests: s3Requests, copiedBytes: metrics.copiedBytes },
    };
    const store = createObjectStore({ ...copying, client: s3, partClient, idleTimeoutMs: stallMs });
    stores = createStoreDirectory({
      ...copying,
      sql,
      sourceClient: partClient,
      stallMs,
      secrets: createSecretStore(config),
      addressGuard: createAddressGuard({ allow: config.LONGSHORE_STORE_ADDRESSES ?? [] }),
      logger,
    });
    const bucketNames = Object.fromEntries(BUCKET_IDS.map((id) => [id, bucketName(prefix, id)])) as Record<
      BucketId,
      string
    >;
    const sendChunks = (chunks: readonly WokenChunk[], traceparent: string | undefined): void => {
      const traced = chunks.map((chunk) => ({ ...chunk, traceparent }));
      wakeUps.sendChunks(traced).catch((error: unknown) => logger.error({ err: error }, 'wake-ups not sent'));
    };
    return createJobRunner({
      sql,
      kinds,
      queue,
      worker: workerName,
      service: name,
      leaseMs,
      admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
      stepDeadlineMs: config.LONGSHORE_STEP_DEADLINE_MS,
      store,
      stores,
      bucketNames,
      recordStoreFor: (job, { traceparent }) => {
        const onWoken = (chunks: readonly WokenChunk[]) => sendChunks(chunks, traceparent);
        return createRecordStore({ sql, job, window: CHUNK_WINDOW, leaseMs, onWoken });
      },
      archive: createArchiveFile({
        store,
        archiveBucket: bucketNames.archive,
        largeFileBytes: config.LONGSHORE_LARGE_FILE_THRESHOLD_BYTES,
        transferLogFor: ({ id, epoch, tenantId }) =>
          transferLogOf(sql, {
            owner: 'file',
            id,
            epoch,
            tenantId,
            fileId: id,
            seq: 0,
            purpose: 'archive',
            worker: workerName,
          }),
      }),
      wakeUps,
      metrics,
      tracing,
      logger,
    });
  }

  return {
    async start() {
      tracing = await startTracing({ config, service: name, logger });
      const names = { 'partner-steps': queueName(prefix, 'partner-steps'), work: queueName(prefix, 'work') };
      const [urls] = await Promise.all([resolveQueueUrls({ client: sqs, names: Object.values(names) }), probe()]);
      const queueUrls = { 'partner-steps': urls[names['partner-steps']] ?? '', work: urls[names.work] ?? '' };
      const wakeUps = createWakeUpSenders({
        client: sqs,
        queueUrls,
        fairQueues: config.LONGSHORE_FAIR_QUEUES,
        logger,
      });
      const running = createRunner(wakeUps);
      const carrying = createRecordRunner?.({
        sql,
        slots: config.LONGSHORE_SLOTS,
        worker: workerName,
        service: name,
        leaseMs,
        wakeUps,
        jobMetrics: metrics,
        tracing,
        logger,
      });
      runner = running;
      records = carrying;
      const handle = ({ message, attributes }: Received<WorkMessage>, stop: AbortSignal) => {
        const traceparent = attributes[TRACEPARENT];
        if (message.type !== 'records.due') return running.handle(message, stop, traceparent);
        if (carrying === undefined) throw new LongshoreError('INTERNAL', `The ${name} takes no records.`);
        return carrying.handle(message.chunkId, stop, traceparent);
      };
      worker = createWorker({
        queue,
        queueUrl: queueUrls[queue],
        client: sqs,
        messages: carrying === undefined ? WORK_MESSAGES : PARTNER_STEPS_MESSAGES,
        slots: config.LONGSHORE_SLOTS,
        pollers: config.LONGSHORE_POLLERS,
        handle: (received, { signal }) => guard.watch(() => handle(received, signal)),
        tenantOf: (message) => message.tenantId,
        maxTenantShare: config.LONGSHORE_TENANT_SHARE_PERCENT / 100,
        visibilityTimeoutMs: QUEUE_SETTINGS[queue].visibilityTimeoutSeconds * 1_000,
        deadlineMs: messageDeadlineMs,
        logger,
        metrics: queueMetrics,
      });
      runner.start();
      records?.start();
      worker.start();
    },
    async stop() {
      guard.stop();
      records?.drain();
      await worker?.stop({ timeoutMs: config.LONGSHORE_DRAIN_MS });
      const flushed = Promise.all([runner?.stop(), records?.stop()]);
      await Promise.race([flushed, delay(FLUSH_MS, undefined, { ref: false })]);
      stores?.close();
      await Promise.all([tracing.stop(), sql.end({ timeout: 1 })]);
      sqs.destroy();
      s3.destroy();
      partClient.destroy();
    },
    ...queueServiceHealth({ worker: () => worker, guard, probe }),
  };
}
