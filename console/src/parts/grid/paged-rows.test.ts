import { expect, test } from 'vitest';
import { idsOf, pagedRows } from './paged-rows.ts';

test('rows of pages have the order of their pages, and nothing is before or behind them', () => {
  const rows = pagedRows([[], ['a', 'b'], [], ['c'], [], ['d', 'e', 'f'], []]);
  expect(idsOf(rows, (row) => row)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(rows.length).toBe(6);
  expect([rows.at(-1), rows.at(6)]).toEqual([undefined, undefined]);
});

test.each([[[]], [[[]]]])('%j has no rows', (pages) => {
  const rows = pagedRows<string>(pages);
  expect(rows.length).toBe(0);
  expect(rows.at(0)).toBeUndefined();
});

test('a page that comes is looked at once, and none of the rows before it', () => {
  let reads = 0;
  const page = Array.from({ length: 200 }, (_, row) => row);
  const watched = new Proxy(page, {
    get(target, name, receiver) {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads += 1;
      return Reflect.get(target, name, receiver);
    },
  });
  const rows = pagedRows(Array.from({ length: 500 }, () => watched));
  expect(rows.length).toBe(100_000);
  expect(reads).toBe(0);
  expect(rows.at(99_999)).toBe(199);
  expect(reads).toBe(1);
});
