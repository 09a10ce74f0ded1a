import { expect, test } from 'vitest';
import { type CallResult, type NextRecordMoveInput, nextRecordMove } from './next-record-move.ts';

const retry = { maxAttempts: 3, firstDelay: 2_000, factor: 2, maxDelay: 60_000, jitter: 'full' } as const;

function moveOf(result: CallResult, changes: Partial<NextRecordMoveInput> = {}) {
  const input = {
    result,
    code: 'ASSIGNMENTS_ERROR',
    isLastCall: false,
    tries: 1,
    maxSweeps: 3,
    retry,
    random: () => 0.5,
  };
  return nextRecordMove({ ...input, ...changes });
}

const failure = { cause: 'HTTP_503', message: 'The partner answered HTTP 503.' };
const error = { code: 'ASSIGNMENTS_ERROR', ...failure };
const busy: CallResult = { type: 'retryable', ...failure };

test('a success goes on with its reply, and ends after the last call', () => {
  const success: CallResult = { type: 'success', output: { id: 'A-1' }, reference: 'V-1' };
  expect(moveOf(success)).toEqual({
    move: { type: 'next-step' },
    attempt: 'succeeded',
    reply: { id: 'A-1' },
    reference: 'V-1',
  });
  expect(moveOf({ type: 'success', output: {} }, { isLastCall: true })).toEqual({
    move: { type: 'success' },
    attempt: 'succeeded',
  });
});

test('a failure names the step, and is taken up again as the policy says, doubling', () => {
  expect(moveOf(busy)).toEqual({ move: { type: 'later', delayMs: 1_000 }, error, attempt: 'retry' });
  expect(moveOf(busy, { tries: 3 }).move).toEqual({ type: 'later', delayMs: 4_000 });
  expect(moveOf({ type: 'failed', isFinal: false, ...failure })).toEqual({
    move: { type: 'later', delayMs: 1_000 },
    error,
    attempt: 'failed',
  });
});

test('tries end at the limit of sweeps: 3 sweeps are 4 tries, none is one', () => {
  expect(moveOf(busy, { tries: 4 }).move).toEqual({ type: 'failed' });
  expect(moveOf(busy, { maxSweeps: 0 }).move).toEqual({ type: 'failed' });
});

test('the partner’s own wish wins over the policy, within a day', () => {
  const move = (afterMs: number) => moveOf({ ...busy, afterMs } as CallResult).move;
  expect([move(0), move(5_000), move(1e12), move(-1)]).toEqual([
    { type: 'later', delayMs: 0 },
    { type: 'later', delayMs: 5_000 },
    { type: 'later', delayMs: 86_400_000 },
    { type: 'later', delayMs: 0 },
  ]);
});

test('what is final, and what may have been done, is not taken up again', () => {
  expect(moveOf({ type: 'failed', isFinal: true, ...failure })).toEqual({
    move: { type: 'failed' },
    error,
    attempt: 'failed',
  });
  expect(moveOf({ type: 'ambiguous', ...failure })).toEqual({
    move: { type: 'ambiguous' },
    error,
    attempt: 'ambiguous',
  });
});
