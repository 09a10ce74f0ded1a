import { expect, test } from 'vitest';
import { msUntilOpen } from '#shared/expectations/open-hours.ts';
import { msUntilDue } from './send-window.ts';

const HOUR = 3_600_000;
const BERLIN = { from: '08:00', to: '18:00', timeZone: 'Europe/Berlin' };
const OFFICE = { weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'], holidays: ['2026-05-25'] } as const;
const at = (text: string) => Date.parse(text);

test.each([
  ['open', '2026-06-01T10:00:00+02:00', 0],
  ['its last minute', '2026-06-01T17:59:59+02:00', 0],
  ['closed from its end on', '2026-06-01T18:00:00+02:00', 14 * HOUR],
  ['closed before its beginning', '2026-06-01T07:00:00+02:00', HOUR],
  ['the night in which clocks go forward', '2026-03-28T20:00:00+01:00', 11 * HOUR],
])('a window by the clock of its zone: %s', (_what, now, ms) => {
  expect(msUntilOpen(BERLIN, at(now))).toBe(ms);
});

test.each([
  ['before midnight', '2026-06-01T23:00:00Z', 0],
  ['after midnight', '2026-06-02T03:00:00Z', 0],
  ['between', '2026-06-02T12:00:00Z', 10 * HOUR],
])('a window over midnight is open on both sides of it: %s', (_what, now, ms) => {
  expect(msUntilOpen({ from: '22:00', to: '04:00', timeZone: 'UTC' }, at(now))).toBe(ms);
});

test('with a calendar it opens on business days alone', () => {
  // A Friday evening before a Monday that is a holiday.
  expect(msUntilOpen(BERLIN, at('2026-05-22T18:00:00+02:00'), OFFICE)).toBe((14 + 3 * 24) * HOUR);
  expect(msUntilOpen(BERLIN, at('2026-05-23T10:00:00+02:00'), OFFICE)).toBe((22 + 2 * 24) * HOUR);
});

test('the night that began on a business day belongs to it', () => {
  const night = { from: '22:00', to: '04:00', timeZone: 'UTC' };
  expect(msUntilOpen(night, at('2026-05-23T02:00:00Z'), OFFICE)).toBe(0);
  expect(msUntilOpen(night, at('2026-05-24T02:00:00Z'), OFFICE)).toBeGreaterThan(0);
});

test('a calendar without business days asks again after a year', () => {
  expect(msUntilOpen(BERLIN, at('2026-06-01T10:00:00Z'), { weekdays: [] })).toBe(366 * 24 * HOUR);
});

test('a recipient’s own clock decides where the schedule says so, and the schedule’s zone for those who have none', () => {
  const clock = {
    window: null,
    calendar: null,
    localStart: '2026-06-01T10:00:00[Europe/Berlin]',
    isRecipientZone: true,
  };
  const now = at('2026-06-01T08:00:00Z');
  expect(msUntilDue(clock, 'Asia/Tokyo', now)).toBe(0);
  expect(msUntilDue(clock, undefined, now)).toBe(0);
  expect(msUntilDue(clock, 'America/New_York', now)).toBe(6 * HOUR);
  const hours = { ...clock, localStart: null, window: BERLIN };
  expect(msUntilDue(hours, 'Asia/Tokyo', at('2026-06-01T10:00:00Z'))).toBe(13 * HOUR);
  expect(msUntilDue({ ...hours, isRecipientZone: false }, 'Asia/Tokyo', at('2026-06-01T10:00:00Z'))).toBe(0);
});
