/**
 * Walks one claimed job as far as this worker may.
 *
 * 1. The outcome of a step is stored before the next step begins.
 * 2. What the database refuses of an outcome is replaced by a failure that it takes: a job never hangs on its own result.
 * 3. Nothing is stored, and nothing more is run, once the lease is lost or an outcome was stale.
 */

import type { FoundRoute, RouteCache } from '#shared/definitions/route-cache.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import type { ClosedFile, NextMove } from '#shared/jobs/store-outcomes.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { endedBy, type Span } from '#shared/runtime/tracing/tracing.ts';
import type { StepClass } from '#shared/steps/step-context.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import type { JobCommits, OutcomeStored } from './job-commits.ts';
import type { Lease } from './lease-keeper.ts';
import { claimedPosition, type JobPosition, type NextStep, nextMove, nextPosition } from './next-move.ts';
import { stepErrorCode, type TriedStep, type TryParts, tryStep } from './try-step.ts';
import type { UnwrittenBranch } from './unwritten-branch.ts';

export interface AdvanceParts extends TryParts {
  readonly routes: RouteCache;
  readonly commits: JobCommits;
  readonly workerClass: StepClass;
  readonly random: () => number;
}

export interface JobRun {
  readonly job: ClaimedJob;
  readonly lease: Lease;
  /** Aborted when the worker stops and waits no longer. */
  readonly stop: AbortSignal;
  readonly span: Span;
  readonly logger: Logger;
  /** Of a branch: its parent is in the hands of this worker too. */
  readonly isParentHere?: boolean | undefined;
  /** Of a branch that began without a row. */
  readonly unwritten?: UnwrittenBranch | undefined;
}

export type AdvanceEnd =
  /** The job left this worker's hands. */
  | {
      readonly type: 'stored';
      readonly position: JobPosition;
      readonly move: NextMove['type'];
      /** Of the last outcome, unless it succeeded. */
      readonly cause: string | undefined;
      readonly outcome: StepOutcome;
      /** Of the steps that succeeded in this run, by kind. */
      readonly outputs: JobPosition['outputs'];
      readonly routeName: string | undefined;
      readonly closed: { readonly file: ClosedFile; readonly askedAtMs: number } | undefined;
    }
  /** Somebody else's, now or as soon as the lease has run out. */
  | { readonly type: 'lost'; readonly position: JobPosition };

export async function advanceJob(parts: AdvanceParts, run: JobRun): Promise<AdvanceEnd> {
  const { job } = run;
  const found = inBranch(await parts.routes.find(job.routeVersionId), job);
  let position = claimedPosition(job);
  const outputs: Record<string, Readonly<Record<string, unknown>>> = {};
  // Ends: the sequence number grows with every round, and a route has at most 50 steps.
  for (;;) {
    const tried = await tryTraced(parts, run, found, position);
    if (tried === 'lease-lost') return { type: 'lost', position };
    run.lease.settle();
    const { stored, outcome, move } = await storeTried(parts, run, { found, position, tried });
    if (stored.type !== 'stored') return { type: 'lost', position };
    if (outcome.type === 'succeeded') outputs[position.stepKind] = outcome.output ?? {};
    if (move.type !== 'next-step' || (outcome.type !== 'succeeded' && outcome.type !== 'skipped')) {
      return {
        type: 'stored',
        position,
        move: move.type,
        cause: causeOf(outcome),
        outcome,
        outputs,
        routeName: found.ok ? found.route.name : undefined,
        closed: stored.closed && { file: stored.closed, askedAtMs: stored.askedAtMs },
      };
    }
    run.lease.extend(stored.askedAtMs);
    position = nextPosition(position, outcome, move);
  }
}

/** The route as the job takes it: of a branch, its steps alone. */
function inBranch(found: FoundRoute, { branch, parentSeq }: ClaimedJob): FoundRoute {
  if (!found.ok || branch === null) return found;
  const route = found.route.branchesAt(parentSeq ?? -1).get(branch);
  if (route !== undefined) return { ok: true, route };
  return { ok: false, cause: 'ROUTE_INVALID', message: `The route version of the job has no branch ${branch}.` };
}

async function tryTraced(
  parts: AdvanceParts,
  { job, lease, stop, span, logger, unwritten }: JobRun,
  found: FoundRoute,
  position: JobPosition,
): Promise<TriedStep | 'lease-lost'> {
  const { stepKind, stepSeq, attempt } = position;
  const facts = { step: stepKind, stepSeq, attempt, tenant: job.tenantId, jobId: job.id };
  const step = span.child(`step ${stepKind}`, facts);
  return await endedBy(step, async () => {
    const request = { job, found, position, lease: lease.signal, stop, span: step, logger, unwritten };
    const tried = await tryStep(parts, request);
    if (tried === 'lease-lost') step.end({ outcome: 'lost' }, 'LEASE_LOST');
    else {
      const { outcome } = tried;
      const cause = causeOf(outcome);
      step.end({ outcome: outcome.type, cause }, outcome.type === 'wait' ? undefined : cause);
    }
    return tried;
  });
}

interface ToStore {
  readonly found: FoundRoute;
  readonly position: JobPosition;
  readonly tried: TriedStep;
}

interface Stored {
  readonly stored: OutcomeStored;
  readonly outcome: StepOutcome;
  readonly move: NextMove;
}

