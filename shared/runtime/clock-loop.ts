/**
 * Calls an asynchronous tick again and again: for clocks, not for messages.
 *
 * 1. Ticks never overlap; the wait between two is `intervalMs`, 20 % more or less, so that processes started together drift apart.
 * 2. A tick that says `again` has more to do and is repeated at once.
 * 3. A tick that throws is logged and waited for with a back-off; the loop never ends on its own.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '#shared/queue/backoff.ts';
import { endsWithin } from '#shared/runtime/within.ts';
import type { Logger } from './logger.ts';

export interface ClockLoopOptions {
  /** For logs. */
  readonly name: string;
  readonly intervalMs: number;
  /** The signal is aborted when a stop does not wait any longer. */
  readonly tick: (signal: AbortSignal) => Promise<'again' | 'done'>;
  /** After each tick: how long it took, and how many in a row have failed. */
  readonly onTick?: (tick: { readonly seconds: number; readonly failures: number }) => void;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface ClockLoop {
  start(): void;
  /** Resolves within `timeoutMs`, to whether the running tick had ended. Idempotent. */
  stop(options: { readonly timeoutMs: number }): Promise<boolean>;
  /** Since a tick last ended, well or not, or the loop began: beyond all reason when a tick hangs. */
  idleMs(): number;
  /** Ticks in a row that failed, up to now. */
  failures(): number;
}

/** Longer waits would only make the recovery of a dependency late news; a slow clock is not made a fast one by its failures. */
const MAX_BACKOFF_MS = 30_000;

export function createClockLoop(options: ClockLoopOptions): ClockLoop {
  const { name, intervalMs, tick, onTick, logger, now = () => performance.now(), random = Math.random } = options;
  const stopping = new AbortController();
  const aborting = new AbortController();
  let ended: Promise<void> | undefined;
  let lastEndMs = now();
  let failures = 0;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let pauseMs = intervalMs * (0.8 + 0.4 * random());
      const startedMs = now();
      try {
        if ((await tick(aborting.signal)) === 'again') pauseMs = 0;
        failures = 0;
      } catch (error) {
        failures += 1;
        logger.error({ err: error, clock: name, failures }, 'clock tick failed');
        pauseMs = backoffMs(failures, {
          firstMs: Math.max(intervalMs, 100),
          maxMs: Math.max(MAX_BACKOFF_MS, intervalMs),
          random,
        });
      }
      lastEndMs = now();
      onTick?.({ seconds: (lastEndMs - startedMs) / 1_000, failures });
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  return {
    start() {
      lastEndMs = now();
      ended ??= run();
    },
    async stop({ timeoutMs }) {
      stopping.abort();
      const isDone = await endsWithin(ended ?? Promise.resolve(), timeoutMs);
      aborting.abort();
      return isDone;
    },
    idleMs: () => now() - lastEndMs,
    failures: () => failures,
  };
}
