/**
 * What an S3 server can do wrong, by each way in which a file is copied: no damaged object is ever made, or it is known as one, and no
 * upload stays open. What `copy-multipart.test.ts` and its long half show is not repeated.
 */
import { createHash, randomBytes } from 'node:crypto';
import { UploadPartCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MultipartCopyRequest, ObjectAddress, ObjectStore, UploadedObject } from '#shared/files/object-store.ts';
import { mayPass } from '#shared/files/store-error.ts';
import {
  type Choose,
  every,
  type FaultyStore,
  once,
  readWhole,
  startFaultyStore,
} from '#testkit/beds/faulty-store-bed.ts';
import type { S3Fault, S3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { verifyCopy } from './verify-copy.ts';

/** What is made of content of unknown length has parts of no less. */
const PART = 5 * 1024 ** 2;
let bed: FaultyStore;
let proxy: S3FaultProxy;
let direct: ObjectStore;
let store: ObjectStore;
let names = 0;

beforeAll(async () => {
  bed = await startFaultyStore({ partBytes: PART });
  ({ proxy, direct, store } = bed);
});

afterEach(() => proxy.spoil(() => undefined));

afterAll(() => bed.stop());

async function land(bytes: Buffer) {
  names += 1;
  const source = { bucket: 'here', key: `file-${names}` };
  const { versionId, etag, checksums } = await direct.put({ target: source, body: bytes });
  return { source: { ...source, versionId, etag }, target: { bucket: 'there', key: source.key }, checksums };
}

/** Open uploads and versions at the target. */
async function leftAt({ bucket, key }: ObjectAddress): Promise<{ uploads: number; versions: number }> {
  const [uploads, versions] = await Promise.all([
    direct.listMultipartUploads({ bucket, prefix: key }),
    direct.listVersions({ bucket, prefix: key }),
  ]);
  return { uploads: uploads.items.length, versions: versions.items.length };
}

const MOST_TRIES = 5;

/** Until a try ends well, as a step is tried again; one that does not leaves nothing, and may pass. */
async function untilDone<Result>(target: ObjectAddress, work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === MOST_TRIES || !mayPass(error)) throw error;
      expect((await leftAt(target)).uploads).toBe(0);
    }
  }
}

