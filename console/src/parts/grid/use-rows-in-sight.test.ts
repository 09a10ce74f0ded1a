import { describe, expect, test } from 'vitest';
import { rowsInSight, scrollTopFor } from './use-rows-in-sight.ts';

const at = (top: number, height = 374) => ({ top, height, rowPx: 34, headPx: 34 });

describe('rows in sight', () => {
  test.each([
    [0, { first: 0, last: 9 }],
    [1, { first: 0, last: 10 }],
    [33, { first: 0, last: 10 }],
    [34, { first: 1, last: 10 }],
    [3_400_000, { first: 100_000, last: 100_009 }],
  ])('at %i', (top, expected) => expect(rowsInSight(at(top))).toEqual(expected));

  test('a list of no height has one', () => expect(rowsInSight(at(0, 0))).toEqual({ first: 0, last: 0 }));
});

describe('a row that is gone to', () => {
  test.each([0, 5, 9])('%i is in sight already, and nothing moves', (row) => expect(scrollTopFor(row, at(0))).toBe(0));
  test('the first below the edge comes whole into sight', () => expect(scrollTopFor(10, at(0))).toBe(34));
  test('the last of many is the last in sight', () => expect(scrollTopFor(99_999, at(0))).toBe(3_399_660));
  test('one above comes below the head', () => expect(scrollTopFor(3, at(400))).toBe(102));
});
