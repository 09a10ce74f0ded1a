import { randomBytes } from 'node:crypto';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveKey, archiveObject } from '#shared/files/archive-object.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { runStep, type StepBench, type StepToRun, startStepBench } from '#testkit/beds/step-bed.ts';
import { confirmOptions } from '../confirm/options.ts';
import { confirmStep } from '../confirm/run.ts';
import { stageOptions } from '../stage/options.ts';
import { stageStep } from '../stage/run.ts';
import { type DeliverOptions, deliverOptions } from './options.ts';
import { deliverStep } from './run.ts';

const MIB = 1024 ** 2;
let bench: StepBench;

beforeAll(async () => {
  bench = await startStepBench();
});

afterAll(async () => {
  await bench?.stop();
});

function deliver(object: ObjectLocation, request: Partial<StepToRun<DeliverOptions>> = {}) {
  return runStep(bench, { step: deliverStep, kind: deliverOptions, object, ...request });
}

function confirm(object: ObjectLocation, delivery: unknown) {
  const outputs = { deliver: delivery as Record<string, unknown> };
  return runStep(bench, { step: confirmStep, kind: confirmOptions, object, outputs });
}

async function outputOf(outcome: ReturnType<typeof deliver>): Promise<Record<string, unknown>> {
  const known = await outcome;
  if (known.type !== 'succeeded') throw new Error(JSON.stringify(known));
  return { ...known.output };
}

async function versionsOf(key: string, bucket = bench.bucketNames.delivered) {
  const { items } = await bench.store.listVersions({ bucket, prefix: key });
  return items.filter((item) => item.key === key && !item.isDeleteMarker);
}

