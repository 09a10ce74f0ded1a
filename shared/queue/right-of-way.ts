/**
 * Leaves the processor to urgent messages while a flood of others is worked off: what the flood costs the database and the process in one go, the
 * urgent ones wait for, however many slots they have.
 *
 * 1. Where nothing urgent came in the last seconds, a flood is worked off at full speed.
 * 2. Every wait is bounded: a flood always moves on.
 * 3. A flood rests with its slots taken, so that no more of it is received meanwhile; and several times as long as the event loop was busy with
 *    it, so that a process which mostly waits for others hardly rests.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RightOfWay {
  /** Runs what is urgent, at once. */
  first<T>(work: () => Promise<T>): Promise<T>;
  /** Runs a piece of a flood when nothing urgent is under way, and rests afterwards. Ends early when `signal` says so; the work itself does not. */
  after<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface RightOfWayOptions {
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** For how long the event loop has been busy so far. */
  readonly busyMs?: () => number;
  readonly rest?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** For so long after it, what is urgent counts as under way: more of it is likely to come. */
const RECENT_MS = 5_000;
/** Of the time that the loop was busy. */
const RESTS = 3;
const LONGEST_REST_MS = 1_000;
const LONGEST_WAIT_MS = 250;

export function createRightOfWay({
  now = () => performance.now(),
  busyMs = () => performance.eventLoopUtilization().active,
  rest = pause,
}: RightOfWayOptions = {}): RightOfWay {
  const underWay = new Set<Promise<unknown>>();
  let lastAtMs = Number.NEGATIVE_INFINITY;

  async function untilClear(signal: AbortSignal): Promise<void> {
    if (underWay.size === 0) return;
    const clear = new AbortController();
    const over = AbortSignal.any([signal, clear.signal]);
    await Promise.race([Promise.all(underWay), rest(LONGEST_WAIT_MS, over)]);
    clear.abort();
  }

  return {
    async first(work) {
      const running = work();
      const settled = running.then(
        () => undefined,
        () => undefined,
      );
      underWay.add(settled);
      try {
        return await running;
      } finally {
        underWay.delete(settled);
        lastAtMs = now();
      }
    },
    async after(work, signal) {
      await untilClear(signal);
      const busyBeforeMs = busyMs();
      try {
        return await work();
      } finally {
        const isDue = underWay.size > 0 || now() - lastAtMs < RECENT_MS;
        if (isDue) await rest(Math.min(LONGEST_REST_MS, (busyMs() - busyBeforeMs) * RESTS), signal);
      }
    },
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
