/**
 * Stops a process's parts in the reverse order of their start, each within a bound.
 *
 * 1. Stopping is idempotent: a second signal changes nothing.
 * 2. A part that does not stop in time is left behind and reported; the others still stop.
 */
import type { Logger } from '#shared/runtime/logger.ts';
import { endsWithin } from '#shared/runtime/within.ts';

export interface Stoppable {
  readonly name: string;
  stop(): Promise<void>;
}

export interface StopAllOptions {
  readonly parts: readonly Stoppable[];
  /** Bound for each part. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** Resolves to whether every part stopped within its bound. `parts` are in the order of their start. */
export async function stopAll({ parts, timeoutMs, logger }: StopAllOptions): Promise<boolean> {
  let isClean = true;
  for (const part of [...parts].reverse()) {
    const stopped = await endsWithin(stop(part), timeoutMs).catch((error: unknown) => {
      logger.error({ err: error, part: part.name }, 'part failed to stop');
      return false;
    });
    if (!stopped) {
      isClean = false;
      logger.error({ part: part.name, timeoutMs }, 'part did not stop in time');
    }
  }
  return isClean;
}

/** What it throws at once is a rejection too. */
async function stop(part: Stoppable): Promise<void> {
  await part.stop();
}

/** Resolves at the first SIGTERM or SIGINT. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}
