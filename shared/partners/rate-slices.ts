/**
 * A partner's rate over all tasks: each task takes slices of it from one place, and spends them on its own.
 *
 * 1. Calls are counted before they are made, so that the rate holds whatever becomes of them.
 * 2. A slice that was not spent in its time is lost: better too slow than too fast.
 * 3. One question for a slice at a time; who finds none waits, and holds nothing meanwhile.
 */

export interface RateSlice {
  /** How many calls may be made; 0 when there are none now. */
  readonly calls: number;
  /** How long the slice may be spent, or when to ask again. */
  readonly forMs: number;
}

/** Asks whoever counts for all tasks. */
export type LeaseSlice = () => Promise<RateSlice>;

export type RateAnswer = { readonly type: 'granted' } | { readonly type: 'wait'; readonly afterMs: number };

export interface RateSlices {
  take(): Promise<RateAnswer>;
}

export function createRateSlices(lease: LeaseSlice, now: () => number): RateSlices {
  let calls = 0;
  let until = 0;
  let leasing: Promise<void> | undefined;

  async function refill(): Promise<void> {
    const slice = await lease();
    calls = slice.calls;
    until = now() + slice.forMs;
  }

  return {
    async take() {
      const isAskedInVain = calls === 0 && now() < until;
      if ((calls === 0 && !isAskedInVain) || now() >= until) {
        leasing ??= refill().finally(() => {
          leasing = undefined;
        });
        await leasing;
      }
      if (calls > 0 && now() < until) {
        calls -= 1;
        return { type: 'granted' };
      }
      return { type: 'wait', afterMs: Math.max(1, Math.ceil(until - now())) };
    },
  };
}

const SLICE_MS = 1_000;

/** For a fleet of one task: a second's calls at a time, at least one. */
export function localSlices(ratePerSecond: number, now: () => number): LeaseSlice {
  const sliceMs = Math.max(SLICE_MS, 1_000 / ratePerSecond);
  let nextAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const waitMs = nextAt - now();
    if (waitMs > 0) return { calls: 0, forMs: waitMs };
    nextAt = now() + sliceMs;
    return { calls: Math.max(1, Math.floor((ratePerSecond * sliceMs) / 1_000)), forMs: sliceMs };
  };
}
