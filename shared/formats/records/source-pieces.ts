/** The bytes of a source in pieces of a useful size, until somebody aborts. */

const PIECE_BYTES = 65_536;

/** Pieces of 64 KiB, the last one smaller: neither a byte at a time nor the whole file at once. */
export async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let gathered: Buffer[] = [];
  let bytes = 0;
  for await (const given of source) {
    let piece = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
    while (bytes + piece.length >= PIECE_BYTES) {
      const taken = PIECE_BYTES - bytes;
      yield bytes === 0 ? piece.subarray(0, taken) : Buffer.concat([...gathered, piece.subarray(0, taken)]);
      piece = piece.subarray(taken);
      gathered = [];
      bytes = 0;
    }
    // Copied, because many small views may each hold a large buffer.
    if (piece.length > 0) gathered.push(Buffer.from(piece));
    bytes += piece.length;
  }
  if (bytes > 0) yield Buffer.concat(gathered);
}

/** Throws `signal.reason` also while the source is silent. */
export async function* abortable<Item>(
  source: AsyncIterable<Item>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  const iterator = source[Symbol.asyncIterator]();
  let isSilent = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      isSilent = true;
      const next = await unlessAborted(iterator.next(), signal);
      isSilent = false;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // A silent source answers to `return` only after its next piece, which may never come.
    const closing = Promise.resolve(iterator.return?.()).catch(() => {});
    if (!isSilent) await closing;
  }
}

function unlessAborted<Value>(pending: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
