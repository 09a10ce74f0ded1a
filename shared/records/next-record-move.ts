/**
 * From what a call came to, to where its record goes. Pure: randomness is an argument.
 *
 * 1. The code names the step that failed, whatever the reason; cause and message say the reason. Nobody downstream has to know which
 *    faults a step can have.
 * 2. A failure is retried at the same call while sweeps are left, unless the partner's mapping calls it final.
 * 3. What may have been done is never taken up again on its own.
 */

import { type RetryPolicy, retryDelayMs } from '#shared/definitions/routes/retry-delay.ts';
import type { CallOutcome } from '#shared/partners/call-partner.ts';
import type { RecordMove, RecordOutcome } from './store-record-outcomes.ts';

/** What a call that was made, or that cannot be made, came to. */
export type CallResult = Exclude<CallOutcome, { type: 'wait' | 'withdrawn' }>;

export interface NextRecordMoveInput {
  readonly result: CallResult;
  /** The step's, of the route. */
  readonly code: string;
  readonly isLastCall: boolean;
  /** This try's number, from 1. */
  readonly tries: number;
  readonly maxSweeps: number;
  readonly retry: RetryPolicy;
  readonly random: () => number;
}

export interface NextRecordMove extends Pick<RecordOutcome, 'move' | 'error' | 'reply' | 'reference'> {
  readonly attempt: 'succeeded' | 'failed' | 'retry' | 'ambiguous';
}

/** A partner's wish to come again later than this is asked about again then. */
const LONGEST_DELAY_MS = 86_400_000;

export function nextRecordMove(input: NextRecordMoveInput): NextRecordMove {
  const { result, code, isLastCall } = input;
  if (result.type === 'success') {
    return {
      move: { type: isLastCall ? 'success' : 'next-step' },
      attempt: 'succeeded',
      ...(Object.keys(result.output).length > 0 && { reply: result.output }),
      ...(result.reference !== undefined && { reference: result.reference }),
    };
  }
  const error = { code, cause: result.cause, message: result.message };
  switch (result.type) {
    case 'ambiguous':
      return { move: { type: 'ambiguous' }, error, attempt: 'ambiguous' };
    case 'failed':
      return { move: result.isFinal ? { type: 'failed' } : takenUpAgain(input), error, attempt: 'failed' };
    case 'retryable':
      return { move: takenUpAgain(input, result.afterMs), error, attempt: 'retry' };
  }
}

function takenUpAgain({ tries, maxSweeps, retry, random }: NextRecordMoveInput, afterMs?: number): RecordMove {
  if (tries > maxSweeps) return { type: 'failed' };
  const delayMs = afterMs ?? retryDelayMs(retry, tries, random);
  return { type: 'later', delayMs: Math.min(LONGEST_DELAY_MS, Math.max(0, delayMs)) };
}
