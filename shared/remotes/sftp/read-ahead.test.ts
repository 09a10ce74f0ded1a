/** What is asked of a server for a file, and that all of it comes, whatever size was told before. */
import { describe, expect, test } from 'vitest';
import { type ReadAheadOptions, readAhead } from './read-ahead.ts';

const PIECE = 1_000;

/** A server with a file: `most` bytes in a reply, requests are noted. */
async function readFrom(file: Uint8Array, options: Partial<ReadAheadOptions> = {}, most = Number.POSITIVE_INFINITY) {
  const asked: [number, number][] = [];
  let bytesAsked = 0;
  const read = async (buffer: Buffer, at: number): Promise<number> => {
    asked.push([at, buffer.length]);
    bytesAsked += buffer.length;
    const piece = file.subarray(at, at + Math.min(buffer.length, most));
    await new Promise(setImmediate);
    buffer.set(piece);
    return piece.length;
  };
  const pieces: Uint8Array[] = [];
  for await (const piece of readAhead(read, { offset: 0, pieceBytes: PIECE, ...options })) pieces.push(piece);
  return { content: Buffer.concat(pieces), asked, bytesAsked };
}

const fileOf = (bytes: number) => Uint8Array.from({ length: bytes }, (_each, index) => index % 251);

test('a small file of a known size is asked for once, together with whether it ends there', async () => {
  const file = fileOf(640);
  const { content, asked } = await readFrom(file, { sizeBytes: 640 });
  expect(content.equals(file)).toBe(true);
  expect(asked).toEqual([
    [0, 640],
    [640, PIECE],
  ]);
});

test('nothing but one short request is asked for behind the known end', async () => {
  const file = fileOf(37 * PIECE + 500);
  const { content, bytesAsked } = await readFrom(file, { sizeBytes: file.length });
  expect(content.equals(file)).toBe(true);
  expect(bytesAsked).toBe(file.length + PIECE);
});

describe.each([undefined, 'told'] as const)('a size that is %s', (isTold) => {
  test.each([0, 1, 999, PIECE, PIECE + 1, 2 * PIECE, 40_000, 40_001])(
    'gives all of a file of %i bytes',
    async (size) => {
      const file = fileOf(size);
      const sizeBytes = isTold && size;
      for (const offset of [0, 1, Math.floor(size / 2), size, size + 10])
        for (const most of [Number.POSITIVE_INFINITY, 333]) {
          const { content } = await readFrom(file, { offset, sizeBytes }, most);
          expect([offset, most, content.equals(file.subarray(offset))]).toEqual([offset, most, true]);
        }
    },
  );
});

test.each([0, 10, 999, PIECE, 5 * PIECE, 29_999])(
  'a file that grew since %i bytes were told comes to its end',
  async (sizeBytes) => {
    const file = fileOf(30_000);
    for (const most of [Number.POSITIVE_INFINITY, 333])
      expect((await readFrom(file, { sizeBytes }, most)).content.equals(file)).toBe(true);
  },
);

test.each([0, 10, PIECE, 5_500])('a file that shrank to %i bytes since more were told ends there', async (size) => {
  const file = fileOf(size);
  expect((await readFrom(file, { sizeBytes: 30_000 })).content.equals(file)).toBe(true);
});
