/** Reads a file with many requests under way, and gives its pieces in their order. What one request leaves of its piece is asked for again. */

/** Asked for at once. Over a line of 100 ms they keep 20 MB/s going. */
export const WINDOW_BYTES = 2_097_152;

/** Resolves to the bytes read; 0 at the end. */
export type ReadPiece = (buffer: Buffer, position: number) => Promise<number>;

export async function* readAhead(
  read: ReadPiece,
  { offset, pieceBytes }: { readonly offset: number; readonly pieceBytes: number },
): AsyncIterable<Uint8Array> {
  const inFlight = Math.floor(WINDOW_BYTES / pieceBytes);
  const flights: Promise<Uint8Array>[] = [];
  let position = offset;
  let isAtEnd = false;

  async function readWhole(at: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(pieceBytes);
    let filled = 0;
    while (filled < pieceBytes) {
      const count = await read(filled === 0 ? buffer : buffer.subarray(filled), at + filled);
      if (count === 0) break;
      filled += count;
    }
    // No more is asked for; what was, further on, is not waited for.
    if (filled < pieceBytes) isAtEnd = true;
    return filled === pieceBytes ? buffer : buffer.subarray(0, filled);
  }

  function launch(): void {
    const flight = readWhole(position);
    // Its error is met when its turn comes.
    flight.catch(() => {});
    flights.push(flight);
    position += pieceBytes;
  }

  // A small file should not cost a whole window of requests.
  launch();
  let width = 2;
  while (flights.length > 0) {
    const piece = (await flights.shift()) as Uint8Array;
    if (piece.length > 0) yield piece;
    if (piece.length < pieceBytes) break;
    width = Math.min(inFlight, width * 2);
    while (!isAtEnd && flights.length < width) launch();
  }
  await Promise.allSettled(flights);
}
