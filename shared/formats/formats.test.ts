import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCsvHeader } from '#shared/formats/csv/check-csv-header.ts';
import { csvToNdjson, type NdjsonCounts } from '#shared/formats/csv/csv-to-ndjson.ts';
import { type CsvItem, LONGEST_HEADER_BYTES, readCsvHeader, readCsvRows } from '#shared/formats/csv/read-csv-rows.ts';
import { gunzip } from './gunzip.ts';

const DIALECT = { delimiter: ',', quote: '"', encoding: 'utf-8', maxRecordBytes: 1_048_576 } as const;

async function* pieces(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** As from a network: an expander that has ended may ask for one more piece before it is noticed. */
async function* inTurns(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces(bytes, size)) {
    await new Promise(setImmediate);
    yield piece;
  }
}

async function read(bytes: Uint8Array | string, dialect = {}): Promise<CsvItem[]> {
  const items: CsvItem[] = [];
  for await (const batch of readCsvRows(pieces(Buffer.from(bytes as Uint8Array)), { ...DIALECT, ...dialect }))
    items.push(...batch);
  return items;
}

async function toNdjson(csv: Uint8Array | string, maxRejected = 10) {
  const counts: NdjsonCounts = { recordsIn: 0, recordsOut: 0, rejected: [] };
  const out: Uint8Array[] = [];
  for await (const piece of csvToNdjson(pieces(Buffer.from(csv as Uint8Array)), { ...DIALECT, maxRejected }, counts))
    out.push(piece);
  return { text: Buffer.concat(out).toString(), counts };
}

