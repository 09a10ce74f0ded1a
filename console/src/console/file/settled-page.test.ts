import { expect, test } from 'vitest';
import type { TimelineLine, TimelinePage } from '#shared/api/timeline.ts';
import { settledPage } from './settled-page.ts';

const line = (changes: Partial<TimelineLine>) => ({ kind: 'job', ended_at: null, ...changes }) as TimelineLine;
const page = (name: string, ...lines: TimelineLine[]): TimelinePage => ({ lines, next_cursor: name });

/** Each is after the cursor of the one before. */
function loaded(...pages: TimelinePage[]) {
  return { pages, pageParams: [undefined, ...pages.slice(0, -1).map(({ next_cursor: next }) => next)] };
}

const long = loaded(
  page('1', line({})),
  page('2', line({ kind: 'step' })),
  page('3', line({ kind: 'step', ended_at: '2026-11-30T00:00:00.000000Z' })),
  ...['4', '5', '6'].map((name) => page(name, line({}))),
);

test('of a long timeline the last three pages and those with something under way are fetched again', () => {
  const settled = long.pageParams.filter((cursor) => settledPage(long, cursor as string | undefined) !== undefined);
  expect(settled).toEqual([undefined, '2']);
  expect(settledPage(long, '2')).toBe(long.pages[2]);
});

test('what is not loaded, and a timeline of three pages, is fetched', () => {
  expect(settledPage(undefined, undefined)).toBeUndefined();
  expect(settledPage(long, 'other')).toBeUndefined();
  const short = loaded(...long.pages.slice(3));
  expect(short.pageParams.map((cursor) => settledPage(short, cursor as string | undefined))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
