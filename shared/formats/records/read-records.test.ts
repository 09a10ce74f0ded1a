/** Bad input, whole files, and what holds whatever the file: bounds, abort, the sender's bytes. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { ebcdicTable, translate } from './ebcdic.ts';
import { readRecords } from './read-records.ts';
import type { RecordItem } from './record-item.ts';

const CSV = { format: 'csv', columns: [{ name: 'a' }, { name: 'b' }] };
const NDJSON = { format: 'ndjson', columns: [{ name: 'a' }, { name: 'n', type: 'decimal' }] };
const column = (name: string, from: number, length: number, more = {}) => ({ name, from, length, ...more });
const FIXED = { format: 'fixed', recordLength: 5, columns: [column('a', 1, 3), column('n', 4, 2, { type: 'zoned' })] };
const DAY_FILE = {
  format: 'fixed',
  recordLength: 12,
  typeField: { from: 1, length: 1, detail: 'D' },
  header: { type: 'H', columns: [column('day', 2, 8, { type: 'date', format: 'yyyyMMdd', required: true })] },
  columns: [column('key', 2, 3), column('amount', 5, 8, { type: 'zoned', decimals: 2 })],
  trailer: {
    type: 'T',
    columns: [column('count', 2, 3, { type: 'zoned' }), column('total', 5, 8, { type: 'zoned', decimals: 2 })],
    count: 'count',
    totals: [{ column: 'total', sumOf: 'amount' }],
  },
};

async function* given(...pieces: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

async function read(layout: object, ...pieces: readonly (Uint8Array | string)[]): Promise<RecordItem[]> {
  const items: RecordItem[] = [];
  for await (const item of readRecords(given(...pieces), recordsSchema.parse(layout))) items.push(item);
  return items;
}

const rejected = (items: readonly RecordItem[]) => items.filter((item) => item.type === 'rejected');
const rows = (items: readonly RecordItem[]) => items.flatMap((item) => (item.type === 'row' ? [item.values] : []));
const summary = (items: readonly RecordItem[]) => items.at(-1);

async function faultOf(layout: object, ...pieces: readonly (Uint8Array | string)[]): Promise<unknown> {
  return await read(layout, ...pieces).then(
    () => 'no fault',
    (fault) => fault,
  );
}

describe('CSV records', () => {
  it('rejects a bad row alone, with its line, and counts it', async () => {
    const items = await read(CSV, 'a,b\n1,2\n1\n"x\ny",2\n1,2,3\n5" pipe,2\n"1"2,3\n7,8');
    expect(rejected(items)).toMatchObject([
      { line: 3, code: 'CSV_COLUMN_COUNT' },
      { line: 6, code: 'CSV_COLUMN_COUNT' },
      { line: 7, code: 'CSV_QUOTE' },
      { line: 8, code: 'CSV_QUOTE' },
    ]);
    expect(rows(items)).toEqual([
      { a: '1', b: '2' },
      { a: 'x\ny', b: '2' },
      { a: '7', b: '8' },
    ]);
    expect(summary(items)).toMatchObject({ records: 7, accepted: 3, rejected: 4, lines: 9 });
  });

  it.each([
    ['a quote that is not closed', 'a,b\n1,2\n1,"2\n3,4\n', 'CSV_QUOTE', 3],
    ['a quote that is closed lines later, out of place', 'a,b\n"1,2\n3","4\n5,6\n', 'CSV_QUOTE', 2],
    ['no header', '\n\n', 'CSV_HEADER_MISSING', 1],
    ['a missing column', 'a,c\n', 'CSV_HEADER_MISMATCH', 1],
    ['an unknown column', 'a,b,c\n', 'CSV_HEADER_MISMATCH', 1],
    ['a name twice', 'a,b,a\n', 'CSV_HEADER_DUPLICATE', 1],
    ['a header in another encoding', Buffer.from('a,b,ä\n', 'latin1'), 'CSV_ENCODING', 1],
  ])('refuses the file for %s', async (_what, text, code, line) => {
    expect(await faultOf(CSV, text)).toMatchObject({ code, line });
  });

  it('gives on what came before a fault', async () => {
    const items: RecordItem[] = [];
    const reading = (async () => {
      for await (const item of readRecords(given('a,b\n1,2\n"'), recordsSchema.parse(CSV))) items.push(item);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'CSV_QUOTE' });
    expect(rows(items)).toEqual([{ a: '1', b: '2' }]);
  });

  it('takes a record of exactly the longest length, quoted or not, and none longer', async () => {
    const short = { ...CSV, maxRecordBytes: 8 };
    const items = await read(short, 'a,b\n123456,8\r\n1234567,9\r\n"34567",\r\n"345678",\r\n1,2');
    expect(rejected(items)).toMatchObject([
      { line: 3, code: 'CSV_RECORD_TOO_LONG', isCut: true, raw: Buffer.from('1234567,') },
      { line: 5, code: 'CSV_RECORD_TOO_LONG', isCut: true },
    ]);
    expect(rows(items).map((values) => values.a)).toEqual(['123456', '34567', '1']);
    expect(await faultOf(short, 'a,b\n"23456789",\n')).toMatchObject({ code: 'CSV_RECORD_TOO_LONG', line: 2 });
  });

  it('takes columns by name in any order, or by place without a header', async () => {
    const layout = { ...CSV, unknown: 'ignore', columns: [{ name: 'b', source: 'B b' }, { name: 'a' }] };
    expect(rows(await read(layout, 'x,a,B b\n1,2,3\n'))).toEqual([{ b: '3', a: '2' }]);
    expect(rows(await read({ ...layout, header: false, delimiter: ';' }, '1;2;3\n'))).toEqual([{ b: '1', a: '2' }]);
  });

  it('lets a byte order mark decide, and reads what it names', async () => {
    for (const bytes of [
      Buffer.from('\ufeffa,b\nä,€\n'),
      Buffer.from('\ufeffa,b\nä,€\n', 'utf16le'),
      Buffer.from('\ufeffa,b\nä,€\n', 'utf16le').swap16(),
    ]) {
      const items = await read({ ...CSV, encoding: 'latin-1' }, bytes);
      expect(items[0]).toMatchObject({ type: 'start', hasMark: true });
      expect(rows(items)).toEqual([{ a: 'ä', b: '€' }]);
    }
  });

  it('rejects bytes of another encoding and NUL with their column, and no other row', async () => {
    const items = await read(CSV, 'a,b\n1,2\n3,', Buffer.from([0xe4]), '\n\0,5\n6,ä\n');
    expect(rejected(items)).toMatchObject([
      { line: 3, column: 'b', code: 'CSV_ENCODING', raw: Buffer.from([0x33, 0x2c, 0xe4]) },
      { line: 4, column: 'a', code: 'CSV_NUL', value: '\\u{0}' },
    ]);
    expect(rows(items)).toHaveLength(2);
  });

  it('tells a file that ends within a character', async () => {
    const odd = Buffer.concat([Buffer.from('a,b\n1,2\n', 'utf16le'), Buffer.from([0x31])]);
    expect(await faultOf({ ...CSV, encoding: 'utf-16le' }, odd)).toMatchObject({ code: 'CSV_ENCODING' });
  });
});

describe('column rules', () => {
  const one = async (rules: object, ...values: readonly string[]) => {
    const layout = { format: 'csv', header: false, columns: [{ name: 'v', ...rules }, { name: 'x' }] };
    const items = await read(layout, values.map((value) => `"${value.replaceAll('"', '""')}",x\n`).join(''));
    return items.flatMap((item) => {
      if (item.type === 'row') return [item.values.v];
      return item.type === 'rejected' ? [item.code] : [];
    });
  };

  it.each([
    [{ required: true }, ['a', '', '  '], ['a', 'COLUMN_REQUIRED', 'COLUMN_REQUIRED']],
    [{ trim: 'both' }, [' a ', ' '], ['a', null]],
    [{ nullValues: ['N/A'] }, ['N/A', 'n/a'], [null, 'n/a']],
    [{ minLength: 2, maxLength: 3 }, ['a', 'ab', '😀😀😀', 'abcd'], ['COLUMN_LENGTH', 'ab', '😀😀😀', 'COLUMN_LENGTH']],
    [{ pattern: '[A-Z]{2}[0-9]+' }, ['AB1', 'xAB1', 'AB'], ['AB1', 'COLUMN_PATTERN', 'COLUMN_PATTERN']],
    [{ enum: ['OPEN', 'USED'] }, ['OPEN', 'open'], ['OPEN', 'COLUMN_ENUM']],
    [{ type: 'integer' }, ['+007', '-0', '1.0', '1e3', 'x'], ['7', '0', 'COLUMN_TYPE', 'COLUMN_TYPE', 'COLUMN_TYPE']],
    [
      { type: 'integer' },
      ['9'.repeat(38), '9'.repeat(39), '1 2', '0x1'],
      ['9'.repeat(38), 'COLUMN_TYPE', 'COLUMN_TYPE', 'COLUMN_TYPE'],
    ],
    [
      { type: 'decimal', decimals: 2 },
      ['1.50', '-.5', '1.505', '1.'],
      ['1.50', 'COLUMN_TYPE', 'COLUMN_TYPE', 'COLUMN_TYPE'],
    ],
    [
      { type: 'decimal', min: -0.1, max: '0.2' },
      ['-0.10', '-0.11', '0.2', '0.21'],
      ['-0.10', 'COLUMN_RANGE', '0.2', 'COLUMN_RANGE'],
    ],
    [
      { type: 'integer', max: '10000000000000000000' },
      ['10000000000000000000', '10000000000000000001'],
      ['10000000000000000000', 'COLUMN_RANGE'],
    ],
    [{ type: 'integer', signed: false }, ['1', '-1'], ['1', 'COLUMN_RANGE']],
    [{ type: 'boolean' }, ['Y', 'false', '2'], [true, false, 'COLUMN_TYPE']],
    [{ type: 'date' }, ['2024-02-29', '2023-02-29', '2024-2-9'], ['2024-02-29', 'COLUMN_DATE', 'COLUMN_DATE']],
    [
      { type: 'date', format: 'yyyyDDD' },
      ['2024366', '2023366', '2023000'],
      ['2024-12-31', 'COLUMN_DATE', 'COLUMN_DATE'],
    ],
    [{ type: 'date', format: 'yyMMdd' }, ['691231', '700101', '70010A'], ['2069-12-31', '1970-01-01', 'COLUMN_DATE']],
    [
      { type: 'date', format: 'dd.MM.yyyy HH:mm' },
      ['01.02.2024 23:59', '01.02.2024 24:00'],
      ['2024-02-01T23:59:00', 'COLUMN_DATE'],
    ],
    [
      { type: 'date', format: 'yyyyMMddHH', min: '2024-01-01', max: '2024-01-31' },
      ['2024013123', '2024020100', '2023123123'],
      ['2024-01-31T23:00:00', 'COLUMN_RANGE', 'COLUMN_RANGE'],
    ],
    [
      { type: 'zoned', decimals: 2 },
      ['123', '12C', '12L', '12s', 'x'],
      ['1.23', '1.23', '-1.23', 'COLUMN_TYPE', 'COLUMN_TYPE'],
    ],
    [{ unique: true }, ['a', 'b', 'a', '', ''], ['a', 'b', 'COLUMN_DUPLICATE', null, null]],
  ])('%j', async (rules, values, expected) => {
    expect(await one(rules, ...values)).toEqual(expected);
  });

  it('names all faults of a row, and shows no sensitive value and no control character', async () => {
    const layout = {
      format: 'csv',
      columns: [
        { name: 'card', type: 'integer', sensitive: true },
        { name: 'note', maxLength: 3 },
      ],
    };
    const [item] = rejected(await read(layout, 'card,note\n4111x1111,"a\r\nb\u202e"\n'));
    expect(item).toMatchObject({ column: 'card', value: '***', code: 'COLUMN_TYPE' });
    expect(item?.moreFaults).toMatchObject([{ column: 'note', value: 'a\\u{d}\\u{a}b\\u{202e}' }]);
    expect(JSON.stringify({ ...item, raw: undefined })).not.toMatch(/4111/);
  });

  it('lets the corrected second of two rows take the value that a rejected first had', async () => {
    const columns = [
      { name: 'key', unique: true },
      { name: 'n', type: 'integer' },
    ];
    const items = await read({ format: 'csv', columns }, 'key,n\nA,x\nA,1\nA,2\n');
    expect(rejected(items)).toMatchObject([
      { line: 2, code: 'COLUMN_TYPE' },
      { line: 4, code: 'COLUMN_DUPLICATE', message: expect.stringContaining('line 3') },
    ]);
  });

  it('knows 100,000 unique values apart', async () => {
    const layout = { format: 'csv', header: false, columns: [{ name: 'key', unique: true }] };
    const text = Array.from({ length: 100_000 }, (_none, index) => `K${index}\n`).join('');
    expect(summary(await read(layout, text, 'K99999\nK0\n'))).toMatchObject({ accepted: 100_000, rejected: 2 });
  });

  it('touches no prototype, whatever columns and keys are named', async () => {
    const layout = { format: 'csv', columns: [{ name: 'constructor', source: '__proto__' }] };
    expect(rows(await read(layout, '__proto__\nx\n'))[0]).toEqual(JSON.parse('{"constructor":"x"}'));
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('fixed-width records', () => {
  it('rejects short, long and blank-filled records with line and position', async () => {
    const items = await read(FIXED, 'abc12\nab\nabc123\n\nabc1x\nabc  \nab\0 1\n   \0\0\n');
    expect(rejected(items)).toMatchObject([
      { line: 2, code: 'FIXED_SHORT', position: 3, column: 'a' },
      { line: 3, code: 'FIXED_LONG', position: 6 },
      { line: 5, code: 'FIXED_ZONED', position: 4, column: 'n', value: '1x' },
      { line: 7, code: 'FIXED_NUL', position: 1, column: 'a' },
    ]);
    expect(rows(items)).toEqual([
      { a: 'abc', n: '12' },
      { a: 'abc', n: null },
      { a: null, n: null },
    ]);
  });

  it('fills up lines whose blanks were cut off, where the layout says so', async () => {
    expect(rows(await read({ ...FIXED, shortLines: 'pad' }, 'ab\nabc12'))).toEqual([
      { a: 'ab', n: null },
      { a: 'abc', n: '12' },
    ]);
  });

  it('counts characters in UTF-8, or bytes where the layout says so', async () => {
    const text = 'äö€12\n😀bc34\n';
    expect(rows(await read(FIXED, text))).toEqual([
      { a: 'äö€', n: '12' },
      { a: '😀bc', n: '34' },
    ]);
    expect(rejected(await read({ ...FIXED, positions: 'bytes' }, 'äö12\na€1\n'))).toMatchObject([
      { line: 1, code: 'FIXED_LONG' },
      { line: 2, code: 'FIXED_ENCODING', column: 'a' },
    ]);
    expect(rejected(await read({ ...FIXED, encoding: 'latin-1' }, text))).toMatchObject([
      { code: 'FIXED_LONG' },
      { code: 'FIXED_LONG' },
    ]);
    expect(rejected(await read(FIXED, Buffer.from('ä1234\n', 'latin1')))).toMatchObject([{ code: 'FIXED_ENCODING' }]);
  });

  it('tells a file without line ends that ends in the middle of a record', async () => {
    const { fromLatin1 } = ebcdicTable('cp500');
    const items = await read({ ...FIXED, encoding: 'cp500' }, translate(Buffer.from('abc12def3'), fromLatin1));
    expect(rejected(items)).toMatchObject([{ line: 2, code: 'FIXED_SHORT', position: 5, column: 'n' }]);
    expect(summary(items)).toMatchObject({ records: 2, accepted: 1, rejected: 1 });
  });

  it('reads packed, binary and overpunched numbers as a mainframe writes them', async () => {
    const layout = {
      format: 'fixed',
      encoding: 'cp1047',
      recordLength: 9,
      columns: [
        column('packed', 1, 3, { type: 'packed', decimals: 2 }),
        column('binary', 4, 2, { type: 'binary' }),
        column('zoned', 6, 3, { type: 'zoned', decimals: 1 }),
        column('text', 9, 1),
      ],
    };
    const record = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const items = await read(
      layout,
      record('12345c ffff f1f2d3 ad'),
      record('00001d 0102 f1f2c0 bd'),
      record('00001f 8000 f1f2f3 c1'),
      record('404040 0000 404040 40'),
      record('000000 0000 000000 00'),
      record('1a345c 0000 f1f2f3 c1'),
      record('123450 0000 f1f2f3 c1'),
      record('12345c 0000 f1d2f3 c1'),
    );
    expect(rows(items)).toEqual([
      { packed: '123.45', binary: '-1', zoned: '-12.3', text: '[' },
      { packed: '-0.01', binary: '258', zoned: '12.0', text: ']' },
      { packed: '0.01', binary: '-32768', zoned: '12.3', text: 'A' },
      { packed: null, binary: '0', zoned: null, text: null },
      { packed: null, binary: '0', zoned: null, text: null },
    ]);
    expect(rejected(items)).toMatchObject([
      { code: 'FIXED_PACKED', position: 1, value: '0x1a345c' },
      { code: 'FIXED_PACKED', position: 1 },
      { code: 'FIXED_ZONED', position: 6 },
    ]);
  });

  it('never takes a byte of a packed number for a line end, and refuses the file when a line end is missing', async () => {
    const layout = {
      format: 'fixed',
      encoding: 'cp037',
      lineEnds: true,
      recordLength: 3,
      columns: [column('n', 1, 3, { type: 'packed' })],
    };
    const items = await read(layout, Buffer.from('15250c2525152d0d2500000c15', 'hex'));
    expect(rows(items)).toEqual([{ n: '15250' }, { n: '-25152' }, { n: '0' }]);
    expect(await faultOf(layout, Buffer.from('15250c2500001c00002c', 'hex'))).toMatchObject({
      code: 'FIXED_LINE_END',
      line: 2,
    });
  });

  it('passes over the line end that a transfer put behind the last record', async () => {
    const layout = { ...FIXED, encoding: 'latin-1', lineEnds: false };
    expect(summary(await read(layout, 'abc12def34\r\n'))).toMatchObject({ records: 2, rejected: 0 });
    expect(summary(await read(layout, 'abc12def34\r\n\n'))).toMatchObject({ records: 3, rejected: 1 });
  });

  it('takes NEL, LF and CR LF as line ends in EBCDIC', async () => {
    const { fromLatin1 } = ebcdicTable('cp037');
    const ebcdic = (text: string) => translate(Buffer.from(text, 'latin1'), fromLatin1);
    const items = await read(
      { ...FIXED, encoding: 'cp037', lineEnds: true },
      ebcdic('abc12\u0085def34\nghi56\r\njkl78'),
    );
    expect(rows(items).map((values) => values.a)).toEqual(['abc', 'def', 'ghi', 'jkl']);
    expect(ebcdic('\u0085\n')).toEqual(Buffer.from([0x15, 0x25]));
  });

  it('checks header, trailer count and totals', async () => {
    const file = 'H20260131   \nDABC0000100E\nDDEF0000000N\nT0020000100{\n';
    const items = await read(DAY_FILE, file);
    expect(items.map((item) => item.type)).toEqual(['start', 'header', 'row', 'row', 'trailer', 'summary']);
    expect(items[1]).toMatchObject({ values: { day: '2026-01-31' } });
    expect(summary(items)).toMatchObject({
      records: 2,
      declaredCount: '2',
      totals: [{ column: 'total', sumOf: 'amount', declared: '10.00', sum: '10.00', isCompared: true }],
    });
  });

  it.each([
    ['no header', 'DABC00001005\nT00100001005\n', 'FIXED_HEADER_MISSING', 1],
    ['an empty file', '', 'FIXED_HEADER_MISSING', 1],
    ['a second header', 'H20260131   \nH20260131   \n', 'FIXED_HEADER_MISPLACED', 2],
    ['a bad day in the header', 'H20260231   \n', 'COLUMN_DATE', 1],
    ['a short header', 'H20260131\n', 'FIXED_SHORT', 1],
    ['no trailer', 'H20260131   \nDABC00001005\n', 'FIXED_TRAILER_MISSING', 3],
    ['another count', 'H20260131   \nDABC00001005\nT00200001005\n', 'FIXED_TRAILER_COUNT', 3],
    ['another total', 'H20260131   \nDABC00001005\nT00100001006\n', 'FIXED_TRAILER_TOTAL', 3],
    ['something after the trailer', 'H20260131   \nT00000000000\nDABC00001005\n', 'FIXED_AFTER_TRAILER', 3],
    ['too much after the trailer', `H20260131   \nT00000000000\n${'x'.repeat(1_100_000)}`, 'FIXED_AFTER_TRAILER', 3],
    ['a first line that never ends', 'x'.repeat(1_100_000), 'FIXED_LONG', 1],
    ['a first line that is not UTF-8', Buffer.from('Hä', 'latin1'), 'FIXED_ENCODING', 1],
  ])('refuses the file for %s', async (_what, text, code, line) => {
    expect(await faultOf(DAY_FILE, text)).toMatchObject({ code, line });
  });

  it('counts rejected records for the trailer, and compares no total when one of them could not be read', async () => {
    const items = await read(DAY_FILE, 'H20260131   \nDABC0000100x\nX           \nT00200009999\n');
    expect(rejected(items)).toMatchObject([
      { line: 2, code: 'FIXED_ZONED' },
      { line: 3, code: 'FIXED_RECORD_TYPE', position: 1 },
    ]);
    expect(summary(items)).toMatchObject({ records: 2, totals: [{ isCompared: false }] });
  });
});

describe('NDJSON records', () => {
  it.each([
    ['nested 100,000 deep', `{"a":${'['.repeat(100_000)}`, 'JSON_DEPTH', 69],
    ['__proto__', '{"__proto__":{"x":1}}', 'JSON_KEY_REFUSED', 2],
    ['__proto__ in disguise', '{"\\u005f_proto__":1}', 'JSON_KEY_REFUSED', 2],
    ['a repeated key', '{"a":"1","a":"2"}', 'JSON_DUPLICATE_KEY', 10],
    ['a repeated key within', '{"a":{"b":1,"b":2}}', 'JSON_DUPLICATE_KEY', 13],
    ['half a surrogate pair', '{"a":"\\ud83d"}', 'JSON_SURROGATE', 7],
    ['a text without end', '{"a":"1', 'JSON_TRUNCATED', 8],
    ['an object without end', '{"a":1', 'JSON_TRUNCATED', 7],
    ['an escaped quote at the end', '{"a":"\\"}', 'JSON_TRUNCATED', 10],
    ['an array', '[1]', 'JSON_NOT_OBJECT', 1],
    ['a comma too many', '{"a":"1",}', 'JSON_SYNTAX', 10],
    ['two objects', '{"a":"1"}{"a":"2"}', 'JSON_SYNTAX', 10],
    ['a tab in a text', '{"a":"\t"}', 'JSON_SYNTAX', 7],
    [
      'too many keys',
      `{${Array.from({ length: 10_001 }, (_none, index) => `"${index}":0`).join(',')}}`,
      'JSON_TOO_MANY_KEYS',
      undefined,
    ],
    ['bytes that are not UTF-8', Buffer.from('{"a":"ä"}', 'latin1'), 'JSON_ENCODING', undefined],
    ['an unknown key', '{"z":1}', 'JSON_UNKNOWN_KEY', undefined],
    ['a NUL', '{"a":"\\u0000"}', 'JSON_NUL', undefined],
    ['an exponent', '{"n":1e999}', 'JSON_NUMBER', undefined],
    ['a number of 39 digits', `{"n":${'9'.repeat(39)}}`, 'JSON_NUMBER', undefined],
    ['a number for a text', '{"a":1}', 'COLUMN_TYPE', undefined],
    ['an object for a text', '{"a":{}}', 'COLUMN_TYPE', undefined],
  ])('rejects a line with %s, and goes on', async (_what, line, code, position) => {
    const items = await read(NDJSON, '{"a":"before"}\n', line, '\n{"a":"after"}\n');
    expect(rejected(items)).toMatchObject([{ line: 2, code, ...(position === undefined ? {} : { position }) }]);
    expect(rows(items).map((values) => values.a)).toEqual(['before', 'after']);
  });

  it('keeps every digit of a number and every backslash of a text', async () => {
    const items = await read(NDJSON, '{"a":"\\\\","n":12345678901234567890.10}\n\n{"n":"-5","a":null}');
    expect(rows(items)).toEqual([
      { a: '\\', n: '12345678901234567890.10' },
      { a: null, n: '-5' },
    ]);
  });
});

describe('any file', () => {
  it('is expanded when it is gzip, and a bomb is refused', async () => {
    expect(rows(await read(CSV, gzipSync('a,b\n1,2\n')))).toEqual([{ a: '1', b: '2' }]);
    expect(await faultOf({ ...CSV, gzip: false }, gzipSync('a,b\n1,2\n'))).toMatchObject({ code: 'CSV_ENCODING' });
    expect(await faultOf({ ...CSV, gzip: true }, 'a,b\n1,2\n')).toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    expect(await faultOf(CSV, gzipSync('a,b\n1,2\n').subarray(0, 20))).toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    const bomb = gzipSync(Buffer.alloc(20_000_000, `${'x'.repeat(9_999)}\n`));
    expect(await faultOf({ ...CSV, header: false, columns: [{ name: 'x' }] }, bomb)).toMatchObject({
      code: 'ARCHIVE_BOMB',
    });
  });

  it.each([
    ['csv', { ...CSV, columns: [{ name: 'a' }] }, 'a\n', '1\n', 'CSV_RECORD_TOO_LONG'],
    ['fixed', { format: 'fixed', recordLength: 1, columns: [column('a', 1, 1)] }, '1\n', '1\n', 'FIXED_LONG'],
    ['ndjson', { format: 'ndjson', columns: [{ name: 'a' }] }, '{"a":"1"}\n', '{"a":"1"}\n', 'JSON_LINE_TOO_LONG'],
  ])(
    'may have a line of 1 GB: an error, and reading goes on after it (%s)',
    async (_format, layout, before, after, code) => {
      const piece = Buffer.alloc(1_048_576, 'x');
      const source = (async function* () {
        yield Buffer.from(before);
        for (let sent = 0; sent < 1024; sent++) yield piece;
        yield Buffer.from(`\n${after}`);
      })();
      const startRss = process.memoryUsage.rss();
      let growth = 0;
      const items: RecordItem[] = [];
      const watched = (async function* () {
        for await (const bytes of source) {
          growth = Math.max(growth, process.memoryUsage.rss() - startRss);
          yield bytes;
        }
      })();
      for await (const item of readRecords(watched, recordsSchema.parse(layout))) items.push(item);
      expect(rejected(items)).toMatchObject([{ line: 2, code, isCut: true }]);
      expect(rejected(items)[0]?.raw).toHaveLength(1_048_576);
      expect(items.at(-2)).toMatchObject({ type: 'row', line: 3 });
      expect(growth).toBeLessThan(150 * 1024 ** 2);
    },
    60_000,
  );

  it('is not read ahead of whoever takes its rows', async () => {
    let given = 0;
    const source = (async function* () {
      for (;;) {
        given += 65_536;
        yield Buffer.alloc(65_536, '1,2\n');
      }
    })();
    for await (const item of readRecords(source, recordsSchema.parse({ ...CSV, header: false }))) {
      if (item.type === 'row') break;
    }
    expect(given).toBeLessThan(10 * 65_536);
  });

  it('ends at an abort, even while its source is silent', async () => {
    const controller = new AbortController();
    let isClosed = false;
    const source = (async function* () {
      try {
        yield Buffer.from('1,2\n');
        await new Promise(() => {});
      } finally {
        isClosed = true;
      }
    })();
    const reading = (async () => {
      const layout = recordsSchema.parse({ ...CSV, header: false });
      for await (const _item of readRecords(source, layout, { signal: controller.signal }));
    })();
    setTimeout(() => controller.abort(new RangeError('enough')), 20);
    await expect(reading).rejects.toThrow('enough');
    expect(isClosed).toBe(false);
  });

  it('ends at an abort while the source never rests, and closes it', async () => {
    const controller = new AbortController();
    let isClosed = false;
    const source = (async function* () {
      try {
        for (;;) yield Buffer.alloc(65_536, '1,2\n');
      } finally {
        isClosed = true;
      }
    })();
    const aborting = delay(30).then(() => controller.abort());
    const reading = (async () => {
      const layout = recordsSchema.parse({ ...CSV, header: false });
      for await (const _item of readRecords(source, layout, { signal: controller.signal }));
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    await aborting;
    expect(isClosed).toBe(true);
  });

  it('passes on what broke the source', async () => {
    const broken = (async function* () {
      yield Buffer.from('a,b\n1,2\n');
      throw new RangeError('cut');
    })();
    const reading = (async () => {
      for await (const _item of readRecords(broken, recordsSchema.parse(CSV)));
    })();
    await expect(reading).rejects.toThrow(RangeError);
  });
});

describe('EBCDIC', () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_none, byte) => byte));

  it.each(['cp037', 'cp500', 'cp1047'] as const)(
    '%s has a character for every byte and a byte for every character',
    (page) => {
      const { toLatin1, fromLatin1 } = ebcdicTable(page);
      expect(translate(translate(every, toLatin1), fromLatin1)).toEqual(every);
    },
  );

  // Made with `iconv -f IBM037 -t ISO-8859-1 | sha256sum` of glibc 2.36 from the bytes 0 to 255.
  it.each([
    ['cp037', '704ad675c1e230a30d31d0b9933cd294c83d3aa6660012dee73cce6ab6122b74'],
    ['cp500', 'c766735af4d23d98af1de9f343ac462cc5d33d8178cd8ed319bb9982335f7e8d'],
    ['cp1047', '209d85fe28020b39421dd5ba2755697a0b58ee1340586076a5086e1c0b69e086'],
  ] as const)('%s is what iconv makes of it', (page, sha256) => {
    const latin1 = translate(every, ebcdicTable(page).toLatin1);
    expect(createHash('sha256').update(latin1).digest('hex')).toBe(sha256);
  });
});
