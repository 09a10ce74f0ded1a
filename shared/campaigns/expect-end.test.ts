import { describe, expect, test } from 'vitest';
import { type ExpectedSending, expectEnd } from './expect-end.ts';

const NOW = Date.parse('2026-06-01T10:00:00Z');
const base: ExpectedSending = {
  ...{ pending: 3_600, ratePerSecond: 1, perDay: null, givenToday: 0, window: null, calendar: null },
  ...{ nowMs: NOW, startsAtMs: 0 },
};
const utc = { from: '08:00', to: '12:00', timeZone: 'UTC' };

describe('the expected end of a campaign', () => {
  test.each<[string, Partial<ExpectedSending>, string]>([
    ['by its rate', {}, '2026-06-01T11:00:00Z'],
    ['from its start', { startsAtMs: Date.parse('2026-06-03T00:00:00Z') }, '2026-06-03T01:00:00Z'],
    ['over its windows', { pending: 4 * 3_600, window: utc }, '2026-06-02T10:00:00Z'],
    [
      'over a window past midnight',
      { window: { ...utc, from: '22:00', to: '00:30' }, pending: 2 * 3_600 },
      '2026-06-02T00:00:00Z',
    ],
    [
      'over a window past midnight that is open',
      { window: { ...utc, from: '22:00', to: '00:30' }, pending: 3_600, nowMs: Date.parse('2026-06-02T00:00:00Z') },
      '2026-06-02T22:30:00Z',
    ],
    [
      'over days that are not of the calendar',
      {
        pending: 4 * 3_600,
        window: utc,
        nowMs: Date.parse('2026-06-05T10:00:00Z'),
        calendar: { weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'] },
      },
      '2026-06-08T10:00:00Z',
    ],
    ['over days of a quota', { pending: 25_000, ratePerSecond: 10, perDay: 10_000 }, '2026-06-03T00:08:20Z'],
    [
      'when some of the day was given',
      { pending: 2_000, ratePerSecond: 10, perDay: 10_000, givenToday: 9_000 },
      '2026-06-02T00:01:40Z',
    ],
    [
      'when all of the day was given',
      { pending: 1_000, ratePerSecond: 10, perDay: 10_000, givenToday: 12_000, window: utc },
      '2026-06-02T08:01:40Z',
    ],
    [
      'on the day on which the clocks go forward',
      {
        window: { from: '01:00', to: '04:00', timeZone: 'Europe/Berlin' },
        nowMs: Date.parse('2026-03-29T00:00:00Z'),
        pending: 3 * 3_600,
      },
      '2026-03-30T00:00:00Z',
    ],
  ])('%s', (_what, change, end) => {
    expect(new Date(expectEnd({ ...base, ...change })).toISOString()).toBe(new Date(end).toISOString());
  });

  test('a very long one is expected to continue at its pace', () => {
    const years = expectEnd({ ...base, pending: 10_000_000, perDay: 1_000, window: utc });
    expect(years - NOW).toBeGreaterThan(9_000 * 86_400_000);
    expect(years - NOW).toBeLessThan(11_000 * 86_400_000);
  });

  test('one that may never send has no end before the days that were looked at', () => {
    expect(expectEnd({ ...base, perDay: 0 })).toBeGreaterThan(NOW + 30 * 86_400_000);
  });
});
