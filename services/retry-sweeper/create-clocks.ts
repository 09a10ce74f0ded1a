/**
 * The clocks, each with what it works on. `fast`: a fleet without them stands still, so that one that hangs costs the process its life.
 */
import type { TakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { sealLines } from '#shared/audit/seal-lines.ts';
import { advanceDueBatches } from '#shared/batches/advance-batches.ts';
import { closeDueBatches } from '#shared/batches/close-batches.ts';
import { tickCampaigns } from '#shared/campaigns/campaign-clock.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { databaseClock } from '#shared/db/database-clock.ts';
import type { ClearedPartitions } from '#shared/db/partitions.ts';
import type { SendLetters } from '#shared/dead-letters/return-letters.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { doubtLeftEffects } from '#shared/effects/resolve-effect.ts';
import { exportLines } from '#shared/evidence/export-lines.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { recordedPrefix } from '#shared/files/replica-buckets.ts';
import type { createS3Client } from '#shared/files/s3-client.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { mailServerOf } from '#shared/notices/mail-variables.ts';
import { createNoticeSender, type ReviewLinks } from '#shared/notices/send-notice.ts';
import { markPullsCleaned } from '#shared/pulls/source-transitions.ts';
import { type createSnsClient, createTopicPublisher, createTopics, topicArnsBelow } from '#shared/queue/topics.ts';
import { type ClockLoop, createClockLoop } from '#shared/runtime/clock-loop.ts';
import { BUCKET_IDS, bucketName, bucketNames } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { createSecretStore } from '#shared/runtime/secrets/create-secret-store.ts';
import { createStoreDirectory } from '#shared/stores/store-directory.ts';
import { rollUpUsage } from '#shared/usage/roll-up-usage.ts';
import { abortAbandonedUploads } from './abort-abandoned-uploads.ts';
import { advanceActions } from './advance-actions.ts';
import { advanceRestores } from './advance-restores.ts';
import type { RetrySweeperConfig } from './config.ts';
import { createCountMissing } from './count-missing.ts';
import { createDeleteExpired } from './delete-expired.ts';
import { deleteExpiredObjects } from './delete-expired-objects.ts';
import { endExpiredUploads } from './end-expired-uploads.ts';
import { endOrphanedTransfers } from './end-orphaned-transfers.ts';
import { keepPartitions } from './keep-partitions.ts';
import type { RetrySweeperMetrics } from './metrics.ts';
import { observeFleet, observeQueues } from './observe-fleet.ts';
import { publishOutbox } from './publish-outbox.ts';
import { readCalendars } from './read-calendars.ts';
import { type LandingPlace, reconcileLanding } from './reconcile-landing.ts';
import { sendNotices } from './send-notices.ts';
import { createWakeBudget } from './wake-budget.ts';
import { wakeDuePulls } from './wake-due-pulls.ts';
import { wakeDueRecords } from './wake-due-records.ts';
import { wakeDueRows } from './wake-due-rows.ts';
import { createWatchCopies } from './watch-copies.ts';
import { watchExpectations } from './watch-expectations.ts';

export interface ClockParts {
  readonly config: RetrySweeperConfig;
  readonly sql: Sql;
  readonly sns: ReturnType<typeof createSnsClient>;
  readonly s3: ReturnType<typeof createS3Client>;
  readonly store: ObjectStore;
  readonly senders: WakeUpSenders;
  readonly sendLetters: SendLetters;
  readonly takeArrivals: TakeArrivals;
  readonly readDepth: Parameters<typeof observeQueues>[0]['readDepth'];
  readonly metrics: RetrySweeperMetrics;
  readonly logger: Logger;
}

export interface Clocks {
  readonly fast: readonly ClockLoop[];
  readonly slow: readonly ClockLoop[];
  /** What the clocks opened, after they have stopped. */
  close(): void;
}

const OBSERVE_MS = 10_000;
const DAY_MS = 86_400_000;
const AUDIT_MS = 1_000;
const SEALED_AT_ONCE = 5_000;
const USAGE_MS = 5_000;
const EVIDENCE_LOOK_MS = 5_000;
/** About ten megabytes before they are compressed. */
const EXPORTED_AT_ONCE = 20_000;
const LINES_AT_ONCE = 5_000;
const BATCHES_AT_ONCE = 100;
const EFFECTS_MS = 10_000;
const DOUBTED_AT_ONCE = 1_000;
const TRANSFERS_MS = 2_000;
const EXPECTATIONS_MS = 5_000;
const STORE_STALL_MS = 10_000;
const RETENTION_MS = 3_600_000;
const EXPIRED_OBJECTS_MS = 60_000;
const RESTORES_MS = 2_000;
/** A kept file that no listing has shown for so long may come again. */
const CLEAN_PULLS_DAYS = 30;

export function createClocks(parts: ClockParts): Clocks {
  const { config, sql, sns, s3, store, senders, sendLetters, takeArrivals, readDepth, metrics, logger } = parts;
  const prefix = config.LONGSHORE_PREFIX;
  const buckets = bucketNames(recordedPrefix(config));
  const { landing: landingBucket } = buckets;
  const ownBuckets = BUCKET_IDS.filter((id) => id !== 'landing').map((id) => buckets[id]);
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
  const cleared: ClearedPartitions = new Map();
  const topics = config.LONGSHORE_TOPICS_ARN;
  const publisher = createTopicPublisher({
    client: sns,
    topicArns: topics === undefined ? () => createTopics({ client: sns, prefix }) : topicArnsBelow(topics, prefix),
  });
  const secrets = createSecretStore(config);
  const external = createStoreDirectory({
    sql,
    secrets,
    sourceClient: s3,
    stallMs: STORE_STALL_MS,
    addressGuard: createAddressGuard({ allow: config.LONGSHORE_STORE_ADDRESSES ?? [] }),
    logger,
  });
  const sender = createNoticeSender({
    secrets,
    addressGuard: createAddressGuard({ allow: config.LONGSHORE_NOTICE_ADDRESSES ?? [] }),
    publisher,
    mailServer: mailServerOf(config),
    reviewLinks: reviewLinksOf(config),
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
  const fast = [
    clock('wake', tickMs, () => wakeDueRows(due)),
    clock('records', tickMs, () => wakeDueRecords(dueRecords)),
    clock('pulls', tickMs, () => wakeDuePulls(due)),
    clock('outbox', tickMs, () => publishOutbox({ sql, publisher, metrics, logger })),
  ];
  const acting = {
    sql,
    senders,
    sendLetters,
    routes: new RouteCache({ load: async (id) => (await loadRouteDefinitions(sql, [id])).get(id)?.definition }),
    admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
    retentionMs: config.LONGSHORE_RETENTION_DAYS * DAY_MS,
    metrics,
    logger,
  };
  const deleteExpired = createDeleteExpired({
    sql,
    buckets: Object.values(buckets),
    defaultMs: config.LONGSHORE_FILE_RETENTION_DAYS * DAY_MS,
    filesPerSecond: config.LONGSHORE_EXPIRY_FILES_PER_SECOND,
    metrics,
    logger,
  });
  let landingPlace: LandingPlace | undefined;
  const slow = [
    clock('actions', tickMs, () => advanceActions(acting)),
    clock('calendars', EXPECTATIONS_MS, (signal) => readCalendars({ sql, stores: external, logger, signal })),
    clock('expectations', EXPECTATIONS_MS, () => watchExpectations({ sql, logger })),
    clock('campaigns', tickMs, async () => {
      const window = config.LONGSHORE_ADMISSION_WINDOW;
      const { jobs, isMore } = await tickCampaigns(sql, { actor: 'retry-sweeper', window });
      await senders.sendJobs(jobs);
      return isMore ? 'again' : 'done';
    }),
    clock('batches', tickMs, async () => {
      const options = { actor: 'retry-sweeper', window: config.LONGSHORE_ADMISSION_WINDOW, limit: BATCHES_AT_ONCE };
      const closed = await closeDueBatches(sql, options);
      const advanced = await advanceDueBatches(sql, options);
      await senders.sendJobs([...closed.jobs, ...advanced.jobs]);
      return Math.max(closed.looked, advanced.looked) === BATCHES_AT_ONCE ? 'again' : 'done';
    }),
    clock('notices', tickMs, () => sendNotices(telling)),
    clock('reconcile', config.LONGSHORE_RECONCILE_MS, async (signal) => {
      const youngestMs = config.LONGSHORE_RECONCILE_MIN_AGE_MS;
      const parts = { sql, store, takeArrivals, landingBucket, metrics, logger, now: await databaseClock(sql) };
      const { next } = await reconcileLanding({ ...parts, signal, youngestMs, from: landingPlace });
      landingPlace = next;
      return next === undefined ? 'done' : 'again';
    }),
    clock('uploads', config.LONGSHORE_RECONCILE_MS, async (signal) => {
      const youngestMs = config.LONGSHORE_ABANDONED_UPLOAD_MS;
      const buckets = { buckets: ownBuckets, landingBucket };
      const now = await databaseClock(sql);
      await abortAbandonedUploads({ sql, store, ...buckets, youngestMs, logger, signal, now });
      return 'done';
    }),
    clock('sent-uploads', config.LONGSHORE_RECONCILE_MS, async (signal) => {
      await endExpiredUploads({ sql, store, signal });
      return 'done';
    }),
    clock('transfers', TRANSFERS_MS, async (signal) => {
      await endOrphanedTransfers({ sql, store, stores: external, logger, signal });
      return 'done';
    }),
    clock('effects', EFFECTS_MS, async () => {
      const doubted = await doubtLeftEffects(sql, { limit: DOUBTED_AT_ONCE, actor: 'retry-sweeper' });
      return doubted === DOUBTED_AT_ONCE ? 'again' : 'done';
    }),
    clock('audit', AUDIT_MS, async () => {
      const { sealed, lagSeconds } = await sealLines(sql, { limit: SEALED_AT_ONCE });
      metrics.auditSealed.inc(sealed);
      metrics.auditLagSeconds.set(lagSeconds);
      return sealed === SEALED_AT_ONCE ? 'again' : 'done';
    }),
    clock('evidence', EVIDENCE_LOOK_MS, async (signal) => {
      const everyMs = config.LONGSHORE_EVIDENCE_MS;
      if (everyMs === 0) return 'done';
      const bucket = bucketName(prefix, 'evidence');
      const { written, lagSeconds, isMore } = await exportLines({
        sql,
        store,
        bucket,
        limit: EXPORTED_AT_ONCE,
        everyMs,
        logger,
        signal,
      });
      metrics.evidenceLines.inc(written);
      metrics.evidenceLagSeconds.set(lagSeconds);
      return isMore ? 'again' : 'done';
    }),
    clock('usage', USAGE_MS, async () =>
      (await rollUpUsage(sql, { limit: LINES_AT_ONCE })) === LINES_AT_ONCE ? 'again' : 'done',
    ),
    clock('retention', RETENTION_MS, (signal) =>
      keepPartitions(sql, { retentionDays: config.LONGSHORE_RETENTION_DAYS, cleared, logger, signal }),
    ),
    clock('expiry', config.LONGSHORE_EXPIRY_MS, deleteExpired),
    clock('expired-objects', Math.min(config.LONGSHORE_EXPIRY_MS, EXPIRED_OBJECTS_MS), (signal) =>
      deleteExpiredObjects({ sql, store, metrics, logger, signal }),
    ),
    clock('restores', RESTORES_MS, (signal) => advanceRestores({ sql, store, logger, signal })),
    clock('listings', RETENTION_MS, async () =>
      (await markPullsCleaned(sql, CLEAN_PULLS_DAYS)) === 0 ? 'done' : 'again',
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
  return {
    fast,
    slow,
    close() {
      sender.close();
      external.close();
    },
  };
}

function reviewLinksOf(config: RetrySweeperConfig): ReviewLinks | undefined {
  const { LONGSHORE_LINK_SECRET: secretName, LONGSHORE_PUBLIC_URL: publicUrl } = config;
  return secretName === undefined || publicUrl === undefined ? undefined : { secretName, publicUrl };
}
