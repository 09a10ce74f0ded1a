import { expect, test } from 'vitest';
import { clockOf, scheduledMinimumsSchema, windowsBetween } from './scheduled-minimums.ts';

const banks = {
  name: 'banks',
  from: '05:50',
  until: '06:10',
  timeZone: 'America/New_York',
  tasks: { 'partner-worker': 7 },
};
const faultsOf = (...all: object[]) =>
  scheduledMinimumsSchema.safeParse(all).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

test.each([
  ['in winter', 'America/New_York', Date.UTC(2026, 0, 15), '05:50', '2026-01-15T10:50:00.000Z'],
  ['in summer', 'America/New_York', Date.UTC(2026, 6, 15), '05:50', '2026-07-15T09:50:00.000Z'],
  ['east of Greenwich', 'Asia/Kolkata', Date.UTC(2026, 6, 15), '05:50', '2026-07-15T00:20:00.000Z'],
  ['just before clocks go forward', 'America/New_York', Date.UTC(2026, 2, 8), '01:59', '2026-03-08T06:59:00.000Z'],
  ['just after', 'America/New_York', Date.UTC(2026, 2, 8), '03:00', '2026-03-08T07:00:00.000Z'],
])('an hour is that of its place, %s', (_, timeZone, day, time, instant) => {
  expect(new Date(clockOf(timeZone)(day, time)).toISOString()).toBe(instant);
});

test('windows are those of their weekdays', () => {
  const [minimum] = scheduledMinimumsSchema.parse([{ ...banks, days: ['MON', 'FRI'], timeZone: 'UTC' }]);
  const week = windowsBetween(minimum!, Date.UTC(2026, 2, 2), Date.UTC(2026, 2, 9));
  expect(week.map(([from, until]) => [new Date(from).toISOString(), (until - from) / 60_000])).toEqual([
    ['2026-03-02T05:50:00.000Z', 20],
    ['2026-03-06T05:50:00.000Z', 20],
  ]);
});

test('windows of one service must be apart, wherever their clocks are', () => {
  const other = { ...banks, name: 'other', timeZone: 'America/Chicago' };
  expect(faultsOf(banks, { ...other, from: '04:50', until: '05:00' })).toEqual([
    '1: overlaps banks, or begins as it ends',
  ]);
  expect(faultsOf(banks, { ...other, from: '05:10', until: '05:20' })).toEqual([
    '1: overlaps banks, or begins as it ends',
  ]);
  expect(faultsOf(banks, { ...other, from: '05:11', until: '05:20' })).toBeUndefined();
  expect(faultsOf(banks, { ...other, from: '04:50', until: '05:00', tasks: { router: 3 } })).toBeUndefined();
  expect(faultsOf({ ...banks, days: ['MON'] }, { ...banks, name: 'other', days: ['TUE'] })).toBeUndefined();
  // New York's clocks change weeks before London's: only then do these meet.
  expect(
    faultsOf(banks, { ...banks, name: 'london', timeZone: 'Europe/London', from: '10:00', until: '10:20' }),
  ).toEqual(['1: overlaps banks, or begins as it ends']);
});

test('what is no hour, no place, or ends before it begins is refused', () => {
  expect(faultsOf({ ...banks, until: '05:50' })).toEqual(['0.until: must end after it begins, on the same day']);
  expect(faultsOf({ ...banks, until: '24:00' })).toEqual([
    '0.until: must be an hour of a day such as 05:50, in quotes',
  ]);
  expect(faultsOf({ ...banks, timeZone: 'New York' })).toEqual([
    '0.timeZone: must be a time zone such as America/New_York',
  ]);
  expect(faultsOf({ ...banks, tasks: { gateway: 2 } })).toHaveLength(1);
  expect(faultsOf(banks, { ...banks, days: ['MON'] })?.[0]).toContain('two have the same name');
});