describe('content of unknown length', () => {
  /** What a transform does: reads the source, and writes the result. */
  const pass = (landed: Awaited<ReturnType<typeof land>>): Promise<UploadedObject> =>
    store.upload({ target: landed.target, body: store.readStream(landed.source, { ifMatch: landed.source.etag }) });

  const faults: readonly [what: string, choose: Choose][] = [
    ['503 on every third part', every('UploadPart', 3, { type: 'status', status: 503 })],
    ['500 on every third part', every('UploadPart', 3, { type: 'status', status: 500 })],
    ['resets every third part', every('UploadPart', 3, { type: 'reset' })],
    ['loses the reply of every third part', every('UploadPart', 3, { type: 'lost-reply' })],
    ['damages a part on its way', once('UploadPart', { type: 'flipped-request' })],
    ['500 on completing', once('CompleteMultipartUpload', { type: 'status', status: 500 })],
    ['503 on completing', once('CompleteMultipartUpload', { type: 'status', status: 503 })],
    ['200 with an error on completing', once('CompleteMultipartUpload', { type: 'error-in-200' })],
    ['loses the reply of completing', once('CompleteMultipartUpload', { type: 'lost-reply' })],
    ['503 on the read', once('GetObject', { type: 'status', status: 503 })],
    ['truncates what is read', once('GetObject', { type: 'truncated', bytes: PART + 1_000_000 })],
    ['breaks what is read', once('GetObject', { type: 'lost-reply' })],
    ['stands still while it is read', once('GetObject', { type: 'stalled' })],
    ['flips a byte of what is read', once('GetObject', { type: 'flipped-reply' })],
  ];

  it.each(faults)(
    'from or to a store that %s is true in the end',
    async (_what, choose) => {
      const bytes = randomBytes(3 * PART + 17);
      const landed = await land(bytes);
      proxy.spoil(choose);
      const written = await untilDone(landed.target, () => pass(landed));
      expect(written.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
      const { versionId } = written;
      expect((await readWhole(direct, { ...landed.target, versionId })).equals(bytes)).toBe(true);
      const { items } = await direct.listVersions({ bucket: landed.target.bucket, prefix: landed.target.key });
      // A reply that was lost may leave another version, never another content.
      for (const version of items)
        expect((await readWhole(direct, { ...landed.target, versionId: version.versionId })).equals(bytes)).toBe(true);
      expect((await leftAt(landed.target)).uploads).toBe(0);
    },
    60_000,
  );

  it.each([
    ['damaged on its way', { type: 'flipped-request' }],
    ['answered with 503', { type: 'status', status: 503 }],
    ['whose reply was lost', { type: 'lost-reply' }],
  ] as const)('that one request holds, %s, is true in the end', async (_what, fault) => {
    const bytes = randomBytes(3_000);
    const landed = await land(bytes);
    proxy.spoil(once('Other', fault));
    const { versionId } = await untilDone(landed.target, () => pass(landed));
    expect((await readWhole(direct, { ...landed.target, versionId })).equals(bytes)).toBe(true);
  });

  it('that comes at 1 KB/s is slow and does not stand still', async () => {
    const bytes = randomBytes(2_500);
    const landed = await land(bytes);
    proxy.spoil(every('GetObject', 1, { type: 'slow', bytesPerSecond: 1_000 }));
    const { versionId } = await pass(landed);
    expect(proxy.counts.get('GetObject')).toBe(1);
    expect((await readWhole(direct, { ...landed.target, versionId })).equals(bytes)).toBe(true);
  });
});

describe('a server-side copy', () => {
  const requestOf = ({ source, target, checksums }: Awaited<ReturnType<typeof land>>, sizeBytes: number) =>
    ({
      source,
      target,
      checksums,
      sizeBytes,
      jobId: target.key,
      checksumAlgorithm: 'CRC64NVME',
      replace: { metadata: { 'longshore-key': target.key } },
    }) satisfies MultipartCopyRequest;

  it.each<[string, Choose]>([
    ['cuts the reply of every third part', every('UploadPartCopy', 3, { type: 'truncated', bytes: 60 })],
    ['garbles the reply of every third part', every('UploadPartCopy', 3, { type: 'flipped-reply' })],
    ['cuts the reply of completing', once('CompleteMultipartUpload', { type: 'truncated', bytes: 60 })],
    ['500 on completing', once('CompleteMultipartUpload', { type: 'status', status: 500 })],
    ['replies at 1 KB/s', every('UploadPartCopy', 2, { type: 'slow', bytesPerSecond: 1_000 })],
  ])('by a store that %s is true', async (_what, choose) => {
    const bytes = randomBytes(5 * PART + 17);
    const landed = await land(bytes);
    proxy.spoil(choose);
    await untilDone(landed.target, () => store.copyMultipart(requestOf(landed, bytes.length)));
    expect((await readWhole(direct, landed.target)).equals(bytes)).toBe(true);
    expect(await leftAt(landed.target)).toEqual({ uploads: 0, versions: 1 });
  });

  /** As a store whose disk or memory flips a bit while it copies, and that has no better: its ETag is that of the damaged part. */
  function damagedBy(bytes: Buffer): Choose {
    return ({ operation, url, partNumber }) => {
      if (operation !== 'UploadPartCopy' || partNumber !== 2) return undefined;
      const asked = new URL(url, 'http://s3');
      const [, Bucket = '', Key = ''] = asked.pathname.split('/');
      const answer = async () => {
        const Body = Buffer.from(bytes.subarray(PART, 2 * PART));
        Body[1_000] = (Body[1_000] ?? 0) ^ 1;
        const UploadId = asked.searchParams.get('uploadId') ?? '';
        const part = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 2, Body });
        const { ETag = '' } = await bed.s3.client.send(part);
        return `<?xml version="1.0"?><CopyPartResult><ETag>${ETag}</ETag></CopyPartResult>`;
      };
      return { type: 'answered', answer };
    };
  }

  it('of which the store itself flips a byte makes no object', async () => {
    const bytes = randomBytes(3 * PART);
    const landed = await land(bytes);
    proxy.spoil(damagedBy(bytes));
    const copying = store.copyMultipart(requestOf(landed, bytes.length));
    await expect(copying).rejects.toMatchObject({ fault: 'corrupt', code: 'CHECKSUM_MISMATCH' });
    expect(await leftAt(landed.target)).toEqual({ uploads: 0, versions: 0 });
  });

  it('of which the store itself flips a byte is known as another where the source has no checksum of the whole', async () => {
    const bytes = randomBytes(3 * PART);
    const landed = await land(bytes);
    proxy.spoil(damagedBy(bytes));
    const { checksums: _, ...unknown } = requestOf(landed, bytes.length);
    const written = await store.copyMultipart(unknown);
    const compare = (target: ObjectAddress) =>
      verifyCopy({
        store,
        source: { ...landed.source, sizeBytes: bytes.length, checksums: [] },
        target: { ...target, sizeBytes: bytes.length, checksums: [] },
      });
    const target = { ...landed.target, versionId: written.versionId };
    expect(await compare(target)).toEqual({ type: 'different', what: 'checksum' });
  });

  it.each<[string, S3Fault]>([
    ['answers 200 with an error', { type: 'error-in-200' }],
    ['answers 503', { type: 'status', status: 503 }],
    ['resets the connection', { type: 'reset' }],
    ['loses the reply', { type: 'lost-reply' }],
    ['cuts the reply', { type: 'truncated', bytes: 60 }],
  ])('in one request by a store that %s is there once, or is made by the next try', async (_what, fault) => {
    const bytes = randomBytes(3_000);
    const { source, target } = await land(bytes);
    proxy.spoil(once('CopyObject', fault));
    const replace = { metadata: { 'longshore-key': target.key } };
    await untilDone(target, () => store.copy({ source, target, replace }));
    expect((await readWhole(direct, target)).equals(bytes)).toBe(true);
    expect(await leftAt(target)).toEqual({ uploads: 0, versions: 1 });
  });
});

describe('a streamed copy', () => {
  it.each<[string, Choose]>([
    ['503 on every third read', every('GetObject', 3, { type: 'status', status: 503 })],
    ['500 on every third read', every('GetObject', 3, { type: 'status', status: 500 })],
    ['resets every third read', every('GetObject', 3, { type: 'reset' })],
    ['500 on completing', once('CompleteMultipartUpload', { type: 'status', status: 500 })],
    ['cuts the reply of completing', once('CompleteMultipartUpload', { type: 'truncated', bytes: 60 })],
  ])('by a store that answers %s is true', async (_what, choose) => {
    const bytes = randomBytes(5 * PART + 17);
    const { source, target, checksums } = await land(bytes);
    proxy.spoil(choose);
    const request = {
      source,
      target,
      checksums,
      sizeBytes: bytes.length,
      jobId: target.key,
      checksumAlgorithm: 'CRC64NVME',
      replace: { metadata: { 'longshore-key': target.key } },
      plan: 'streamed',
    } as const;
    await untilDone(target, () => store.copyMultipart(request));
    expect((await readWhole(direct, target)).equals(bytes)).toBe(true);
    expect(await leftAt(target)).toEqual({ uploads: 0, versions: 1 });
  });
});
