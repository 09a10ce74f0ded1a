import { expect, test } from 'vitest';
import { foldersOf } from './folders.ts';

const route = (path: unknown, disabledAt: string | null = null) => ({
  definition: { match: { path } },
  disabled_at: disabledAt,
});

test.each([
  ['inbound/orders/**/*.csv', ['inbound/orders']],
  ['inbound/orders-*', ['inbound']],
  ['inbound/{a,b}/x.csv', ['inbound']],
  ['misc/one name.txt', ['misc']],
  [
    ['b/*', 'a/*', 'b/c-*'],
    ['a', 'b'],
  ],
  ['**', []],
  ['*.csv', []],
  [undefined, []],
])('of a route that takes %j', (path, folders) => {
  expect(foldersOf([route(path)])).toEqual(folders);
});

test('a route that is out of use takes nothing, and a definition of another form has no folder', () => {
  expect(foldersOf([route('a/*', '2026-01-01T00:00:00Z'), { definition: null, disabled_at: null }])).toEqual([]);
});
