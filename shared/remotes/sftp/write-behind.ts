/** Writes a stream with many requests under way; resolves when all are answered. */
import { IN_FLIGHT, PIECE_BYTES } from './read-ahead.ts';

export type WritePiece = (piece: Buffer, position: number) => Promise<unknown>;

/** Resolves to the bytes written. Whatever fails first is thrown, and nothing more is sent. */
export async function writeBehind(body: AsyncIterable<Uint8Array>, offset: number, write: WritePiece): Promise<number> {
  const flights = new Set<Promise<unknown>>();
  let position = offset;
  let failure: { readonly error: unknown } | undefined;

  async function send(piece: Buffer): Promise<void> {
    while (flights.size >= IN_FLIGHT) await Promise.race(flights);
    if (failure !== undefined) throw failure.error;
    const flight = write(piece, position)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => flights.delete(flight));
    flights.add(flight);
    position += piece.length;
  }

  try {
    for await (const bytes of body) {
      // ssh2 copies what it is given before it returns.
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < piece.length; at += PIECE_BYTES) await send(piece.subarray(at, at + PIECE_BYTES));
    }
  } finally {
    await Promise.all(flights);
  }
  if (failure !== undefined) throw failure.error;
  return position - offset;
}
