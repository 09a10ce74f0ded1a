/**
 * A service that runs jobs of one queue: its engines of jobs and, where it takes them, of records, over the object store and external stores.
 *
 * 1. Stopping: no record is begun; running steps and calls get the drain time, then their signal; their outcomes are stored before the
 *    connections close.
 */
import { hostname } from 'node:os';
import type { z } from 'zod';
import { createScanner } from '#shared/content/scan/create-scanner.ts';
import { createScanSeconds } from '#shared/content/scan/scan-metrics.ts';
import type { ClamdAddress } from '#shared/content/scan/scan-variables.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import { requestStallMs } from '#shared/files/copies/stall-watch.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { recordedPrefix } from '#shared/files/replica-buckets.ts';
import { createPartClient, createS3Client } from '#shared/files/s3-client.ts';
import { createS3RequestCounter } from '#shared/files/s3-requests.ts';
import { restForOthers } from '#shared/formats/event-loop-turns.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { PARTNER_STEPS_MESSAGES, WORK_MESSAGES } from '#shared/messages/queue-messages.ts';
import type { pullDue, sourceDue } from '#shared/messages/wake-ups.ts';
import { type MailVariables, mailServerOf } from '#shared/notices/mail-variables.ts';
import { createCallReports } from '#shared/partners/report-calls.ts';
import type { Pulls, PullsOptions } from '#shared/pulls/create-pulls.ts';
import { createPullMetrics } from '#shared/pulls/pull-metrics.ts';
import type { MessageOf } from '#shared/queue/define-message.ts';
import type { Disposition } from '#shared/queue/disposition.ts';
import { createReceiptKeys } from '#shared/receipts/receipt-keys.ts';
import { CHUNK_WINDOW, createRecordStore } from '#shared/records/create-record-store.ts';
import type { WokenChunk } from '#shared/records/open-records.ts';
import type { RecordRunner, RecordRunnerOptions } from '#shared/records/run-records.ts';
import { createRemoteDirectory } from '#shared/remotes/remote-directory.ts';
import type { copyVariables } from '#shared/runtime/config/copy-variables.ts';
import type { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { bucketNames, type WorkQueue } from '#shared/runtime/config/resource-names.ts';
import {
  type ConsumedQueue,
  createQueueService,
  type OpenedService,
  type QueueServiceParts,
} from '#shared/runtime/create-queue-service.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import { createSecretStore, type SecretConfig } from '#shared/runtime/secrets/create-secret-store.ts';
import { TRACEPARENT } from '#shared/runtime/tracing/tracing.ts';
import type { StepClass, StepKind } from '#shared/steps/step-context.ts';
import { createStoreDirectory, type StoreDirectory } from '#shared/stores/store-directory.ts';
import { createTargetDirectory, type TargetDirectory } from '#shared/targets/step-targets.ts';
import { transferLogOf } from '#shared/transfers/transfer-log-of.ts';
import { createArchiveFile } from './archive-held-file.ts';
import { createJobMetrics } from './job-metrics.ts';
import { createLateReplicas } from './late-replicas.ts';
import { createJobRunner, type JobRunner } from './run-jobs.ts';
import { TenantsAtWork } from './tenants-at-work.ts';

export interface JobServiceConfig
  extends z.output<z.ZodObject<typeof fleetVariables & typeof copyVariables>>,
    MailVariables,
    SecretConfig {
  /** Jobs side by side. */
  readonly LONGSHORE_SLOTS: number;
  /** Receives side by side. */
  readonly LONGSHORE_POLLERS: number;
  /** For one try of a step, and for an archive copy. */
  readonly LONGSHORE_STEP_DEADLINE_MS: number;
  /** Private addresses of partners and their databases that may be called. */
  readonly LONGSHORE_PARTNER_ADDRESSES?: readonly string[] | undefined;
  readonly LONGSHORE_RECEIPT_SECRET?: string | undefined;
  readonly LONGSHORE_CLAMD?: ClamdAddress | undefined;
  /** Private addresses of remotes. */
  readonly LONGSHORE_REMOTE_ADDRESSES?: readonly string[] | undefined;
  /** Share of the slots that one tenant takes while others may be waiting behind it. */
  readonly LONGSHORE_TENANT_SHARE_PERCENT: number;
}

export interface JobServiceOptions {
  readonly name: string;
  readonly workerClass: StepClass;
  /** What it consumes. */
  readonly queues: readonly (ConsumedQueue & { readonly queue: WorkQueue })[];
  readonly kinds: ReadonlyMap<string, StepKind<unknown>>;
  /** For one message, i.e. all the steps that a job takes here. After it the job changes hands. */
  readonly messageDeadlineMs: number;
  /** Takes chunks of records too. */
  readonly createRecordRunner?: (parts: RecordRunnerParts) => RecordRunner;
  /** Takes pulls and the listings of sources too. */
  readonly createPulls?: (options: PullsOptions) => Pulls;
}

/** What records share with jobs. */
export type RecordRunnerParts = Omit<RecordRunnerOptions, 'metrics'>;

type PullMessage = MessageOf<typeof pullDue | typeof sourceDue>;
type JobMessages = typeof WORK_MESSAGES | typeof PARTNER_STEPS_MESSAGES;

export function createJobService(
  { name, workerClass, queues, kinds, messageDeadlineMs, createRecordRunner, createPulls }: JobServiceOptions,
  context: ServiceContext<JobServiceConfig>,
): Service {
  const { config, logger, registry } = context;
  const { LONGSHORE_LEASE_MS: leaseMs, LONGSHORE_RECEIPT_SECRET: receiptSecret } = config;
  const buckets = bucketNames(recordedPrefix(config));
  const metrics = createJobMetrics(registry);
  const pullMetrics = createPulls && createPullMetrics(registry);
  const scanSeconds = createScanSeconds(registry);
  const { LONGSHORE_CLAMD: clamd } = config;
  const scan = clamd && createScanner({ address: clamd, seconds: scanSeconds, now: () => performance.now() });
  const s3Requests = createS3RequestCounter(registry);
  const s3 = createS3Client(config);
  const stallMs = requestStallMs(config.LONGSHORE_COPY_STALL_MS);
  const partClient = createPartClient({ ...config, stallMs });
  const tenants = new TenantsAtWork(() => performance.now());
  // Long work is in nobody's way there.
  if (workerClass === 'short') restForOthers(() => tenants.areSeveral);
  const workerName = `${name}/${hostname()}/${process.pid}`;

  function openStores(sql: Sql): { store: ObjectStore; stores: StoreDirectory } {
    const copying = {
      partBuffers: new PartBuffers({ count: config.LONGSHORE_COPY_PARTS, bytes: config.LONGSHORE_COPY_PART_BYTES }),
      metrics: { requests: s3Requests, copiedBytes: metrics.copiedBytes },
    };
    return {
      store: createObjectStore({ ...copying, client: s3, partClient, idleTimeoutMs: stallMs }),
      stores: createStoreDirectory({
        ...copying,
        sql,
        sourceClient: partClient,
        stallMs,
        secrets: createSecretStore(config),
        addressGuard: createAddressGuard({ allow: config.LONGSHORE_STORE_ADDRESSES ?? [] }),
        logger,
      }),
    };
  }

  function openJobRunner(
    { sql, wakeUps, tracing }: QueueServiceParts,
    opened: ReturnType<typeof openStores>,
    targets: TargetDirectory,
  ): JobRunner {
    const sendChunks = (chunks: readonly WokenChunk[], traceparent: string | undefined): void => {
      const traced = chunks.map((chunk) => ({ ...chunk, traceparent }));
      wakeUps.sendChunks(traced).catch((error: unknown) => logger.error({ err: error }, 'wake-ups not sent'));
    };
    return createJobRunner({
      sql,
      kinds,
      workerClass,
      worker: workerName,
      service: name,
      leaseMs,
      admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
      slots: config.LONGSHORE_SLOTS,
      stepDeadlineMs: config.LONGSHORE_STEP_DEADLINE_MS,
      lateReplicas: createLateReplicas(config, { afterMs: config.LONGSHORE_REPLICA_LOOK_MS, now: Date.now }),
      ...opened,
      targetsOf: targets.of,
      receiptKeys:
        receiptSecret === undefined ? undefined : createReceiptKeys(createSecretStore(config), receiptSecret),
      bucketNames: buckets,
      recordStoreFor: (job, { traceparent }) => {
        const onWoken = (chunks: readonly WokenChunk[]) => sendChunks(chunks, traceparent);
        return createRecordStore({ sql, job, window: CHUNK_WINDOW, leaseMs, onWoken });
      },
      archive: createArchiveFile({
        store: opened.store,
        archiveBucket: buckets.archive,
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

  function open(parts: QueueServiceParts): OpenedService<JobMessages> {
    const { sql, wakeUps, tracing } = parts;
    const opened = openStores(sql);
    const remotes = createRemoteDirectory({
      sql,
      secrets: createSecretStore(config),
      addressGuard: createAddressGuard({ allow: config.LONGSHORE_REMOTE_ADDRESSES ?? [] }),
      leaseMs,
      worker: workerName,
      service: name,
      logger,
    });
    const reports = createCallReports({ sql, worker: workerName, logger });
    const targets = createTargetDirectory({
      remotes,
      reports,
      mailServer: mailServerOf(config),
      scan,
      sql,
      secrets: createSecretStore(config),
      addressGuard: createAddressGuard({ allow: config.LONGSHORE_PARTNER_ADDRESSES ?? [] }),
      logger,
    });
    const runner = openJobRunner(parts, opened, targets);
    const pulls =
      pullMetrics &&
      createPulls?.({
        ...{ sql, remotes, store: opened.store, landingBucket: buckets.landing, logger },
        ...{ worker: workerName, service: name, leaseMs, deadlineMs: config.LONGSHORE_STEP_DEADLINE_MS },
        metrics: pullMetrics,
      });
    const records = createRecordRunner?.({
      sql,
      partners: targets.partners,
      slots: config.LONGSHORE_SLOTS,
      worker: workerName,
      service: name,
      leaseMs,
      admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
      wakeUps,
      jobMetrics: metrics,
      tracing,
      logger,
    });

    function handlePull(message: PullMessage, signal: AbortSignal): Promise<Disposition> {
      if (pulls === undefined) throw new LongshoreError('INTERNAL', `The ${name} takes no pulls.`);
      if (message.type === 'pull.due') return pulls.runner.handle(message.pullId, signal);
      return pulls.lister.handle({ tenantId: message.tenantId, name: message.source }, signal);
    }

    return {
      handling: {
        handle: ({ message, attributes }, { signal, queue }) =>
          tenants.during(message.tenantId, () => {
            const traceparent = attributes[TRACEPARENT];
            if (message.type === 'pull.due' || message.type === 'source.due') return handlePull(message, signal);
            if (message.type !== 'records.due') return runner.handle(message, signal, { queue, traceparent });
            if (records === undefined) throw new LongshoreError('INTERNAL', `The ${name} takes no records.`);
            return records.handle(message.chunkId, signal, { queue, traceparent });
          }),
        tenantOf: (message) => message.tenantId,
        maxTenantShare: config.LONGSHORE_TENANT_SHARE_PERCENT / 100,
        deadlineMs: messageDeadlineMs,
      },
      start() {
        runner.start();
        reports.start(() => targets.partners.states());
        records?.start();
        pulls?.runner.start();
      },
      drain: () => records?.drain(),
      flush: () => Promise.all([runner.stop(), records?.stop()]).then(() => reports.stop()),
      async close() {
        pulls?.runner.stop();
        opened.stores.close();
        await targets.close();
      },
    };
  }

  const messages = createRecordRunner === undefined ? WORK_MESSAGES : PARTNER_STEPS_MESSAGES;
  return createQueueService(
    {
      ...{ name, queues, messages, s3: [s3, partClient], open },
      sendsTo: ['platinum-steps', 'partner-steps', 'bronze-steps', 'platinum-work', 'work'],
    },
    context,
  );
}
