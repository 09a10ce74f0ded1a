/** `scan` by the tags of GuardDuty, on the embedded S3. */
import { PutObjectTaggingCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { scanOptions } from './options.ts';
import { scanStep } from './run.ts';

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

const AT = new Date('2026-01-02T03:04:05Z');
const later = (ms: number) => ({ now: new Date(AT.getTime() + ms) });

async function tag({ bucket, key, versionId }: ObjectLocation, result: string): Promise<void> {
  const Tagging = { TagSet: [{ Key: 'GuardDutyMalwareScanStatus', Value: result }] };
  await bench.s3.client.send(new PutObjectTaggingCommand({ Bucket: bucket, Key: key, VersionId: versionId, Tagging }));
}

function scan(object: ObjectLocation, options: object = {}, request: object = {}) {
  return runStep(bench, {
    ...{ step: scanStep, kind: scanOptions, object, now: AT },
    ...{ options: { engine: 'guardduty', ...options }, ...request },
  });
}

test.each<[string, object, object]>([
  ['NO_THREATS_FOUND', {}, { type: 'succeeded', output: { verdict: 'clean', engine: 'guardduty' } }],
  ['THREATS_FOUND', {}, { type: 'failed', code: 'SCAN_ERROR', cause: 'SCAN_INFECTED' }],
  ['UNSUPPORTED', {}, { type: 'wait', reason: 'HELD', output: { verdict: 'too-large' } }],
  ['UNSUPPORTED', { onTooLarge: 'fail' }, { type: 'failed', cause: 'SCAN_TOO_LARGE' }],
  ['ACCESS_DENIED', {}, { type: 'wait', reason: 'HELD', output: { verdict: 'not-scanned', result: 'ACCESS_DENIED' } }],
  ['FAILED', {}, { type: 'wait', reason: 'HELD', output: { verdict: 'not-scanned' } }],
  ['no_threats_found', {}, { type: 'wait', reason: 'HELD' }],
])('%s', async (result, options, expected) => {
  const object = await bench.land('inbound/a.csv', 'x');
  await tag(object, result);
  expect(await scan(object, options)).toMatchObject(expected);
});

test('a result that has not come is waited for without a try, and then an operator decides', async () => {
  const object = await bench.land('inbound/a.csv', 'x');
  const first = await scan(object, { within: '1m' });
  expect(first).toMatchObject({ type: 'wait', reason: 'SCAN_UNAVAILABLE', afterMs: 5_000 });
  const held = first.type === 'wait' ? first.output : undefined;
  expect(await scan(object, { within: '1m' }, { held, ...later(59_000) })).toMatchObject({
    ...{ type: 'wait', reason: 'SCAN_UNAVAILABLE', afterMs: 1_000, output: held },
  });
  expect(await scan(object, { within: '1m' }, { held, ...later(60_000) })).toMatchObject({
    ...{ type: 'wait', reason: 'HELD', output: { verdict: 'no-result' } },
  });
  // A job that is retried waits from the beginning.
  const before = { ...held, generation: 0 };
  expect(await scan(object, { within: '1m' }, { held: before, ...later(60_000) })).toMatchObject({ afterMs: 5_000 });
  expect(await scan(object, {}, { isReleased: true })).toMatchObject({ output: { verdict: 'not-scanned' } });
});

test('the tag of another version of the same key counts for nothing', async () => {
  const first = await bench.land('inbound/b.csv', 'x');
  await tag(first, 'NO_THREATS_FOUND');
  const second = await bench.land('inbound/b.csv', 'y');
  expect(await scan(second)).toMatchObject({ type: 'wait', reason: 'SCAN_UNAVAILABLE' });
  await bench.store.deleteVersion(second);
  expect(await scan(second)).toMatchObject({ type: 'failed', code: 'SCAN_ERROR', cause: 'SOURCE_GONE' });
});
