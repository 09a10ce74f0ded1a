/** When a failed try is repeated: doubling with full jitter, so that files that failed together do not come back together. */

export interface RetryPolicy {
  /** Tries of one step in all, the first included. */
  readonly maxAttempts: number;
  readonly firstDelay: number;
  readonly factor: number;
  readonly maxDelay: number;
  readonly jitter: 'full' | 'none';
}

/** Milliseconds to wait after try number `attempt` (from 1) failed. `random` gives a number from 0 up to, not including, 1. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: () => number): number {
  const ceiling = Math.min(policy.maxDelay, policy.firstDelay * policy.factor ** Math.max(0, attempt - 1));
  return Math.floor(policy.jitter === 'full' ? random() * ceiling : ceiling);
}
