/** Reads a file with many requests under way, and gives its pieces in their order. What one request leaves of its piece is asked for again. */

/** Asked for at once. Over a line of 100 ms they keep 20 MB/s going. */
export const WINDOW_BYTES = 2_097_152;

/** Of a small file whose size is not known this is all. */
const FIRST_BYTES = 32_768;
/** Asked for behind the size that is known: whether the file ends there is the server's to say. */
const PROBE_BYTES = 1_024;

/** Resolves to the bytes read; 0 at the end. */
export type ReadPiece = (buffer: Buffer, position: number) => Promise<number>;

export interface ReadAheadOptions {
  readonly offset: number;
  readonly pieceBytes: number;
  /** Of the whole file, as the server told it; it may be wrong, and says only how much is asked for at a time. */
  readonly sizeBytes?: number | undefined;
}

export async function* readAhead(
  read: ReadPiece,
  { offset, pieceBytes, sizeBytes }: ReadAheadOptions,
): AsyncIterable<Uint8Array> {
  const inFlight = Math.floor(WINDOW_BYTES / pieceBytes);
  const flights: { readonly bytes: number; readonly piece: Promise<Uint8Array> }[] = [];
  let position = offset;
  let isAtEnd = false;

  async function readWhole(at: number, bytes: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    let filled = 0;
    while (filled < bytes) {
      const count = await read(filled === 0 ? buffer : buffer.subarray(filled), at + filled);
      if (count === 0) break;
      filled += count;
    }
    // No more is asked for; what was, further on, is not waited for.
    if (filled < bytes) isAtEnd = true;
    return filled === bytes ? buffer : buffer.subarray(0, filled);
  }

  function launch(bytes: number): void {
    const piece = readWhole(position, bytes);
    // Its error is met when its turn comes.
    piece.catch(() => {});
    flights.push({ bytes, piece });
    position += bytes;
  }

  /** Up to `width` requests; nothing behind the known end before the server said that the file continues there. */
  function launchMore(): void {
    while (!isAtEnd && flights.length < width) {
      const left = sizeBytes === undefined || isLonger ? pieceBytes : sizeBytes - position;
      if (left > 0) {
        launch(Math.min(pieceBytes, left));
      } else {
        if (isProbed) return;
        isProbed = true;
        launch(Math.min(pieceBytes, PROBE_BYTES));
      }
    }
  }

  // A small file should cost neither a whole window of requests nor memory that it does not fill, which the collector is called for.
  let isProbed = false;
  let isLonger = false;
  let width = 2;
  if (sizeBytes === undefined) launch(Math.min(pieceBytes, FIRST_BYTES));
  else launchMore();
  for (let next = flights.shift(); next !== undefined; next = flights.shift()) {
    const piece = await next.piece;
    if (piece.length > 0) yield piece;
    if (piece.length < next.bytes) break;
    if (isProbed && flights.length === 0) isLonger = true;
    width = Math.min(inFlight, width * 2);
    launchMore();
  }
  await Promise.allSettled(flights.map(({ piece }) => piece));
}
