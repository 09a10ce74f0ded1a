/** Exponential back-off with full jitter: without the jitter, all workers that lost a server together would return together. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** `failures` is 1 after the first one. Never 0: half of the step is kept, so that a loop cannot turn hot by bad luck. */
export function backoffMs(failures: number, { firstMs, maxMs, random }: BackoffOptions): number {
  const stepMs = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return stepMs / 2 + random() * (stepMs / 2);
}
