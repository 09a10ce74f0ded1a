/**
 * The engine of a worker: wake-ups in, outcomes stored. What it does with one wake-up is `handle`; the queue's worker brings them.
 *
 * 1. The worker that ends the last job of a file archives it before the message is acknowledged.
 * 2. The parts: `leased-runner.ts` claims, holds and answers, `job-commits.ts` talks to the database, `advance-job.ts` runs the steps,
 *    `next-move.ts` decides where a job goes, `archive-held-file.ts` moves the object out of landing.
 */

import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { effectLogOf } from '#shared/effects/effect-log.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { ADMISSION_WINDOW } from '#shared/jobs/admission.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import { leavePlace, takePlace } from '#shared/jobs/delivery-places.ts';
import { indexFile } from '#shared/jobs/index-file.ts';
import { type Product, registerProducts } from '#shared/jobs/register-products.ts';
import type { ClosedFile } from '#shared/jobs/store-outcomes.ts';
import type { WakeUpSenders, WorkWakeUp } from '#shared/jobs/wake-up-senders.ts';
import type { Disposition } from '#shared/queue/disposition.ts';
import { type IssueReceipt, issueReceipt } from '#shared/receipts/issue-receipt.ts';
import type { ReceiptKeys } from '#shared/receipts/receipt-keys.ts';
import { type BucketId, LONG_QUEUE_IDS, STEP_QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { endedBy, NO_TRACING, type Span, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { RecordStore } from '#shared/steps/record-store.ts';
import type { PlaceName, StepClass, StepKind } from '#shared/steps/step-context.ts';
import type { StoreDirectory } from '#shared/stores/store-directory.ts';
import type { StepTargets } from '#shared/targets/step-targets.ts';
import { transferLogOf } from '#shared/transfers/transfer-log-of.ts';
import { type AdvanceEnd, advanceJob } from './advance-job.ts';
import { type ArchiveEnd, type ArchiveFile, archiveHeldFile } from './archive-held-file.ts';
import { createBranchesInHand } from './branches-in-hand.ts';
import { createJobBranches } from './job-branches.ts';
import { JobCommits } from './job-commits.ts';
import type { JobMetrics } from './job-metrics.ts';
import type { LateReplicas } from './late-replicas.ts';
import { createLeasedRunner, type LeasedWork, type WakeUpMessage } from './leased-runner.ts';
import { idempotencyKey, type JobPosition } from './next-move.ts';
import type { UnwrittenBranch } from './unwritten-branch.ts';

export interface JobRunnerOptions {
  readonly sql: Sql;
  /** The step kinds that this version knows, by name. */
  readonly kinds: ReadonlyMap<string, StepKind<unknown>>;
  /** Of short steps, or of long ones, which archives large files too. */
  readonly workerClass: StepClass;
  /** Which process, e.g. `partner-worker/4711`. */
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  /** Wake-ups of one tenant that may be in one queue; 1,000 when absent. */
  readonly admissionWindow?: number;
  /** Jobs side by side: as many branches more are run in the hands of their parents' worker. 32 when absent. */
  readonly slots?: number;
  /** For one try of a step, and for an archive copy. */
  readonly stepDeadlineMs: number;
  readonly lateReplicas?: LateReplicas | undefined;
  readonly store: ObjectStore;
  /** External stores. */
  readonly stores?: StoreDirectory | undefined;
  /** Targets outside of a tenant. */
  readonly targetsOf?: ((tenantId: string) => StepTargets) | undefined;
  readonly bucketNames: Readonly<Record<BucketId, string>>;
  /** Signs receipts; none are issued without them. */
  readonly receiptKeys?: ReceiptKeys | undefined;
  readonly recordStoreFor: (job: ClaimedJob, span: Span) => RecordStore;
  readonly archive: ArchiveFile;
  readonly wakeUps: Pick<WakeUpSenders, 'sendJobs' | 'sendArchives'>;
  readonly metrics: JobMetrics;
  readonly tracing?: Tracing;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface JobRunner {
  start(): void;
  /**
   * `stop` is aborted when the worker stops and waits no longer; `message` is what the wake-up came in. Throws when the database is down for
   * longer than a while.
   */
  handle(wakeUp: WorkWakeUp, stop: AbortSignal, message?: WakeUpMessage): Promise<Disposition>;
  /** After the last `handle` has ended; bounded by the statements' deadlines. */
  stop(): Promise<void>;
}

export function createJobRunner(options: JobRunnerOptions): JobRunner {
  const { sql, workerClass, worker, service, leaseMs, stepDeadlineMs, metrics, logger } = options;
  const { now = () => performance.now(), random = Math.random, tracing = NO_TRACING } = options;
  const commits = new JobCommits({
    sql,
    queues: workerClass === 'long' ? LONG_QUEUE_IDS : STEP_QUEUE_IDS,
    kinds: [...options.kinds.keys()],
    worker,
    service,
    leaseMs,
    admissionWindow: options.admissionWindow ?? ADMISSION_WINDOW,
    wakeUps: options.wakeUps,
    metrics,
    logger,
    now,
    random,
  });
  const leased = createLeasedRunner({ sql, leaseMs, metrics, tracing, logger, now });
  const { keeper, routes } = leased;
  const { archive, lateReplicas } = options;
  const archiving = { archive, lateReplicas, keeper, commits, deadlineMs: stepDeadlineMs, metrics, logger, now };
  const duringStep = <Answer>(statement: () => Promise<Answer>) =>
    repeatOnLostDatabase(statement, { deadlineMs: leaseMs / 3, forMs: leaseMs, now, random });
  const receiptFor =
    (keys: ReceiptKeys) =>
    ({ id: jobId, epoch, tenantId, fileId }: ClaimedJob, { stepSeq }: JobPosition): IssueReceipt =>
    (statement) =>
      issueReceipt(sql, keys, { tenantId, fileId, jobId, epoch, stepSeq, service }, statement);
  const inHand = createBranchesInHand({
    spares: options.slots ?? 32,
    longestMs: stepDeadlineMs / 2,
    async runBranch({ job, unwritten }, { askedAtMs, ...at }) {
      let end: AdvanceEnd | undefined;
      const claim = async () => ({ row: job, askedAtMs });
      const run = runOf({ isParentHere: true, unwritten, onEnd: (known) => (end = known) });
      await leased.handle({ ...jobWork, claim, run, lease: unwritten?.lease }, { id: job.id, ...at });
      return end;
    },
    wakeParent: (jobId) => commits.wakeParent(jobId),
  });
  const advanceParts = {
    kinds: options.kinds,
    routes,
    commits,
    workerClass,
    stepDeadlineMs,
    lateReplicas,
    store: options.store,
    stores: options.stores,
    targetsOf: options.targetsOf,
    bucketNames: options.bucketNames,
    recordStoreFor: options.recordStoreFor,
    transferLogFor: ({ id, epoch, tenantId, fileId }: ClaimedJob, { stepSeq, stepKind }: JobPosition) =>
      transferLogOf(sql, { owner: 'job', id, epoch, tenantId, fileId, seq: stepSeq, purpose: stepKind, worker }),
    effectLogFor: ({ id: jobId, epoch, tenantId, fileId }: ClaimedJob, { stepSeq, stepKind: kind }: JobPosition) => {
      const key = idempotencyKey(tenantId, jobId, stepSeq);
      return effectLogOf(sql, { jobId, epoch, tenantId, fileId, stepSeq, kind, key, service });
    },
    receiptFor: options.receiptKeys && receiptFor(options.receiptKeys),
    placesFor: ({ id: jobId }: ClaimedJob) => ({
      take: (place: PlaceName) => duringStep(() => takePlace(sql, { ...place, jobId })),
      leave: (place: PlaceName, isDelivered: boolean) =>
        duringStep(() => leavePlace(sql, { ...place, jobId }, isDelivered)),
    }),
    productsFor: ({ id: jobId, epoch, tenantId, fileId }: ClaimedJob) => ({
      register: async (products: readonly Product[]) => {
        const owner = { jobId, epoch, tenantId, fileId, landingBucket: options.bucketNames.landing, service };
        await duringStep(() => registerProducts(sql, products, owner));
      },
    }),
    textsFor: ({ id: jobId, epoch, tenantId, fileId }: ClaimedJob) => ({
      index: (text: string) => duringStep(() => indexFile(sql, text, { jobId, epoch, tenantId, fileId })),
    }),
    branchesFor: createJobBranches({
      ...{ sql, routes, commits, kinds: new Set(options.kinds.keys()), workerClass, inHand },
      hold: (branch, askedAtMs) => keeper.hold('job', branch, askedAtMs),
    }),
    metrics,
    now,
    random,
  };

  const jobWork: LeasedWork<ClaimedJob> = {
    ...{ kind: 'job', name: 'job', spanName: 'run job' },
    claim: (id) => commits.claimJob(id),
    fileIdOf: ({ fileId }) => fileId,
    factsOf: ({ tenantId, fileId, id }) => ({ tenant: tenantId, fileId, jobId: id }),
    run: runOf({}),
  };

  function runOf({ isParentHere, unwritten, onEnd }: HowToRun): LeasedWork<ClaimedJob>['run'] {
    return async (job, { underLease, stop, span, logger: jobLogger }) => {
      try {
        const run = { job, stop, span, logger: jobLogger, isParentHere, unwritten };
        const end = await underLease((lease) => advanceJob(advanceParts, { ...run, lease }));
        onEnd?.(end);
        countJob(metrics, job, end);
        const archive = await archiveClosed(end, stop, span);
        return { fields: { ...summary(end), archive }, fault: faultOf(end), isLost: end.type === 'lost' };
      } finally {
        await inHand.letGo(job.id);
      }
    };
  }

  const archiveWork: LeasedWork<ClosedFile> = {
    ...{ kind: 'file', name: 'archive', spanName: 'archive file' },
    claim: (id) => commits.claimArchive(id),
    fileIdOf: ({ id }) => id,
    factsOf: ({ tenantId, id, epoch }) => ({ tenant: tenantId, fileId: id, attempt: epoch }),
    async run(file, { askedAtMs, stop }) {
      const archive = await archiveHeldFile(archiving, { file, askedAtMs, stop });
      return {
        fields: { archive },
        spanFields: { outcome: archive },
        fault: archive === 'archived' ? undefined : archive,
        isLost: archive === 'lost',
      };
    },
  };

  async function archiveClosed(end: AdvanceEnd, stop: AbortSignal, span: Span): Promise<ArchiveEnd | undefined> {
    if (end.type === 'lost' || end.closed?.file.archive !== 'held') return undefined;
    const held = { ...end.closed, stop };
    const archiveSpan = span.child('archive file', { fileId: held.file.id });
    return await endedBy(archiveSpan, async () => {
      const archive = await archiveHeldFile(archiving, held);
      archiveSpan.end({ outcome: archive }, archive === 'archived' ? undefined : archive);
      return archive;
    });
  }

  return {
    start: () => keeper.start(),
    handle: (wakeUp, stop, message) =>
      wakeUp.type === 'job.due'
        ? leased.handle(jobWork, { id: wakeUp.jobId, stop, ...message })
        : leased.handle(archiveWork, { id: wakeUp.fileId, stop, ...message }),
    async stop() {
      await commits.flush();
      keeper.stop();
    },
  };
}

interface HowToRun {
  readonly isParentHere?: boolean;
  readonly unwritten?: UnwrittenBranch | undefined;
  readonly onEnd?: (end: AdvanceEnd) => void;
}

function summary(end: AdvanceEnd): Record<string, unknown> {
  const { stepSeq, stepKind, attempt, tries } = end.position;
  const reached = { step: stepKind, stepSeq, attempt, tries };
  if (end.type === 'lost') return { ...reached, state: 'lost' };
  return { ...reached, state: end.move, route: end.routeName, cause: end.cause };
}

function faultOf(end: AdvanceEnd): string | undefined {
  if (end.type === 'lost') return 'LEASE_LOST';
  return end.move === 'failed' ? (end.cause ?? 'FAILED') : undefined;
}

function countJob(metrics: JobMetrics, { tenantId, file }: ClaimedJob, end: AdvanceEnd): void {
  const outcome = end.type === 'lost' ? 'lost' : end.move;
  metrics.jobs.inc({ outcome });
  if (end.type === 'lost' || (end.move !== 'succeeded' && end.move !== 'failed')) return;
  const labels = { tenant: tenantId, route: end.routeName ?? 'unknown', outcome };
  metrics.files.inc(labels);
  metrics.fileBytes.inc(labels, file.sizeBytes);
}
