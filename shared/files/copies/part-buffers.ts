/**
 * The memory of streamed copies: so many buffers of one size for the whole process, handed out in the order of asking.
 *
 * 1. Held = parts in flight × part size, whatever the number and size of the files. Buffers are kept and used again: freed ones would
 *    count until the garbage collector finds them.
 */
export interface PartBufferOptions {
  readonly count: number;
  readonly bytes: number;
}

interface Waiting {
  readonly resolve: (buffer: Buffer) => void;
}

export class PartBuffers {
  readonly bytes: number;
  readonly count: number;
  readonly #free: Buffer[] = [];
  readonly #waiting = new Set<Waiting>();
  #made = 0;

  constructor({ count, bytes }: PartBufferOptions) {
    this.count = count;
    this.bytes = bytes;
  }

  /** Rejects with the signal's reason. Whoever takes a buffer gives it back. */
  async take(signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted();
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.count) {
      this.#made += 1;
      // Pages that a small file does not touch cost nothing.
      return Buffer.allocUnsafeSlow(this.bytes);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const waiting: Waiting = { resolve };
    const onAbort = (): void => {
      if (this.#waiting.delete(waiting)) reject(signal.reason);
    };
    this.#waiting.add(waiting);
    signal.addEventListener('abort', onAbort, { once: true });
    return await promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  give(buffer: Buffer): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free.push(buffer);
      return;
    }
    this.#waiting.delete(next);
    next.resolve(buffer);
  }
}
