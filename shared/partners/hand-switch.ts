/**
 * What operators decided about the calls of a partner, as one process knows it: paused, or the breaker held open.
 *
 * 1. It counts before anything else does: a call that is held is a wait, and reaches neither the rate nor the breaker.
 * 2. Whatever lets calls pass again, an operator or the end of the time, calls `onReleased` once in each process that knew the partner.
 * 3. Times come as "for so long from now": the database's clock alone decides.
 */

/** As it is in the partner's row. */
export interface PartnerControl {
  readonly isPaused: boolean;
  /** For so long the breaker is held open: 0 when it is not, infinite until it is closed. */
  readonly openForMs: number;
  /** Grows with each act that lets calls pass again. */
  readonly trials: number;
}

export interface HeldByHand {
  readonly reason: 'paused' | 'breaker-open';
  readonly afterMs: number;
}

export interface HandSwitch {
  readonly held: HeldByHand | undefined;
  obey(control: PartnerControl): void;
}

export interface HandSwitchOptions {
  readonly onReleased: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What waits is woken by the act that ends the wait; this is for a wake-up that was lost. */
const LONGEST_WAIT_MS = 300_000;

export function createHandSwitch({ onReleased, now }: HandSwitchOptions): HandSwitch {
  let isPaused = false;
  let openUntil = Number.NEGATIVE_INFINITY;
  let trials: number | undefined;
  let wasHeld = false;

  function heldNow(): HeldByHand | undefined {
    if (isPaused) return { reason: 'paused', afterMs: LONGEST_WAIT_MS };
    const openForMs = openUntil - now();
    return openForMs > 0 ? { reason: 'breaker-open', afterMs: Math.min(LONGEST_WAIT_MS, openForMs) } : undefined;
  }

  function look(): HeldByHand | undefined {
    const held = heldNow();
    if (held === undefined && wasHeld) onReleased();
    wasHeld = held !== undefined;
    return held;
  }

  return {
    get held() {
      return look();
    },
    obey(control) {
      const isAnother = trials !== undefined && trials !== control.trials;
      isPaused = control.isPaused;
      openUntil = control.openForMs > 0 ? now() + control.openForMs : Number.NEGATIVE_INFINITY;
      trials = control.trials;
      // The act may have come and gone between two looks.
      if (isAnother && !wasHeld && heldNow() === undefined) onReleased();
      look();
    },
  };
}