/** Stores what was tried, or a failure in its place when it cannot be stored. */
async function storeTried(parts: AdvanceParts, run: JobRun, { found, position, tried }: ToStore): Promise<Stored> {
  const storable = storableOutcome(tried.outcome);
  if (storable.ok) {
    const first = await storeOutcome(parts, run, { found, position, tried: { ...tried, outcome: storable.outcome } });
    if (first.stored.type !== 'refused') return first;
    run.logger.error({ err: first.stored.error, step: position.stepKind }, 'outcome refused by the database');
  }
  const reason = storable.ok ? 'the database does not take it' : storable.reason;
  const outcome = refusedOutcome(position, reason);
  return await storeOutcome(parts, run, { found, position, tried: { ...tried, outcome } });
}

async function storeOutcome(
  parts: AdvanceParts,
  { job, stop, span, isParentHere, unwritten }: JobRun,
  toStore: ToStore,
): Promise<Stored> {
  const { found, position, tried } = toStore;
  const { outcome, startedAt, durationMs } = tried;
  const move = nextMove({
    outcome,
    attempt: position.attempt,
    maxAttempts: job.maxAttempts,
    retry: found.ok ? found.route.retry : NO_RETRY,
    next: nextStepOf(found, position, job.isLarge),
    workerClass: parts.workerClass,
    lane: job.lane,
    isStopping: stop.aborted,
    random: parts.random,
  });
  const commits = unwritten ?? parts.commits;
  const stored = await commits.storeOutcome({
    jobId: job.id,
    epoch: job.epoch,
    stepSeq: position.stepSeq,
    stepKind: position.stepKind,
    attempt: position.attempt,
    generation: job.generation,
    outcome: outcome.type,
    startedAt,
    durationMs,
    next: move,
    traceparent: span.traceparent,
    isParentHere,
    ...('cause' in outcome ? { error: { code: outcome.code, cause: outcome.cause, message: outcome.message } } : {}),
    ...('output' in outcome && outcome.output !== undefined ? { output: outcome.output } : {}),
    ...(outcome.type === 'succeeded' && outcome.object !== undefined ? { object: outcome.object } : {}),
  });
  return { stored, outcome, move };
}

/** Never asked for a delay: without its route a job fails at once. */
const NO_RETRY = { maxAttempts: 1, firstDelay: 0, factor: 1, maxDelay: 0, jitter: 'none' } as const;

function refusedOutcome({ stepKind }: JobPosition, reason: string): StepOutcome {
  return {
    type: 'failed',
    code: stepErrorCode(stepKind),
    cause: 'OUTCOME_REFUSED',
    message: `What the step came to could not be stored: ${reason}.`,
  };
}

function nextStepOf(found: FoundRoute, { stepSeq }: JobPosition, isLarge: boolean): NextStep | undefined {
  const step = found.ok ? found.route.steps[stepSeq + 1] : undefined;
  return step && { stepSeq: stepSeq + 1, stepKind: step.kind, stepClass: step.classOf(isLarge) };
}

function causeOf(outcome: StepOutcome): string | undefined {
  if (outcome.type === 'wait') return outcome.reason;
  return outcome.type === 'succeeded' || outcome.type === 'skipped' ? undefined : outcome.cause;
}

/** Facts for later steps, not contents of files. */
const MAX_OUTPUT_BYTES = 65_536;
/** PostgreSQL's and V8's JSON readers recurse: deeper values end in a stack overflow, which refuses the whole statement. */
const MAX_OUTPUT_DEPTH = 50;
const MAX_MESSAGE_LENGTH = 2_000;
const MAX_NAME_LENGTH = 200;

type StorableOutcome =
  | { readonly ok: true; readonly outcome: StepOutcome }
  | { readonly ok: false; readonly reason: string };

/** One outcome that PostgreSQL cannot hold must not cost the jobs whose outcomes are stored in the same statement. */
export function storableOutcome(outcome: StepOutcome): StorableOutcome {
  switch (outcome.type) {
    case 'skipped':
      return { ok: true, outcome };
    case 'succeeded': {
      const reason = outputFault(outcome.output);
      return reason === undefined ? { ok: true, outcome } : { ok: false, reason };
    }
    case 'wait':
      return { ok: true, outcome: { ...outcome, reason: outcome.reason.slice(0, MAX_NAME_LENGTH) } };
    default: {
      const reason = 'output' in outcome ? outputFault(outcome.output) : undefined;
      if (reason !== undefined) return { ok: false, reason };
      return {
        ok: true,
        outcome: {
          ...outcome,
          code: outcome.code.slice(0, MAX_NAME_LENGTH),
          cause: outcome.cause.slice(0, MAX_NAME_LENGTH),
          message: outcome.message.slice(0, MAX_MESSAGE_LENGTH),
        },
      };
    }
  }
}

function outputFault(output: unknown): string | undefined {
  if (output === undefined) return undefined;
  if (isDeeperThan(output, MAX_OUTPUT_DEPTH)) return `its output is nested deeper than ${MAX_OUTPUT_DEPTH} levels`;
  try {
    const sizeBytes = Buffer.byteLength(JSON.stringify(output));
    if (sizeBytes > MAX_OUTPUT_BYTES) return `its output has ${sizeBytes} bytes, more than ${MAX_OUTPUT_BYTES}`;
  } catch {
    return 'its output is not JSON';
  }
  return undefined;
}

/** True for a value that contains itself too. */
function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(item, levels - 1));
}
