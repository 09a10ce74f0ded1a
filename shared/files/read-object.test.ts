import { expect, test } from 'vitest';
import { freeMemory } from './read-object.ts';

test.each([1, 8_192, Buffer.poolSize, 1_000_000])(
  'a piece of %i bytes with memory of its own is given back',
  (bytes) => {
    const piece = Buffer.alloc(bytes);
    expect(piece.buffer.byteLength).toBe(bytes);
    freeMemory(piece);
    expect(piece.buffer.byteLength).toBe(0);
  },
);

test('a piece that shares its memory is left as it is', () => {
  const pooled = Buffer.from('a piece out of the pool');
  const slice = Buffer.alloc(100_000, 'x').subarray(0, 99_999);
  for (const piece of [pooled, slice]) {
    const before = Buffer.from(piece);
    freeMemory(piece);
    expect(piece).toEqual(before);
  }
});
