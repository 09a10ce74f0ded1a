import { expect, test } from 'vitest';
import { paceConnection } from './pace-connection.ts';
import type { RemoteConnection } from './remote-connection.ts';

const PIECE = 65_536;

async function* pieces(count: number): AsyncIterable<Uint8Array> {
  for (let left = count; left > 0; left -= 1) yield new Uint8Array(PIECE);
}

test('all uses of a connection together carry so many bytes a second, both ways', async () => {
  let nowMs = 0;
  let written = 0;
  const plain = {
    read: () => pieces(10),
    async write(_path: string, body: AsyncIterable<Uint8Array>) {
      for await (const piece of body) written += piece.byteLength;
      return written;
    },
    share: () => plain,
  } as unknown as RemoteConnection;
  const connection = paceConnection(plain, {
    bytesPerSecond: PIECE,
    now: () => nowMs,
    wait: async (ms) => {
      nowMs += ms;
    },
  });
  let read = 0;
  for await (const piece of connection.read('/in/a')) read += piece.byteLength;
  // The first one is free.
  expect([read, nowMs]).toEqual([10 * PIECE, 9_000]);
  expect(await connection.share?.().write('/in/b', pieces(5))).toBe(5 * PIECE);
  expect(nowMs).toBe(14_000);
  // What was not used is not saved up.
  nowMs = 100_000;
  for await (const _piece of connection.read('/in/a'));
  expect(nowMs).toBe(109_000);
});
