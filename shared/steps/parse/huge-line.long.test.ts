import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { createMemoryRecordStore } from '#testkit/beds/memory-record-store.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { parseOptions } from './options.ts';
import { parseStep } from './run.ts';

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(async () => await bench?.stop());

const CSV = {
  format: 'csv',
  columns: [{ name: 'id' }, { name: 'n', type: 'integer' }],
  onReject: { action: 'reject-rows', upToShare: 1 },
};

const parse = (object: ObjectLocation, layout: object) =>
  runStep(bench, {
    step: parseStep,
    kind: parseOptions,
    object,
    records: { layout: recordsSchema.parse(layout), failJobAt: 1, store: createMemoryRecordStore() },
  });

test('a file may have a line of 1 GB: a rejected row, and memory stays flat', async () => {
  const mebibytes = Buffer.alloc(16 * 1024 ** 2, 'x');
  const line = Array.from({ length: 64 }, () => gzipSync(mebibytes));
  const object = await bench.land(
    'in/gigabyte.csv.gz',
    Buffer.concat([gzipSync('id,n\na,1\n'), ...line, gzipSync('\nb,2\n')]),
  );
  const layout = { ...CSV, maxExpandRatio: 2_000, maxRecordBytes: 1_000_000 };
  // What the first file of a process loads and compiles is not growth by this one.
  await parse(await bench.land('in/small.csv.gz', gzipSync('id,n\na,1\n')), layout);
  const startRss = process.memoryUsage.rss();
  let growth = 0;
  const watch = setInterval(() => {
    growth = Math.max(growth, process.memoryUsage.rss() - startRss);
  }, 20);
  const outcome = await parse(object, layout).finally(() => clearInterval(watch));
  expect(outcome).toMatchObject({
    output: { accepted: 2, firstRejected: [{ line: 3, code: 'CSV_RECORD_TOO_LONG' }] },
  });
  expect(growth).toBeLessThan(64 * 1024 ** 2);
}, 400_000);
