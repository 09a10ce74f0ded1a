/** Multipart copies, by both plans. What takes longer of a store with faults is in `copy-multipart.long.test.ts`. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { MultipartCopyRequest, ObjectStore } from '#shared/files/object-store.ts';
import { every, once } from '#testkit/beds/faulty-store-bed.ts';
import { type MultipartBed, memoryLog, PART, startMultipartBed } from '#testkit/beds/multipart-bed.ts';
import type { S3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { PartBuffers } from './part-buffers.ts';
import { choosePartBytes, planParts } from './plan-parts.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const PLANS = ['server-side', 'streamed'] as const;
let bed: MultipartBed;
let proxy: S3FaultProxy;
let direct: ObjectStore;
let store: ObjectStore;
beforeAll(async () => {
  bed = await startMultipartBed();
  ({ proxy, direct, store } = bed);
});
afterEach(() => bed.calm());
afterAll(() => bed.stop());

const land = (bytes: Buffer) => bed.land(bytes);
const readTarget = (request: MultipartCopyRequest) => bed.readTarget(request);
const openUploads = (request: MultipartCopyRequest) => bed.openUploads(request);
const versions = (request: MultipartCopyRequest) => bed.versions(request);

describe('the plan', () => {
  it.each([
    ['1 byte', 1, 16 * MIB, 16 * MIB, 1],
    ['5 MiB', 5 * MIB, 5 * MIB, 5 * MIB, 1],
    ['5 MiB and a byte', 5 * MIB + 1, 5 * MIB, 5 * MIB, 2],
    ['exactly n parts', 160 * MIB, 16 * MIB, 16 * MIB, 10],
    ['n parts and a byte', 160 * MIB + 1, 16 * MIB, 16 * MIB, 11],
    ['3 GB', 3_000_000_000, 16 * MIB, 16 * MIB, 179],
    ['the most of small parts', 10_000 * 16 * MIB, 16 * MIB, 16 * MIB, 10_000],
    ['a byte more', 10_000 * 16 * MIB + 1, 16 * MIB, 17 * MIB, 9_412],
    ['5 TiB', 5 * 1024 * GIB, 16 * MIB, 525 * MIB, 9_987],
    ['5 TiB of 5 GiB parts', 5 * 1024 * GIB, 5 * GIB, 5 * GIB, 1_024],
  ])('of %s keeps within the bounds of S3', (_what, size, preferred, partBytes, count) => {
    expect(choosePartBytes(size, preferred)).toBe(partBytes);
    const parts = planParts(size, partBytes);
    expect(parts).toHaveLength(count);
    expect(parts.at(-1)).toMatchObject({ number: count, last: size - 1 });
  });

  it('refuses what no store can keep', () => {
    expect(() => choosePartBytes(5 * 1024 * GIB + 1, 16 * MIB)).toThrow('5 TiB');
  });
});

describe.each(PLANS)('a %s copy', (plan) => {
  it.each([1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 1])('of %i bytes is the same bytes', async (size) => {
    const bytes = randomBytes(size);
    const request = await land(bytes);
    const copied = await store.copyMultipart({ ...request, plan });
    expect(copied).toMatchObject({ plan, parts: Math.ceil(size / PART), checksums: request.checksums });
    expect((await readTarget(request)).equals(bytes)).toBe(true);
    expect(await openUploads(request)).toBe(0);
    expect(copied.sha256).toBe(plan === 'streamed' ? createHash('sha256').update(bytes).digest('hex') : undefined);
  });

  it('of nothing is an empty object', async () => {
    const request = await land(Buffer.alloc(0));
    await store.copyMultipart({ ...request, plan });
    expect(await direct.head(request.target)).toMatchObject({ sizeBytes: 0 });
  });

  it('goes on where it was, and copies no part twice that the store has', async () => {
    const bytes = randomBytes(6 * PART);
    const request = { ...(await land(bytes)), plan, log: memoryLog() };
    const operation = plan === 'streamed' ? 'UploadPart' : 'UploadPartCopy';
    const stop = new AbortController();
    let answered = 0;
    proxy.onAnswered((asked) => {
      if (asked.operation === operation) answered += 1;
      if (answered === 2) stop.abort();
    });
    await expect(store.copyMultipart({ ...request, signal: stop.signal })).rejects.toMatchObject({ fault: 'aborted' });
    expect(await openUploads(request)).toBe(1);
    proxy.onAnswered(undefined);
    proxy.spoil(() => undefined);
    const copied = await store.copyMultipart(request);
    expect(copied.resumedParts).toBeGreaterThanOrEqual(2);
    expect(proxy.counts.get(operation) ?? 0).toBe(6 - copied.resumedParts);
    expect(copied.sha256).toBeUndefined();
    expect((await readTarget(request)).equals(bytes)).toBe(true);
    expect(await openUploads(request)).toBe(0);
    expect(request.log.states).toEqual(['COPYING', 'COMPLETING', 'DONE']);
  });

  it('finds what an earlier try had completed, and makes no second version', async () => {
    const request = { ...(await land(randomBytes(PART + 1))), plan, log: memoryLog() };
    const first = await store.copyMultipart(request);
    const again = await store.copyMultipart(request);
    expect(again).toMatchObject({ versionId: first.versionId, parts: 0 });
    expect(await versions(request)).toBe(1);
  });

  it('of a source that is another by now writes that it aborts, aborts, and leaves nothing', async () => {
    const request = { ...(await land(randomBytes(2 * PART))), plan, log: memoryLog() };
    const { bucket, key } = request.source;
    await direct.put({ target: { bucket, key }, body: randomBytes(2 * PART) });
    const changed = { ...request, source: { ...request.source, versionId: undefined } };
    await expect(store.copyMultipart(changed)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(request.log.states).toEqual(['COPYING', 'ABORTING', 'ABORTED']);
    expect([await openUploads(request), await versions(request)]).toEqual([0, 0]);
  });

  it('never goes on with an upload that somebody began to abort', async () => {
    const bytes = randomBytes(2 * PART);
    const request = { ...(await land(bytes)), plan, log: memoryLog() };
    const stop = new AbortController();
    proxy.onAnswered(({ operation }) => operation.startsWith('UploadPart') && stop.abort());
    await expect(store.copyMultipart({ ...request, signal: stop.signal })).rejects.toMatchObject({ fault: 'aborted' });
    expect(await openUploads(request)).toBe(1);
    await request.log.aborting();
    proxy.onAnswered(undefined);
    const copied = await store.copyMultipart(request);
    expect(copied.resumedParts).toBe(0);
    expect((await readTarget(request)).equals(bytes)).toBe(true);
    expect(await openUploads(request)).toBe(0);
  });
});

describe('a store with faults', () => {
  it.each([
    ['503 on every third part', 'streamed', every('UploadPart', 3, { type: 'status', status: 503 })],
    ['resets every third part', 'server-side', every('UploadPartCopy', 3, { type: 'reset' })],
    ['200 with an error on completing', 'server-side', once('CompleteMultipartUpload', { type: 'error-in-200' })],
    ['loses the reply of completing', 'streamed', once('CompleteMultipartUpload', { type: 'lost-reply' })],
  ] as const)('that %s gets a true copy (%s)', async (_what, plan, choose) => {
    const bytes = randomBytes(5 * PART + 17);
    const request = { ...(await land(bytes)), plan, log: memoryLog() };
    proxy.spoil(choose);
    await store.copyMultipart(request);
    expect((await readTarget(request)).equals(bytes)).toBe(true);
    expect([await openUploads(request), await versions(request)]).toEqual([0, 1]);
  });

  it('that cannot copy parts fails the copy for good, and keeps no upload', async () => {
    const request = { ...(await land(randomBytes(2 * PART))), log: memoryLog() };
    proxy.spoil(every('UploadPartCopy', 1, { type: 'status', status: 501 }));
    await expect(store.copyMultipart(request)).rejects.toMatchObject({ fault: 'invalid' });
    expect(request.log.states).toEqual(['COPYING', 'ABORTING', 'ABORTED']);
    expect([await openUploads(request), await versions(request)]).toEqual([0, 0]);
  });

  it('that gives a flipped byte gets no object at all, and the copy is begun anew', async () => {
    const bytes = randomBytes(3 * PART);
    const request = { ...(await land(bytes)), plan: 'streamed' as const, log: memoryLog() };
    proxy.spoil(once('GetObject', { type: 'flipped-reply' }));
    await expect(store.copyMultipart(request)).rejects.toMatchObject({ fault: 'corrupt', code: 'CHECKSUM_MISMATCH' });
    expect(request.log.states).toEqual(['COPYING', 'COMPLETING', 'ABORTING', 'ABORTED']);
    expect([await openUploads(request), await versions(request)]).toEqual([0, 0]);
    await store.copyMultipart(request);
    expect((await readTarget(request)).equals(bytes)).toBe(true);
  });

  it('that is away for good fails the copy and keeps its parts for the next try', async () => {
    const bytes = randomBytes(4 * PART);
    const request = { ...(await land(bytes)), plan: 'streamed' as const, log: memoryLog() };
    proxy.spoil(({ operation, partNumber }) =>
      operation === 'UploadPart' && partNumber === 4 ? { type: 'status', status: 503 } : undefined,
    );
    await expect(store.copyMultipart(request)).rejects.toMatchObject({ fault: 'unavailable' });
    expect(await openUploads(request)).toBe(1);
    proxy.spoil(() => undefined);
    expect(await store.copyMultipart(request)).toMatchObject({ parts: 4, resumedParts: 3 });
    expect((await readTarget(request)).equals(bytes)).toBe(true);
  });
});

it('a part too large to be held flows through, and is read again when it has to be sent again', async () => {
  const { client, partClient } = bed;
  const partBuffers = new PartBuffers({ count: 2, bytes: Math.ceil(PART / 5) });
  const tight = createObjectStore({ client, partClient, partBuffers, smallestPartBytes: PART });
  const bytes = randomBytes(3 * PART + 5);
  const request = { ...(await land(bytes)), plan: 'streamed' as const, log: memoryLog() };
  proxy.spoil(every('UploadPart', 3, { type: 'reset' }));
  const copied = await tight.copyMultipart(request);
  expect(copied).toMatchObject({ parts: 4, checksums: request.checksums });
  expect(copied.sha256).toBeUndefined();
  expect((await readTarget(request)).equals(bytes)).toBe(true);
});

it('a source of which only the SHA-256 is known is compared by it before anything shows', async () => {
  const bytes = randomBytes(2 * PART);
  const known = await land(bytes);
  const value = createHash('sha256').update(bytes).digest('base64');
  const checksums = [{ algorithm: 'SHA256' as const, type: 'FULL_OBJECT' as const, value }];
  const request = { ...known, checksums, checksumAlgorithm: undefined, plan: 'streamed' as const };
  proxy.spoil(once('GetObject', { type: 'flipped-reply' }));
  await expect(store.copyMultipart(request)).rejects.toMatchObject({ fault: 'corrupt' });
  expect([await openUploads(request), await versions(request)]).toEqual([0, 0]);
  await store.copyMultipart(request);
  expect((await readTarget(request)).equals(bytes)).toBe(true);
});
