/** Whose messages a process handles: those of one tenant, or of several within the last second. */

/** Small work ends within milliseconds, and more of it follows: it would meet a loop that had just been taken whole. */
const LINGER_MS = 1_000;

export class TenantsAtWork {
  readonly #now: () => number;
  readonly #running = new Map<string, number>();
  #severalUntilMs = Number.NEGATIVE_INFINITY;

  /** Monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get areSeveral(): boolean {
    return this.#running.size > 1 || this.#now() < this.#severalUntilMs;
  }

  async during<Result>(tenantId: string, work: () => Promise<Result>): Promise<Result> {
    this.#running.set(tenantId, (this.#running.get(tenantId) ?? 0) + 1);
    try {
      return await work();
    } finally {
      if (this.#running.size > 1) this.#severalUntilMs = this.#now() + LINGER_MS;
      const running = (this.#running.get(tenantId) ?? 0) - 1;
      if (running > 0) this.#running.set(tenantId, running);
      else this.#running.delete(tenantId);
    }
  }
}
