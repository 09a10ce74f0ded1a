import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { MOST_EXPECTED, readManifest } from './read-manifest.ts';

const PATH = 'inbound/day/list.manifest';
const expectedIn = (text: string | Buffer, path = PATH) => {
  const read = readManifest(Buffer.from(text), path);
  return read.ok ? read.expected : read.message;
};

describe('the names of a manifest', () => {
  it.each([
    ['a line each', 'a.csv\nb.csv\n', ['inbound/day/a.csv', 'inbound/day/b.csv']],
    [
      'with the ends of other systems',
      'a.csv\r\nb.csv\rc.csv',
      ['a', 'b', 'c'].map((name) => `inbound/day/${name}.csv`),
    ],
    [
      'the first of several columns',
      'a.csv,12,abc\nb.csv;13\nc.csv\t14',
      ['a', 'b', 'c'].map((name) => `inbound/day/${name}.csv`),
    ],
    ['in quotes, with blanks around them', '  "a b.csv" , 1\n', ['inbound/day/a b.csv']],
    ['without comments and empty lines', '# files\n\na.csv\n#b.csv\n', ['inbound/day/a.csv']],
    ['from the home of the tenant', '/other/a.csv\nb.csv', ['other/a.csv', 'inbound/day/b.csv']],
    ['after a byte order mark', '\ufeffa.csv', ['inbound/day/a.csv']],
    ['once each', 'a.csv\na.csv', ['inbound/day/a.csv']],
    ['as a list of JSON', ' ["a.csv", "", "/b.csv"]', ['inbound/day/a.csv', 'b.csv']],
    ['as an object of JSON', '{"files": ["a.csv"], "more": 1}', ['inbound/day/a.csv']],
  ])('%s', (_how, text, expected) => {
    expect(expectedIn(text)).toEqual(expected);
  });

  it('are relative to the home when the manifest is there', () => {
    expect(expectedIn('a.csv', 'list.manifest')).toEqual(['a.csv']);
  });

  it.each([
    ['nothing', ''],
    ['comments alone', '# a\n'],
    ['a list without names', '[]'],
  ])('%s: it names no file', (_what, text) => {
    expect(expectedIn(text)).toBe('it names no file');
  });

  it.each([
    ['bytes that are not UTF-8', Buffer.from([0x61, 0xff])],
    ['a NUL', Buffer.from('a\0b')],
    ['JSON that is cut off', Buffer.from('["a"')],
    ['a list of numbers', Buffer.from('[1]')],
    ['JSON nested deeper than any list', Buffer.from('['.repeat(100_000))],
  ])('%s is refused', (_what, bytes) => {
    expect(expectedIn(bytes)).toContain('not UTF-8 text, or not a JSON list');
  });

  it('may be so many and no more', () => {
    const names = Array.from({ length: MOST_EXPECTED }, (_, index) => `${index}.csv`);
    expect(expectedIn(names.join('\n'))).toHaveLength(MOST_EXPECTED);
    expect(expectedIn([...names, 'one-more.csv'].join('\n'))).toContain('more than');
  });
});

test('any text is names or a reason, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const read = readManifest(Buffer.from(bytes), PATH);
      if (read.ok) expect(read.expected.length).toBeGreaterThan(0);
      else expect(read.message).not.toBe('');
    }),
  );
});
