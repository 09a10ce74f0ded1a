/**
 * Writes together what is to be written side by side: many jobs' rows in one statement, so that the database is asked less often
 * the more there is to do.
 *
 * 1. An item waits at most `maxDelayMs` for company, or for the statement under way: at load groups grow by themselves.
 * 2. Each caller gets its own item's result, or the error of the statement that carried it.
 * 3. What waits is bounded: past `maxWaiting` an item is refused at once, not kept in memory.
 */
import { LongshoreError } from '#shared/errors.ts';
import { Coalescer } from '#shared/queue/coalescer.ts';

export interface GroupCommitOptions<Item, Result> {
  /** For errors and metrics, e.g. `claim`. */
  readonly name: string;
  /** One result per item, in the same order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly maxItems?: number;
  readonly maxDelayMs?: number;
  /** Statements under way at once. One gives the largest groups. */
  readonly maxConcurrent?: number;
  readonly maxWaiting?: number;
  readonly onCommit?: (items: number) => void;
}

export class GroupCommit<Item, Result> {
  readonly #name: string;
  readonly #maxWaiting: number;
  readonly #groups: Coalescer<Item, Result>;
  #waiting = 0;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#name = options.name;
    this.#maxWaiting = options.maxWaiting ?? 10_000;
    this.#groups = new Coalescer({
      lingerMs: options.maxDelayMs ?? 5,
      concurrency: options.maxConcurrent ?? 1,
      maxEntries: options.maxItems ?? 100,
      run: async (items) => {
        const results = await options.run(items);
        options.onCommit?.(items.length);
        return results;
      },
    });
  }

  /** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when too many wait, or what the statement threw. */
  async add(item: Item): Promise<Result> {
    if (this.#waiting >= this.#maxWaiting) {
      throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `Too many wait for the statement "${this.#name}".`);
    }
    this.#waiting += 1;
    try {
      return await this.#groups.add(item);
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Resolves when everything added so far was written or refused. */
  flush(): Promise<void> {
    return this.#groups.flush();
  }
}
