/**
 * Collects entries that arrive side by side into few requests, or into few statements of many rows: the more there is to do, the fewer are
 * needed for each.
 *
 * 1. An entry waits at most `lingerMs`, or until the requests before it have ended when `concurrency` of them are under way.
 * 2. Entries leave in the order of their arrival; with `concurrency` 1 also one request after the other.
 * 3. `run` gives one result per entry, in the same order. What it throws reaches every entry of its request.
 * 4. What waits is bounded where `maxWaiting` says so: an entry past it is refused at once, not kept in memory.
 */
import { LongshoreError } from '#shared/errors.ts';

export interface CoalescerOptions<Entry, Result> {
  /** For errors, e.g. `claim-jobs`. */
  readonly name?: string;
  /** Default 5. By how many entries are not yet answered, where many shall share a request and few shall not wait for each other. */
  readonly lingerMs?: number | ((pending: number) => number) | undefined;
  /** Requests under way at once. Default 1, which gives the largest. */
  readonly concurrency?: number;
  /** Default 10, the limit of every SQS and SNS batch request. */
  readonly maxEntries?: number;
  /** Entries that are not yet answered; unbounded when absent. */
  readonly maxWaiting?: number;
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
  readonly #concurrency: number;
  #waiting: Waiting<Entry, Result>[] = [];
  #pending = 0;
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isLingerOver = false;

  constructor(options: CoalescerOptions<Entry, Result>) {
    this.#options = options;
    this.#maxEntries = options.maxEntries ?? 10;
    this.#concurrency = options.concurrency ?? 1;
  }

  /** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when too many wait, or what `run` threw. */
  add(entry: Entry): Promise<Result> {
    const { name = 'request', maxWaiting = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#pending >= maxWaiting) {
      return Promise.reject(new LongshoreError('DEPENDENCY_UNAVAILABLE', `Too many wait for "${name}".`));
    }
    this.#pending += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, sizeBytes: this.#options.sizeOf?.(entry) ?? 0, resolve, reject });
      this.#send();
    });
  }

  /** Entries added and not yet answered. */
  get pending(): number {
    return this.#pending;
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
    while (this.#waiting.length > 0 && this.#running.size < this.#concurrency) {
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
    const { lingerMs = 5 } = this.#options;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#isLingerOver = true;
        this.#send();
      },
      typeof lingerMs === 'number' ? lingerMs : lingerMs(this.#pending),
    );
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
      this.#pending -= batch.length;
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      this.#pending -= batch.length;
      for (const { reject } of batch) reject(error);
    }
  }
}
