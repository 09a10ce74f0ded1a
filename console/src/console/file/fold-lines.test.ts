import { expect, test } from 'vitest';
import type { TimelineLine } from '#shared/api/timeline.ts';
import { foldLines } from './fold-lines.ts';

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
  const entries = foldLines([line(0), line(1, { count: 3 }), line(2, { step: 'other' }), line(3)]);
  expect(entries.map((entry) => entry.type === 'line' && entry.count)).toEqual([4, 1, 1]);
});

test('what failed, and what a person did, is a line each', () => {
  const error = { code: 'X', cause: null, message: null };
  const words = [line(0, { error }), line(1, { error }), line(2, { kind: 'person' }), line(3, { kind: 'person' })];
  expect(foldLines(words)).toHaveLength(4);
});

test('idle time over 30 s is a line; time in which something went on is not idle', () => {
  const entries = foldLines([line(0), line(40), line(41, { ended_at: line(100).at, step: 'long' }), line(110)]);
  expect(entries.map((entry) => (entry.type === 'gap' ? entry.ms : 'line'))).toEqual([
    'line',
    40_000,
    'line',
    'line',
    'line',
  ]);
});