describe('deliver and confirm', () => {
  it.each(['plain.csv', 'a b+c%2F&<x>.csv', 'ünïcode/日本.csv', 'x-', 'sub//double.csv'])(
    'deliver %j under its own key, byte-identical',
    async (path) => {
      const bytes = randomBytes(1_000);
      const object = await bench.land(path, bytes);
      const output = await outputOf(deliver(object));
      expect(output).toMatchObject({
        bucket: 'test-delivered',
        key: `acme/${path}`,
        sizeBytes: 1_000,
        verifiedBy: 'checksum',
      });
      expect((await bench.read({ bucket: 'test-delivered', key: `acme/${path}` })).equals(bytes)).toBe(true);
      await expect(confirm(object, output)).resolves.toMatchObject({ type: 'succeeded' });
    },
  );

  it('deliver an empty file', async () => {
    const empty = await bench.land('empty', '');
    await expect(confirm(empty, await outputOf(deliver(empty)))).resolves.toMatchObject({ type: 'succeeded' });
  });

  it('read the bytes of both when source and copy have no checksum that compares', async () => {
    const { client } = bench.s3;
    const place = { Bucket: bench.bucketNames.landing, Key: 'acme/composite.bin' };
    const parts = [randomBytes(5 * MIB), randomBytes(10)];
    const begun = await client.send(new CreateMultipartUploadCommand({ ...place, ChecksumAlgorithm: 'SHA256' }));
    const upload = { ...place, UploadId: begun.UploadId };
    const Parts: CompletedPart[] = [];
    for (const [index, Body] of parts.entries()) {
      const PartNumber = index + 1;
      const sent = await client.send(
        new UploadPartCommand({ ...upload, PartNumber, Body, ChecksumAlgorithm: 'SHA256' }),
      );
      Parts.push({ PartNumber, ETag: sent.ETag, ChecksumSHA256: sent.ChecksumSHA256 });
    }
    const { VersionId, ETag } = await client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }),
    );
    const bytes = Buffer.concat(parts);
    const object = { bucket: place.Bucket, key: place.Key, versionId: VersionId, etag: ETag, sizeBytes: bytes.length };
    const output = await outputOf(deliver(object));
    expect(output).toMatchObject({ verifiedBy: 'bytes' });
    expect((await bench.read({ bucket: 'test-delivered', key: object.key })).equals(bytes)).toBe(true);
    await expect(confirm(object, output)).resolves.toMatchObject({ type: 'succeeded' });
  });

  it('take two requests to deliver, one to confirm and two to archive a small file', async () => {
    const object = await bench.land('budget.csv', 'a,b\n');
    await bench.requestsSince();
    const output = await outputOf(deliver(object));
    expect(await bench.requestsSince()).toEqual({ HeadObject: 1, CopyObject: 1 });
    await confirm(object, output);
    expect(await bench.requestsSince()).toEqual({ HeadObject: 1 });
    await archiveObject({
      store: bench.store,
      source: object,
      target: { bucket: 'test-archive', key: 'budget' },
      fileId: 'f',
      isFirstTry: true,
      multipartAboveBytes: 5 * MIB,
    });
    expect(await bench.requestsSince()).toEqual({ CopyObject: 1, DeleteObject: 1 });
  });

  it('make no second version when an earlier try had delivered, even under a newer one of another job', async () => {
    const object = await bench.land('again.csv', 'first');
    const first = await outputOf(deliver(object));
    const second = await outputOf(deliver(object, { isFirstTry: false }));
    expect(second).toMatchObject({ versionId: first.versionId, wasThere: true });
    const newer = await bench.land('again.csv', 'newer');
    const other = await outputOf(deliver(newer, { jobId: 'job-2', isFirstTry: false }));
    expect(other).toMatchObject({ wasThere: false, replacedJob: 'job-1' });
    const third = await outputOf(deliver(object, { isFirstTry: false }));
    expect(third).toMatchObject({ versionId: first.versionId, wasThere: true });
    expect(await versionsOf('acme/again.csv')).toHaveLength(2);
    expect((await bench.read({ bucket: 'test-delivered', key: 'acme/again.csv' })).toString()).toBe('newer');
  });

  it('deliver the version that the job is about, though a newer one has arrived', async () => {
    const object = await bench.land('overwritten.csv', 'old');
    await bench.land('overwritten.csv', 'new!');
    await outputOf(deliver(object));
    expect((await bench.read({ bucket: 'test-delivered', key: object.key })).toString()).toBe('old');
  });

  it('copy a large job in parts, and leave no upload', async () => {
    const bytes = randomBytes(11 * MIB + 1);
    const object = await bench.land('large.bin', bytes);
    await bench.requestsSince();
    const output = await outputOf(deliver(object, { isLarge: true }));
    expect(await bench.requestsSince()).toMatchObject({ UploadPartCopy: 3 });
    expect(output).toMatchObject({ sizeBytes: bytes.length, verifiedBy: 'checksum' });
    await expect(confirm(object, output)).resolves.toMatchObject({ type: 'succeeded' });
    expect((await bench.read({ bucket: 'test-delivered', key: object.key })).equals(bytes)).toBe(true);
    expect(await bench.openUploads()).toBe(0);
  });

  it('follow the template of the key, and go to the bucket named', async () => {
    const object = await bench.land('inbound/orders/a.csv', 'x');
    const options = {
      bucket: 'outbound',
      key: '{{ tenant }}/sent/{{ year }}/{{ stem | upcase }}-{{ job }}.{{ extension }}',
    };
    expect(await outputOf(deliver(object, { options }))).toMatchObject({
      bucket: 'test-outbound',
      key: 'acme/sent/2026/A-job-1.csv',
    });
    const free = { externalBucket: 'partners-own', key: 'anywhere/{{ name }}' };
    expect(await outputOf(deliver(object, { options: free }))).toMatchObject({
      bucket: 'partners-own',
      key: 'anywhere/a.csv',
    });
  });

  it('refuse one of our own buckets given as an external one', async () => {
    const object = await bench.land('inbound/own.csv', 'x');
    const options = { externalBucket: 'test-archive', key: 'globex/own.csv' };
    expect(await deliver(object, { options })).toMatchObject({ type: 'failed', cause: 'KEY_REJECTED' });
  });

  it('refuse a key that a name would turn into another place', async () => {
    const object = await bench.land('x/..', 'x');
    const outcome = await deliver(object, { options: { key: '{{ tenant }}/in/{{ name }}' } });
    expect(outcome).toMatchObject({ type: 'failed', code: 'DELIVERY_ERROR', cause: 'KEY_REJECTED' });
  });

  it.each(['in/../../globex/x', 'in/\u001b[2Jx', 'in/\u202egnp.exe', 'in/./x', '-rf'])(
    'refuse %j as the file’s own key, without a template too',
    async (path) => {
      const object = await bench.land(path, 'x');
      for (const options of [{}, { externalBucket: 'partners-own' }]) {
        const outcome = await deliver(object, { options });
        expect(outcome).toMatchObject({ type: 'failed', code: 'DELIVERY_ERROR', cause: 'KEY_REJECTED' });
      }
    },
  );

  it('fail with a cause when the source is gone or another, and retry when the store is away', async () => {
    const object = await bench.land('gone.csv', 'x');
    await expect(deliver({ ...object, etag: '"0123"' })).resolves.toMatchObject({
      type: 'failed',
      cause: 'SOURCE_CHANGED',
    });
    await bench.store.deleteVersion(object);
    await expect(deliver(object)).resolves.toMatchObject({
      type: 'failed',
      code: 'DELIVERY_ERROR',
      cause: 'SOURCE_GONE',
    });
    const nowhere = await bench.land('nowhere.csv', 'x');
    await expect(deliver(nowhere, { options: { externalBucket: 'no-such-bucket' } })).resolves.toMatchObject({
      type: 'failed',
      cause: 'OBJECT_STORE_REJECTED',
    });
    await expect(deliver(nowhere, { signal: AbortSignal.abort() })).resolves.toMatchObject({
      type: 'retry',
      cause: 'STEP_ABORTED',
    });
  });

  it('tell when the destination was removed, changed in size or in contents', async () => {
    const object = await bench.land('tampered.csv', 'true');
    const output = await outputOf(deliver(object));
    const bucket = bench.bucketNames.delivered;
    const other = await bench.store.put({ target: { bucket, key: object.key }, body: 'fake' });
    await expect(confirm(object, { ...output, versionId: other.versionId })).resolves.toMatchObject({
      type: 'failed',
      cause: 'CHECKSUM_MISMATCH',
    });
    await expect(confirm(object, { ...output, sizeBytes: 5 })).resolves.toMatchObject({
      type: 'failed',
      cause: 'SIZE_MISMATCH',
    });
    await bench.store.deleteVersion({ bucket, key: object.key, versionId: output.versionId as string });
    await expect(confirm(object, output)).resolves.toMatchObject({
      type: 'failed',
      code: 'CONFIRMATION_ERROR',
      cause: 'DESTINATION_GONE',
    });
    await expect(confirm(object, undefined)).resolves.toMatchObject({ type: 'failed', cause: 'STEP_INPUT_MISSING' });
  });
});

