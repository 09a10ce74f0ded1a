import { expect, test } from 'vitest';
import { compileLinearPattern } from './linear-pattern.ts';

function matcher(source: string): (text: string) => boolean {
  const pattern = compileLinearPattern(source);
  if (!pattern.ok) throw new Error(pattern.message);
  return pattern.matches;
}

test('a pattern has to match the whole text', () => {
  const matches = matcher('[A-Z]{2}\\d{4}');
  expect(['AB1234', 'AB12345', 'xAB1234'].map(matches)).toEqual([true, false, false]);
});

test.each([
  ['a look-behind', '(?<=a)b'],
  ['a backreference', '(a)\\1'],
  ['more characters than are taken', 'a'.repeat(513)],
  ['counts that are added up', '(?:a?){1000}'.repeat(40)],
  ['counts that are multiplied', '(?:(?:[a-z]?x?){100}){10}'.repeat(20)],
])('%s is refused', (_what, source) => {
  expect(compileLinearPattern(source)).toMatchObject({ ok: false });
});

test.each([
  ['[A-Z0-9]{1,1000}', 1_000],
  ['.{0,1000}.{0,1000}', 970],
  ['.*', 200_000],
  ['(?:\\p{L}|\\d|[ _.-])+\\.csv', 20_000],
])('%s takes a text of %i characters', (source, length) => {
  const text = 'A'.repeat(length - 4);
  expect(matcher(source)(source.endsWith('csv') ? `${text}.csv` : text)).toBe(true);
});

test('a text that is too long for its pattern does not fit', () => {
  const matches = matcher('.*[0-9]{500}x');
  expect(matches(`${'1'.repeat(2_000)}x`)).toBe(true);
  expect(matches(`${'1'.repeat(1_000_000)}x`)).toBe(false);
});
