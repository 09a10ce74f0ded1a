/**
 * Tries the step at which a job stands, or says why it cannot be tried.
 *
 * 1. A step without an attempt left is not run: earlier tries of it ended without an outcome.
 * 2. A file that its route holds waits before its first step, until a person releases or rejects it.
 * 3. A route version that cannot be used fails the job with a clear code: no other try would find another version.
 */

import { isLostDatabase } from '#shared/db/run-statements.ts';
import type { FoundRoute } from '#shared/definitions/route-cache.ts';
import type { CompiledRoute, CompiledStep } from '#shared/definitions/routes/compile-route.ts';
import type { ConditionFacts } from '#shared/definitions/routes/step-condition.ts';
import type { EffectLog } from '#shared/effects/effect-log.ts';
import { type ErrorCode, LongshoreError } from '#shared/errors.ts';
import type { TransferLog } from '#shared/files/copies/transfer-log.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import type { IssueReceipt } from '#shared/receipts/issue-receipt.ts';
import type { BucketId } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { Span } from '#shared/runtime/tracing/tracing.ts';
import type { RecordStore } from '#shared/steps/record-store.ts';
import type {
  DeliveryPlaces,
  ProductLog,
  StepBranches,
  StepContext,
  StepKind,
  TextIndex,
} from '#shared/steps/step-context.ts';
import { HELD, type StepOutcome } from '#shared/steps/step-outcome.ts';
import type { StoreDirectory } from '#shared/stores/store-directory.ts';
import type { StepTargets } from '#shared/targets/step-targets.ts';
import type { JobMetrics } from './job-metrics.ts';
import { awaitReplica, type LateReplicas } from './late-replicas.ts';
import { fileLocation, idempotencyKey, type JobPosition } from './next-move.ts';
import { type AbortableEnd, runAbortable } from './run-abortable.ts';
import { afterRow, type UnwrittenBranch } from './unwritten-branch.ts';

/** The release wakes the job; once a day it is told again that it waits. */
const HELD_MS = 86_400_000;

export interface TryParts {
  readonly kinds: ReadonlyMap<string, StepKind<unknown>>;
  readonly stepDeadlineMs: number;
  /** Undefined where none is expected. */
  readonly lateReplicas?: LateReplicas | undefined;
  readonly store: ObjectStore;
  /** External stores. */
  readonly stores?: StoreDirectory | undefined;
  readonly targetsOf?: ((tenantId: string) => StepTargets) | undefined;
  readonly bucketNames: Readonly<Record<BucketId, string>>;
  /** Bound to the job and its epoch; chunks that it wakes are traced below `span`. */
  readonly recordStoreFor: (job: ClaimedJob, span: Span) => RecordStore;
  /** Of one step, bound to the job and its epoch. */
  readonly transferLogFor: (job: ClaimedJob, position: JobPosition) => TransferLog;
  /** As `transferLogFor`. */
  readonly effectLogFor: (job: ClaimedJob, position: JobPosition) => EffectLog;
  /** Undefined: receipts are not set up. */
  readonly receiptFor?: ((job: ClaimedJob, position: JobPosition) => IssueReceipt) | undefined;
  readonly placesFor: (job: ClaimedJob) => DeliveryPlaces;
  readonly productsFor: (job: ClaimedJob) => ProductLog;
  readonly textsFor: (job: ClaimedJob) => TextIndex;
  readonly branchesFor?: ((request: TryRequest, route: CompiledRoute) => StepBranches) | undefined;
  readonly metrics: JobMetrics;
  readonly now: () => number;
}

export interface TryRequest {
  readonly job: ClaimedJob;
  readonly found: FoundRoute;
  readonly position: JobPosition;
  readonly lease: AbortSignal;
  readonly stop: AbortSignal;
  readonly span: Span;
  readonly logger: Logger;
  /** Of a branch that began without a row. */
  readonly unwritten?: UnwrittenBranch | undefined;
}

export interface TriedStep {
  readonly outcome: StepOutcome;
  readonly startedAt: Date;
  readonly durationMs: number;
}

export async function tryStep(parts: TryParts, request: TryRequest): Promise<TriedStep | 'lease-lost'> {
  const startedAt = new Date();
  const startedMs = parts.now();
  const outcome = await outcomeOf(parts, request);
  const durationMs = parts.now() - startedMs;
  const labels = { kind: request.position.stepKind, outcome: outcome === 'lease-lost' ? outcome : outcome.type };
  parts.metrics.stepSeconds.observe(labels, durationMs / 1_000);
  return outcome === 'lease-lost' ? outcome : { outcome, startedAt, durationMs: Math.round(durationMs) };
}

