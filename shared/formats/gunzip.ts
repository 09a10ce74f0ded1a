/**
 * Expands gzip as a stream.
 *
 * 1. A bomb is refused while it expands: past a number of bytes, or past a ratio once more than 10 MB have come out.
 * 2. The end of the expander is not the end of the file: it stops at the first zero byte after a member. What it left is looked at to the last byte:
 *    zeros are padding, a member is expanded, anything else makes the file corrupt.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { eventLoopTurns } from './event-loop-turns.ts';
import { FormatFault } from './format-fault.ts';

export interface GunzipBounds {
  readonly maxRatio: number;
  readonly maxBytes: number;
}

/** Small files may expand as they like: a page of blanks has a high ratio and does no harm. */
const RATIO_COUNTS_FROM_BYTES = 10_000_000;
const PIECE_BYTES = 65_536;
/** Each costs an expander: files that were joined on tape have some, nobody has more. */
const MOST_PADDED_MEMBERS = 2_000;

/** @throws FormatFault `ARCHIVE_BOMB`, `ARCHIVE_CORRUPT`; whatever `source` throws comes through unchanged. */
export async function* gunzip(
  source: AsyncIterable<Uint8Array>,
  { maxRatio, maxBytes }: GunzipBounds,
): AsyncGenerator<Uint8Array> {
  const input = new Input(source);
  const turn = eventLoopTurns();
  let bytesOut = 0;
  try {
    for (let runs = 0; ; runs += 1) {
      if (runs > 0 && !(await input.skipZeros())) return;
      if (runs > MOST_PADDED_MEMBERS) throw corrupt(`over ${MOST_PADDED_MEMBERS} members with zero bytes between them`);
      for await (const piece of expandRun(input)) {
        bytesOut += piece.length;
        if (bytesOut > maxBytes)
          throw new FormatFault('ARCHIVE_BOMB', `The file expands to more than ${maxBytes} bytes.`);
        if (bytesOut > RATIO_COUNTS_FROM_BYTES && bytesOut > input.bytes * maxRatio) {
          throw new FormatFault('ARCHIVE_BOMB', `The file expands to more than ${maxRatio} times its size.`);
        }
        yield piece;
        await turn();
      }
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (typeof code !== 'string' || !code.startsWith('Z_')) throw error;
    throw corrupt(`${code}, after ${input.bytes} bytes`);
  } finally {
    await input.close();
  }
}

/** Members one behind the other, until the expander stops; what it did not take goes back to the input. */
async function* expandRun(input: Input): AsyncGenerator<Uint8Array> {
  const expander = createGunzip({ chunkSize: PIECE_BYTES });
  const given: Uint8Array[] = [];
  let takenBytes = 0;
  let reading: Promise<Uint8Array | undefined> = Promise.resolve(undefined);
  let hasStopped = false;
  async function give(): Promise<Uint8Array | undefined> {
    const piece = await input.next();
    if (piece !== undefined) given.push(piece);
    return piece;
  }
  async function* fed(): AsyncGenerator<Uint8Array> {
    // A stream may ask once more after its end: what it took then would come back to nobody.
    while (!hasStopped) {
      reading = give();
      const piece = await reading;
      if (piece === undefined) return;
      discardTaken();
      yield piece;
    }
  }
  function discardTaken(): void {
    for (let first = given[0]; first !== undefined; first = given[0]) {
      if (takenBytes + first.length > expander.bytesWritten) return;
      takenBytes += first.length;
      given.shift();
    }
  }
  // The loop below gets the error of either side; the callback keeps it from being thrown a second time.
  pipeline(Readable.from(fed(), { objectMode: false }), expander, () => {});
  yield* expander as AsyncIterable<Uint8Array>;
  hasStopped = true;
  await reading;
  discardTaken();
  input.putBack(given, expander.bytesWritten - takenBytes);
}

function corrupt(why: string): FormatFault {
  return new FormatFault('ARCHIVE_CORRUPT', `The file is not a whole gzip file (${why}).`);
}

/** The pieces of a source, for one expander after the other. */
class Input {
  /** So far. */
  bytes = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #putBack: Uint8Array[] = [];
  #isReading = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const before = this.#putBack.shift();
    if (before !== undefined) return before;
    this.#isReading = true;
    const { done, value } = await this.#source.next();
    this.#isReading = false;
    if (done) return undefined;
    this.bytes += value.length;
    return value;
  }

  /** To be given again, without the first `taken` bytes. */
  putBack([first, ...others]: readonly Uint8Array[], taken: number): void {
    if (first !== undefined) this.#putBack.unshift(first.subarray(taken), ...others);
  }

  /** False when there is nothing after them. */
  async skipZeros(): Promise<boolean> {
    const turn = eventLoopTurns();
    for (;;) {
      const piece = await this.next();
      if (piece === undefined) return false;
      let at = 0;
      while (at < piece.length && piece[at] === 0) at += 1;
      if (at < piece.length) {
        this.putBack([piece], at);
        return true;
      }
      await turn();
    }
  }

  /** A silent source answers to `return` only after its next piece, which may never come. */
  async close(): Promise<void> {
    const closing = Promise.resolve(this.#source.return?.()).catch(() => {});
    if (!this.#isReading) await closing;
  }
}
