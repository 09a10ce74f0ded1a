/**
 * The ingestor: makes settled files, once each, out of the events of the landing bucket, and is the only service that hears them.
 * Composition only: the rules are in `shared/arrival/`.
 */
import type { Registry } from 'prom-client';
import { createTakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { createTenantDirectory } from '#shared/arrival/tenant-directory.ts';
import { assertDatabaseAnswers, connectDatabase } from '#shared/db/connect-database.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createWakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { LANDING_EVENTS } from '#shared/messages/landing-events.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { QUEUE_SETTINGS } from '#shared/queue/queue-settings.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import { bucketName, queueName } from '#shared/runtime/config/resource-names.ts';
import { queueServiceHealth } from '#shared/runtime/health/queue-service-health.ts';
import { watchDependencies } from '#shared/runtime/health/watch-dependencies.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { createOutageGuard } from '#shared/runtime/pause-on-outage.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { startTracing } from '#shared/runtime/tracing/start-tracing.ts';
import { NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { IngestorConfig } from './config.ts';
import { createHandleLandingEvents } from './handle-landing-events.ts';
import { createIngestorMetrics } from './metrics.ts';

const NAME = 'ingestor';
const DATABASE_TIMEOUT_MS = 5_000;
const DEADLINE_MS = 60_000;

export interface ServiceDependencies {
  readonly config: IngestorConfig;
  readonly logger: Logger;
  readonly registry: Registry;
}

export function createIngestor({ config, logger, registry }: ServiceDependencies): Service {
  const metrics = createIngestorMetrics(registry);
  const queueMetrics = createQueueMetrics(registry);
  const sql = connectDatabase(config, `longshore-${NAME}`);
  const sqs = createSqsClient({ region: config.AWS_REGION, metrics: queueMetrics });
  const s3 = createS3Client({ ...config, requestTimeoutMs: 10_000 });
  watchDependencies(registry, { sql, sqs, s3: [s3] });
  const probe = () => assertDatabaseAnswers(sql, DATABASE_TIMEOUT_MS);
  const guard = createOutageGuard({ workers: () => (worker === undefined ? [] : [worker]), probe, logger });
  let worker: Worker | undefined;
  let tracing: Tracing = NO_TRACING;

  return {
    async start() {
      tracing = await startTracing({ config, service: NAME, logger });
      const names = {
        landing: queueName(config.LONGSHORE_PREFIX, 'landing'),
        ingest: queueName(config.LONGSHORE_PREFIX, 'ingest'),
      };
      const [urls] = await Promise.all([resolveQueueUrls({ client: sqs, names: Object.values(names) }), probe()]);
      const takeArrivals = createTakeArrivals({
        sql,
        store: createObjectStore({ client: s3, metrics: { requests: metrics.s3Requests } }),
        directory: createTenantDirectory({ sql }),
        landingBucket: bucketName(config.LONGSHORE_PREFIX, 'landing'),
        quietMs: config.LONGSHORE_SFTP_QUIET_MS,
        senders: createWakeUpSenders({
          client: sqs,
          queueUrls: { ingest: urls[names.ingest] ?? '' },
          fairQueues: config.LONGSHORE_FAIR_QUEUES,
          logger,
        }),
        actor: NAME,
        tracing,
        logger,
      });
      const handle = createHandleLandingEvents({ takeArrivals, metrics, logger });
      worker = createWorker({
        queue: 'landing',
        queueUrl: urls[names.landing] ?? '',
        client: sqs,
        messages: LANDING_EVENTS,
        slots: config.LONGSHORE_SLOTS,
        pollers: config.LONGSHORE_POLLERS,
        handleBatch: (received, { signal }) => guard.watch(() => handle(received, signal)),
        visibilityTimeoutMs: QUEUE_SETTINGS.landing.visibilityTimeoutSeconds * 1_000,
        deadlineMs: DEADLINE_MS,
        logger,
        metrics: queueMetrics,
      });
      worker.start();
    },
    async stop() {
      guard.stop();
      await worker?.stop({ timeoutMs: config.LONGSHORE_DRAIN_MS });
      await Promise.all([tracing.stop(), sql.end({ timeout: 1 })]);
      sqs.destroy();
      s3.destroy();
    },
    ...queueServiceHealth({ worker: () => worker, guard, probe }),
  };
}
