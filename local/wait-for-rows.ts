/**
 * Waits for rows that another process writes to a SQLite database.
 *
 * 1. While rows come, a look each 20 ms finds them: one index probe of some microseconds, cheaper than a file watcher, which wakes at every write.
 * 2. When none came for a second, the directory of the database is watched, and nothing runs until something is written there. Watching begins
 *    before the last look, so that no row falls in between.
 * 3. A watcher that is not to be had, or that misses a write, costs time alone: there is a look each half second.
 */
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_INTERVAL_MS = 20;
const QUIET_LOOKS = 50;
const WATCHED_LOOK_INTERVAL_MS = 500;

export interface WaitForRowsOptions {
  readonly directory: string;
  readonly hasRows: () => boolean;
  readonly signal: AbortSignal;
  /** Resolves after so long, or once the signal aborts. */
  readonly pause?: Pause;
}

type Pause = (ms: number, signal: AbortSignal) => Promise<unknown>;

const pauseByClock: Pause = (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined);

/** To `true` once there are rows, to `false` once `signal` aborts. */
export async function waitForRows(options: WaitForRowsOptions): Promise<boolean> {
  const { hasRows, signal, pause = pauseByClock } = options;
  for (let looks = 0; !signal.aborted; looks += 1) {
    if (hasRows()) return true;
    if (looks < QUIET_LOOKS) await pause(LOOK_INTERVAL_MS, signal);
    else {
      await untilWritten({ ...options, pause });
      looks = 0;
    }
  }
  return false;
}

async function untilWritten({ directory, hasRows, signal, pause }: Required<WaitForRowsOptions>): Promise<void> {
  const { promise: written, resolve } = Promise.withResolvers<void>();
  const watcher = watchDirectory(directory, resolve);
  const isOver = new AbortController();
  const either = AbortSignal.any([signal, isOver.signal]);
  void written.then(() => isOver.abort());
  try {
    while (!either.aborted && !hasRows()) await pause(WATCHED_LOOK_INTERVAL_MS, either);
  } finally {
    watcher?.close();
  }
}

function watchDirectory(directory: string, onWrite: () => void): FSWatcher | undefined {
  try {
    return watch(directory, onWrite).on('error', onWrite);
  } catch {
    return undefined;
  }
}
