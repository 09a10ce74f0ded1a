/**
 * The ingestor: makes settled files, once each, out of the events of the landing bucket, and is the only service that hears them; from a queue of
 * their own it takes what the mail service reports.
 * Composition only: the rules are in `shared/arrival/`.
 */
import { createTakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { createTenantDirectory } from '#shared/arrival/tenant-directory.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { recordedBucket, recordedPrefix } from '#shared/files/replica-buckets.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { LANDING_EVENTS, type LandingEvent, MAIL_EVENTS } from '#shared/messages/landing-events.ts';
import { createRightOfWay } from '#shared/queue/right-of-way.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { createQueueService } from '#shared/runtime/create-queue-service.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import type { IngestorConfig } from './config.ts';
import { createHandleLandingEvents } from './handle-landing-events.ts';
import { createHandleMailEvents } from './handle-mail-events.ts';
import { createIngestorMetrics } from './metrics.ts';
import { createPassOnFlood, tenantIn } from './pass-on-flood.ts';

const NAME = 'ingestor';
const DEADLINE_MS = 60_000;
/** Of a flood, so many are looked through for those of the lane platinum. */
const HELD_EVENTS = 1_000;

/** Of the events of a flood: one call registers so many at a time, and leaves the processor to what is more urgent. */
const OVERFLOW_SLOTS = 50;

export function createIngestor(context: ServiceContext<IngestorConfig>): Service {
  const { config, logger, registry } = context;
  const metrics = createIngestorMetrics(registry);
  const s3 = createS3Client({ ...config, requestTimeoutMs: 10_000 });
  return createQueueService(
    {
      name: NAME,
      queues: [
        { queue: 'landing', slots: config.LONGSHORE_SLOTS },
        { queue: 'landing-overflow', slots: Math.min(config.LONGSHORE_SLOTS, OVERFLOW_SLOTS) },
      ],
      messages: LANDING_EVENTS,
      sendsTo: ['ingest'],
      besides: {
        queue: 'mail-events',
        messages: MAIL_EVENTS,
        deadlineMs: DEADLINE_MS,
        handleBatch: ({ sql }) => createHandleMailEvents({ sql, metrics }),
      },
      s3: [s3],
      open({ sql, wakeUps, senderTo, tracing }) {
        const directory = createTenantDirectory({ sql });
        const takeArrivals = createTakeArrivals({
          sql,
          store: createObjectStore({ client: s3, metrics: { requests: metrics.s3Requests } }),
          directory,
          landingBucket: bucketName(recordedPrefix(config), 'landing'),
          quietMs: config.LONGSHORE_SFTP_QUIET_MS,
          senders: wakeUps,
          actor: NAME,
          tracing,
          logger,
        });
        const isUrgent = (event: LandingEvent) => directory.isUrgent(tenantIn(event));
        const handle = createHandleLandingEvents({
          sql,
          actor: NAME,
          takeArrivals,
          passOnFlood: createPassOnFlood({ directory, sender: senderTo('landing-overflow') }),
          isUrgent,
          rightOfWay: createRightOfWay(),
          recordedBucket: (bucket) => recordedBucket(bucket, config),
          metrics,
          logger,
        });
        return {
          handling: {
            handleBatch: handle,
            urgent: { isUrgent, hold: HELD_EVENTS },
            deadlineMs: DEADLINE_MS,
          },
        };
      },
    },
    context,
  );
}
