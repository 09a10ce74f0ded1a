/**
 * A bounded number of places, with a queue before it: who comes when all are taken waits for one.
 *
 * 1. Nobody waits for ever: when none of the places was used for a while, those that wait are refused.
 * 2. Whoever took a place leaves it once.
 */
export interface Places {
  /** @throws what `refusal` makes, when no place became free although none was used. */
  take(): Promise<void>;
  leave(): void;
  /** Some place is in use: those that wait keep waiting. */
  touch(): void;
  /** Refuses those that wait, now and later. */
  close(): void;
}

export interface PlacesOptions {
  readonly count: number;
  readonly waitMs: number;
  readonly refusal: () => Error;
}

export function createPlaces({ count, waitMs, refusal }: PlacesOptions): Places {
  const waiting = new Set<PromiseWithResolvers<void>>();
  let taken = 0;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  function refuseAll(): void {
    for (const { reject } of waiting) reject(refusal());
    waiting.clear();
  }

  return {
    async take() {
      if (isClosed) throw refusal();
      if (taken < count) {
        taken += 1;
        return;
      }
      const turn = Promise.withResolvers<void>();
      if (waiting.size === 0) {
        clearTimeout(timer);
        timer = setTimeout(refuseAll, waitMs).unref();
      }
      waiting.add(turn);
      await turn.promise;
    },
    leave() {
      timer?.refresh();
      const [next] = waiting;
      if (next === undefined) {
        taken -= 1;
        clearTimeout(timer);
        timer = undefined;
        return;
      }
      // The place passes on: `taken` stays.
      waiting.delete(next);
      next.resolve();
    },
    touch() {
      if (waiting.size > 0) timer?.refresh();
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      refuseAll();
    },
  };
}
