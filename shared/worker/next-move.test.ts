import { describe, expect, test } from 'vitest';
import type { NextMove } from '#shared/jobs/store-outcomes.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import { type NextMoveInput, nextMove } from './next-move.ts';

const failure = { code: 'DELIVERY_ERROR', cause: 'HTTP_503', message: 'The partner is busy.' };
const retry: StepOutcome = { type: 'retry', ...failure };
const succeeded: StepOutcome = { type: 'succeeded' };
const shortStep = { stepSeq: 1, stepKind: 'confirm', stepClass: 'short' } as const;
const longStep = { stepSeq: 1, stepKind: 'deliver', stepClass: 'long' } as const;

function move(overrides: Partial<NextMoveInput>): NextMove {
  return nextMove({
    outcome: succeeded,
    attempt: 1,
    maxAttempts: 3,
    retry: { maxAttempts: 3, firstDelay: 2_000, factor: 2, maxDelay: 900_000, jitter: 'full' },
    next: undefined,
    workerClass: 'short',
    lane: 'standard',
    isStopping: false,
    random: () => 0.5,
    ...overrides,
  });
}

test('a job that changes hands goes to the queue of its lane, whether the next step is short or long', () => {
  const handOver = (overrides: Partial<NextMoveInput>) => move({ workerClass: 'long', next: shortStep, ...overrides });
  expect(handOver({ lane: 'platinum' })).toMatchObject({ type: 'hand-over', queue: 'platinum-steps' });
  expect(handOver({ lane: 'bronze' })).toMatchObject({ type: 'hand-over', queue: 'bronze-steps' });
  expect(handOver({ workerClass: 'short', lane: 'bronze', next: longStep })).toMatchObject({ queue: 'work' });
  expect(handOver({ workerClass: 'short', lane: 'platinum', next: longStep })).toMatchObject({
    queue: 'platinum-work',
  });
});

const later = (delayMs: number, reason: string, countsAttempt = true) => ({
  type: 'later',
  delayMs,
  countsAttempt,
  reason,
});

describe('the next move of a job', () => {
  test.each<[string, Partial<NextMoveInput>, unknown]>([
    ['ends the job after its last step', {}, { type: 'succeeded' }],
    [
      'walks on to a step of its own class',
      { next: shortStep },
      { type: 'next-step', stepSeq: 1, stepKind: 'confirm' },
    ],
    [
      'hands a long step over to the queue of long work',
      { next: longStep },
      { type: 'hand-over', stepSeq: 1, stepKind: 'deliver', queue: 'work' },
    ],
    [
      'hands a short step of a large file back',
      { next: shortStep, workerClass: 'long' },
      { type: 'hand-over', stepSeq: 1, stepKind: 'confirm', queue: 'partner-steps' },
    ],
    [
      'hands over instead of walking on when the worker stops',
      { next: shortStep, isStopping: true },
      { type: 'hand-over', stepSeq: 1, stepKind: 'confirm', queue: 'partner-steps' },
    ],
    ['retries after half of the first delay when the dice say so', { outcome: retry }, later(1_000, 'HTTP_503')],
    ['doubles the ceiling with each attempt', { outcome: retry, attempt: 2 }, later(2_000, 'HTTP_503')],
    ['jitters down to nothing', { outcome: retry, random: () => 0 }, later(0, 'HTTP_503')],
    ['obeys the delay that the step names', { outcome: { ...retry, afterMs: 90_000 } }, later(90_000, 'HTTP_503')],
    ['fails when the attempts are spent', { outcome: retry, attempt: 3 }, { type: 'failed' }],
    ['fails at the first try of one', { outcome: retry, maxAttempts: 1 }, { type: 'failed' }],
    [
      'waits without counting, even at the last attempt',
      { outcome: { type: 'wait', afterMs: 60_000, reason: 'MARKER' }, attempt: 3 },
      later(60_000, 'MARKER', false),
    ],
    ['fails what is final', { outcome: { type: 'failed', ...failure } }, { type: 'failed' }],
    ['never repeats what is ambiguous', { outcome: { type: 'ambiguous', ...failure }, attempt: 1 }, { type: 'failed' }],
    ['takes a negative delay for none', { outcome: { ...retry, afterMs: -5 } }, later(0, 'HTTP_503')],
    ['bounds a delay that no timer holds', { outcome: { ...retry, afterMs: 1e15 } }, later(1_728_000_000, 'HTTP_503')],
    [
      'bounds a delay that is no number',
      { outcome: { type: 'wait', afterMs: Number.NaN, reason: 'X' } },
      later(1_728_000_000, 'X', false),
    ],
  ])('%s', (_name, input, expected) => {
    expect(move(input)).toEqual(expected);
  });
});
