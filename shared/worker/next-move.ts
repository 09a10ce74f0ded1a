/**
 * Where a job is while a worker runs its steps, and where it goes after each outcome. Pure: time and randomness are arguments.
 *
 * 1. `retry` continues only while attempts remain; a crash was counted by the claim already.
 * 2. `wait` counts nothing. `ambiguous` is never repeated: an operator decides.
 * 3. A job continues only within its worker's class of steps, and not in a worker that stops: it changes hands instead.
 */
import { createHash } from 'node:crypto';
import type { Lane } from '#shared/definitions/lanes.ts';
import { type RetryPolicy, retryDelayMs } from '#shared/definitions/routes/retry-delay.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import { effectSeed } from '#shared/jobs/job-id.ts';
import { queueOfClass } from '#shared/jobs/lanes.ts';
import type { NextMove } from '#shared/jobs/store-outcomes.ts';
import type { StepClass } from '#shared/steps/step-context.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';

export interface JobPosition {
  /** Of the row: 0 is the route's first step. */
  readonly stepSeq: number;
  readonly stepKind: string;
  /** In this generation. */
  readonly attempt: number;
  /** Over all generations. */
  readonly tries: number;
  readonly object: ObjectLocation;
  /** An operator let the job continue from this step, at which it was held. */
  readonly isReleased: boolean;
  readonly held?: JobPosition['outputs'][string] | undefined;
  /** By step kind, the latest of a kind. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export function claimedPosition(job: ClaimedJob): JobPosition {
  const bySeq = Object.entries(job.outputs).sort(([one], [other]) => Number(one) - Number(other));
  return {
    stepSeq: job.stepSeq,
    stepKind: job.stepKind,
    attempt: job.stepAttempts,
    tries: job.stepTries,
    object: job.object ?? fileLocation(job.file),
    isReleased: job.isStepReleased,
    ...(job.held !== null && { held: job.held }),
    outputs: { ...job.inputs, ...Object.fromEntries(bySeq.map(([, { kind, output }]) => [kind, output ?? {}])) },
  };
}

/** After a step that succeeded or was skipped, when the job continues. */
export function nextPosition(
  position: JobPosition,
  done: Extract<StepOutcome, { type: 'succeeded' | 'skipped' }>,
  next: { readonly stepSeq: number; readonly stepKind: string },
): JobPosition {
  const { outputs, stepKind } = position;
  return {
    stepSeq: next.stepSeq,
    stepKind: next.stepKind,
    attempt: 1,
    tries: 1,
    isReleased: false,
    object: (done.type === 'succeeded' ? done.object : undefined) ?? position.object,
    outputs: done.type === 'succeeded' ? { ...outputs, [stepKind]: done.output ?? {} } : outputs,
  };
}

/** One per (tenant, job, step): the same over retries, redrives and generations, and for a job that another region makes again. */
export function idempotencyKey(tenantId: string, jobId: string, stepSeq: number): string {
  return createHash('sha256')
    .update(JSON.stringify([tenantId, effectSeed(jobId), stepSeq]))
    .digest('hex');
}

/** The archived copy once there is one; its ETag is the store's own affair, e.g. after a copy in parts. */
export function fileLocation({ archive, bucket, key, versionId, sizeBytes, etag }: ClaimedJob['file']): ObjectLocation {
  return archive === null ? { bucket, key, versionId, sizeBytes, etag } : { ...archive, sizeBytes };
}

export interface NextStep {
  readonly stepSeq: number;
  readonly stepKind: string;
  readonly stepClass: StepClass;
}

export interface NextMoveInput {
  readonly outcome: StepOutcome;
  /** This try's number, from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly retry: RetryPolicy;
  /** Undefined after the last step. */
  readonly next: NextStep | undefined;
  readonly workerClass: StepClass;
  readonly lane: Lane;
  readonly isStopping: boolean;
  readonly random: () => number;
}

/** What fits PostgreSQL’s `int` of milliseconds; a longer `Retry-After` is asked about again after it. */
const MAX_DELAY_MS = 20 * 86_400_000;

export function nextMove(input: NextMoveInput): NextMove {
  const { outcome, attempt, maxAttempts } = input;
  switch (outcome.type) {
    case 'succeeded':
    case 'skipped':
      return afterSuccess(input);
    case 'wait':
      return { type: 'later', delayMs: boundedDelayMs(outcome.afterMs), countsAttempt: false, reason: outcome.reason };
    case 'retry': {
      if (attempt >= maxAttempts) return { type: 'failed' };
      const delayMs = outcome.afterMs ?? retryDelayMs(input.retry, attempt, input.random);
      return { type: 'later', delayMs: boundedDelayMs(delayMs), countsAttempt: true, reason: outcome.cause };
    }
    case 'failed':
    case 'ambiguous':
      return { type: 'failed' };
  }
}

function afterSuccess({ next, workerClass, lane, isStopping }: NextMoveInput): NextMove {
  if (next === undefined) return { type: 'succeeded' };
  const { stepSeq, stepKind, stepClass } = next;
  if (stepClass === workerClass && !isStopping) return { type: 'next-step', stepSeq, stepKind };
  return { type: 'hand-over', stepSeq, stepKind, queue: queueOfClass(stepClass, lane) };
}

function boundedDelayMs(delayMs: number): number {
  return Number.isFinite(delayMs) ? Math.min(Math.max(0, Math.ceil(delayMs)), MAX_DELAY_MS) : MAX_DELAY_MS;
}
