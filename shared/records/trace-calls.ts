/**
 * The calls of one chunk in its trace.
 *
 * 1. Not every call is a span: a chunk has a hundred records with several calls each, and a file may have thousands of chunks. The first few
 *    that went well show how long they take, those that did not are what somebody looks for; all are counted on the chunk's span.
 * 2. A call's answer is in no span, only what it was judged to be.
 */
import type { CallOutcome } from '#shared/partners/call-partner.ts';
import type { FinishedCall, Span, SpanFacts } from '#shared/runtime/tracing/tracing.ts';

const MOST_GOOD_CALLS = 3;
const MOST_OTHER_CALLS = 20;

export interface TracedCall extends Omit<FinishedCall, 'fault'> {
  readonly outcome: Exclude<CallOutcome, { readonly type: 'withdrawn' }>;
}

export interface CallTrace {
  add(call: TracedCall): void;
  counts(): SpanFacts;
}

export function createCallTrace(span: Span): CallTrace {
  let good = 0;
  let waits = 0;
  let others = 0;
  return {
    add({ outcome, facts, ...times }) {
      if (outcome.type === 'wait') {
        waits += 1;
        return;
      }
      const isGood = outcome.type === 'success';
      if (isGood ? good < MOST_GOOD_CALLS : others < MOST_OTHER_CALLS) {
        const { type, httpStatus } = outcome;
        const fault = 'cause' in outcome ? outcome.cause : undefined;
        span.addCall('call partner', { ...times, facts: { ...facts, outcome: type, httpStatus }, fault });
      }
      if (isGood) good += 1;
      else others += 1;
    },
    counts: () => ({ callsGood: good, callsWaiting: waits, callsOther: others }),
  };
}
