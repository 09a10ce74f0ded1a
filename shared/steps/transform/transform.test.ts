import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as yauzl from 'yauzl';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { type TransformOptions, transformOptions } from './options.ts';
import { transformStep } from './run.ts';

let bench: StepBench;

beforeAll(async () => {
  bench = await startStepBench();
});

afterAll(async () => {
  await bench?.stop();
});

function transform(object: ObjectLocation, ops: unknown[], signal?: AbortSignal) {
  const options = { ops };
  return runStep<TransformOptions>(bench, {
    step: transformStep,
    kind: transformOptions,
    options,
    object,
    ...(signal && { signal }),
  });
}

async function made(object: ObjectLocation, ops: unknown[]) {
  const outcome = await transform(object, ops);
  if (outcome.type !== 'succeeded' || outcome.object === undefined) throw new Error(JSON.stringify(outcome));
  return { object: outcome.object, output: outcome.output ?? {}, bytes: await bench.read(outcome.object) };
}

async function entriesOf(zip: Buffer): Promise<{ name: string; content: Buffer }[]> {
  const opened = await yauzl.fromBufferPromise(zip);
  const entries: { name: string; content: Buffer }[] = [];
  for await (const entry of opened.eachEntry())
    entries.push({ name: entry.fileName, content: await buffer(await opened.openReadStreamPromise(entry)) });
  return entries;
}

describe('transform', () => {
  it('expands, converts and renames in one stream, and tells size, hash and records', async () => {
    const object = await bench.land('in/Orders.csv.gz', gzipSync('id,name\n1,"a, b"\n2\n3,ü\n'));
    const result = await made(object, [
      { gunzip: null },
      { 'csv-to-ndjson': {} },
      { rename: '{{ stem | downcase }}-{{ date }}.{{ extension }}' },
    ]);
    const text = '{"id":"1","name":"a, b"}\n{"id":"3","name":"ü"}\n';
    expect(result.bytes.toString()).toBe(text);
    expect(result.object).toMatchObject({
      bucket: 'test-staging',
      key: 'acme/job-1/1/orders-2026-01-02.ndjson',
      sizeBytes: Buffer.byteLength(text),
    });
    expect(result.output).toMatchObject({
      sha256: createHash('sha256').update(text).digest('hex'),
      recordsIn: 3,
      recordsOut: 2,
      recordsRejected: 1,
      firstRejected: [{ line: 3, code: 'CSV_COLUMN_COUNT' }],
    });
    const rejected = await bench.read(result.output.rejectedRows as { bucket: string; key: string });
    expect(JSON.parse(rejected.toString())).toMatchObject({ line: 3 });
  });

  it('streams what is larger than a part, byte-identical', async () => {
    const bytes = randomBytes(6_000_000);
    const result = await made(await bench.land('in/big.bin.gz', gzipSync(bytes)), [{ gunzip: {} }]);
    expect(result.object.key).toBe('acme/job-1/1/big.bin');
    expect(result.bytes.equals(bytes)).toBe(true);
  });

  it('packs a file into a zip, the same on every try', async () => {
    const bytes = randomBytes(6_000_000);
    const object = await bench.land('in/day.csv.gz', gzipSync(bytes));
    const ops = [{ gunzip: {} }, { zip: { name: '{{ stem }}-{{ date }}.{{ extension }}' } }];
    const first = await made(object, ops);
    expect(first.object.key).toBe('acme/job-1/1/day.csv.zip');
    const [entry] = await entriesOf(first.bytes);
    expect(entry?.name).toBe('day-2026-01-02.csv');
    expect(entry?.content.equals(bytes)).toBe(true);
    expect((await made(object, ops)).output.sha256).toBe(first.output.sha256);
    expect(await entriesOf((await made(await bench.land('in/a.csv', ''), [{ zip: null }])).bytes)).toMatchObject([
      { name: 'a.csv', content: Buffer.alloc(0) },
    ]);
  });

  it('renames by a server-side copy alone', async () => {
    const object = await bench.land('in/a.csv', 'bytes');
    await bench.requestsSince();
    const result = await transform(object, [{ rename: 'b.csv' }]);
    expect(await bench.requestsSince()).toEqual({ HeadObject: 1, CopyObject: 1 });
    expect(result).toMatchObject({ type: 'succeeded', object: { key: 'acme/job-1/1/b.csv', sizeBytes: 5 } });
  });

  it('makes the same of an empty file and of one with a header alone: no records', async () => {
    for (const body of ['', 'a,b\n']) {
      const result = await made(await bench.land('in/none.csv', body), [{ 'csv-to-ndjson': null }]);
      expect(result).toMatchObject({
        object: { sizeBytes: 0 },
        output: { recordsIn: 0, recordsOut: 0, recordsRejected: 0 },
      });
    }
  });

  it.each([
    ['ARCHIVE_CORRUPT', 'not gzip', [{ gunzip: null }]],
    ['ARCHIVE_CORRUPT', gzipSync(randomBytes(100_000)).subarray(0, 90_000), [{ gunzip: null }, { zip: null }]],
    ['KEY_REJECTED', 'x', [{ zip: { name: '../{{ name }}' } }]],
    ['ARCHIVE_BOMB', gzipSync(Buffer.alloc(20_000_000)), [{ gunzip: { maxRatio: 100 } }]],
    ['CSV_QUOTE', 'a,b\n1,"2\n', [{ 'csv-to-ndjson': null }]],
    ['CSV_TOO_MANY_REJECTED', 'a,b\n1\n2,3\n', [{ 'csv-to-ndjson': { maxRejected: 0 } }]],
    ['CSV_TOO_MANY_REJECTED', 'a,b\n1\n1,2,3\n', [{ 'csv-to-ndjson': null }]],
    ['KEY_REJECTED', 'x', [{ rename: '{{ directory }}/x' }]],
  ])('fails with %s and writes nothing', async (cause, body, ops) => {
    const object = await bench.land(`in/${cause}.gz`, body);
    const before = (await bench.store.listVersions({ bucket: 'test-staging' })).items.length;
    await expect(transform(object, ops)).resolves.toMatchObject({ type: 'failed', code: 'TRANSFORM_ERROR', cause });
    expect((await bench.store.listVersions({ bucket: 'test-staging' })).items.length).toBe(before);
    expect(await bench.openUploads()).toBe(0);
  });

  it('retries when it was stopped, and fails when its source is gone', async () => {
    const object = await bench.land('in/stop.csv', 'a\n1\n');
    await expect(transform(object, [{ 'csv-to-ndjson': null }], AbortSignal.abort())).resolves.toMatchObject({
      type: 'retry',
      cause: 'STEP_ABORTED',
    });
    await bench.store.deleteVersion(object);
    await expect(transform(object, [{ 'csv-to-ndjson': null }])).resolves.toMatchObject({
      type: 'failed',
      cause: 'SOURCE_GONE',
    });
  });
});

it('an operation that is a mere name is answered with how it is written', () => {
  const parsed = transformOptions.schema.safeParse({ ops: ['gunzip'] });
  expect(parsed.error?.issues[0]?.message).toContain('as in "- gunzip: {}"');
});
