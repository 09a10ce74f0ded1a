import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { businessKeyOf } from '#shared/formats/records/business-key.ts';
import { encodingCodec } from '#shared/formats/records/record-encoding.ts';
import { createMemoryRecordStore, type MemoryRecordStore } from '#testkit/beds/memory-record-store.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { parseOptions } from './options.ts';
import { parseStep } from './run.ts';

let bench: StepBench;
let records: MemoryRecordStore;

beforeAll(async () => {
  bench = await startStepBench();
});

beforeEach(() => {
  records = createMemoryRecordStore();
});

afterAll(async () => {
  await bench?.stop();
});

const CSV = {
  format: 'csv',
  columns: [{ name: 'id' }, { name: 'n', type: 'integer' }],
  onReject: { action: 'reject-rows', upToShare: 1 },
};
const column = (name: string, from: number, length: number, more = {}) => ({ name, from, length, ...more });
const DAY_FILE = {
  format: 'fixed',
  recordLength: 12,
  typeField: { from: 1, length: 1, detail: 'D' },
  header: { type: 'H' },
  columns: [column('key', 2, 3), column('amount', 5, 8, { type: 'zoned', decimals: 2 })],
  trailer: {
    type: 'T',
    columns: [column('count', 2, 3, { type: 'zoned' }), column('total', 5, 8, { type: 'zoned', decimals: 2 })],
    count: 'count',
    totals: [{ column: 'total', sumOf: 'amount' }],
  },
  onReject: 'reject-rows',
};
const NDJSON = { format: 'ndjson', columns: [{ name: 'a' }], maxRecordBytes: 10_000 };

function parse(object: ObjectLocation, layout: object, signal?: AbortSignal) {
  return runStep(bench, {
    step: parseStep,
    kind: parseOptions,
    object,
    records: { layout: recordsSchema.parse(layout), failJobAt: 1, store: records },
    ...(signal && { signal }),
  });
}

const outbound = (key: string) => bench.read({ bucket: 'test-outbound', key });

async function outboundKeys(prefix: string): Promise<string[]> {
  const { items } = await bench.store.listVersions({ bucket: 'test-outbound', prefix });
  return items.map(({ key }) => key);
}

const lines = () => [...records.records.keys()];
/** The header and as many rows, those at `bad` (counted from 1) with a number that is none. */
function csvOf(rows: number, bad: readonly number[] = []): string {
  const row = (index: number) => `k${index},${bad.includes(index) ? 'x' : index}\n`;
  return `id,n\n${Array.from({ length: rows }, (_, index) => row(index + 1)).join('')}`;
}

