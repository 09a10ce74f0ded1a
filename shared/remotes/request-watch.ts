/**
 * Requests under way on one connection: all end with it. ssh2 leaves requests unanswered when the far end of a channel dies, and keepalives do not
 * show it; an FTP data connection can stand still for ever.
 */
import { RemoteError } from './remote-error.ts';

export class RequestWatch {
  readonly #open = new Set<(error: RemoteError) => void>();
  readonly #stallMs: number;
  readonly #onEnd: (error: RemoteError) => void;
  #timer: NodeJS.Timeout | undefined;
  #end: RemoteError | undefined;

  /** `onEnd`: the connection is to be destroyed. Called once. */
  constructor(stallMs: number, onEnd: (error: RemoteError) => void) {
    this.#stallMs = stallMs;
    this.#onEnd = onEnd;
  }

  get ended(): RemoteError | undefined {
    return this.#end;
  }

  /** Rejects with what ended the connection, at once when it ended before. */
  async during<Result>(start: (settle: PromiseWithResolvers<Result>) => void): Promise<Result> {
    if (this.#end !== undefined) throw this.#end;
    const settle = Promise.withResolvers<Result>();
    this.#open.add(settle.reject);
    this.moved();
    try {
      start(settle);
      return await settle.promise;
    } finally {
      this.#open.delete(settle.reject);
      this.moved();
    }
  }

  /** Something came, or went. */
  moved(): void {
    if (this.#end !== undefined || this.#open.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#stall(), this.#stallMs).unref();
    } else {
      this.#timer.refresh();
    }
  }

  end(error: RemoteError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    clearTimeout(this.#timer);
    for (const reject of this.#open) reject(error);
    this.#open.clear();
    this.#onEnd(error);
  }

  #stall(): void {
    this.end(new RemoteError('stalled', `nothing came from the server for ${this.#stallMs} ms`));
  }
}
