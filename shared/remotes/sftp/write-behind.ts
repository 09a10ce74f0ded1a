/**
 * Writes a stream with many requests under way; resolves when all are answered.
 *
 * A server may carry requests out in any order, so what was cut off can have holes; none is more than `UNSURE_TAIL_BYTES` before the end,
 * since nothing is sent further ahead of the oldest request that is not answered.
 */
import { IN_FLIGHT, PIECE_BYTES } from './read-ahead.ts';

const WINDOW_BYTES = IN_FLIGHT * PIECE_BYTES;
export const UNSURE_TAIL_BYTES = WINDOW_BYTES + PIECE_BYTES;

export type WritePiece = (piece: Buffer, position: number) => Promise<unknown>;

/** Resolves to the bytes written. Whatever fails first is thrown, and nothing more is sent. */
export async function writeBehind(body: AsyncIterable<Uint8Array>, offset: number, write: WritePiece): Promise<number> {
  /** By position, the oldest first. */
  const flights = new Map<number, Promise<unknown>>();
  let position = offset;
  let failure: { readonly error: unknown } | undefined;

  async function send(piece: Buffer): Promise<void> {
    for (;;) {
      const [oldest] = flights;
      if (oldest === undefined || position - oldest[0] < WINDOW_BYTES) break;
      await oldest[1];
    }
    if (failure !== undefined) throw failure.error;
    const at = position;
    const flight = write(piece, at)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => flights.delete(at));
    flights.set(at, flight);
    position += piece.length;
  }

  try {
    for await (const bytes of body) {
      // ssh2 copies what it is given before it returns.
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < piece.length; at += PIECE_BYTES) await send(piece.subarray(at, at + PIECE_BYTES));
    }
  } finally {
    await Promise.all(flights.values());
  }
  if (failure !== undefined) throw failure.error;
  return position - offset;
}
