import { expect, test } from 'vitest';
import { parseHolidays } from './parse-holidays.ts';

test('dates are read with what people write around them, each once, in order', () => {
  const text =
    '\uFEFF# US federal\r\n2027-01-01 New Year\r\n\r\n  2026-12-25;Christmas\n2026-12-25\r2026-11-26, Thanksgiving';
  expect(parseHolidays(text)).toEqual({ ok: true, dates: ['2026-11-26', '2026-12-25', '2027-01-01'] });
});

test.each(['', '\n\n', '# none this year'])('a file without dates has none: %j', (text) => {
  expect(parseHolidays(text)).toEqual({ ok: true, dates: [] });
});

test.each([
  ['a day that there is not', '2026-12-25\n2026-02-30', 2],
  ['another order', '25.12.2026', 1],
  ['no zeros', '2026-1-1', 1],
  ['a time', '2026-12-25T00:00:00Z', 1],
  ['a page in place of a file', '<!doctype html>\n<title>Sign in</title>', 1],
  ['bytes', '\u0000\uFFFD\u0001', 1],
  ['other digits', '\u0662\u0660\u0662\u0666-12-25', 1],
])('a line with %s is named, and nothing of the file counts', (_name, text, line) => {
  expect(parseHolidays(text)).toEqual({
    ok: false,
    fault: `line ${line} does not begin with a date such as 2026-12-25`,
  });
});

test('more dates than a calendar has are a fault', () => {
  expect(parseHolidays('2026-01-01\n2026-01-02\n2026-01-02', 2)).toMatchObject({ ok: true });
  expect(parseHolidays('2026-01-01\n2026-01-02\n2026-01-03', 2)).toEqual({
    ok: false,
    fault: 'it has more than 2 dates',
  });
});
