import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import got from 'got';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import type { ObjectStore } from './object-store.ts';
import { recordedBucket, recordedPrefix } from './replica-buckets.ts';
import { createPresigner, createS3Client } from './s3-client.ts';

/** Services of `P-standby` that were brought to work: rows name the buckets of `P`, which are in another region. */
const FAILED_OVER = { LONGSHORE_PREFIX: 'p-standby', LONGSHORE_RECORDED_PREFIX: 'p' };

let server: S3TestServer;
let client: S3Client;
let store: ObjectStore;
let presigner: S3Client;

beforeAll(async () => {
  server = await startTestServer();
  for (const name of ['p-standby-landing', 'p-standby-archive', 'a-customers']) server.server.createBucket(name);
  const connection = {
    ...FAILED_OVER,
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: server.server.url,
    region: 'us-east-1',
    credentials: TEST_CREDENTIAL,
  };
  client = createS3Client(connection);
  presigner = createPresigner(connection);
  store = createObjectStore({ client });
});
afterAll(async () => {
  client.destroy();
  presigner.destroy();
  await server.stop();
});

const plain = () => createObjectStore({ client: server.client });

test('what rows name is read from the replica, copied between replicas, and written to buckets of others', async () => {
  const source = { bucket: 'p-landing', key: 'acme/in bound/ü+1.csv' };
  const { versionId = '' } = await plain().put({ target: { ...source, bucket: 'p-standby-landing' }, body: 'a,b\n' });
  const head = await store.head({ ...source, versionId });
  if (head === 'not-found') throw new Error('not found');
  expect(head.sizeBytes).toBe(4);
  for (const bucket of ['p-archive', 'a-customers']) {
    await store.copy({
      source: { ...source, versionId, etag: head.etag },
      target: { bucket, key: 'copied.csv' },
    });
  }
  expect(await plain().head({ bucket: 'p-standby-archive', key: 'copied.csv' })).toMatchObject({ sizeBytes: 4 });
  expect(await plain().head({ bucket: 'a-customers', key: 'copied.csv' })).toMatchObject({ sizeBytes: 4 });
  const { items } = await store.listVersions({ bucket: 'p-landing' });
  expect(items).toMatchObject([{ key: source.key, versionId }]);
});

test('a presigned URL leads to the replica', async () => {
  await plain().put({ target: { bucket: 'p-standby-landing', key: 'signed.csv' }, body: 'signed' });
  const url = await getSignedUrl(presigner, new GetObjectCommand({ Bucket: 'p-landing', Key: 'signed.csv' }));
  expect(await got(url).text()).toBe('signed');
});

test('an event names the replica, and a row the recorded bucket', () => {
  expect(recordedBucket('p-standby-landing', FAILED_OVER)).toBe('p-landing');
  expect(recordedBucket('a-customers', FAILED_OVER)).toBe('a-customers');
  expect(recordedPrefix({ LONGSHORE_PREFIX: 'p' })).toBe('p');
});
