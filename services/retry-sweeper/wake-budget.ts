/** How many more wake-ups may be sent: so many in a minute, refilled evenly, so that a broken clock cannot flood the queues. */

export interface WakeBudget {
  /** Whole wake-ups left now; 0 when overspent. */
  left(): number;
  /** May overspend, as a statement wakes rows of several kinds at once; later ones then wait. */
  spend(count: number): void;
}

/** At most so many minutes' worth is saved up. */
const SAVED_MINUTES = 0.25;

export function createWakeBudget(perMinute: number, now: () => number = () => performance.now()): WakeBudget {
  const most = Math.max(1, perMinute * SAVED_MINUTES);
  let tokens = most;
  let countedAtMs = now();

  function refill(): void {
    const atMs = now();
    tokens = Math.min(most, tokens + ((atMs - countedAtMs) * perMinute) / 60_000);
    countedAtMs = atMs;
  }

  return {
    left() {
      refill();
      return Math.max(0, Math.floor(tokens));
    },
    spend(count) {
      refill();
      tokens -= count;
    },
  };
}