function writeCsv(rows: readonly (readonly string[])[], lineBreak = '\n'): string {
  return rows.map((row) => `${row.map((value) => `"${value.replaceAll('"', '""')}"`).join(',')}${lineBreak}`).join('');
}

describe('CSV', () => {
  it('numbers rows by the line where they begin, past quoted line breaks and blank lines', async () => {
    const items = await read('a,b\r\n1,"x\ny"\r\n\r\n3,4\r\n5\r\n6,7');
    expect(items.map((item) => (item.type === 'header' ? 'header' : `${item.type} ${item.line}`))).toEqual([
      'header',
      'row 2',
      'row 5',
      'rejected 6',
      'row 7',
    ]);
  });

  it('takes a byte order mark as the encoding, and not as part of the first name', async () => {
    const header = { type: 'header', line: 1, names: ['ä', 'b'], text: 'ä,b' };
    const text = '\ufeffä,b\n';
    expect(await read(text)).toEqual([header]);
    expect(await read(Buffer.from(text, 'utf16le'))).toEqual([header]);
    expect(await read(Buffer.from(text, 'utf16le').swap16())).toEqual([header]);
    expect(await read(Buffer.from('ä,b\n', 'latin1'), { encoding: 'latin-1' })).toEqual([header]);
    expect(await read(Buffer.from('ä,b\n', 'utf16le'), { encoding: 'utf-16le' })).toEqual([header]);
  });

  it.each([
    ['a NUL', 'a,b\n1,2\n3,\0\n', 'CSV_NUL', 3],
    ['bytes of another encoding', Buffer.from('a,b\n1,2\nä,3\n', 'latin1'), 'CSV_ENCODING', 3],
    ['a character cut off at the end', Buffer.from([0x61, 0x0a, 0xc3]), 'CSV_ENCODING', 2],
    ['UTF-16 that nobody declared', Buffer.from('a,b\n', 'utf16le'), 'CSV_NUL', 1],
    ['a quote that is not closed', 'a,b\n1,"2\n3,4\n', 'CSV_QUOTE', 2],
    ['a quote that is closed lines later, out of place', 'a,b\n1,"2\n3"x\n', 'CSV_QUOTE', 2],
  ])('names the line of %s', async (_what, bytes, code, line) => {
    await expect(read(bytes)).rejects.toMatchObject({ code, line });
  });

  it('rejects a row for a quote out of place, and reads on at the next line', async () => {
    const items = await read('a,b\n1,"2"x\n1,2"3\n4,5\n');
    expect(items.slice(1)).toMatchObject([
      { type: 'rejected', line: 2, code: 'CSV_QUOTE' },
      { type: 'rejected', line: 3, code: 'CSV_QUOTE' },
      { type: 'row', line: 4, values: ['4', '5'] },
    ]);
  });

  it('never shows contents of the file in a fault', async () => {
    const error: Error = await read('a,b\nsecret,"4111111111111111\n"x\n').then(
      () => new Error('no fault'),
      (fault) => fault,
    );
    expect(error.message).not.toMatch(/secret|4111/);
    expect(error).toMatchObject({ code: 'CSV_QUOTE' });
  });

  it('rejects a record without end after a bounded number of bytes', async () => {
    let given = 0;
    const endless = (async function* () {
      yield Buffer.from('a,b\n');
      for (given = 0; given < 1024 ** 3; given += 65_536) yield Buffer.alloc(65_536, 'x');
    })();
    const reading = (async () => {
      for await (const [item] of readCsvRows(endless, DIALECT)) if (item?.type === 'rejected') return item;
      return undefined;
    })();
    expect(await reading).toMatchObject({ code: 'CSV_RECORD_TOO_LONG', line: 2 });
    expect(given).toBeLessThan(8 * 1024 ** 2);
  });

  it('never says that a name is wrong without what it is, shown so that it can be seen', () => {
    const rule = { header: ['id', 'name'], delimiter: ',' };
    expect(checkCsvHeader(['id', 'name\u00a0'], rule)?.message).toContain('It is "name\\u{a0}".');
    expect(checkCsvHeader(['id', 'name '], rule)?.message).toContain('It is "name ".');
    expect(checkCsvHeader(['\ufeffid', 'name'], rule)?.message).toContain('It is "\\u{feff}id".');
    expect(checkCsvHeader(['id', 'nàme'.normalize('NFD')], rule)?.message).toContain('It is "na\\u{300}me".');
    expect(checkCsvHeader(['id;name'], rule)).toMatchObject({ code: 'CSV_DELIMITER' });
  });

  it('passes on what broke the source', async () => {
    const broken = (async function* () {
      yield Buffer.from('a,b\n1,2\n');
      throw new RangeError('cut');
    })();
    const reading = (async () => {
      for await (const _item of readCsvRows(broken, DIALECT));
    })();
    await expect(reading).rejects.toThrow(RangeError);
  });

  it('checks a header by names, order and number', () => {
    expect(checkCsvHeader(['a', 'b'], { header: ['a', 'b'] })).toBeUndefined();
    expect(checkCsvHeader(['b', 'a'], { header: ['a', 'b'] })?.code).toBe('CSV_HEADER_MISMATCH');
    expect(checkCsvHeader(['a'], { header: ['a', 'b'] })?.code).toBe('CSV_COLUMN_COUNT');
    expect(checkCsvHeader(['a', 'b'], { columns: 3 })?.code).toBe('CSV_COLUMN_COUNT');
    expect(checkCsvHeader(['a', 'b', 'a'], {})).toMatchObject({ code: 'CSV_HEADER_DUPLICATE', line: 1 });
  });
});

describe('what programs leave in CSV', () => {
  const rowsOf = async (text: string | Uint8Array, dialect = {}) =>
    (await read(text, dialect)).flatMap((item) =>
      item.type === 'row' ? [item.values.join('|')] : item.type === 'rejected' ? ['!'] : [],
    );

  it.each([
    ['the mark of CP/M and DOS', 'a,b\n1,2\n\x1a'],
    ['the mark behind the last field', 'a,b\n1,2\x1a'],
    ['the mark behind a quoted field', 'a,b\n1,"2"\x1a'],
    ['a mark and a line end', 'a,b\r\n1,2\r\n\x1a\r\n'],
    ['a block filled with marks', `a,b\n1,2\n${'\x1a'.repeat(127)}`],
    ['a block filled with NUL', `a,b\n1,2\n${'\0'.repeat(500)}`],
    ['a mark and a block of NUL', `a,b\n1,2\n\x1a${'\0'.repeat(500)}`],
    ['a block filled with blanks', `a,b\n1,2\n${' '.repeat(500)}`],
    ['two byte order marks', '\ufeff\ufeffa,b\n1,2\n'],
    ['rows of delimiters', 'a,b\n,,,\n1,2\n,\n,\n'],
    ['the line of Excel that names the delimiter', 'sep=,\r\na,b\r\n1,2\r\n'],
  ])('passes over %s', async (_what, text) => {
    expect((await read(text))[0]).toEqual({
      type: 'header',
      line: text.startsWith('sep=') ? 2 : 1,
      names: ['a', 'b'],
      text: 'a,b',
    });
    expect(await rowsOf(text)).toEqual(['1|2']);
  });

  it('takes none of that for the end when anything follows', async () => {
    await expect(read('a,b\n1,2\n\0\n3,4\n')).rejects.toMatchObject({ code: 'CSV_NUL', line: 3 });
    expect(await rowsOf('a,b\n1,2\n\x1a\n3,4\n')).toEqual(['1|2', '!', '3|4']);
    expect(await rowsOf('a,b\n"",""\n , \n')).toEqual(['|', ' | ']);
  });

  it('names the delimiter that the file declares', async () => {
    await expect(read('sep=;\na;b\n')).rejects.toMatchObject({
      code: 'CSV_DELIMITER',
      message: expect.stringContaining('";"'),
    });
  });

  it('reads the characters of Windows, and takes none of them for those of Latin-1', async () => {
    const bytes = Buffer.from([...Buffer.from('a,b\n'), 0x80, 0x2c, 0x93, 0xe4, 0x0a]);
    expect(await rowsOf(bytes, { encoding: 'windows-1252' })).toEqual(['€|“ä']);
    await expect(read(bytes, { encoding: 'latin-1' })).rejects.toMatchObject({ code: 'CSV_ENCODING' });
    const unknown = Buffer.from([...Buffer.from('a,b\n1,'), 0x81]);
    await expect(read(unknown, { encoding: 'windows-1252' })).rejects.toMatchObject({ code: 'CSV_ENCODING' });
    expect(await rowsOf(Buffer.from([0x81, 0x25, 0x9f, 0x25]), { encoding: 'cp1140' })).toEqual(['€']);
  });
});

describe('the header alone', () => {
  const header = (bytes: Uint8Array | string, size: number, dialect = {}) =>
    readCsvHeader(pieces(Buffer.from(bytes as Uint8Array), size), { ...DIALECT, ...dialect });
  const garbage = Buffer.concat([Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x22]), randomBytes(5_000)]);

  it.each([1, 3, 7, 65_536])('does not depend on what comes after it, in pieces of %i bytes', async (size) => {
    expect(await header(Buffer.concat([Buffer.from('id,"a\nb"\n'), garbage]), size)).toEqual(['id', 'a\nb']);
    expect(await header(Buffer.from('\ufeffid,ਁ\n1,2\n', 'utf16le'), size)).toEqual(['id', 'ਁ']);
    expect(await header('\n\nid,b', size)).toEqual(['id', 'b']);
    expect(await header('id,b\r1,2\r', size)).toEqual(['id', 'b']);
    expect(await header('\r\n\n', size)).toBeUndefined();
    await expect(header('"id,b\n1,2\n', size)).rejects.toMatchObject({ code: 'CSV_QUOTE', line: 1 });
    await expect(header('i\0d,b\n1,2\n', size)).rejects.toMatchObject({ code: 'CSV_NUL', line: 1 });
  });

  it('gives up soon when a quote is never closed', async () => {
    let readBytes = 0;
    async function* counted() {
      for await (const piece of pieces(Buffer.from(`"${'x\n'.repeat(4_000_000)}`), 65_536)) {
        readBytes += piece.length;
        yield piece;
      }
    }
    await expect(readCsvHeader(counted(), DIALECT)).rejects.toMatchObject({ code: 'CSV_RECORD_TOO_LONG' });
    expect(readBytes).toBeLessThanOrEqual(2 * LONGEST_HEADER_BYTES);
  });
});

