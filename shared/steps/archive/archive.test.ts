/** `archive` on the embedded S3: what is kept, in which class, and once. */
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { archiveOptions } from './options.ts';
import { archiveStep } from './run.ts';

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

function keep(object: ObjectLocation, options: object = {}, request: object = {}) {
  return runStep(bench, { step: archiveStep, kind: archiveOptions, object, options, ...request });
}

async function classOf({ bucket, key }: { readonly bucket: string; readonly key: string }) {
  return (await bench.s3.client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))).StorageClass;
}

const KEY = 'acme/2026/01/02/file-1/job-1/1/a.csv';

test('a copy of the object as it is now is kept beside the original, verified, and the job continues with its object', async () => {
  const outcome = await keep(await bench.land('inbound/a.csv', 'a,b\n'));
  expect(outcome).toMatchObject({
    type: 'succeeded',
    output: { bucket: 'test-archive', key: KEY, tier: 'standard', sizeBytes: 4, verifiedBy: expect.any(String) },
  });
  expect(outcome).not.toHaveProperty('object');
  expect((await bench.read({ bucket: 'test-archive', key: KEY })).toString()).toBe('a,b\n');
});

test.each([
  ['glacier-ir', 'GLACIER_IR', 3, false],
  ['deep-archive', 'DEEP_ARCHIVE', 12_000_000, true],
])('in the tier %s', async (tier, storageClass, sizeBytes, isLarge) => {
  const object = await bench.land('inbound/b.bin', Buffer.alloc(sizeBytes, 'x'));
  const outcome = await keep(object, { tier }, { isLarge, jobId: tier });
  expect(outcome).toMatchObject({ type: 'succeeded', output: { tier, sizeBytes } });
  expect(await classOf({ bucket: 'test-archive', key: `acme/2026/01/02/file-1/${tier}/1/b.bin` })).toBe(storageClass);
});

test('another try finds what was written, also where it cannot be read, and writes no second version', async () => {
  const object = await bench.land('inbound/c.csv', 'once');
  const first = await keep(object, { tier: 'glacier' });
  const second = await keep(object, { tier: 'glacier' }, { isFirstTry: false });
  expect(second).toMatchObject({ type: 'succeeded', output: { wasThere: true } });
  const versionOf = (outcome: typeof first) => (outcome.type === 'succeeded' ? outcome.output?.versionId : undefined);
  expect(versionOf(second)).toBe(versionOf(first));
  const prefix = 'acme/2026/01/02/file-1/job-1/1/c.csv';
  expect((await bench.store.listVersions({ bucket: 'test-archive', prefix })).items).toHaveLength(1);
});

test('a source that is gone fails', async () => {
  const object = await bench.land('inbound/gone.csv', 'x');
  await bench.store.deleteVersion(object);
  expect(await keep(object)).toMatchObject({ type: 'failed', code: 'KEEP_ERROR', cause: 'SOURCE_GONE' });
});
