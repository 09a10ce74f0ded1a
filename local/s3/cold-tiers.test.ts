/** Objects in cold storage classes, as Amazon S3 answers about them (API reference: RestoreObject, GetObject, HeadObject). */
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  RestoreObjectCommand,
  type StorageClass,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkReadable, tierHeaders } from '#local/s3/cold-tiers.ts';
import type { ObjectVersion } from '#local/s3/version-store.ts';
import { type S3TestServer, startTestServer } from '#testkit/servers/s3-server.ts';

let s3: S3TestServer;
beforeAll(async () => {
  s3 = await startTestServer();
  s3.server.createBucket('cold');
});
afterAll(() => s3.stop());

const named = (Key: string) => ({ Bucket: 'cold', Key });
const put = (key: string, StorageClass: string) =>
  s3.client.send(new PutObjectCommand({ ...named(key), Body: 'abc', StorageClass: StorageClass as StorageClass }));
const get = async (key: string) => (await s3.client.send(new GetObjectCommand(named(key)))).Body?.transformToString();
const restore = async (key: string) =>
  (await s3.client.send(new RestoreObjectCommand({ ...named(key), RestoreRequest: { Days: 2 } }))).$metadata
    .httpStatusCode;
const head = async (key: string) => await s3.client.send(new HeadObjectCommand(named(key)));
const REFUSED = { name: 'InvalidObjectState', $metadata: { httpStatusCode: 403 } };

test('of a cold class are neither read nor copied before they are restored', async () => {
  await put('cold', 'DEEP_ARCHIVE');
  expect(await head('cold')).toMatchObject({ StorageClass: 'DEEP_ARCHIVE', ContentLength: 3 });
  const copy = () => s3.client.send(new CopyObjectCommand({ ...named('copy'), CopySource: 'cold/cold' }));
  await expect(get('cold')).rejects.toMatchObject(REFUSED);
  await expect(copy()).rejects.toMatchObject(REFUSED);
  expect(await restore('cold')).toBe(202);
  await vi.waitFor(() => get('cold'), { timeout: 60_000, interval: 50 });
  expect((await head('cold')).Restore).toMatch(/^ongoing-request="false", expiry-date="\w{3}, .* GMT"$/);
  expect(await get('cold')).toBe('abc');
  await copy();
  expect(await get('copy')).toBe('abc');
  expect(await restore('cold')).toBe(200);
});

test('of other classes are read at any time, and not restored', async () => {
  await put('warm', 'STANDARD_IA');
  expect(await get('warm')).toBe('abc');
  await expect(restore('warm')).rejects.toMatchObject(REFUSED);
  const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: 'cold', Prefix: 'warm' }));
  expect(Contents[0]?.StorageClass).toBe('STANDARD_IA');
  await expect(put('odd', 'LUKEWARM')).rejects.toMatchObject({ name: 'InvalidStorageClass' });
});

test('are being restored, then readable, then cold again when the days of the copy are over', () => {
  const details = { storageClass: 'GLACIER', restore: { readableMs: 1_000, endsMs: 5_000 } };
  const version = { details } as unknown as ObjectVersion;
  const refused = "The operation is not valid for the object's storage class";
  expect(() => checkReadable(version, 999)).toThrow(refused);
  expect(tierHeaders(version, 999)['x-amz-restore']).toBe('ongoing-request="true"');
  checkReadable(version, 1_000);
  checkReadable(version, 4_999);
  expect(() => checkReadable(version, 5_000)).toThrow(refused);
  expect(tierHeaders(version, 5_000)).toEqual({ 'x-amz-storage-class': 'GLACIER' });
});
