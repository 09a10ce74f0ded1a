/**
 * The partner-worker: every short step of every job, the archive copy of small files, and the calls of records. What it does with a job
 * is in `shared/worker/run-jobs.ts`, with a chunk of records in `shared/records/run-records.ts`.
 */
import { createCampaignDirectory, withCampaigns } from '#shared/campaigns/campaign-directory.ts';
import { createMailCounter } from '#shared/campaigns/mail-metrics.ts';
import { createMailTransports } from '#shared/campaigns/mail-transports.ts';
import { LANES } from '#shared/definitions/lanes.ts';
import { stepQueueOf } from '#shared/jobs/lanes.ts';
import { createRecordMetrics } from '#shared/records/record-metrics.ts';
import { createRecordRunner } from '#shared/records/run-records.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import { createSecretStore } from '#shared/runtime/secrets/create-secret-store.ts';
import { STEP_KINDS } from '#shared/steps/registry.ts';
import { createJobService } from '#shared/worker/create-job-service.ts';
import type { PartnerWorkerConfig } from './config.ts';

/** A message that walks longer than this hands its job over, so that no message is held without end. */
const MESSAGE_DEADLINE_MS = 3_600_000;
const BRONZE_PART = 16;

export function createPartnerWorker(context: ServiceContext<PartnerWorkerConfig>): Service {
  const { config } = context;
  const metrics = createRecordMetrics(context.registry);
  const mails = createMailCounter(context.registry);
  return createJobService(
    {
      name: 'partner-worker',
      workerClass: 'short',
      queues: queuesOf(config),
      kinds: STEP_KINDS,
      messageDeadlineMs: MESSAGE_DEADLINE_MS,
      createRecordRunner: (parts) => {
        const secrets = createSecretStore(config);
        const campaigns = createCampaignDirectory({
          ...{ sql: parts.sql, secrets, unsubscribe: unsubscribeOf(config) },
          transports: createMailTransports({ region: config.AWS_REGION, secrets }),
          onSent: (outcome) => mails.inc({ outcome }),
        });
        return createRecordRunner({ ...parts, metrics, partners: withCampaigns(parts.partners, campaigns) });
      },
    },
    context,
  );
}

/** Each lane has its own slots, so that no flood takes those of another; bronze has few, which leaves the processor to the others. */
function queuesOf({ LONGSHORE_LANES: lanes, LONGSHORE_SLOTS: slots }: PartnerWorkerConfig) {
  return LANES.filter((lane) => lanes.includes(lane)).map((lane) => ({
    queue: stepQueueOf(lane),
    slots: lane === 'bronze' && lanes.length > 1 ? Math.max(1, Math.floor(slots / BRONZE_PART)) : slots,
  }));
}

function unsubscribeOf(config: PartnerWorkerConfig) {
  const { LONGSHORE_LINK_SECRET: secretName, LONGSHORE_PUBLIC_URL: publicUrl } = config;
  return secretName === undefined || publicUrl === undefined ? undefined : { secretName, publicUrl };
}
