/** A partner's breaker in one task: after so many calls in a row without a usable reply none is made for a while, then one to try. */
import {
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBackoff,
  isBrokenCircuitError,
} from 'cockatiel';
import type { HttpOutcome } from '#shared/http/http-client.ts';

export type BrokenOr<Result> =
  | { readonly type: 'called'; readonly result: Result }
  | { readonly type: 'open'; readonly afterMs: number };

export interface PartnerBreaker {
  readonly isOpen: boolean;
  /** For so long no call passes; 0 when one may try. */
  readonly openForMs: number;
  /** The next call is a trial, as after the time of an open one, whatever came of the calls before. */
  tryNext(): void;
  run<Result extends { readonly reply: HttpOutcome | undefined }>(
    call: () => Promise<Result>,
  ): Promise<BrokenOr<Result>>;
}

export interface PartnerBreakerOptions {
  readonly failures: number;
  readonly openForMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** While one call tries whether the partner is back, the others look again after this. */
const TRIAL_MS = 250;

export function createPartnerBreaker({ failures, openForMs, now }: PartnerBreakerOptions): PartnerBreaker {
  let openedAt = 0;
  const openForMore = () => Math.max(0, openedAt + openForMs - now());
  // cockatiel asks the clock on the wall, which may be set back for an hour: only "not yet" and "now" are the same by any clock.
  const open = (): IBackoff<unknown> => {
    openedAt = now();
    return {
      get duration() {
        return openForMore() > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
      },
      next: open,
    };
  };
  const create = (initialState?: unknown) =>
    circuitBreaker(
      handleWhenResult((result) => isOutage((result as { reply: HttpOutcome | undefined }).reply)),
      {
        breaker: new ConsecutiveBreaker(failures),
        halfOpenAfter: { next: open },
        ...(initialState ? { initialState } : {}),
      },
    );
  let policy = create();
  return {
    get isOpen() {
      return policy.state === CircuitState.Open;
    },
    get openForMs() {
      return policy.state === CircuitState.Open ? openForMore() : 0;
    },
    tryNext() {
      policy = create({ ownState: { value: CircuitState.Open, openedAt: 0, attemptNo: 1 }, breakerState: 0 });
      openedAt = Number.NEGATIVE_INFINITY;
    },
    async run(call) {
      try {
        return { type: 'called', result: await policy.execute(call) };
      } catch (error) {
        if (!isBrokenCircuitError(error)) throw error;
        return { type: 'open', afterMs: Math.max(TRIAL_MS, openForMore()) };
      }
    },
  };
}

/** The partner is not there, or not itself. A no to a record, or to our pace, is not that. */
function isOutage(reply: HttpOutcome | undefined): boolean {
  if (reply === undefined) return false;
  if (reply.type === 'replied') return reply.status >= 500;
  return !['aborted', 'forbidden', 'invalid'].includes(reply.cause);
}
