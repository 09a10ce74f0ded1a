import { expect, test } from 'vitest';
import type { TimelineLine } from '#shared/api/timeline.ts';
import { createLineFold, type TimelineEntry } from './fold-lines.ts';

function foldPages(...pages: TimelineLine[][]): TimelineEntry[] {
  return entriesOf(createLineFold()(pages));
}

function entriesOf(rows: ReturnType<ReturnType<typeof createLineFold>>): TimelineEntry[] {
  return Array.from({ length: rows.length }, (_, index) => rows.at(index) as TimelineEntry);
}

let lastId = 0;
function line(second: number, fields: Partial<TimelineLine> = {}): TimelineLine {
  lastId += 1;
  return {
    line_id: String(lastId),
    at: new Date(Date.UTC(2026, 0, 31, 8, 0, second)).toISOString(),
    ended_at: null,
    kind: 'records',
    type: 'records.settled',
    actor: null,
    job_id: 'job',
    route: null,
    branch: null,
    step: 'call',
    generation: 1,
    outcome: null,
    error: null,
    reason: null,
    count: 1,
    detail: {},
    ...fields,
  };
}

test('equal neighbours are one line with their number', () => {
  const entries = foldPages([line(0), line(1, { count: 3 }), line(2, { step: 'other' }), line(3)]);
  expect(entries.map((entry) => entry.type === 'line' && entry.count)).toEqual([4, 1, 1]);
});

test('what failed, and what a person did, is a line each', () => {
  const error = { code: 'X', cause: null, message: null };
  const words = [line(0, { error }), line(1, { error }), line(2, { kind: 'person' }), line(3, { kind: 'person' })];
  expect(foldPages(words)).toHaveLength(4);
});

test('idle time over 30 s is a line; time in which something went on is not idle', () => {
  const entries = foldPages([line(0), line(40), line(41, { ended_at: line(100).at, step: 'long' }), line(110)]);
  expect(entries.map((entry) => (entry.type === 'gap' ? entry.ms : 'line'))).toEqual([
    'line',
    40_000,
    'line',
    'line',
    'line',
  ]);
});

test('pages are folded as one list, wherever it is cut', () => {
  const lines = [line(0), line(1), line(2, { step: 'other' }), line(3), line(50), line(51), line(52), line(99)];
  const whole = foldPages(lines);
  expect(whole.map((entry) => (entry.type === 'gap' ? 'gap' : entry.count))).toEqual([2, 1, 1, 'gap', 3, 'gap', 1]);
  for (let cut = 0; cut <= lines.length; cut += 1) {
    const second = Math.min(lines.length, cut + 2);
    expect(foldPages(lines.slice(0, cut), lines.slice(cut, second), lines.slice(second))).toEqual(whole);
  }
});

test('a page that was folded is not read again, and one that changed is', () => {
  let reads = 0;
  const counted = (page: TimelineLine[]) =>
    new Proxy(page, {
      get: (target, name) => {
        if (name === Symbol.iterator) reads += 1;
        return Reflect.get(target, name) as unknown;
      },
    });
  const fold = createLineFold();
  const pages = [[line(0)], [line(1, { step: 'b' })], [line(2, { step: 'c' })]].map(counted);
  for (const [index] of pages.entries()) fold(pages.slice(0, index + 1));
  expect(reads).toBe(3);
  expect(fold(pages).length).toBe(3);
  expect(reads).toBe(3);
  const changed = [pages[0] ?? [], counted([line(1, { step: 'b' }), line(2, { step: 'd' })]), pages[2] ?? []];
  expect(entriesOf(fold(changed))).toEqual(foldPages(...changed.map((page) => [...page])));
  // Another filter of the same timeline has fewer.
  expect(fold([])).toMatchObject({ length: 0 });
});
