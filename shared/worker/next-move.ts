/**
 * From what a try of a step came to, to where its job goes. Pure: time and randomness are arguments.
 *
 * 1. `retry` goes on only while attempts remain; a crash was counted by the claim already.
 * 2. `wait` counts nothing. `ambiguous` is never repeated: an operator decides.
 * 3. A job walks on only within its worker's class of steps, and not in a worker that stops: it changes hands instead.
 */
import { type RetryPolicy, retryDelayMs } from '#shared/definitions/routes/retry-delay.ts';
import type { WorkQueue } from '#shared/jobs/route-files.ts';
import type { NextMove } from '#shared/jobs/store-outcomes.ts';
import type { StepClass } from '#shared/steps/step-context.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';

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
  readonly isStopping: boolean;
  readonly random: () => number;
}

/** What fits PostgreSQL’s `int` of milliseconds; a longer `Retry-After` is asked about again after it. */
const MAX_DELAY_MS = 20 * 86_400_000;

export function nextMove(input: NextMoveInput): NextMove {
  const { outcome, attempt, maxAttempts } = input;
  switch (outcome.type) {
    case 'succeeded':
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

export function queueOfClass(stepClass: StepClass): WorkQueue {
  return stepClass === 'long' ? 'work' : 'partner-steps';
}

function afterSuccess({ next, workerClass, isStopping }: NextMoveInput): NextMove {
  if (next === undefined) return { type: 'succeeded' };
  const { stepSeq, stepKind, stepClass } = next;
  if (stepClass === workerClass && !isStopping) return { type: 'walk-on', stepSeq, stepKind };
  return { type: 'hand-over', stepSeq, stepKind, queue: queueOfClass(stepClass) };
}

function boundedDelayMs(delayMs: number): number {
  return Number.isFinite(delayMs) ? Math.min(Math.max(0, Math.ceil(delayMs)), MAX_DELAY_MS) : MAX_DELAY_MS;
}
