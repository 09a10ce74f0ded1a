/**
 * What happens to a received message, as the handler's return value says.
 *
 * Every further receive counts towards the DLQ (3 receives), after `release` as after `leave`: work that has to be tried
 * again is a row with a due time, and its message is acknowledged.
 */
export type Disposition =
  /** What the message caused is committed: delete it. */
  | { readonly type: 'acknowledge' }
  /** Not now: visible again after `delayMs` (whole seconds on the wire, rounded up). */
  | { readonly type: 'release'; readonly delayMs: number }
  /** Nothing is said to the queue: visible again when its visibility timeout ends. */
  | { readonly type: 'leave' };

export const acknowledge: Disposition = { type: 'acknowledge' };
export const leave: Disposition = { type: 'leave' };

export function release(delayMs = 0): Disposition {
  return { type: 'release', delayMs };
}
