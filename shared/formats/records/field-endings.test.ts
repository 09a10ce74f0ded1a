/** How files end in the field, and the encodings they come in. */
import { describe, expect, it } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { readRecords } from './read-records.ts';
import { encodingCodec } from './record-encoding.ts';
import type { RecordItem } from './record-item.ts';

const column = (name: string, from: number, length: number, more = {}) => ({ name, from, length, ...more });
const FIXED = { format: 'fixed', recordLength: 4, columns: [column('a', 1, 4)] };
const DAY = {
  ...FIXED,
  typeField: { from: 1, length: 1, detail: 'D' },
  trailer: { type: 'T', columns: [column('count', 2, 3, { type: 'zoned' })], count: 'count' },
};
const PACKED = { ...FIXED, columns: [column('a', 1, 2), column('n', 3, 2, { type: 'packed' })] };
const BINARY = { ...FIXED, columns: [column('a', 1, 2), column('n', 3, 2, { type: 'binary' })] };

async function read(layout: object, bytes: Uint8Array): Promise<RecordItem[]> {
  const items: RecordItem[] = [];
  const source = (async function* () {
    yield bytes;
  })();
  for await (const item of readRecords(source, recordsSchema.parse(layout))) items.push(item);
  return items;
}

async function counted(layout: object, bytes: Uint8Array) {
  const end = (await read(layout, bytes)).at(-1);
  return end?.type === 'summary' ? [end.accepted, end.rejected] : undefined;
}

const ENDINGS = [
  ['nothing', ''],
  ['a mark', '\x1a'],
  ['marks and line ends', '\x1a\r\n'],
  ['a block of marks', '\x1a'.repeat(130)],
  ['a mark and a block of NUL', `\x1a${'\0'.repeat(130)}`],
  ['a block of NUL', '\0'.repeat(130)],
  ['a few blanks', '   '],
] as const;

describe.each(ENDINGS)('%s after the last record', (_what, ending) => {
  it.each(['latin-1', 'utf-8', 'cp037', 'cp1141'] as const)('is no record in %s', async (encoding) => {
    const codec = encodingCodec(encoding);
    const bytes = (text: string) => codec.encodeText(text + ending);
    const fixed = { encoding, ...(encoding === 'utf-8' ? { positions: 'bytes' } : {}) };
    for (const lineEnds of [true, false]) {
      const end = lineEnds ? '\n' : '';
      expect(await counted({ ...FIXED, ...fixed, lineEnds }, bytes(`D001${end}D002${end}`))).toEqual([2, 0]);
      expect(await counted({ ...DAY, ...fixed, lineEnds }, bytes(`D001${end}T001${end}`))).toEqual([1, 0]);
    }
    const csv = { format: 'csv', encoding, columns: [{ name: 'a' }, { name: 'b' }] };
    expect(await counted(csv, bytes('a,b\n1,2\n'))).toEqual([1, 0]);
    expect(await counted({ format: 'ndjson', encoding, columns: [{ name: 'a' }] }, bytes('{"a":"1"}\n'))).toEqual([
      1, 0,
    ]);
  });
});

it('takes a file of nothing but NUL for no empty file', async () => {
  const layout = { format: 'ndjson', columns: [{ name: 'a' }] };
  expect(await counted(layout, Buffer.from('\x1a'))).toEqual([0, 0]);
  expect(await counted(layout, Buffer.alloc(1_000))).toEqual([0, 1]);
});

it('takes blank and empty records for padding only after a trailer, and zero bytes for a record where they may be a number', async () => {
  const latin = { encoding: 'latin-1', lineEnds: false };
  expect(await counted({ ...FIXED, ...latin }, Buffer.from(`D001${' '.repeat(8)}`))).toEqual([3, 0]);
  expect(await counted({ ...DAY, ...latin }, Buffer.from(`D001T001${' '.repeat(8)}`))).toEqual([1, 0]);
  expect(await counted({ ...BINARY, ...latin }, Buffer.from('AB\0\x01\0\0\0\0', 'latin1'))).toEqual([2, 0]);
  expect(await counted({ ...FIXED, ...latin }, Buffer.from('D001\0\0\0\0D002'))).toEqual([3, 0]);
  await expect(read({ ...DAY, ...latin }, Buffer.from('D001T001    D002'))).rejects.toMatchObject({
    code: 'FIXED_AFTER_TRAILER',
  });
});

