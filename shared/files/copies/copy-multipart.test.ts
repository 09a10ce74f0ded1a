import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { MultipartCopyRequest, ObjectStore } from '#shared/files/object-store.ts';
import { createPartClient } from '#shared/files/s3-client.ts';
import {
  type Choose,
  every,
  type FaultyStore,
  once,
  readWhole,
  startFaultyStore,
} from '#testkit/beds/faulty-store-bed.ts';
import type { S3Fault, S3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { PartBuffers } from './part-buffers.ts';
import { choosePartBytes, planParts } from './plan-parts.ts';
import type { CopyPlan, FinishedPart, LeftTransfer, TransferLog } from './transfer-log.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** What is proved of parts holds of small ones: the 5 MiB are the store's rule. */
const PART = MIB;
/** So long that its bytes are counted on their way. */
const SLOW_PART = 5 * MIB;
const PLANS: readonly CopyPlan[] = ['server-side', 'streamed'];
let bed: FaultyStore;
let proxy: S3FaultProxy;
let direct: ObjectStore;
let store: ObjectStore;
let names = 0;

beforeAll(async () => {
  bed = await startFaultyStore({ partBytes: PART });
  ({ proxy, direct, store } = bed);
});

afterEach(() => {
  proxy.spoil(() => undefined);
  proxy.onAnswered(undefined);
});

afterAll(() => bed.stop());

async function land(bytes: Buffer): Promise<MultipartCopyRequest> {
  names += 1;
  const key = `file-${names}`;
  const { versionId, etag, checksums } = await direct.put({ target: { bucket: 'here', key }, body: bytes });
  return {
    source: { bucket: 'here', key, versionId, etag },
    target: { bucket: 'there', key },
    replace: { metadata: { 'longshore-key': key } },
    sizeBytes: bytes.length,
    jobId: key,
    checksums,
    checksumAlgorithm: 'CRC64NVME',
  };
}

async function readTarget({ target }: MultipartCopyRequest): Promise<Buffer> {
  return await readWhole(direct, target);
}

async function openUploads({ target }: MultipartCopyRequest): Promise<number> {
  const { items } = await direct.listMultipartUploads({ bucket: target.bucket, prefix: target.key });
  return items.length;
}

async function versions({ target }: MultipartCopyRequest): Promise<number> {
  return (await direct.listVersions({ bucket: target.bucket, prefix: target.key })).items.length;
}

/** Keeps in memory what the database keeps in the fleet. */
function memoryLog(): TransferLog & { readonly states: string[]; readonly written: FinishedPart[] } {
  const written: FinishedPart[] = [];
  const states: string[] = [];
  let left: Omit<LeftTransfer, 'parts'> | undefined;
  return {
    written,
    states,
    begin: async () => left && { ...left, parts: [...written] },
    created: async (facts, uploadId) => {
      written.length = 0;
      left = { ...facts, uploadId, isAborting: false };
      states.push('COPYING');
    },
    progress: async ({ parts }) => void written.push(...parts),
    found: async () => void states.push('DONE'),
    completing: async () => void states.push('COMPLETING'),
    aborting: async () => {
      left = left && { ...left, isAborting: true };
      states.push('ABORTING');
    },
    done: async () => void states.push('DONE'),
    aborted: async () => {
      left = undefined;
      states.push('ABORTED');
    },
  };
}

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
  const inPart = (plan: CopyPlan, nth: number, fault: S3Fault) =>
    every(plan === 'streamed' ? 'UploadPart' : 'UploadPartCopy', nth, fault);
  const cases: readonly [what: string, plan: CopyPlan, choose: Choose][] = [
    ...PLANS.flatMap((plan): [string, CopyPlan, Choose][] => [
      ['503 on every third part', plan, inPart(plan, 3, { type: 'status', status: 503 })],
      ['500 on every third part', plan, inPart(plan, 3, { type: 'status', status: 500 })],
      ['resets every third part', plan, inPart(plan, 3, { type: 'reset' })],
      ['loses the reply of every third part', plan, inPart(plan, 3, { type: 'lost-reply' })],
      ['200 with an error on completing', plan, once('CompleteMultipartUpload', { type: 'error-in-200' })],
      ['loses the reply of completing', plan, once('CompleteMultipartUpload', { type: 'lost-reply' })],
      ['503 on completing', plan, once('CompleteMultipartUpload', { type: 'status', status: 503 })],
    ]),
    ['200 with an error on copied parts', 'server-side', inPart('server-side', 3, { type: 'error-in-200' })],
    ['stands still in a reply', 'server-side', once('UploadPartCopy', { type: 'stalled' })],
    ['truncates what is read', 'streamed', every('GetObject', 2, { type: 'truncated', bytes: 100_000 })],
    ['breaks what is read', 'streamed', every('GetObject', 3, { type: 'lost-reply' })],
    ['stands still while it is read', 'streamed', every('GetObject', 3, { type: 'stalled' })],
    ['damages a part on its way', 'streamed', every('UploadPart', 3, { type: 'flipped-request' })],
  ];

  it.each(cases)('that %s gets a true copy (%s)', async (_what, plan, choose) => {
    const bytes = randomBytes(5 * PART + 17);
    const request = { ...(await land(bytes)), plan, log: memoryLog() };
    proxy.spoil(choose);
    await store.copyMultipart(request);
    expect((await readTarget(request)).equals(bytes)).toBe(true);
    expect([await openUploads(request), await versions(request)]).toEqual([0, 1]);
  });

  it('that gives 1 KB/s is slow and does not stand still: nothing is asked for twice', async () => {
    const bytes = randomBytes(2_500);
    const request = { ...(await land(bytes)), plan: 'streamed' as const, log: memoryLog() };
    proxy.spoil(every('GetObject', 1, { type: 'slow', bytesPerSecond: 1_000 }));
    await store.copyMultipart(request);
    expect(proxy.counts.get('GetObject')).toBe(1);
    expect((await readTarget(request)).equals(bytes)).toBe(true);
  });

  it.each([
    ['server-side', 'UploadPartCopy'],
    ['streamed', 'GetObject'],
    ['streamed', 'UploadPart'],
  ] as const)(
    'over which nothing moves any more has the %s copy given up, its upload kept, when %s stands still',
    async (plan, operation) => {
      const bytes = randomBytes(8 * PART);
      const request = { ...(await land(bytes)), plan, log: memoryLog() };
      proxy.spoil((asked) => (asked.operation === operation && asked.count > 2 ? { type: 'silent' } : undefined));
      await expect(store.copyMultipart(request)).rejects.toMatchObject({ fault: 'unavailable' });
      // Six tries of each part in flight would be twice as many.
      expect(proxy.counts.get(operation)).toBeLessThanOrEqual(2 + 3 * 3);
      expect([await openUploads(request), await versions(request)]).toEqual([1, 0]);
      proxy.spoil(() => undefined);
      expect((await store.copyMultipart(request)).resumedParts).toBeGreaterThan(0);
      expect((await readTarget(request)).equals(bytes)).toBe(true);
    },
  );

  it.each([
    ['held, and read slowly', 'GetObject', SLOW_PART, { type: 'slow', bytesPerSecond: 2 * MIB }, 0, 0.5],
    ['held, and sent slowly', 'UploadPart', 12 * MIB, { type: 'slow-request', bytesPerSecond: 4 * MIB }, 0.5, 1],
    ['piped, and read slowly', 'GetObject', 0, { type: 'slow', bytesPerSecond: 2 * MIB }, 0, 1],
  ] as const)(
    'with a part that is %s tells of its bytes before it is finished',
    async (_way, operation, heldBytes, fault, from, to) => {
      const bytes = randomBytes(Math.max(heldBytes, SLOW_PART) - 1);
      const log = memoryLog();
      const request = { ...(await land(bytes)), plan: 'streamed' as const, log };
      const shares: number[] = [];
      const progress: TransferLog['progress'] = (made) => {
        if (log.written.length === 0 && made.parts.length === 0) shares.push(made.bytesDone / bytes.length);
        return log.progress(made);
      };
      const { client } = bed;
      const partClient = createPartClient({ ...bed.connection, stallMs: 60_000 });
      const partBuffers = new PartBuffers({ count: 1, bytes: Math.max(1, heldBytes) });
      proxy.spoil(every(operation, 1, fault));
      await createObjectStore({ client, partClient, partBuffers }).copyMultipart({
        ...request,
        log: { ...log, progress },
      });
      partClient.destroy();
      expect(shares.filter((share) => share > from && share < to).length).toBeGreaterThan(0);
      expect(shares).toEqual(shares.toSorted((one, other) => one - other));
      expect((await readTarget(request)).equals(bytes)).toBe(true);
    },
  );

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

it('a source that breaks while its part flows through is read again, and one that has changed ends the copy', async () => {
  const { client, partClient } = bed;
  const partBuffers = new PartBuffers({ count: 2, bytes: Math.ceil(PART / 5) });
  const tight = createObjectStore({ client, partClient, partBuffers, smallestPartBytes: PART });
  const bytes = randomBytes(3 * PART + 5);
  for (const fault of [{ type: 'lost-reply' }, { type: 'truncated', bytes: 100_000 }, { type: 'stalled' }] as const) {
    const request = { ...(await land(bytes)), plan: 'streamed' as const, log: memoryLog() };
    proxy.spoil(every('GetObject', 2, fault));
    await tight.copyMultipart(request);
    expect((await readTarget(request)).equals(bytes)).toBe(true);
  }
  proxy.spoil(() => undefined);
  const request = { ...(await land(bytes)), plan: 'streamed' as const, log: memoryLog() };
  const { bucket, key } = request.source;
  await direct.put({ target: { bucket, key }, body: randomBytes(3 * PART + 5) });
  const changed = { ...request, source: { ...request.source, versionId: undefined } };
  await expect(tight.copyMultipart(changed)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
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
