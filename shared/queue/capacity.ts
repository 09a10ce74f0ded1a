/**
 * How many more messages a worker may receive: pollers take room before they ask, and whoever is done with a message gives it back.
 *
 * 1. Taken room never exceeds the total, so a poll can never bring more than can be held.
 * 2. A poller that finds little room waits `lingerMs` for more, never longer: asking for one message at a time would cost one
 *    request per message, and one slow message must not keep the others waiting.
 */
const LINGER_MS = 5;

interface Taker {
  readonly max: number;
  readonly resolve: (taken: number) => void;
  timer: NodeJS.Timeout | undefined;
  isLingerOver: boolean;
}

export class Capacity {
  #free: number;
  #isClosed = false;
  readonly #takers: Taker[] = [];

  constructor(total: number) {
    this.#free = total;
  }

  /** Resolves to 1 to `max`, or to 0 once the capacity is closed. */
  take(max: number): Promise<number> {
    return new Promise((resolve) => {
      this.#takers.push({ max, resolve, timer: undefined, isLingerOver: false });
      this.#serve();
    });
  }

  /** Up to `max` more, at once; may be 0. */
  takeNow(max: number): number {
    const taken = this.#takers.length > 0 ? 0 : Math.min(max, this.#free);
    this.#free -= taken;
    return taken;
  }

  give(count: number): void {
    this.#free += count;
    this.#serve();
  }

  /** Everyone who waits, now or later, gets 0. */
  close(): void {
    this.#isClosed = true;
    this.#serve();
  }

  #serve(): void {
    for (let taker = this.#takers[0]; taker !== undefined; taker = this.#takers[0]) {
      const taken = this.#isClosed ? 0 : Math.min(taker.max, this.#free);
      if (!this.#isClosed && taken === 0) return;
      if (!this.#isClosed && taken < taker.max && !taker.isLingerOver) {
        this.#startLinger(taker);
        return;
      }
      clearTimeout(taker.timer);
      this.#takers.shift();
      this.#free -= taken;
      taker.resolve(taken);
    }
  }

  #startLinger(taker: Taker): void {
    taker.timer ??= setTimeout(() => {
      taker.isLingerOver = true;
      this.#serve();
    }, LINGER_MS);
  }
}