it('counts a line end of two EBCDIC characters once, with packed columns too', async () => {
  const record = [0xc1, 0xc2, 0x12, 0x3c];
  for (const end of [[0x15], [0x25], [0x0d], [0x0d, 0x25], [0x0d, 0x15], [0x15, 0x25]]) {
    const bytes = Buffer.from([...record, ...end, ...record, ...end]);
    const items = await read({ ...PACKED, encoding: 'cp037', lineEnds: true }, bytes);
    expect(items.flatMap((item) => (item.type === 'row' ? [[item.line, item.values.n]] : []))).toEqual([
      [1, '123'],
      [2, '123'],
    ]);
    const text = Buffer.from([0xc1, 0xc1, 0xc1, 0xc1, ...end, 0xc1, 0xc1, 0xc1, 0xc1, ...end]);
    expect((await read({ ...FIXED, encoding: 'cp037', lineEnds: true }, text)).at(-1)).toMatchObject({
      lines: 2,
      accepted: 2,
    });
  }
});

it('reads the characters of each encoding, under its other names too', async () => {
  const cases = [
    ['cp1252', [0x80, 0x93], '€“'],
    ['Windows-1252', [0x8a, 0xe4], 'Šä'],
    ['ISO-8859-15', [0xa4, 0xbd], '€œ'],
    ['iso-8859-1', [0xa4, 0xbd], '¤½'],
    ['cp273', [0xc0, 0xd0, 0xa1, 0x9f], 'äüß¤'],
    ['IBM-1141', [0x4a, 0x9f], 'Ä€'],
    ['cp01140', [0x9f, 0x5b], '€$'],
    ['cp1142', [0x5a, 0x7b], '€Æ'],
    ['cp285', [0x5b, 0x4a], '£$'],
  ] as const;
  for (const [encoding, bytes, text] of cases) {
    const layout = {
      format: 'fixed',
      encoding,
      lineEnds: false,
      recordLength: bytes.length,
      columns: [column('a', 1, bytes.length)],
    };
    expect((await read(layout, Buffer.from(bytes)))[1]).toMatchObject({ type: 'row', values: { a: text } });
  }
});

it('refuses controls under latin-1, and the bytes that Windows-1252 does not have', async () => {
  for (const [encoding, byte] of [
    ['latin-1', 0x80],
    ['iso-8859-15', 0x93],
    ['windows-1252', 0x81],
  ] as const) {
    const bytes = Buffer.from([byte, 0x2c, 0x32]);
    const csv = { format: 'csv', header: false, encoding, columns: [{ name: 'a' }, { name: 'b' }] };
    expect((await read(csv, bytes))[1]).toMatchObject({ type: 'rejected', code: 'CSV_ENCODING', column: 'a' });
    const json = { format: 'ndjson', encoding, columns: [{ name: 'a' }] };
    const line = Buffer.from([...Buffer.from('{"a":"'), byte, ...Buffer.from('"}')]);
    expect((await read(json, line))[1]).toMatchObject({ type: 'rejected', code: 'JSON_ENCODING' });
    const fixed = { ...FIXED, encoding };
    expect((await read(fixed, Buffer.from([byte, 0x32, 0x32, 0x32])))[1]).toMatchObject({ code: 'FIXED_ENCODING' });
  }
});

it('refuses NUL within a text, whatever the format', async () => {
  expect((await read(FIXED, Buffer.from('a\0bc\n')))[1]).toMatchObject({ code: 'FIXED_NUL' });
  const json = { format: 'ndjson', columns: [{ name: 'a' }] };
  expect((await read(json, Buffer.from('{"a":"x\\u0000"}\n')))[1]).toMatchObject({ code: 'JSON_NUL' });
});
