import { expect, test } from 'vitest';
import { csvText } from './csv-text.ts';

test('quotes what needs it, and leaves numbers and nothing as they are', () => {
  expect(csvText([['a,b', 'say "no"', 'two\nlines', 12, null]])).toBe('"a,b","say ""no""","two\nlines",12,\r\n');
});

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1'])('%j is no formula to a spreadsheet', (name) => {
  expect(csvText([[name]])).toMatch(/^"?'/);
});

test('a negative number stays one', () => {
  expect(csvText([[-1]])).toBe('-1\r\n');
});