describe('parse', () => {
  it('stores every row, a thousand at a time, two inserts under way', async () => {
    const outcome = await parse(await bench.land('in/rows.csv', csvOf(2_500)), CSV);
    expect(outcome).toEqual({
      type: 'succeeded',
      output: {
        accepted: 2_500,
        rejected: 0,
        duplicates: 0,
        records: 2_500,
        lines: 2_501,
        declaredCount: null,
        totals: [],
      },
    });
    expect(records.inserts.map((batch) => batch.length)).toEqual([1_000, 1_000, 500]);
    expect(lines()).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 2));
    expect(records.records.get(3)).toEqual({
      line: 3,
      businessKey: null,
      values: { id: 'k2', n: '2' },
      isDuplicate: false,
    });
    expect(records.mostUnderWay).toBeLessThanOrEqual(2);
    expect(await outboundKeys('acme/rejects/in/rows.csv')).toEqual([]);
  });

  it('reads gzip, and names its rejects without .gz', async () => {
    const object = await bench.land('in/rows.csv.gz', gzipSync(csvOf(3, [2])));
    await expect(parse(object, CSV)).resolves.toMatchObject({
      type: 'succeeded',
      output: { accepted: 2, rejected: 1, rejects: { key: 'acme/rejects/in/rows.csv' } },
    });
  });

  it('reads fixed width in EBCDIC, and gives rejects back in it, with their reasons beside them', async () => {
    const codec = encodingCodec('cp037');
    const object = await bench.land(
      'in/DAY',
      codec.encodeText(`${['H'.padEnd(12), 'Dk0100000150', 'Dk02000x0150', 'T00200000150'].join('')}`),
    );
    const outcome = await parse(object, { ...DAY_FILE, encoding: 'cp037' });
    expect(outcome).toMatchObject({
      type: 'succeeded',
      output: {
        accepted: 1,
        rejected: 1,
        declaredCount: '2',
        totals: [{ column: 'total', declared: '1.50' }],
        rejects: { bucket: 'test-outbound', key: 'acme/rejects/in/DAY', reasonsKey: 'acme/rejects/in/DAY.reasons.csv' },
      },
    });
    expect(codec.decodeValue(codec.toUnits(await outbound('acme/rejects/in/DAY')))).toBe(
      `${'H'.padEnd(12)}Dk02000x0150T00A00000150`,
    );
    expect((await outbound('acme/rejects/in/DAY.reasons.csv')).toString()).toMatch(
      /^"record","line".*\r\n"1","3","amount","5"/,
    );
  });

  it('tells line, column, code and value of what it rejected, masked where the layout says so', async () => {
    const layout = {
      ...CSV,
      columns: [
        { name: 'id', maxLength: 3, sensitive: true },
        { name: 'n', type: 'integer' },
      ],
    };
    const outcome = await parse(await bench.land('in/masked.csv', 'id,n\nsecret,x\nb,y\n'), layout);
    expect(outcome).toMatchObject({
      output: {
        firstRejected: [
          { line: 2, code: 'COLUMN_LENGTH', column: 'id', value: '***' },
          { line: 3, code: 'COLUMN_TYPE', column: 'n', value: 'y' },
        ],
      },
    });
    expect(records.records.get(2)?.rejected).toMatchObject({
      cause: 'COLUMN_LENGTH',
      message: /"\*\*\*".*Faults besides: 1/,
    });
    expect(JSON.stringify([outcome, ...records.records.values()])).not.toContain('secret');
    expect((await outbound('acme/rejects/in/masked.csv')).toString()).toMatch(
      /^id,n,reject_reason\nsecret,x,"Line 2: /,
    );
  });

  it('rejects no row for a business key that another record stands for, and gives it back to nobody', async () => {
    const layout = {
      ...CSV,
      businessKey: ['id'],
      columns: [{ name: 'id', required: true }, { name: 'n' }],
      onReject: 'reject-file',
    };
    records = createMemoryRecordStore([businessKeyOf({ id: 'k2' }, { businessKey: ['id'] }) as string]);
    const outcome = await parse(await bench.land('in/again.csv', csvOf(3)), layout);
    expect(outcome).toMatchObject({
      type: 'succeeded',
      output: { accepted: 2, rejected: 0, duplicates: 1, records: 3 },
    });
    expect(await outboundKeys('acme/rejects/in/again.csv')).toEqual([]);
  });

  it.each([
    [{ action: 'reject-rows', upToShare: '20%' }, 'accepted'],
    [{ action: 'reject-rows', upToShare: '19%', otherwise: 'hold' }, 'held'],
    [{ action: 'reject-rows', upToShare: '19%' }, 'refused'],
    ['hold', 'held'],
    ['reject-file', 'refused'],
  ])('does as its route says with two rejects of ten: %j', async (onReject, verdict) => {
    const name = `verdict-${JSON.stringify(onReject).replace(/\W/g, '')}.csv`;
    const outcome = await parse(await bench.land(`in/${name}`, csvOf(10, [3, 7])), { ...CSV, onReject });
    const text = (await outbound(`acme/rejects/in/${name}`)).toString();
    expect(text.split('\n').map((line) => line.slice(0, 4))).toEqual(['id,n', 'k3,x', 'k7,x', '']);
    if (verdict === 'refused') {
      expect(outcome).toMatchObject({ type: 'failed', code: 'PARSE_ERROR', cause: 'COLUMN_TYPE' });
      expect(outcome).toHaveProperty(
        'message',
        expect.stringMatching(/^2 of 10 .*Line 4: .*acme\/rejects\/in\/verdict/),
      );
      expect(lines()).toEqual([4, 8]);
      return;
    }
    expect(outcome).toMatchObject({ type: 'succeeded', output: { accepted: 8, rejected: 2 } });
    expect(outcome.type === 'succeeded' && outcome.output?.held === true).toBe(verdict === 'held');
    expect(records.records.size).toBe(10);
  });
});