async function outcomeOf(parts: TryParts, request: TryRequest): Promise<StepOutcome | 'lease-lost'> {
  const { job, found, position, lease, stop } = request;
  const { stepSeq, stepKind, attempt } = position;
  if (job.isAbandoned) {
    const message = 'The job above this branch was cancelled; retry that one to continue.';
    return { type: 'failed', code: 'CANCELLED', cause: 'PARENT_CANCELLED', message };
  }
  if (!found.ok) return { type: 'failed', code: 'ROUTE_INVALID', cause: found.cause, message: found.message };
  const kind = parts.kinds.get(stepKind);
  const step = found.route.steps[stepSeq];
  if (kind === undefined || step?.kind !== stepKind) {
    const message = `Step ${stepSeq + 1} of the job is "${stepKind}", which its route version does not have there.`;
    return { type: 'failed', code: 'ROUTE_INVALID', cause: 'ROUTE_STEP_MISMATCH', message };
  }
  if (stepSeq === 0 && !job.isReleased && found.route.holds({ isLarge: job.isLarge, ...job.file })) {
    return { type: 'wait', afterMs: HELD_MS, reason: HELD };
  }
  if (attempt > job.maxAttempts) {
    return {
      type: 'failed',
      code: stepErrorCode(stepKind),
      cause: 'ATTEMPTS_SPENT',
      message: `No attempt of ${job.maxAttempts} is left: the worker died, or lost the job, before the last one came to an outcome.`,
    };
  }
  if (step.when !== undefined && !step.when(conditionFacts(job, position))) return { type: 'skipped' };
  const context = contextOf(parts, request, found.route, step);
  const outcome = await runStep({ kind, context, lease, stop, deadlineMs: parts.stepDeadlineMs });
  return outcome === 'lease-lost' ? outcome : awaitReplica(outcome, parts.lateReplicas, job.file.receivedAt);
}

function conditionFacts({ tenantId, file }: ClaimedJob, { outputs }: JobPosition): ConditionFacts {
  const path = file.key.slice(tenantId.length + 1);
  const type = /[^.]\.([^.]+)$/.exec(file.name)?.[1]?.toLowerCase() ?? '';
  return { file: { name: file.name, path, size: file.sizeBytes, type, tenant: tenantId }, steps: outputs };
}

function contextOf(
  {
    store,
    stores,
    targetsOf,
    bucketNames,
    recordStoreFor,
    transferLogFor,
    effectLogFor,
    receiptFor,
    placesFor,
    productsFor,
    textsFor,
    branchesFor,
    lateReplicas,
  }: TryParts,
  request: TryRequest,
  route: CompiledRoute,
  step: CompiledStep,
): Omit<StepContext<unknown>, 'signal'> {
  const { job, position, span, logger, unwritten } = request;
  const { id, tenantId, fileId, generation, isLarge } = job;
  const { key, name, sizeBytes, receivedAt, head, depth } = job.file;
  const { stepSeq, stepKind, attempt, tries, object, isReleased, held, outputs } = position;
  // The lost region may have tried it, and its row may not say so.
  const isFirstTry = tries === 1 && generation === 1 && lateReplicas?.mayCome(receivedAt) !== true;
  const branches = branchesFor?.(request, route);
  const issueReceipt = receiptFor?.(job, position);
  const isOriginal = object.bucket === job.file.bucket && object.key === key && object.versionId === job.file.versionId;
  return {
    options: step.options,
    file: { id: fileId, tenantId, key, name, sizeBytes, receivedAt, timeZone: job.timeZone },
    job: { id, generation, routeName: route.name, isLarge, depth },
    step: { seq: stepSeq, kind: stepKind, attempt, isFirstTry, isReleased, held },
    object,
    ...(isOriginal && head !== null && { head }),
    original: fileLocation(job.file),
    outputs,
    idempotencyKey: idempotencyKey(tenantId, id, stepSeq),
    store,
    useStore: stores && ((name, work) => stores.use({ tenantId, name }, work)),
    targets: targetsOf?.(tenantId),
    records: route.records && {
      layout: route.records,
      failJobAt: route.failJobAt,
      store: afterRow(recordStoreFor(job, span), unwritten),
    },
    ...(job.sharesPlace && { places: afterRow(placesFor(job), unwritten) }),
    branches: branches && afterRow(branches, unwritten),
    effects: afterRow(effectLogFor(job, position), unwritten),
    products: afterRow(productsFor(job), unwritten),
    texts: afterRow(textsFor(job), unwritten),
    issueReceipt: issueReceipt && afterRow(issueReceipt, unwritten),
    transferLog: afterRow(transferLogFor(job, position), unwritten),
    bucketNames,
    now: job.claimedAt,
    logger: logger.child({ step: stepKind, attempt }),
  };
}

