import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCharacter } from '#testkit/seeds/any-character.ts';
import { canonicalPath, isListable } from './canonical-path.ts';

const rejection = (path: string): string => {
  try {
    return `taken as ${canonicalPath(path)}`;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a path is taken in its canonical form', () => {
  it.each([
    ['', '/'],
    ['.', '/'],
    ['/', '/'],
    ['a.csv', '/a.csv'],
    ['//in///a.csv/', '/in/a.csv'],
    ['/in/./a/../b.csv', '/in/b.csv'],
    ['/100% sure.csv', '/100% sure.csv'],
    ['/%41.csv', '/%41.csv'],
    ['/...', '/...'],
    ['/a-b', '/a-b'],
    ['/日本語 & <x>.csv', '/日本語 & <x>.csv'],
  ])('%j becomes %j', (raw, canonical) => {
    expect(canonicalPath(raw)).toBe(canonical);
  });

  it('stores one name for both Unicode forms of it', () => {
    expect(canonicalPath('/Mu\u0308ller.csv')).toBe(canonicalPath('/M\u00fcller.csv'));
  });

  it('takes a name of 255 bytes, counted in UTF-8', () => {
    const name = `${'ü'.repeat(127)}x`;
    expect(Buffer.byteLength(name)).toBe(255);
    expect(canonicalPath(`/${name}`)).toBe(`/${name}`);
  });
});

describe('a path that a client asks for by REALPATH', () => {
  it.each(['..', '/..', '/../..', '/in/../..', '/../.'])('%j is the root', (raw) => {
    expect(canonicalPath(raw, { endsAtRoot: true })).toBe('/');
  });

  it.each(['/../acmex', '/in/../../acmex/a.csv'])('%j is refused, as it goes on from above the root', (raw) => {
    expect(() => canonicalPath(raw, { endsAtRoot: true })).toThrow('NAME_REJECTED');
  });
});

describe('a path is refused with NAME_REJECTED', () => {
  it.each([
    ['.. out of the root', '/..'],
    ['.. out of the root after going down', '/in/../../etc/passwd'],
    ['.. to a sibling prefix', '../acmex/a.csv'],
    ['encoded ..', '/%2e%2e/a.csv'],
    ['half encoded ..', '/.%2E/a.csv'],
    ['doubly encoded ..', '/%252e%252e/a.csv'],
    ['an encoded separator', '/in%2fa.csv'],
    ['an encoded backslash', '/in%5Ca.csv'],
    ['an encoded NUL', '/a.csv%00.txt'],
    ['an encoded line break', '/a%0d%0aX: y'],
    ['a backslash', '/in\\a.csv'],
    ['NUL', '/a.csv\0.txt'],
    ['CR LF', '/a\r\nX: y'],
    ['an escape sequence', '/\u001b[2Ja'],
    ['a line separator', '/a\u2028b'],
    ['a right-to-left override', '/a\u202ecsv.exe'],
    ['an isolate', '/a\u2066b'],
    ['bytes that are not UTF-8', '/a\ufffd'],
    ['a leading hyphen', '/-rf'],
    ['dots and a blank', '/in/.. /x'],
    ['a blank that nothing shows', '/in/x\u200b.csv'],
    ['a leading hyphen below', '/in/-rf'],
    ['256 bytes', `/${'x'.repeat(256)}`],
    ['256 bytes of multibyte characters', `/${'ü'.repeat(128)}`],
    ['an endless path', '/a'.repeat(10_000)],
  ])('%s', (_, path) => {
    expect(rejection(path)).toBe('NAME_REJECTED');
  });
});

describe('every path that is taken', () => {
  it('stays below the root, and is its own canonical form', () => {
    const piece = fc.oneof(
      fc.constantFrom('..', '.', '', '/', '%2e', '\\', '-', 'a'),
      fc.string({ unit: anyCharacter }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        let canonical: string;
        try {
          canonical = canonicalPath(pieces.join('/'));
        } catch {
          return;
        }
        expect(canonicalPath(canonical)).toBe(canonical);
        expect(canonical.startsWith('/')).toBe(true);
        expect(canonical.split('/')).not.toContain('..');
      }),
    );
  });

  it('is listed, and others are not', () => {
    expect(isListable('a.csv')).toBe(true);
    for (const name of ['', '..', '-x', 'a\nb', 'Mu\u0308ller', 'a\\b']) expect(isListable(name)).toBe(false);
  });
});
