import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shareArrivals } from './share-arrivals.ts';

interface Window {
  readonly opensMs: number;
  readonly dueMs: number;
  readonly closesMs: number;
}

/** Looks at the occurrences in the given order, again and again, as sweepers do. */
function share(windows: readonly Window[], times: readonly number[], needed: number, order: readonly number[]) {
  const counted = windows.map((): readonly string[] => []);
  const files = times.map((atMs, index) => ({ id: `f${index}`, atMs })).sort((one, other) => one.atMs - other.atMs);
  for (const index of order) {
    const window = windows[index % windows.length] as Window;
    const arrivals = files.filter(({ atMs }) => window.opensMs <= atMs && atMs <= window.closesMs);
    const neighbours = windows.flatMap((other, at) =>
      other === window ? [] : [{ ...other, files: (counted[at] ?? []).length, taken: counted[at] ?? [], isOpen: true }],
    );
    const own = { ...window, fileIds: counted[index % windows.length] ?? [] };
    counted[index % windows.length] = shareArrivals(own, neighbours, { arrivals, needed }).fileIds;
  }
  return counted.map((ids) => [...ids].sort());
}

const DAY = { opensMs: 0, dueMs: 7, closesMs: 31 };
const NEXT = { opensMs: 24, dueMs: 31, closesMs: 55 };
const LOOKS = [1, 0, 1, 0, 1];

test.each([
  ['that comes late, when the next has opened, counts for the one that lacks it', [25], 1, [['f0'], []]],
  ['that comes when the one before has its own counts for the next', [5, 25], 1, [['f0'], ['f1']]],
  ['of two that come then, the first ends the one that is late', [25, 26], 1, [['f0'], ['f1']]],
  ['too many in the window of one alone is its own', [5, 6], 1, [['f0', 'f1'], []]],
  [
    'that is the second of two that are needed counts there',
    [5, 25, 26, 27],
    2,
    [
      ['f0', 'f1'],
      ['f2', 'f3'],
    ],
  ],
] as const)('a file %s', (_name, times, needed, expected) => {
  expect(share([DAY, NEXT], times, needed, LOOKS)).toEqual(expected);
  expect(share([DAY, NEXT], times, needed, [0, 1, 0, 1])).toEqual(expected);
});

test('one that is over or excused takes nothing more, and keeps what it has', () => {
  const before = { ...DAY, files: 0, taken: [], isOpen: false };
  const arrivals = [{ id: 'f', atMs: 25 }];
  const mine = { ...NEXT, fileIds: [] };
  expect(shareArrivals(mine, [before], { arrivals, needed: 1 })).toEqual({ fileIds: ['f'], leftMs: undefined });
  expect(shareArrivals(mine, [{ ...before, taken: ['f'] }], { arrivals, needed: 1 }).fileIds).toEqual([]);
  expect(shareArrivals(mine, [{ ...before, isOpen: true }], { arrivals, needed: 1 })).toEqual({
    fileIds: [],
    leftMs: 25,
  });
});

test('whatever windows overlap, and whoever looks first, every file in one of them counts once', () => {
  const windows = fc.array(
    fc.tuple(fc.nat(30), fc.nat(20), fc.nat(30)).map(([opensMs, length, grace]) => ({
      ...{ opensMs, dueMs: opensMs + length, closesMs: opensMs + length + grace },
    })),
    { minLength: 1, maxLength: 5 },
  );
  // Of one expectation none are due at the same time.
  const distinct = windows.filter((all) => new Set(all.map(({ dueMs }) => dueMs)).size === all.length);
  const times = fc.array(fc.nat(80), { maxLength: 12 });
  fc.assert(
    fc.property(
      distinct,
      times,
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.nat(4), { maxLength: 20 }),
      (all, at, needed, order) => {
        const rounds = Array.from({ length: 6 * all.length }, (_, index) => index);
        const counted = share(all, at, needed, [...order, ...rounds]).flat();
        const within = at.flatMap((ms, index) =>
          all.some(({ opensMs, closesMs }) => opensMs <= ms && ms <= closesMs) ? [`f${index}`] : [],
        );
        expect([...counted].sort()).toEqual([...within].sort());
      },
    ),
  );
});
