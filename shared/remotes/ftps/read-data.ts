/**
 * What a data connection brings, in large pieces. TLS gives records of 16 KiB: as a stream, each is its own buffer that passes three
 * streams, which costs more than deciphering it. So they are read into one buffer, and gathered from there.
 *
 * 1. No more than `MOST_WAITING_BYTES` and what the socket has read already wait to be taken: then it is paused.
 * 2. Nothing is kept back: who waits gets what came, however little.
 */
import { Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';

const PIECE_BYTES = 262_144;
const MOST_WAITING_BYTES = 1_048_576;
const LEAST_PIECE_BYTES = 16_384;
const READ_BYTES = 65_536;

export class DataReader {
  /** For the socket, whose data come here and not as events. */
  readonly onread = {
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    callback: (bytes: number, buffer: Uint8Array): boolean => {
      this.#take(buffer.subarray(0, bytes));
      return true;
    },
  };
  /** For basic-ftp, which is to know when the data end. */
  readonly end: Writable;
  readonly #ready: Uint8Array[] = [];
  #readyBytes = 0;
  #held = Buffer.alloc(0);
  #given = 0;
  #filled = 0;
  #leftBytes: number | undefined;
  #socket: TLSSocket | undefined;
  #waiting: (() => void) | undefined;
  #isHandingOver = false;
  #ended: { readonly error?: unknown } | undefined;

  /** `leftBytes`: as far as it is known how many will come. */
  constructor(leftBytes: number | undefined) {
    this.#leftBytes = leftBytes;
    this.end = new Writable({
      write: (bytes: Uint8Array, _encoding, done) => {
        this.#take(bytes);
        done();
      },
      final: (done) => {
        this.#finish({});
        done();
      },
    });
  }

  /** Whose `onread` this is. */
  set socket(socket: TLSSocket) {
    this.#socket = socket;
  }

  fail(error: unknown): void {
    this.#finish({ error });
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = this.#ready.shift();
      if (piece !== undefined) {
        this.#readyBytes -= piece.byteLength;
        if (this.#readyBytes < MOST_WAITING_BYTES && this.#socket?.isPaused()) this.#socket.resume();
        yield piece;
      } else if (this.#ended !== undefined) {
        if ('error' in this.#ended) throw this.#ended.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#waiting = resolve;
          if (this.#filled > this.#given) this.#handOverSoon();
        });
      }
    }
  }

  #take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#filled === this.#held.length) this.#renew();
      const count = Math.min(this.#held.length - this.#filled, bytes.byteLength - at);
      this.#held.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
    }
    if (this.#leftBytes !== undefined) this.#leftBytes = Math.max(0, this.#leftBytes - bytes.byteLength);
    if (this.#waiting !== undefined) this.#handOverSoon();
    if (this.#readyBytes + this.#filled - this.#given >= MOST_WAITING_BYTES) this.#socket?.pause();
  }

  #renew(): void {
    this.#handOver();
    this.#held = Buffer.allocUnsafeSlow(
      Math.min(PIECE_BYTES, Math.max(LEAST_PIECE_BYTES, this.#leftBytes ?? PIECE_BYTES)),
    );
    this.#given = 0;
    this.#filled = 0;
  }

  /** What comes in this turn goes together. */
  #handOverSoon(): void {
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    setImmediate(() => {
      this.#isHandingOver = false;
      this.#handOver();
      this.#wake();
    });
  }

  #handOver(): void {
    if (this.#filled === this.#given) return;
    this.#ready.push(this.#held.subarray(this.#given, this.#filled));
    this.#readyBytes += this.#filled - this.#given;
    this.#given = this.#filled;
  }

  #finish(ended: { readonly error?: unknown }): void {
    if (this.#ended !== undefined) return;
    this.#handOver();
    this.#ended = ended;
    this.#wake();
  }

  #wake(): void {
    if (this.#ready.length === 0 && this.#ended === undefined) return;
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
