/** Multipart copies through every fault of a store, at every pace. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { MultipartCopyRequest, ObjectStore } from '#shared/files/object-store.ts';
import { createPartClient } from '#shared/files/s3-client.ts';
import { type Choose, every, once } from '#testkit/beds/faulty-store-bed.ts';
import { type MultipartBed, memoryLog, PART, startMultipartBed } from '#testkit/beds/multipart-bed.ts';
import type { S3Fault, S3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { PartBuffers } from './part-buffers.ts';
import type { CopyPlan, TransferLog } from './transfer-log.ts';

const MIB = 1024 ** 2;
/** So long that its bytes are counted on their way. */
const SLOW_PART = 5 * MIB;
const PLANS: readonly CopyPlan[] = ['server-side', 'streamed'];
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
