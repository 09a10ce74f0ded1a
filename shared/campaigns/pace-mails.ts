/**
 * When the mails of one campaign go, in this process: each at its time of those that were leased, one after the other, and not all at once.
 *
 * 1. As many times are asked for as there are mails that wait, or will come at the speed of just now. What is not used in time is given back
 *    with the next question.
 * 2. One question at a time. A mail waits here for what comes within `HELD_MS`; for what comes later its chunk is given back.
 */

export type MailTimes =
  /** From when on, and how far apart. */
  { readonly mails: number; readonly fromMs: number; readonly everyMs: number } | { readonly againMs: number };

export type LeaseTimes = (wish: { readonly wanted: number; readonly unused: number }) => Promise<MailTimes>;

export interface MailPace {
  /** 0: now is a mail's time; else after how long to ask again. */
  take(): Promise<number>;
  /** Of a mail that does not go after all. */
  giveBack(): void;
}

export interface MailPaceOptions {
  readonly lease: LeaseTimes;
  /** What the speed of just now is measured over. */
  readonly sliceMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

/** A slot is held meanwhile, as by a mail that a slow service takes its time for. */
const HELD_MS = 1_000;
/** A timer is no more exact. */
const EARLY_MS = 1;
/** Of times that are over; later they would be a burst. */
const KEPT_MS = 500;

export function createMailPace({ lease, sliceMs, now, sleep }: MailPaceOptions): MailPace {
  let [left, unused] = [0, 0];
  let [nextAt, everyMs, endsAt] = [0, 0, 0];
  let askAt = Number.NEGATIVE_INFINITY;
  let waiting = 0;
  let [taken, leasedAt] = [0, now()];
  let leasing: Promise<void> | undefined;

  async function refill(): Promise<void> {
    const coming = Math.ceil((taken * sliceMs) / Math.max(sliceMs, now() - leasedAt));
    unused += left;
    [left, taken, leasedAt] = [0, 0, now()];
    const times = await lease({ wanted: Math.max(1, waiting, coming), unused });
    if ('againMs' in times) {
      askAt = now() + times.againMs;
      return;
    }
    unused = 0;
    [left, nextAt, everyMs] = [times.mails, now() + times.fromMs, times.everyMs];
    endsAt = nextAt + left * everyMs + KEPT_MS;
  }

  /** Undefined: none is left. */
  function nextTime(): number | undefined {
    if (left === 0 || now() > endsAt) return undefined;
    const at = nextAt;
    left -= 1;
    nextAt += everyMs;
    taken += 1;
    return at;
  }

  async function waitForTime(): Promise<number> {
    const heldUntil = now() + HELD_MS;
    for (;;) {
      const at = nextTime();
      if (at !== undefined) {
        if (at - now() > EARLY_MS) await sleep(at - now());
        return 0;
      }
      const waitMs = askAt - now();
      if (waitMs > 0 && askAt > heldUntil) return waitMs;
      if (waitMs > 0) await sleep(waitMs);
      else {
        leasing ??= refill().finally(() => {
          leasing = undefined;
        });
        await leasing;
      }
    }
  }

  return {
    async take() {
      waiting += 1;
      try {
        return await waitForTime();
      } finally {
        waiting -= 1;
      }
    },
    giveBack() {
      left += 1;
      nextAt -= everyMs;
    },
  };
}
