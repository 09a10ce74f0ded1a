/**
 * Writes a stream with many requests under way; resolves when all are answered.
 *
 * A server may carry requests out in any order, so what was cut off can have holes; none is more than `UNSURE_TAIL_BYTES` before the end,
 * since nothing is sent further ahead of the oldest request that is not answered.
 */
import { WINDOW_BYTES } from './read-ahead.ts';

/** A server that is asked for more in one request takes less. */
export const MOST_PIECE_BYTES = 131_072;
export const UNSURE_TAIL_BYTES = WINDOW_BYTES + MOST_PIECE_BYTES;

export type WritePiece = (piece: Buffer, position: number) => Promise<unknown>;

export interface WriteBehindOptions {
  readonly offset: number;
  readonly pieceBytes: number;
  /** All is sent, and nothing has failed; so many requests are not answered yet. */
  readonly onSent?: (unanswered: number) => void;
}

/** Resolves to the bytes written. Whatever fails first is thrown, and nothing more is sent. */
export async function writeBehind(
  body: AsyncIterable<Uint8Array>,
  write: WritePiece,
  { offset, pieceBytes, onSent }: WriteBehindOptions,
): Promise<number> {
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
      for (let at = 0; at < piece.length; at += pieceBytes) await send(piece.subarray(at, at + pieceBytes));
    }
    if (failure === undefined) onSent?.(flights.size);
  } finally {
    await Promise.all(flights.values());
  }
  if (failure !== undefined) throw failure.error;
  return position - offset;
}
