/**
 * Collects entries that arrive side by side into requests of up to 10, so that the number of requests stays low.
 *
 * 1. An entry waits at most `lingerMs`, or until the requests before it have ended when `concurrency` of them are under way.
 * 2. Entries leave in the order of their arrival; with `concurrency` 1 also one request after the other.
 * 3. `run` gives one result per entry, in the same order.
 */
export interface CoalescerOptions<Entry, Result> {
  readonly lingerMs: number;
  readonly concurrency: number;
  /** Default 10, the limit of every SQS and SNS batch request. */
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  readonly sizeOf?: (entry: Entry) => number;
  readonly run: (entries: readonly Entry[]) => Promise<readonly Result[]>;
}

interface Waiting<Entry, Result> {
  readonly entry: Entry;
  readonly sizeBytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class Coalescer<Entry, Result> {
  readonly #options: CoalescerOptions<Entry, Result>;
  readonly #maxEntries: number;
  #waiting: Waiting<Entry, Result>[] = [];
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isLingerOver = false;

  constructor(options: CoalescerOptions<Entry, Result>) {
    this.#options = options;
    this.#maxEntries = options.maxEntries ?? 10;
  }

  add(entry: Entry): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, sizeBytes: this.#options.sizeOf?.(entry) ?? 0, resolve, reject });
      this.#send();
    });
  }

  /** Entries added and not yet answered, at most one request's worth too many. */
  get pending(): number {
    return this.#waiting.length + this.#running.size * this.#maxEntries;
  }

  /** Resolves when a request under way has ended, at once when there is none. */
  async oneRequest(): Promise<void> {
    if (this.#running.size > 0) await Promise.race(this.#running);
  }

  /** Sends what waits without further linger; resolves when everything added so far is answered. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#running.size > 0) {
      this.#isLingerOver = true;
      this.#send();
      await Promise.race(this.#running);
    }
  }

  #send(): void {
    while (this.#waiting.length > 0 && this.#running.size < this.#options.concurrency) {
      const count = this.#countForOneRequest();
      const isFull = count < this.#waiting.length || count >= this.#maxEntries;
      if (!isFull && !this.#isLingerOver) break;
      this.#isLingerOver = false;
      const running = this.#run(this.#waiting.splice(0, count)).finally(() => {
        this.#running.delete(running);
        this.#send();
      });
      this.#running.add(running);
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#waiting.length === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#isLingerOver = false;
      return;
    }
    if (this.#isLingerOver || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#isLingerOver = true;
      this.#send();
    }, this.#options.lingerMs);
  }

  #countForOneRequest(): number {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#options;
    let sizeBytes = 0;
    let count = 0;
    for (const { sizeBytes: entryBytes } of this.#waiting) {
      if (count === this.#maxEntries || (count > 0 && sizeBytes + entryBytes > maxBytes)) break;
      sizeBytes += entryBytes;
      count += 1;
    }
    return count;
  }

  async #run(batch: readonly Waiting<Entry, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(({ entry }) => entry));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
