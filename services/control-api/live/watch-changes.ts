/**
 * Asks what changed, once a second for all listeners, and notifies each.
 *
 * 1. It asks only while somebody watches, and never two questions at once.
 * 2. A database that does not answer costs looks, not the watching: the next one reaches back to the last. Beyond `LONGEST_GAP_MS` those
 *    who watch are asked to look for themselves.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type Changes, findChanges, type Place, type Watched } from './find-changes.ts';

export interface ChangeListener extends Watched {
  /** `reset`: what happened meanwhile is not known. */
  notify(changes: Changes | 'reset'): void;
}

export interface ChangeWatch {
  /** Returns what ends it. */
  listen(listener: ChangeListener): () => void;
  close(): void;
}

const INTERVAL_MS = 1_000;
export const LONGEST_GAP_MS = 300_000;

export function createChangeWatch({ sql, logger }: { readonly sql: Sql; readonly logger: Logger }): ChangeWatch {
  const listeners = new Set<ChangeListener>();
  let place: Place | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;

  async function look(): Promise<void> {
    timer = undefined;
    isLooking = true;
    const asked = [...listeners];
    try {
      const changes = await findChanges(sql, place, {
        fileIds: [...new Set(asked.flatMap(({ fileIds }) => fileIds))],
        actionIds: [...new Set(asked.flatMap(({ actionIds }) => actionIds))],
      });
      const isBlind = place !== undefined && changes.place.at - place.at > LONGEST_GAP_MS;
      place = changes.place;
      for (const listener of asked) if (listeners.has(listener)) listener.notify(isBlind ? 'reset' : changes);
    } catch (err) {
      logger.warn({ err }, 'changes cannot be looked at');
    } finally {
      isLooking = false;
      lookIn(INTERVAL_MS);
    }
  }

  function lookIn(delayMs: number): void {
    if (isLooking || timer !== undefined || listeners.size === 0) return;
    timer = setTimeout(() => void look(), delayMs);
  }

  function rest(): void {
    clearTimeout(timer);
    timer = undefined;
    // The worker that comes next begins at its own time.
    place = undefined;
  }

  return {
    listen(listener) {
      listeners.add(listener);
      lookIn(0);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) rest();
      };
    },
    close() {
      listeners.clear();
      rest();
    },
  };
}