export interface RunStepOptions {
  readonly kind: StepKind<unknown>;
  readonly context: Omit<StepContext<unknown>, 'signal'>;
  readonly lease: AbortSignal;
  readonly stop: AbortSignal;
  readonly deadlineMs: number;
}

export async function runStep(options: RunStepOptions): Promise<StepOutcome | 'lease-lost'> {
  const { kind, context, lease, stop, deadlineMs } = options;
  const end = await runAbortable({
    run: (signal) => kind.run({ ...context, signal }),
    lease,
    stop,
    deadlineMs,
  });
  if (end.type === 'left-behind') context.logger.error({ aborted: end.aborted }, 'step ignored its signal');
  // Stored at its epoch, once the database is back: where somebody else has taken over, it changes nothing.
  if (end.aborted === 'lease-lost') return isLostDatabase(lease.reason) ? DATABASE_AWAY : 'lease-lost';
  if (end.type === 'returned' && (end.aborted === undefined || end.result.type !== 'retry')) return end.result;
  if (end.aborted === 'stopping') return { type: 'wait', afterMs: 0, reason: whyStopped(stop) };
  if (end.aborted === 'deadline') return deadlineExceeded(kind.kind, deadlineMs);
  return afterThrow(end, kind.kind, context.logger);
}

function whyStopped({ reason }: AbortSignal): ErrorCode {
  return reason instanceof LongshoreError && reason.code === 'BRANCH_GIVEN_BACK' ? reason.code : 'WORKER_STOPPING';
}

function deadlineExceeded(kind: string, deadlineMs: number): StepOutcome {
  return {
    type: 'retry',
    code: stepErrorCode(kind),
    cause: 'STEP_DEADLINE_EXCEEDED',
    message: `The step did not end within ${deadlineMs / 1_000} s; it is tried again.`,
  };
}

/** The connection failed and not the step, which counts no attempt then. */
const DATABASE_AWAY: StepOutcome = { type: 'wait', afterMs: 1_000, reason: 'DATABASE_AWAY' };

/** A LongshoreError was written for people; any other text can hold anything and stays in the log. */
function afterThrow(end: AbortableEnd<StepOutcome>, kind: string, logger: Logger): StepOutcome {
  const error = end.type === 'threw' ? end.error : undefined;
  logger.error({ err: error }, 'step threw');
  if (isLostDatabase(error)) return DATABASE_AWAY;
  const code = stepErrorCode(kind);
  if (error instanceof LongshoreError) {
    return { type: 'retry', code, cause: error.code, message: `${error.message} ${error.hint}` };
  }
  return {
    type: 'retry',
    code,
    cause: 'INTERNAL',
    message: 'The step met an error that it was not written for; the log of that time has it, under the job id.',
  };
}

const CODE_OF_KIND: Readonly<Record<string, ErrorCode>> = {
  validate: 'VALIDATION_ERROR',
  stage: 'STAGING_ERROR',
  transform: 'TRANSFORM_ERROR',
  parse: 'PARSE_ERROR',
  call: 'RECORDS_ERROR',
  deliver: 'DELIVERY_ERROR',
  confirm: 'CONFIRMATION_ERROR',
  load: 'DELIVERY_ERROR',
  post: 'DELIVERY_ERROR',
  publish: 'DELIVERY_ERROR',
  mail: 'DELIVERY_ERROR',
  push: 'DELIVERY_ERROR',
  receipt: 'RECEIPT_ERROR',
  scan: 'SCAN_ERROR',
  classify: 'CLASSIFY_ERROR',
  unpack: 'UNPACK_ERROR',
  convert: 'CONVERT_ERROR',
  enrich: 'ENRICH_ERROR',
  index: 'INDEX_ERROR',
  archive: 'KEEP_ERROR',
  approve: 'APPROVAL_ERROR',
  parallel: 'BRANCH_ERROR',
  run: 'BRANCH_ERROR',
};

export function stepErrorCode(kind: string): ErrorCode {
  return Object.hasOwn(CODE_OF_KIND, kind) ? (CODE_OF_KIND[kind] as ErrorCode) : 'INTERNAL';
}