describe('stage', () => {
  it('copies into the staging bucket, and the job goes on from there to its own key', async () => {
    const object = await bench.land('inbound/staged.csv', 'bytes');
    const staged = await runStep(bench, { step: stageStep, kind: stageOptions, object });
    if (staged.type !== 'succeeded' || staged.object === undefined) throw new Error(JSON.stringify(staged));
    expect(staged.object).toMatchObject({ bucket: 'test-staging', key: 'acme/job-1/1/staged.csv', sizeBytes: 5 });
    expect(await outputOf(deliver(staged.object, { key: object.key }))).toMatchObject({
      key: 'acme/inbound/staged.csv',
    });
  });
});

describe('archive', () => {
  const file = { tenantId: 'acme', id: 'file-1', name: 'a.csv', receivedAt: new Date('2026-01-02T23:59:59Z') };

  function archive(
    source: ObjectLocation,
    request: { key: string; isFirstTry?: boolean; multipartAboveBytes?: number },
  ) {
    const { key, isFirstTry = true, multipartAboveBytes = 5 * MIB } = request;
    return archiveObject({
      store: bench.store,
      source,
      target: { bucket: 'test-archive', key },
      fileId: 'file-1',
      isFirstTry,
      multipartAboveBytes,
    });
  }

  it('has a key by tenant, day and file, however long the name', () => {
    expect(archiveKey(file)).toBe('acme/2026/01/02/file-1/a.csv');
    expect(Buffer.byteLength(archiveKey({ ...file, name: 'ü'.repeat(500) }))).toBeLessThan(400);
  });

  it('moves the very version, and leaves a newer one of the same name', async () => {
    const object = await bench.land('archived.csv', 'old');
    const newer = await bench.land('archived.csv', 'newer');
    const location = await archive(object, { key: 'k1' });
    expect((await bench.read(location)).toString()).toBe('old');
    await expect(bench.store.head(object)).resolves.toBe('not-found');
    await expect(bench.store.head(newer)).resolves.toMatchObject({ sizeBytes: 5 });
  });

  it.each([
    ['before the copy', 'nothing'],
    ['between copy and delete', 'copied'],
    ['after the delete', 'deleted'],
  ])('ends the same when an earlier try was killed %s', async (_when, killed) => {
    const key = `killed-${killed}`;
    const object = await bench.land(key, 'bytes');
    if (killed !== 'nothing') await bench.store.copy({ source: object, target: { bucket: 'test-archive', key } });
    if (killed === 'deleted') await bench.store.deleteVersion(object);
    const location = await archive(object, { key, isFirstTry: false });
    expect((await bench.read(location)).toString()).toBe('bytes');
    await expect(bench.store.head(object)).resolves.toBe('not-found');
    expect(await versionsOf(key, 'test-archive')).toHaveLength(1);
  });

  it('finds the archived object also when nobody told it of an earlier try', async () => {
    const object = await bench.land('untold', 'bytes');
    const first = await archive(object, { key: 'untold' });
    await expect(archive(object, { key: 'untold' })).resolves.toEqual(first);
  });

  it('moves a large object in parts, and one whose ETag is no MD5', async () => {
    const bytes = randomBytes(6 * MIB);
    const target = { bucket: bench.bucketNames.landing, key: 'acme/parts.bin' };
    const uploaded = await bench.store.upload({
      target,
      body: (async function* () {
        yield bytes;
      })(),
    });
    const object = { ...target, versionId: uploaded.versionId, etag: uploaded.etag, sizeBytes: uploaded.sizeBytes };
    expect(object.etag).toMatch(/-2/);
    expect((await bench.read(await archive(object, { key: 'p1' }))).equals(bytes)).toBe(true);
    const again = await bench.land('parts2.bin', bytes);
    expect((await bench.read(await archive(again, { key: 'p2', multipartAboveBytes: MIB }))).equals(bytes)).toBe(true);
    expect(await bench.openUploads()).toBe(0);
  });

  it('keeps the source when it is in neither place or is another by now', async () => {
    const object = await bench.land('lost', 'bytes');
    await expect(archive({ ...object, etag: '"0123"' }, { key: 'lost' })).rejects.toMatchObject({
      fault: 'precondition-failed',
    });
    await expect(bench.store.head(object)).resolves.toMatchObject({ sizeBytes: 5 });
    await bench.store.deleteVersion(object);
    await expect(archive(object, { key: 'lost' })).rejects.toMatchObject({ fault: 'not-found' });
  });
});
