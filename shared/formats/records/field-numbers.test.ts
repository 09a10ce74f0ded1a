/** Numbers as programs of the field write them, and records of different lengths. */
import { describe, expect, it } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { readRecords } from './read-records.ts';
import type { RecordItem } from './record-item.ts';

async function read(layout: object, bytes: Uint8Array, size = bytes.length): Promise<RecordItem[]> {
  const items: RecordItem[] = [];
  const source = (async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  })();
  for await (const item of readRecords(source, recordsSchema.parse(layout))) items.push(item);
  return items;
}

const firstOf = (items: readonly RecordItem[]) =>
  items.flatMap((item) => (item.type === 'row' ? [item.values.n] : item.type === 'rejected' ? [item.code] : []))[0];

describe('written numbers', () => {
  const COMMA = { decimalMark: ',', groupMark: '.' };
  it.each([
    ['1.234,50', COMMA, '1234.50'],
    ['-1.234.567,5', COMMA, '-1234567.5'],
    ['1234,5', COMMA, '1234.5'],
    ['1.23,5', COMMA, 'COLUMN_TYPE'],
    ['1,234.5', COMMA, 'COLUMN_TYPE'],
    ['1,5', { decimalMark: ',' }, '1.5'],
    ['1.5', { decimalMark: ',' }, 'COLUMN_TYPE'],
    ['1,234.50', { groupMark: ',' }, '1234.50'],
    ["1'234.50", { groupMark: "'" }, '1234.50'],
    ['1\u00a0234,50', { decimalMark: ',', groupMark: ' ' }, '1234.50'],
    ['5.00-', { negative: 'trailing' }, '-5.00'],
    ['5.00+', { negative: 'trailing' }, '5.00'],
    ['-5.00', { negative: 'trailing' }, '-5.00'],
    ['-5.00-', { negative: 'trailing' }, 'COLUMN_TYPE'],
    ['(5.00)', { negative: 'parentheses' }, '-5.00'],
    ['(-5.00)', { negative: 'parentheses' }, 'COLUMN_TYPE'],
    ['5.00-', {}, 'COLUMN_TYPE'],
    ['(5.00)', {}, 'COLUMN_TYPE'],
    ['1.234,50', {}, 'COLUMN_TYPE'],
  ])('%s with %o is %s', async (text, form, expected) => {
    const layout = {
      format: 'csv',
      delimiter: ';',
      header: false,
      columns: [{ name: 'n', type: 'decimal', ...form }, { name: 'x' }],
    };
    expect(firstOf(await read(layout, Buffer.from(`${text};x\n`)))).toBe(expected);
    const json = { format: 'ndjson', columns: [{ name: 'n', type: 'decimal', ...form }] };
    expect(firstOf(await read(json, Buffer.from('{"n":-1.5}\n')))).toBe('-1.5');
  });
});

describe('zoned numbers', () => {
  const layout = {
    format: 'fixed',
    lineEnds: false,
    recordLength: 2,
    columns: [{ name: 'n', from: 1, length: 2, type: 'zoned' }],
  };
  it.each<[string, string, number[], string, string?]>([
    ['IBM in ASCII', 'latin-1', [0x31, 0x7d], '-10'],
    ['Micro Focus and GnuCOBOL, -0', 'latin-1', [0x31, 0x70], '-10', 'ascii'],
    ['Micro Focus and GnuCOBOL, -9', 'latin-1', [0x31, 0x79], '-19', 'ascii'],
    ['theirs where nobody said so', 'latin-1', [0x31, 0x79], 'FIXED_ZONED'],
    ['no sign of theirs', 'latin-1', [0x31, 0x7a], 'FIXED_ZONED', 'ascii'],
    ['EBCDIC +0', 'cp037', [0xf1, 0xc0], '10'],
    ['German EBCDIC +0', 'cp273', [0xf1, 0xc0], '10'],
    ['German EBCDIC -0', 'cp1141', [0xf1, 0xd0], '-10'],
    ['AS/400 positive', 'cp037', [0xf1, 0xf9], '19'],
    ['zone B', 'cp037', [0xf1, 0xb9], '-19'],
    ['zone A', 'cp500', [0xf1, 0xa9], '19'],
    ['a small letter in EBCDIC', 'cp037', [0xf1, 0x97], 'FIXED_ZONED'],
  ])('%s', async (_what, encoding, bytes, expected, overpunch?: string) => {
    const columns = layout.columns.map((column) => ({ ...column, overpunch }));
    expect(firstOf(await read({ ...layout, encoding, columns }, Buffer.from(bytes)))).toBe(expected);
  });
});

describe('records behind descriptor words', () => {
  const word = (length: number) => Buffer.from([length >> 8, length & 255, 0, 0]);
  const record = (bytes: readonly number[]) => Buffer.concat([word(bytes.length + 4), Buffer.from(bytes)]);
  const ONE = [0xf1, 0xf2, 0x12, 0x3c];
  const SHORT = [0xf1, 0xf2];
  const layout = {
    format: 'fixed',
    encoding: 'cp037',
    recordLength: 4,
    columns: [
      { name: 'a', from: 1, length: 2 },
      { name: 'n', from: 3, length: 2, type: 'packed' },
    ],
  };
  const three = Buffer.concat([record(ONE), record(ONE), record(ONE)]);

  it.each([1, 5, 1_000])('are read one by one, in pieces of %i bytes', async (size) => {
    expect((await read({ ...layout, recordFormat: 'v' }, three, size)).at(-1)).toMatchObject({
      accepted: 3,
      rejected: 0,
    });
    const blocks = Buffer.concat([word(20), record(ONE), record(ONE), word(12), record(ONE)]);
    expect((await read({ ...layout, recordFormat: 'vb' }, blocks, size)).at(-1)).toMatchObject({
      accepted: 3,
      rejected: 0,
    });
  });

  it('may be short where the layout says so, and never take bytes of the next one', async () => {
    const bytes = Buffer.concat([record(SHORT), record(ONE), record([0xf1, 0xf2, 0x12])]);
    const items = await read({ ...layout, recordFormat: 'v', shortLines: 'pad' }, bytes);
    expect(items.flatMap((item) => (item.type === 'row' ? [item.values.n] : []))).toEqual([null, '123']);
    expect(items.at(-2)).toMatchObject({ type: 'rejected', code: 'FIXED_SHORT', column: 'n' });
    expect((await read({ ...layout, recordFormat: 'v' }, bytes)).at(-1)).toMatchObject({ accepted: 1, rejected: 2 });
  });

  it('refuse the file when a word is wrong or the file ends early', async () => {
    for (const bytes of [
      three.subarray(0, -1),
      Buffer.concat([three, Buffer.from([0])]),
      Buffer.concat([three, Buffer.from(ONE)]),
    ]) {
      await expect(read({ ...layout, recordFormat: 'v' }, bytes)).rejects.toMatchObject({ code: 'FIXED_DESCRIPTOR' });
    }
    await expect(read({ ...layout, recordFormat: 'vb' }, three)).rejects.toMatchObject({ code: 'FIXED_DESCRIPTOR' });
  });

  it('are recognised where the layout does not name them', async () => {
    await expect(read(layout, three)).rejects.toMatchObject({
      code: 'FIXED_DESCRIPTOR',
      message: expect.stringContaining('recordFormat: v`'),
    });
    const blocks = Buffer.concat([word(28), three]);
    await expect(read(layout, blocks)).rejects.toMatchObject({ message: expect.stringContaining('recordFormat: vb`') });
  });
});
