/** The router: gives each settled file its jobs, once. It moves no bytes. Composition only. */
import { readMatchFacts } from '#shared/arrival/read-match-facts.ts';
import { LARGEST_MANIFEST_BYTES, readManifest } from '#shared/batches/read-manifest.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { QUEUE_MESSAGES } from '#shared/messages/queue-messages.ts';
import { createRightOfWay } from '#shared/queue/right-of-way.ts';
import { createQueueService } from '#shared/runtime/create-queue-service.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import type { RouterConfig } from './config.ts';
import { createHandleSettledFiles } from './handle-settled-files.ts';
import { createRouterMetrics } from './metrics.ts';

const DEADLINE_MS = 60_000;
/** Of a flood, so many are looked through for those of the lane platinum. */
const HELD_FILES = 1_000;
/** More files that wait together are a flood. */
const FLOOD_FILES = 10;
const READ_TIMEOUT_MS = 5_000;
/** For what is read of one file, so that a batch ends long before its deadline. */
const DECIDE_TIMEOUT_MS = 10_000;

export function createRouter(context: ServiceContext<RouterConfig>): Service {
  const { config, logger, registry } = context;
  const metrics = createRouterMetrics(registry);
  const s3 = createS3Client({ ...config, requestTimeoutMs: READ_TIMEOUT_MS });
  const store = createObjectStore({
    client: s3,
    idleTimeoutMs: READ_TIMEOUT_MS,
    metrics: { requests: metrics.s3Requests },
  });
  return createQueueService(
    {
      name: 'router',
      queues: [{ queue: 'ingest', slots: config.LONGSHORE_SLOTS }],
      messages: QUEUE_MESSAGES.ingest,
      sendsTo: ['platinum-steps', 'partner-steps', 'bronze-steps', 'platinum-work', 'work'],
      s3: [s3],
      open({ sql, wakeUps, tracing }) {
        const routes = new RouteCache({
          load: async (id) => (await loadRouteDefinitions(sql, [id])).get(id)?.definition,
        });
        const handle = createHandleSettledFiles({
          sql,
          routes,
          readFacts: (asked) => readMatchFacts(store, asked, { signal: AbortSignal.timeout(DECIDE_TIMEOUT_MS) }),
          readManifest: async ({ object, sizeBytes }, path) => {
            if (sizeBytes > LARGEST_MANIFEST_BYTES) return { ok: false, message: 'it has more than 2 MB' };
            if (sizeBytes === 0) return { ok: false, message: 'it is empty' };
            const range = { first: 0, last: sizeBytes - 1 };
            return readManifest(
              await store.readRange(object, range, { signal: AbortSignal.timeout(DECIDE_TIMEOUT_MS) }),
              path,
            );
          },
          senders: wakeUps,
          largeFileThresholdBytes: config.LONGSHORE_LARGE_FILE_THRESHOLD_BYTES,
          region: config.AWS_REGION,
          homeRegions: config.LONGSHORE_HOME_REGIONS,
          now: Date.now,
          admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
          orderSettleMs: config.LONGSHORE_ORDER_SETTLE_MS,
          metrics,
          tracing,
          logger,
        });
        const rightOfWay = createRightOfWay();
        return {
          handling: {
            handleBatch: (received, { signal }) => {
              if (received.some(({ message }) => message.isUrgent === true))
                return rightOfWay.first(() => handle(received));
              return received.length > FLOOD_FILES
                ? rightOfWay.after(() => handle(received), signal)
                : handle(received);
            },
            urgent: { isUrgent: ({ isUrgent }) => isUrgent === true, hold: HELD_FILES },
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