describe('CSV to NDJSON', () => {
  it('keeps every value as it was written, whatever the pieces it comes in', async () => {
    const value = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .filter((text) => !text.includes('\0') && text.isWellFormed());
    const names = fc.uniqueArray(
      value.filter((text) => text !== '' && !text.startsWith('\ufeff')),
      { minLength: 2, maxLength: 5 },
    );
    const table = names.chain((header) =>
      fc.tuple(
        fc.constant(header),
        fc.array(fc.array(value, { minLength: header.length, maxLength: header.length }), { maxLength: 8 }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), async ([header, rows], lineBreak) => {
        const { text, counts } = await toNdjson(writeCsv([header, ...rows], lineBreak));
        const parsed = text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Record<string, string>);
        expect(parsed.map((record) => header.map((name) => record[name]))).toEqual(rows);
        expect(counts).toMatchObject({ recordsIn: rows.length, recordsOut: rows.length, rejected: [] });
      }),
      { numRuns: 60 },
    );
  });

  it('counts in = out + rejected, with the line of each rejected row', async () => {
    const { text, counts } = await toNdjson('a,b\n1,2\n3\n4,5,6\n007,1e400\n');
    expect(text).toBe('{"a":"1","b":"2"}\n{"a":"007","b":"1e400"}\n');
    expect(counts).toMatchObject({
      recordsIn: 4,
      recordsOut: 2,
      rejected: [{ line: 3, code: 'CSV_COLUMN_COUNT' }, { line: 4 }],
    });
  });

  it('stops when too many rows are rejected', async () => {
    await expect(toNdjson(`a,b\n${'1\n'.repeat(12)}`)).rejects.toMatchObject({
      code: 'CSV_TOO_MANY_REJECTED',
      line: 2,
    });
  });

  it('treats __proto__ and constructor as names like any other', async () => {
    const { text } = await toNdjson('__proto__,constructor\n"{""polluted"":1}",x\n');
    expect(text).toBe('{"__proto__":"{\\"polluted\\":1}","constructor":"x"}\n');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('keeps long values as they are, wherever the slices fall that they are written in', async () => {
    const values = ['😀', 'x😀', '"', '\n', 'x"😀\u0001'].flatMap((unit) =>
      [8_190, 8_191, 8_192, 8_193, 20_000].map((length) => unit.repeat(Math.ceil(length / unit.length))),
    );
    const { text } = await toNdjson(writeCsv([['a', 'b'], ...values.map((value) => [value, 'y'])]));
    const written = text.trimEnd().split('\n');
    expect(written.map((line) => JSON.parse(line) as unknown)).toEqual(values.map((value) => ({ a: value, b: 'y' })));
  });

  it('refuses a header with a name twice, and takes no bytes for no records', async () => {
    await expect(toNdjson('a,a\n1,2\n')).rejects.toMatchObject({ code: 'CSV_HEADER_DUPLICATE' });
    expect(await toNdjson('')).toMatchObject({ text: '', counts: { recordsIn: 0 } });
  });
});

describe('gunzip', () => {
  const BOUNDS = { maxRatio: 200, maxBytes: 100_000_000 };

  async function expand(bytes: Uint8Array, bounds = BOUNDS): Promise<number> {
    let count = 0;
    for await (const piece of gunzip(pieces(bytes, 4_096), bounds)) count += piece.length;
    return count;
  }

  it('expands what gzip made, several members too', async () => {
    const bytes = randomBytes(300_000);
    expect(await expand(gzipSync(bytes))).toBe(300_000);
    expect(await expand(Buffer.concat([gzipSync(bytes), gzipSync(bytes)]))).toBe(600_000);
    expect(await expand(gzipSync(''))).toBe(0);
  });

  it('refuses a bomb by ratio and by size', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    await expect(expand(bomb)).rejects.toMatchObject({ code: 'ARCHIVE_BOMB' });
    await expect(expand(bomb, { maxRatio: 10_000, maxBytes: 20_000_000 })).rejects.toMatchObject({
      code: 'ARCHIVE_BOMB',
    });
    expect(await expand(bomb, { maxRatio: 10_000, maxBytes: 50_000_000 })).toBe(50_000_000);
  });

  it.each([
    ['a file of another format', Buffer.from('not gzip at all')],
    ['a file that was cut off', gzipSync(randomBytes(100_000)).subarray(0, 60_000)],
    [
      'a damaged file',
      (() => {
        const bytes = gzipSync(randomBytes(100_000));
        return bytes.fill(0xff, 50_000, 50_050);
      })(),
    ],
  ])('calls %s corrupt', async (_what, bytes) => {
    await expect(expand(bytes)).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
  });

  it('loses no piece between members with a zero byte behind each', async () => {
    const content = randomBytes(100);
    const member = Buffer.concat([gzipSync(content), Buffer.alloc(1)]);
    const members = Buffer.concat(Array<Buffer>(200).fill(member));
    const out: Uint8Array[] = [];
    for await (const piece of gunzip(inTurns(members, 500), BOUNDS)) out.push(piece);
    expect(Buffer.concat(out).equals(Buffer.concat(Array<Buffer>(200).fill(content)))).toBe(true);
  });

  it.each([1, 7, 20, 64, 4_096, 65_536])('expands members behind zero bytes, in pieces of %i bytes', async (size) => {
    const texts = async (...parts: readonly Uint8Array[]) => {
      const out: Uint8Array[] = [];
      for await (const piece of gunzip(pieces(Buffer.concat(parts), size), BOUNDS)) out.push(piece);
      return Buffer.concat(out).toString();
    };
    const zeros = (count: number) => Buffer.alloc(count);
    const one = gzipSync('one\n');
    const two = gzipSync('two\n');
    expect(await texts(one, zeros(100), two)).toBe('one\ntwo\n');
    expect(await texts(one, zeros(1), two, zeros(size + 4_464), one, two, zeros(512))).toBe('one\ntwo\none\ntwo\n');
    expect(await texts(one, zeros(3))).toBe('one\n');
    const { length } = one;
    for (const tail of [zeros(length), Buffer.alloc((size - (length % size)) % size)]) {
      expect(await texts(one, tail, two)).toBe('one\ntwo\n');
      await expect(texts(one, tail, zeros(1), Buffer.from('x'))).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
      await expect(texts(one, tail, zeros(1), two.subarray(0, -1))).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
      await expect(texts(one, tail, zeros(1), Buffer.of(0x1f))).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    }
    await expect(texts(one, Buffer.from('x'))).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    await expect(texts(zeros(100), one)).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    await expect(texts(one, two.subarray(0, -4))).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
  });

  it('calls an empty file corrupt: it has not even a header', async () => {
    await expect(expand(Buffer.alloc(0))).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
  });
});
