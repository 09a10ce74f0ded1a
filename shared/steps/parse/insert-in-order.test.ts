/** What a batch may hold, in rows and in text, and which of them are under way at once. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { NewRecord } from '../record-store.ts';
import { insertInOrder, type OrderedInserts } from './insert-in-order.ts';

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

const BATCH = 1_000;

/** Inserts that end when the test says so: `ends` are in the order in which they began. */
function heldInserts() {
  const ends: PromiseWithResolvers<void>[] = [];
  const firstLines: number[] = [];
  const inserts = insertInOrder({
    insert: async (records) => {
      firstLines.push(records[0]?.line ?? 0);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      await end.promise;
      return { accepted: records.length, rejected: 0, duplicates: 0 };
    },
  });
  return { ends, firstLines, inserts };
}

const rowOf = (line: number, businessKey: string | null = String(line)): NewRecord => ({
  ...{ line, businessKey, values: { a: 'x' } },
});

/** Resolves when the batch is sent. */
async function addBatch(inserts: OrderedInserts, number: number, firstKey?: string): Promise<void> {
  for (let row = 0; row < BATCH; row += 1) {
    const line = number * BATCH + row;
    await inserts.add(rowOf(line, row === 0 && firstKey !== undefined ? firstKey : String(line)));
  }
}

it('has two inserts under way, and begins the third when the first has ended', async () => {
  const { ends, firstLines, inserts } = heldInserts();
  await addBatch(inserts, 0);
  await addBatch(inserts, 1);
  const third = addBatch(inserts, 2);
  ends[1]?.resolve();
  await nextTurn();
  expect(firstLines).toEqual([0, BATCH]);
  ends[0]?.resolve();
  await third;
  expect(firstLines).toEqual([0, BATCH, 2 * BATCH]);
  ends[2]?.resolve();
  await inserts.finish();
});

it('begins a batch that has a key of the one under way after that has ended', async () => {
  const { ends, firstLines, inserts } = heldInserts();
  await addBatch(inserts, 0);
  const second = addBatch(inserts, 1, '7');
  await nextTurn();
  expect(firstLines).toEqual([0]);
  ends[0]?.resolve();
  await second;
  expect(firstLines).toEqual([0, BATCH]);
  ends[1]?.resolve();
  await inserts.finish();
});

it.each([0, 1])('tells of the failure of insert %i, and is settled when both have ended', async (failing) => {
  const { ends, inserts } = heldInserts();
  await addBatch(inserts, 0);
  await addBatch(inserts, 1);
  ends[failing]?.reject(new Error('refused'));
  let isSettled = false;
  const settled = inserts.settled().then(() => {
    isSettled = true;
  });
  await nextTurn();
  expect(isSettled).toBe(false);
  const finished = expect(inserts.finish()).rejects.toThrow('refused');
  ends[1 - failing]?.resolve();
  await Promise.all([finished, settled]);
});
