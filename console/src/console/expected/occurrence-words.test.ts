import { expect, test } from 'vitest';
import type { Occurrence } from '#services/control-api/expectations/find-occurrences.ts';
import { daysFrom, mondayOf, needsPerson, wordOf } from './occurrence-words.ts';

const NOW = Date.parse('2026-11-29T23:30:00Z');
const occurrence = (changes: Partial<Occurrence>) =>
  ({ state: 'MET', at_risk: false, oddities: [], ...changes }) as never;

test.each([
  [undefined, '2026-11-23'],
  ['2026-11-30', '2026-11-30'],
  ['2027-01-01', '2026-12-28'],
  ['2026-13-45', '2026-11-23'],
  ['soon', '2026-11-23'],
])('the week of %s begins on %s', (day, monday) => {
  expect(mondayOf(day, NOW)).toBe(monday);
});

test('a week has seven days, also over the end of a month', () => {
  expect(daysFrom('2026-11-30').slice(0, 2)).toEqual(['2026-11-30', '2026-12-01']);
  expect(daysFrom('2026-11-30')).toHaveLength(7);
});

test.each([
  [{ state: 'OPEN' }, 'awaited', false],
  [{ state: 'OPEN', at_risk: true }, 'at_risk', true],
  [{ state: 'LATE' }, 'LATE', true],
  [{ state: 'MISSED' }, 'MISSED', true],
  [{ state: 'MET' }, 'MET', false],
  [{ state: 'MET', oddities: ['TOO_SMALL'] }, 'MET', true],
  [{ state: 'EXCUSED', oddities: ['TOO_SMALL'] }, 'EXCUSED', false],
] as const)('%j is %s, and a person has to look: %s', (changes, word, isForPerson) => {
  const one = occurrence(changes as never);
  expect([wordOf(one), needsPerson(one)]).toEqual([word, isForPerson]);
});