describe('a parse that ended in the middle', () => {
  const layout = { ...CSV, onReject: 'reject-rows' };
  const bad = [10, 1_500, 3_900];

  it.each([0, 1, 3])(
    'goes on after %i batches: nothing double, nothing missing, the rejects whole',
    async (batches) => {
      const name = `killed-${batches}.csv`;
      const object = await bench.land(`in/${name}`, csvOf(4_000, bad));
      const killed = new AbortController();
      records.onInsert = () => {
        if (records.inserts.length === batches) killed.abort(new Error('killed'));
        killed.signal.throwIfAborted();
      };
      await expect(parse(object, layout, killed.signal)).rejects.toThrow('killed');
      expect(records.records.size).toBe(batches * 1_000);
      expect(await outboundKeys(`acme/rejects/in/${name}`)).toEqual([]);
      expect(await bench.openUploads()).toBe(0);
      records.onInsert = undefined;
      records.inserts.length = 0;
      await expect(parse(object, layout)).resolves.toMatchObject({
        type: 'succeeded',
        output: { records: 4_000, accepted: 3_997, rejected: 3 },
      });
      expect(lines()).toEqual(Array.from({ length: 4_000 }, (_, index) => index + 2));
      // But for the last batch, before which others might be missing.
      expect(records.inserts[0]?.[0]).toBe((Math.max(1, batches) - 1) * 1_000 + 2);
      const text = (await outbound(`acme/rejects/in/${name}`)).toString();
      expect(text.match(/^k\d+/gm)).toEqual(['k10', 'k1500', 'k3900']);
    },
  );

  it('stores a batch that is missing before the last one, and the first row of a key stays the one that counts', async () => {
    const twice: Record<number, number> = { 3500: 1_500, 3600: 2_500 };
    const body = Array.from({ length: 4_000 }, (_, row) => `k${twice[row] ?? row},${row}\n`).join('');
    const object = await bench.land('in/overtaken.csv', `id,n\n${body}`);
    const columns = [{ name: 'id', required: true }, { name: 'n' }];
    const keyed = { ...layout, columns, businessKey: ['id'] };
    let inserts = 0;
    records.onInsert = async () => {
      inserts += 1;
      if (inserts !== 2) return;
      await vi.waitFor(() => expect(records.records.size).toBe(2_000), { timeout: 60_000 });
      throw new Error('the database is away');
    };
    await expect(parse(object, keyed)).rejects.toThrow('the database is away');
    expect(lines().filter((line) => line > 1_001 && line < 2_002)).toEqual([]);
    expect(lines()).toContain(2_500);
    records.onInsert = undefined;
    await expect(parse(object, keyed)).resolves.toMatchObject({
      output: { records: 4_000, accepted: 3_998, duplicates: 2 },
    });
    const duplicates = [...records.records.values()].filter(({ isDuplicate }) => isDuplicate);
    expect(duplicates.map(({ line }) => line)).toEqual([3_502, 3_602]);
  });

  it('stores all rows when lines are missing before the last one', async () => {
    const object = await bench.land('in/gaps.csv', csvOf(4_000, bad));
    await parse(object, { ...layout, onReject: 'reject-file' });
    expect(records.records.size).toBe(3);
    await expect(parse(object, layout)).resolves.toMatchObject({ output: { accepted: 3_997, rejected: 3 } });
    expect(records.records.size).toBe(4_000);
  });

  describe('with more rejects than one part of an upload', () => {
    const rows = 100_000;
    const manyRejects = `id,n\n${'abc,x\n'.repeat(rows)}`;

    it('aborts the upload that it began', async () => {
      const object = await bench.land('in/begun.csv', manyRejects);
      const killed = new AbortController();
      records.onInsert = async () => {
        if (records.inserts.length < rows / 1_000 - 2) return;
        await vi.waitFor(async () => expect(await bench.openUploads()).toBe(1), { timeout: 60_000 });
        killed.abort(new Error('killed'));
      };
      await expect(parse(object, layout, killed.signal)).rejects.toThrow('killed');
      expect(await bench.openUploads()).toBe(0);
      expect(await outboundKeys('acme/rejects/in/begun.csv')).toEqual([]);
    });

    it('fails with the upload', async () => {
      const object = await bench.land('in/nowhere.csv', manyRejects);
      const nowhere = { ...bench, bucketNames: { ...bench.bucketNames, outbound: 'no-such-bucket' } };
      const section = { layout: recordsSchema.parse(layout), failJobAt: 1, store: records };
      const outcome = await runStep(nowhere, { step: parseStep, kind: parseOptions, object, records: section });
      expect(outcome).toMatchObject({ type: 'failed', code: 'PARSE_ERROR', cause: 'OBJECT_STORE_REJECTED' });
    });
  });

  it('is thrown, with nothing left open, when the store does not take the rows', async () => {
    const object = await bench.land('in/refused.csv', csvOf(4_000, bad));
    records.onInsert = () => {
      if (records.inserts.length === 2) throw new Error('the database is away');
    };
    await expect(parse(object, layout)).rejects.toThrow('the database is away');
    expect(await bench.openUploads()).toBe(0);
    expect(await outboundKeys('acme/rejects/in/refused.csv')).toEqual([]);
  });

  it('is tried again when the rejects cannot be written for now, and fails when its object is gone', async () => {
    const object = await bench.land('in/gone.csv', csvOf(3_000, bad));
    const withoutBucket = { ...bench, bucketNames: { ...bench.bucketNames, outbound: 'no-such-bucket' } };
    const request = { step: parseStep, kind: parseOptions, object };
    const section = { layout: recordsSchema.parse(layout), failJobAt: 1, store: records };
    await expect(runStep(withoutBucket, { ...request, records: section })).resolves.toMatchObject({
      type: 'failed',
      code: 'PARSE_ERROR',
      cause: 'OBJECT_STORE_REJECTED',
    });
    await bench.store.deleteVersion(object);
    await expect(parse(object, layout)).resolves.toMatchObject({
      type: 'failed',
      code: 'PARSE_ERROR',
      cause: 'SOURCE_GONE',
    });
  });
});

