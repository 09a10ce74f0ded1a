/** The router: gives each settled file its jobs, once. It moves no bytes. Composition only. */
import type { Registry } from 'prom-client';
import { assertDatabaseAnswers, connectDatabase } from '#shared/db/connect-database.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { createWakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { QUEUE_MESSAGES } from '#shared/messages/queue-messages.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { QUEUE_SETTINGS } from '#shared/queue/queue-settings.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker, type Worker } from '#shared/queue/worker.ts';
import { queueName } from '#shared/runtime/config/resource-names.ts';
import { queueServiceHealth } from '#shared/runtime/health/queue-service-health.ts';
import { watchDependencies } from '#shared/runtime/health/watch-dependencies.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { createOutageGuard } from '#shared/runtime/pause-on-outage.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { startTracing } from '#shared/runtime/tracing/start-tracing.ts';
import { NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { RouterConfig } from './config.ts';
import { createHandleSettledFiles } from './handle-settled-files.ts';
import { createRouterMetrics } from './metrics.ts';

const DATABASE_TIMEOUT_MS = 5_000;
const DEADLINE_MS = 60_000;

export interface ServiceDependencies {
  readonly config: RouterConfig;
  readonly logger: Logger;
  readonly registry: Registry;
}

export function createRouter({ config, logger, registry }: ServiceDependencies): Service {
  const metrics = createRouterMetrics(registry);
  const queueMetrics = createQueueMetrics(registry);
  const sql = connectDatabase(config, 'longshore-router');
  const sqs = createSqsClient({ region: config.AWS_REGION, metrics: queueMetrics });
  const routes = new RouteCache({
    load: async (id) => (await loadRouteDefinitions(sql, [id])).get(id)?.definition,
  });
  watchDependencies(registry, { sql, sqs });
  const probe = () => assertDatabaseAnswers(sql, DATABASE_TIMEOUT_MS);
  const guard = createOutageGuard({ workers: () => (worker === undefined ? [] : [worker]), probe, logger });
  let worker: Worker | undefined;
  let tracing: Tracing = NO_TRACING;

  return {
    async start() {
      tracing = await startTracing({ config, service: 'router', logger });
      const [ingest, work, short] = (['ingest', 'work', 'partner-steps'] as const).map((queue) =>
        queueName(config.LONGSHORE_PREFIX, queue),
      ) as [string, string, string];
      const [urls] = await Promise.all([resolveQueueUrls({ client: sqs, names: [ingest, work, short] }), probe()]);
      const handle = createHandleSettledFiles({
        sql,
        routes,
        senders: createWakeUpSenders({
          client: sqs,
          queueUrls: { work: urls[work] ?? '', 'partner-steps': urls[short] ?? '' },
          fairQueues: config.LONGSHORE_FAIR_QUEUES,
          logger,
        }),
        largeFileThresholdBytes: config.LONGSHORE_LARGE_FILE_THRESHOLD_BYTES,
        admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
        orderSettleMs: config.LONGSHORE_ORDER_SETTLE_MS,
        metrics,
        tracing,
        logger,
      });
      worker = createWorker({
        queue: 'ingest',
        queueUrl: urls[ingest] ?? '',
        client: sqs,
        messages: QUEUE_MESSAGES.ingest,
        slots: config.LONGSHORE_SLOTS,
        pollers: config.LONGSHORE_POLLERS,
        handleBatch: (received) => guard.watch(() => handle(received)),
        // Statements side by side do not see each other's jobs, and would let more in than the window holds.
        batch: { maxConcurrent: 1 },
        visibilityTimeoutMs: QUEUE_SETTINGS.ingest.visibilityTimeoutSeconds * 1_000,
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
    },
    ...queueServiceHealth({ worker: () => worker, guard, probe }),
  };
}
