/**
 * Keeps one child running: started again with growing delays when it dies, and counted.
 *
 * 1. The first start must succeed, or `supervise` throws: a stack that cannot run must say so and end.
 * 2. Later deaths are started again for ever, at most every `maxDelayMs`: a dependency may come back after hours.
 * 3. A child that stayed up for `stableMs` begins again with the shortest delay.
 * 4. `stop` wins over a restart under way: nothing is running once it has resolved.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '#shared/runtime/logger.ts';

/** A child that is ready. */
export interface RunningChild {
  readonly pid: number;
  /** Settles when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

interface Backoff {
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  readonly stableMs: number;
}

/** A crash is mended before anyone looks; a crash loop costs little of two cores. */
const DEFAULT_BACKOFF: Backoff = { firstDelayMs: 200, maxDelayMs: 10_000, stableMs: 30_000 };

export interface SuperviseOptions {
  readonly name: string;
  /** Resolves when the child is ready; gives up when the signal aborts. */
  readonly start: (signal: AbortSignal) => Promise<RunningChild>;
  readonly logger: Logger;
  readonly backoff?: Backoff;
}

export interface Supervised {
  readonly name: string;
  /** Undefined while it is being started again. */
  readonly pid: number | undefined;
  readonly restarts: number;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { name, logger, backoff = DEFAULT_BACKOFF } = options;
  const stopping = new AbortController();
  let restarts = 0;
  let current: RunningChild | undefined;

  const first = await options.start(stopping.signal);
  current = first;
  const watching = watch(first);

  async function watch(child: RunningChild): Promise<void> {
    let upSince = performance.now();
    let delayMs = backoff.firstDelayMs;
    let running: RunningChild | undefined = child;
    while (!stopping.signal.aborted) {
      if (running !== undefined) {
        await running.ended;
        current = undefined;
        if (stopping.signal.aborted) return;
        if (performance.now() - upSince >= backoff.stableMs) delayMs = backoff.firstDelayMs;
        logger.warn({ child: name, pid: running.pid, restarts, delayMs }, 'child ended, starting it again');
      }
      await delay(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      restarts += 1;
      delayMs = Math.min(delayMs * 2, backoff.maxDelayMs);
      running = await options.start(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.error({ err: error, child: name, restarts }, 'child did not start');
        return undefined;
      });
      if (running === undefined) continue;
      upSince = performance.now();
      current = running;
    }
    await running?.stop();
  }

  return {
    name,
    get pid() {
      return current?.pid;
    },
    get restarts() {
      return restarts;
    },
    kill: (signal) => current?.kill(signal),
    stop: async () => {
      stopping.abort();
      await current?.stop();
      await watching;
    },
  };
}
