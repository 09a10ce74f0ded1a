/** What goes back to the sender, and comes again. */
import { describe, expect, it } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { businessKeyOf } from './business-key.ts';
import { judgeRejects } from './judge-rejects.ts';
import { readRecords } from './read-records.ts';
import { encodingCodec } from './record-encoding.ts';
import type { RecordItem } from './record-item.ts';
import { escapeFormula, writeRejectReasons, writeRejects } from './write-rejects.ts';

async function read(layout: object, bytes: Buffer): Promise<RecordItem[]> {
  const source = (async function* () {
    yield bytes;
  })();
  const items: RecordItem[] = [];
  for await (const item of readRecords(source, recordsSchema.parse(layout))) items.push(item);
  return items;
}

async function rejectsOf(layout: object, bytes: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of writeRejects(await read(layout, bytes), recordsSchema.parse(layout))) pieces.push(piece);
  return Buffer.concat(pieces);
}

const rows = (items: readonly RecordItem[]) => items.flatMap((item) => (item.type === 'row' ? [item.values] : []));
const accepted = (items: readonly RecordItem[]) => (items.at(-1)?.type === 'summary' ? rows(items).length : -1);

describe('rejects of CSV', () => {
  const CSV = { format: 'csv', columns: [{ name: 'key' }, { name: 'n', type: 'integer' }] };

  it('are what was sent, with a reason behind it, and formulas are left as they are', async () => {
    const text = (await rejectsOf(CSV, Buffer.from('n,key\n1,a\nx,"=HYPERLINK(""u"")"\n3\n'))).toString();
    expect(text.split('\n')).toEqual([
      'n,key,reject_reason',
      'x,"=HYPERLINK(""u"")","Line 3: COLUMN_TYPE: The column n is not a whole number of at most 38 digits."',
      '3,"Line 4: CSV_COLUMN_COUNT: The row has 1 columns and not 2."',
      '',
    ]);
  });

  it('are nothing at all when nothing was rejected', async () => {
    expect(await rejectsOf(CSV, Buffer.from('n,key\n1,a\n'))).toHaveLength(0);
  });

  it.each(['utf-8', 'latin-1', 'utf-16le', 'utf-16be', 'cp037', 'cp1047'] as const)(
    'can be corrected in place and sent again, over and over, in %s',
    async (encoding) => {
      const layout = { ...CSV, encoding };
      const { encodeText, toUnits, decodeValue } = encodingCodec(encoding);
      const first = await rejectsOf(layout, encodeText('key,n\nä1,x\nb2,y\nc3,3\n'));
      const second = await rejectsOf(layout, first);
      const text = decodeValue(toUnits(second)) ?? '';
      const corrected = text.replace('ä1,x', 'ä1,1').replace('b2,y', 'b2,2');
      expect(rows(await read(layout, encodeText(corrected)))).toEqual([
        { key: 'ä1', n: '1' },
        { key: 'b2', n: '2' },
      ]);
    },
  );

  it('keep a byte order mark and bytes that the encoding does not know', async () => {
    const sent = Buffer.concat([Buffer.from('\ufeffkey,n\n'), Buffer.from([0xff, 0x2c, 0x31, 0x0a])]);
    const back = await rejectsOf(CSV, sent);
    expect(back.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
    expect(back.includes(Buffer.from([0x0a, 0xff, 0x2c, 0x31, 0x2c]))).toBe(true);
  });
});

describe('rejects of NDJSON', () => {
  const NDJSON = { format: 'ndjson', columns: [{ name: 'key' }, { name: 'n', type: 'integer', required: true }] };

  it('carry the reason as a last key, and can be corrected and sent again, over and over', async () => {
    const sent = Buffer.from('{"key":"a","n":"x"}\n{"key":"b"} \n{}\n{"key":"c","n":3}\n');
    const second = (await rejectsOf(NDJSON, await rejectsOf(NDJSON, sent))).toString();
    const objects = second
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects.map((object) => Object.keys(object).at(-1))).toEqual([
      'reject_reason',
      'reject_reason',
      'reject_reason',
    ]);
    expect(
      accepted(
        await read(NDJSON, Buffer.from(second.replace('"n":"x"', '"n":1').replace('"key":"b"', '"key":"b","n":2'))),
      ),
    ).toBe(2);
  });

  it('hold a line that is no object as a text', async () => {
    const [line = ''] = (await rejectsOf(NDJSON, Buffer.from('{"key":"a\n'))).toString().split('\n');
    expect(JSON.parse(line)).toMatchObject({
      reject_raw: '{"key":"a',
      reject_reason: expect.stringContaining('JSON_TRUNCATED'),
    });
  });
});

