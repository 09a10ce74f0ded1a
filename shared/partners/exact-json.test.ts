import { describe, expect, test } from 'vitest';
import { parseExactJson } from './exact-json.ts';

describe('numbers keep the text that the partner wrote', () => {
  const numbers = ['0', '-0', '-0.0', '7', '-7', '1.0', '1.10', '1e5', '1E+5', '-1.5e-3', '0e0', '1e400', '-1e400'];
  const long = ['9007199254740991', '9007199254740993', '-9007199254740993', '123456789012345', '12345678901234567890'];
  const places = [
    '%',
    ' %',
    '\n%\t',
    '[%]',
    '[ %,1]',
    '[1,%]',
    '[1 ,\r\n %]',
    '{"a":%}',
    '{"a" : %}',
    '{"a":{"b":[{"c":\t%}]}}',
    '{"e1.5":"x, 1","a":%}',
  ];

  test.each([...numbers, ...long])('%s', (number) => {
    for (const place of places) {
      const text = place.replace('%', number);
      expect(JSON.stringify(parseExactJson(text)), text).toBe(text.replaceAll(/\s(?=(?:[^"]*"[^"]*")*[^"]*$)/g, ''));
    }
  });
});

test('texts that look like numbers stay texts', () => {
  const value = { a: ', 1.5', b: '[12345678901234567', c: 'V-4e2.1', d: ':-0' };
  expect(parseExactJson(JSON.stringify(value))).toEqual(value);
});
