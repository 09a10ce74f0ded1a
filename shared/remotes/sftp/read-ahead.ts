/** Reads a file with many requests under way, and gives its pieces in their order. What one request leaves of its piece is asked for again. */

/** What every server gives in one reply. */
export const PIECE_BYTES = 32_768;
/** Over a line of 100 ms these keep 20 MB/s going. */
export const IN_FLIGHT = 64;

/** Resolves to the bytes read; 0 at the end. */
export type ReadPiece = (buffer: Buffer, position: number) => Promise<number>;

export async function* readAhead(read: ReadPiece, offset: number): AsyncIterable<Uint8Array> {
  const flights: Promise<Uint8Array>[] = [];
  let position = offset;
  let isAtEnd = false;

  async function readWhole(at: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
    let filled = 0;
    while (filled < PIECE_BYTES) {
      const count = await read(filled === 0 ? buffer : buffer.subarray(filled), at + filled);
      if (count === 0) break;
      filled += count;
    }
    // No more is asked for; what was, further on, is not waited for.
    if (filled < PIECE_BYTES) isAtEnd = true;
    return filled === PIECE_BYTES ? buffer : buffer.subarray(0, filled);
  }

  function launch(): void {
    const flight = readWhole(position);
    // Its error is met when its turn comes.
    flight.catch(() => {});
    flights.push(flight);
    position += PIECE_BYTES;
  }

  // A small file should not cost 64 requests.
  launch();
  let width = 2;
  while (flights.length > 0) {
    const piece = (await flights.shift()) as Uint8Array;
    if (piece.length > 0) yield piece;
    if (piece.length < PIECE_BYTES) break;
    width = Math.min(IN_FLIGHT, width * 2);
    while (!isAtEnd && flights.length < width) launch();
  }
  await Promise.allSettled(flights);
}
