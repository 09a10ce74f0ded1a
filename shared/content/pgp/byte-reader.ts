/** Reads a stream of bytes by counts. It can give back what it read so far, as long as it was asked to keep it. */

export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #kept: Uint8Array[] | undefined = [];

  constructor(pieces: AsyncIterator<Uint8Array>) {
    this.#pieces = pieces;
  }

  /** Between one byte and `most`; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return undefined;
      this.#rest = value;
    }
    const taken = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(most);
    this.#kept?.push(taken);
    return taken;
  }

  /** Undefined where fewer come. For few bytes: they are copied. */
  async exactly(count: number): Promise<Buffer | undefined> {
    const bytes = Buffer.alloc(count);
    for (let filled = 0; filled < count; ) {
      const piece = await this.some(count - filled);
      if (piece === undefined) return undefined;
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes;
  }

  /** From here on nothing can be given back. */
  forget(): void {
    this.#kept = undefined;
  }

  /** All from the beginning, also what was read. */
  async *all(): AsyncGenerator<Uint8Array> {
    const first = Buffer.concat([...(this.#kept ?? []), this.#rest]);
    this.#rest = new Uint8Array(0);
    this.forget();
    if (first.length > 0) yield first;
    for (let piece = await this.some(Number.POSITIVE_INFINITY); piece !== undefined; ) {
      yield piece;
      piece = await this.some(Number.POSITIVE_INFINITY);
    }
  }
}

/** Pieces of this size at least, but for the last. */
export async function* gathered(pieces: AsyncIterable<Uint8Array>, leastBytes: number): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    sizeBytes += piece.length;
    if (sizeBytes < leastBytes) continue;
    yield waiting.length === 1 ? piece : Buffer.concat(waiting, sizeBytes);
    waiting = [];
    sizeBytes = 0;
  }
  if (sizeBytes > 0) yield Buffer.concat(waiting, sizeBytes);
}
