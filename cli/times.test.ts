import { expect, test } from 'vitest';
import { createTimes } from './times.ts';

/** Half past one in the night of 30 March in Berlin, shortly before the clocks go forward. */
const NOW = Date.parse('2025-03-30T00:30:00Z');
const berlin = createTimes('Europe/Berlin', () => NOW);
const utc = createTimes('UTC', () => NOW);

test.each([
  ['30m', '2025-03-30T00:00:00.000Z', '2025-03-30T00:00:00.000Z'],
  ['2h', '2025-03-29T22:30:00.000Z', '2025-03-29T22:30:00.000Z'],
  ['2h ago', '2025-03-29T22:30:00.000Z', '2025-03-29T22:30:00.000Z'],
  ['1w', '2025-03-23T00:30:00.000Z', '2025-03-23T00:30:00.000Z'],
  ['today', '2025-03-29T23:00:00.000Z', '2025-03-30T00:00:00.000Z'],
  ['yesterday', '2025-03-28T23:00:00.000Z', '2025-03-29T00:00:00.000Z'],
  ['00:45', '2025-03-29T23:45:00.000Z', '2025-03-30T00:45:00.000Z'],
  ['08:30', '2025-03-30T06:30:00.000Z', '2025-03-30T08:30:00.000Z'],
  ['2025-03-30', '2025-03-29T23:00:00.000Z', '2025-03-30T00:00:00.000Z'],
  ['2025-03-31', '2025-03-30T22:00:00.000Z', '2025-03-31T00:00:00.000Z'],
  ['2025-07-01T08:30', '2025-07-01T06:30:00.000Z', '2025-07-01T08:30:00.000Z'],
  ['2025-07-01 08:30:15', '2025-07-01T06:30:15.000Z', '2025-07-01T08:30:15.000Z'],
  ['2025-07-01T08:30:00Z', '2025-07-01T08:30:00.000Z', '2025-07-01T08:30:00.000Z'],
  ['2025-07-01T08:30:00.5-05:00', '2025-07-01T13:30:00.500Z', '2025-07-01T13:30:00.500Z'],
])('%s is %s in Berlin and %s in UTC', (text, inBerlin, inUtc) => {
  expect([berlin.parse(text), utc.parse(text)]).toEqual([inBerlin, inUtc]);
});

test.each(['', 'whenever', '2h30', '-2h', '2025-02-30', '2025-13-01', '25:00', '2025-01-01T08:00[Nowhere/At_All]'])(
  '%j is not a time, and the error says what is',
  (text) => {
    expect(() => berlin.parse(text)).toThrow(
      expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining('yesterday') }),
    );
  },
);

test('shows an instant in the zone, with its offset', () => {
  expect(berlin.show('2025-03-30T00:59:59.999Z')).toBe('2025-03-30 01:59:59+01:00');
  expect(berlin.show('2025-03-30T01:00:00.123456Z')).toBe('2025-03-30 03:00:00+02:00');
  expect(utc.show('2025-03-30T01:00:00Z')).toBe('2025-03-30 01:00:00Z');
  expect(utc.show(null)).toBeNull();
});