describe('rejects of fixed width', () => {
  const layout = {
    format: 'fixed',
    encoding: 'cp037',
    recordLength: 6,
    typeField: { from: 1, length: 1, detail: 'D' },
    header: { type: 'H' },
    columns: [{ name: 'n', from: 2, length: 2, type: 'packed' }],
    trailer: {
      type: 'T',
      columns: [{ name: 'count', from: 2, length: 4, type: 'packed' }],
      count: 'count',
      countOf: 'all-records',
    },
  };
  const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
  const HEADER = 'c84040404040';
  const GOOD = 'c4012c404040';
  const BAD = 'c40a2c404040';
  const sent = hex(`${HEADER}${GOOD}${BAD}${GOOD}e30000005c40`);

  it('are the records as they were, between header and a trailer that counts them', async () => {
    const back = await rejectsOf(layout, sent);
    expect(back).toEqual(hex(`${HEADER}${BAD}e30000003c40`));
    const corrected = Buffer.from(back.toString('hex').replace(BAD, GOOD), 'hex');
    expect(accepted(await read(layout, corrected))).toBe(1);
  });

  it('have their reasons in a table of their own, safe in a spreadsheet', async () => {
    const text = { ...layout, encoding: 'latin-1', typeField: undefined, header: undefined, trailer: undefined };
    const columns = [{ name: 'n', from: 1, length: 6, type: 'integer' }];
    const pieces: Buffer[] = [];
    const items = await read({ ...text, columns }, Buffer.from('000001\n=1+"1"\n'));
    for await (const piece of writeRejectReasons(items)) pieces.push(piece);
    expect(Buffer.concat(pieces).toString().split('\r\n')).toEqual([
      '"record","line","column","position","code","message","value"',
      `"1","2","n","1","COLUMN_TYPE","The column n is not a whole number of at most 38 digits.","'=1+""1"""`,
      '',
    ]);
  });
});

it('escapes what a spreadsheet would calculate, and nothing else', () => {
  expect(['=1', '+1', '-1', '@a', '\t=1', 'a=1', ''].map(escapeFormula)).toEqual([
    "'=1",
    "'+1",
    "'-1",
    "'@a",
    "'\t=1",
    'a=1',
    '',
  ]);
});

it('judges a file by its share of rejected records', () => {
  const rule = recordsSchema.parse({
    format: 'csv',
    columns: [{ name: 'a' }],
    onReject: { action: 'reject-rows', upToShare: '5%', otherwise: 'hold' },
  }).onReject;
  expect(judgeRejects({ records: 100, rejected: 5 }, rule)).toBe('accept');
  expect(judgeRejects({ records: 100, rejected: 6 }, rule)).toBe('hold');
  expect(judgeRejects({ records: 1, rejected: 1 }, { action: 'reject-file' })).toBe('reject-file');
  expect(judgeRejects({ records: 1, rejected: 0 }, { action: 'hold' })).toBe('accept');
});

it('keeps the parts of a business key apart', () => {
  const layout = { businessKey: ['a', 'b'] };
  expect(businessKeyOf({ a: 'x|y', b: 'z' }, layout)).not.toBe(businessKeyOf({ a: 'x', b: 'y|z' }, layout));
  expect(businessKeyOf({ a: 'x', b: 'y' }, {})).toBeNull();
});
