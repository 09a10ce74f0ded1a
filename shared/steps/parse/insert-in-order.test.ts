/** What a batch may hold, in rows and in text. */
import { expect, it } from 'vitest';
import type { NewRecord } from '../record-store.ts';
import { insertInOrder } from './insert-in-order.ts';

async function batchesOf(rows: number, value: string): Promise<NewRecord[][]> {
  const batches: NewRecord[][] = [];
  const inserts = insertInOrder({
    insert: async (records) => {
      batches.push([...records]);
      return { accepted: records.length, rejected: 0, duplicates: 0 };
    },
  });
  for (let line = 1; line <= rows; line++) {
    await inserts.add({ line, businessKey: null, values: { a: value, b: null, c: true } });
  }
  await inserts.finish();
  return batches;
}

it('sends short rows a thousand at a time', async () => {
  expect((await batchesOf(2_500, 'x')).map((batch) => batch.length)).toEqual([1_000, 1_000, 500]);
});

it.each([
  ['of 8 KiB', 8_192, 16],
  ['of 64 KiB', 65_536, 2],
  ['of 1 MiB', 1_048_576, 1],
  ['of 4 MiB', 4_194_304, 1],
])('sends rows %s before a batch holds more than their text is worth', async (_what, length, most) => {
  const batches = await batchesOf(40, 'x'.repeat(length));
  expect(Math.max(...batches.map((batch) => batch.length))).toBe(most);
  expect(batches.flat().map(({ line }) => line)).toEqual(Array.from({ length: 40 }, (_none, index) => index + 1));
});
