/**
 * Ends a copy over which nothing moves, so that its slot goes to one that does; it is tried again later.
 *
 * A request that stands still is given up and sent again on its own (`s3-client.ts`, `read-object.ts`). The watch is for what does not move
 * then either. A copy that has no part in flight waits for its turn, and is not watched. Nor is the time for which this process stood still
 * itself: what arrived meanwhile has yet to be read.
 */
import { ObjectStoreError } from '#shared/files/store-error.ts';

export interface StallWatchOptions {
  /** From the last byte; longer than what one request is given. */
  readonly afterMs: number;
  readonly doing: string;
  readonly onStall: (error: ObjectStoreError) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const LOOKS = 20;
/** A look that is later comes to a process that stood still. */
const LATEST_LOOK = 2;

/** What one request is given to move a byte, of what its copy is given: so is time for a second one. */
export function requestStallMs(copyStallMs: number): number {
  return Math.ceil((copyStallMs * 2) / 3);
}

/** Of a copy whose bytes are seen. `stallMs`: what a request is given to move one. */
export function watchedStallMs(stallMs: number): number {
  return (stallMs * 3) / 2;
}

/** Of one that the store makes on its own, of which nothing is seen but finished parts. */
export function unwatchedStallMs(stallMs: number): number {
  return 3 * stallMs;
}

export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #now: () => number;
  readonly #lookMs: number;
  readonly #timer: NodeJS.Timeout;
  #lookedAtMs: number;
  /** Since something moved. */
  #stillMs = 0;
  /** Of parts in flight, the most that was moved of each: what is sent once more moves nothing. */
  readonly #moved = new Map<number, number>();

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#lookMs = options.afterMs / LOOKS;
    this.#lookedAtMs = this.#now();
    this.#timer = setInterval(() => this.#look(), this.#lookMs).unref();
  }

  /** While a part is on its way, something has to move. */
  async during<Result>(partNumber: number, run: () => Promise<Result>): Promise<Result> {
    if (this.#moved.size === 0) this.#stillMs = 0;
    this.#moved.set(partNumber, 0);
    try {
      const result = await run();
      this.#stillMs = 0;
      return result;
    } finally {
      this.#moved.delete(partNumber);
    }
  }

  /** `bytes` of a part in flight so far. */
  moved(partNumber: number, bytes: number): void {
    if (bytes <= (this.#moved.get(partNumber) ?? 0)) return;
    this.#moved.set(partNumber, bytes);
    this.#stillMs = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { afterMs, doing, onStall } = this.#options;
    const now = this.#now();
    this.#stillMs += Math.min(now - this.#lookedAtMs, LATEST_LOOK * this.#lookMs);
    this.#lookedAtMs = now;
    if (this.#moved.size === 0 || this.#stillMs < afterMs) return;
    this.stop();
    onStall(new ObjectStoreError('unavailable', `${doing}: nothing moved for ${Math.round(afterMs)} ms`));
  }
}
