import { expect, test } from 'vitest';
import { formatTable } from './terminal.ts';

test('a table of more rows than a call may have arguments is a table', () => {
  const lines = formatTable(
    ['N', 'NAME'],
    Array.from({ length: 130_000 }, (_, index) => [index, 'x']),
  );
  expect(lines).toHaveLength(130_001);
  expect(lines[1]).toBe('0       x');
});

test('columns line up whatever the characters: wide, combining, emoji', () => {
  expect(
    formatTable(
      ['NAME', 'B'],
      [
        ['日本語', 1],
        ['e\u0301', 2],
        ['👩‍🚀'.slice(0, 2), 3],
        ['abcdef', 4],
      ],
    ),
  ).toEqual(['NAME    B', '日本語  1', 'e\u0301       2', '👩      3', 'abcdef  4']);
});

test('what a terminal would obey, or not show, is shown', () => {
  expect(formatTable(['A'], [['\u001b[2J'], ['a\u202eb'], ['a\u200bb'], ['a\u2028b'], ['a\u061cb']])).toEqual([
    'A',
    '\\u{1b}[2J',
    'a\\u{202e}b',
    'a\\u{200b}b',
    'a\\u{2028}b',
    'a\\u{61c}b',
  ]);
});