describe('a file that cannot be read', () => {
  const strict = (layout: object) => ({ ...layout, onReject: 'reject-file' });
  const day = (...rows: readonly string[]) => rows.map((row) => `${row.padEnd(12)}\n`).join('');
  const deep = `{"a":${'['.repeat(4_000)}${']'.repeat(4_000)}}\n`;
  const half = Buffer.concat([Buffer.from('id,n\n1,2\n'), Buffer.from([0xe4]), Buffer.from(',2\n')]);

  it.each<[string, object, string | Buffer, string, number | undefined]>([
    ['another encoding', CSV, half, 'CSV_ENCODING', 3],
    ['a header in another encoding', CSV, Buffer.from('id,ä\n', 'latin1'), 'CSV_ENCODING', 1],
    [
      'half a character at its end',
      { ...CSV, encoding: 'utf-16le' },
      Buffer.from('id,n\n1,2\n1', 'utf16le').subarray(0, -1),
      'CSV_ENCODING',
      undefined,
    ],
    ['a quote out of place', CSV, 'id,n\n1,2\n"1"2,3\n', 'CSV_QUOTE', 3],
    ['a quote that is never closed', CSV, 'id,n\n1,2\n"1,2\n', 'CSV_QUOTE', 3],
    ['ragged rows', CSV, 'id,n\n1,2\n1\n1,2,3\n', 'CSV_COLUMN_COUNT', 3],
    ['a name twice in its header', CSV, 'id,n,id\n', 'CSV_HEADER_DUPLICATE', 1],
    ['no header', CSV, '', 'CSV_HEADER_MISSING', 1],
    ['NUL', CSV, 'id,n\n\0,2\n', 'CSV_NUL', 2],
    ['a long line', { ...CSV, maxRecordBytes: 1_000 }, `id,n\n${'x'.repeat(100_000)},1\n`, 'CSV_RECORD_TOO_LONG', 2],
    ['a short record', DAY_FILE, `${day('H', 'Dk0100000150')}Dk02\n${day('T00200000150')}`, 'FIXED_SHORT', 3],
    ['a long record', DAY_FILE, `${day('H')}Dk01000001501\n${day('T00100000150')}`, 'FIXED_LONG', 2],
    ['a record of no type', DAY_FILE, day('H', 'Xk0100000150', 'T00100000150'), 'FIXED_RECORD_TYPE', 2],
    [
      'a character cut in two',
      { ...DAY_FILE, positions: 'bytes' },
      `${day('H')}Dk0ä0000150\n${day('T00100000150')}`,
      'FIXED_ENCODING',
      2,
    ],
    [
      'another number of records than its trailer says',
      DAY_FILE,
      day('H', 'Dk0100000150', 'T00200000150'),
      'FIXED_TRAILER_COUNT',
      3,
    ],
    ['another sum than its trailer says', DAY_FILE, day('H', 'Dk0100000150', 'T00100000151'), 'FIXED_TRAILER_TOTAL', 3],
    ['no trailer', DAY_FILE, day('H', 'Dk0100000150'), 'FIXED_TRAILER_MISSING', undefined],
    ['a depth of 4,000', NDJSON, `{"a":"1"}\n${deep}`, 'JSON_DEPTH', 2],
    ['__proto__', NDJSON, '{"a":"1"}\n{"__proto__":{}}\n', 'JSON_KEY_REFUSED', 2],
    ['a key twice', NDJSON, '{"a":"1","a":"2"}\n', 'JSON_DUPLICATE_KEY', 1],
    [
      'a number with an exponent',
      { ...NDJSON, columns: [{ name: 'a', type: 'decimal' }] },
      '{"a":1e400}\n',
      'JSON_NUMBER',
      1,
    ],
    ['half a surrogate pair', NDJSON, '{"a":"\\ud800"}\n', 'JSON_SURROGATE', 1],
    ['a line that ends early', NDJSON, '{"a":"1"}\n{"a":"', 'JSON_TRUNCATED', 2],
    ['no gzip behind its first bytes', CSV, Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]), 'ARCHIVE_CORRUPT', undefined],
    [
      'a bomb in it',
      { ...CSV, maxExpandedBytes: 1_000_000 },
      gzipSync(Buffer.alloc(2_000_000)),
      'ARCHIVE_BOMB',
      undefined,
    ],
  ])('fails for %s: code, line, nothing carried, nothing left open', async (what, layout, body, cause, line) => {
    const outcome = await parse(await bench.land(`in/${what}`, body), strict(layout));
    expect(outcome).toMatchObject({ type: 'failed', code: 'PARSE_ERROR', cause });
    if (line !== undefined)
      expect(outcome).toHaveProperty('message', expect.stringMatching(new RegExp(`line ${line}\\b`, 'i')));
    expect([...records.records.values()].filter((record) => record.rejected === undefined)).toEqual([]);
    expect(await bench.openUploads()).toBe(0);
  });

  it('discards what was accepted before its trailer refused it, and writes no rejects', async () => {
    const rows = Array.from({ length: 3_000 }, () => 'Dk0100000001');
    const body = day('H', ...rows, 'Dk01x0000001', 'T00100000001');
    await expect(parse(await bench.land('in/late', body), DAY_FILE)).resolves.toMatchObject({
      cause: 'FIXED_TRAILER_COUNT',
    });
    expect(records.inserts.length).toBeGreaterThan(1);
    expect([...records.records.values()].filter((record) => record.rejected === undefined)).toEqual([]);
    expect(await outboundKeys('acme/rejects/in/late')).toEqual([]);
    expect(await bench.openUploads()).toBe(0);
  });
});
