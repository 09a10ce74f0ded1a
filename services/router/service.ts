/** The router: gives each settled file its jobs, once. It moves no bytes. Composition only. */
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { QUEUE_MESSAGES } from '#shared/messages/queue-messages.ts';
import { createQueueService } from '#shared/runtime/create-queue-service.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import type { RouterConfig } from './config.ts';
import { createHandleSettledFiles } from './handle-settled-files.ts';
import { createRouterMetrics } from './metrics.ts';

const DEADLINE_MS = 60_000;

export function createRouter(context: ServiceContext<RouterConfig>): Service {
  const { config, logger, registry } = context;
  const metrics = createRouterMetrics(registry);
  return createQueueService(
    {
      name: 'router',
      queue: 'ingest',
      messages: QUEUE_MESSAGES.ingest,
      sendsTo: ['work', 'partner-steps'],
      open({ sql, wakeUps, tracing }) {
        const routes = new RouteCache({
          load: async (id) => (await loadRouteDefinitions(sql, [id])).get(id)?.definition,
        });
        const handle = createHandleSettledFiles({
          sql,
          routes,
          senders: wakeUps,
          largeFileThresholdBytes: config.LONGSHORE_LARGE_FILE_THRESHOLD_BYTES,
          admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
          orderSettleMs: config.LONGSHORE_ORDER_SETTLE_MS,
          metrics,
          tracing,
          logger,
        });
        return {
          handling: {
            handleBatch: (received) => handle(received),
            // Statements side by side do not see each other's jobs, and would let more in than the window holds.
            batch: { maxConcurrent: 1 },
            deadlineMs: DEADLINE_MS,
          },
        };
      },
    },
    context,
  );
}
