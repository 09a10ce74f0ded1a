import { randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findFreePort } from '#local/ports.ts';
import { readUnreplicated } from '#local/s3/replication-queue.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

const FIRST = 'longshore-landing';
const SECOND = 'longshore-standby-landing';
const MIB = 1024 * 1024;
let ports: { readonly first: number; readonly second: number };
let first: S3TestServer;
let second: S3TestServer;

const start = (which: 'first' | 'second') => {
  const other = which === 'first' ? 'second' : 'first';
  const [from, to] = which === 'first' ? [FIRST, SECOND] : [SECOND, FIRST];
  return startTestServer({
    port: ports[which],
    replication: {
      endpoint: `http://127.0.0.1:${ports[other]}`,
      region: 'us-east-1',
      credentials: TEST_CREDENTIAL,
      rules: [{ from, to, deleteMarkers: true }],
    },
  });
};

beforeAll(async () => {
  ports = { first: await findFreePort(), second: await findFreePort() };
  first = await start('first');
  second = await start('second');
  first.server.createBucket(FIRST);
  second.server.createBucket(SECOND);
});
afterAll(() => Promise.all([first.stop(), second.stop()]));

const untilCarried = ({ directory }: S3TestServer) =>
  waitUntil('everything is replicated', () => readUnreplicated(directory).length === 0, { timeoutMs: 60_000 });

async function versionsOf({ client }: S3TestServer, Bucket: string, Prefix: string) {
  const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix }));
  const named = (each: { VersionId?: string | undefined; IsLatest?: boolean | undefined }[]) =>
    each.map(({ VersionId, IsLatest }) => ({ VersionId, IsLatest }));
  return { versions: named(Versions), markers: named(DeleteMarkers) };
}

async function readAll({ client }: S3TestServer, Bucket: string, Key: string, VersionId?: string) {
  const reply = await client.send(
    new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED', ...(VersionId && { VersionId }) }),
  );
  const bytes = Buffer.from(await reply.Body!.transformToByteArray());
  const { ETag, Metadata, ContentType, LastModified, ChecksumCRC64NVME, ReplicationStatus } = reply;
  return { bytes, same: { ETag, Metadata, ContentType, LastModified, ChecksumCRC64NVME }, ReplicationStatus };
}

test('versions, delete markers, metadata and tags are copied under their own version ids', async () => {
  const Key = 'acme/in/ä b+%.csv';
  for (const Body of ['one', randomBytes(200_000)])
    await first.client.send(
      new PutObjectCommand({
        Bucket: FIRST,
        Key,
        Body,
        ContentType: 'text/csv',
        Metadata: { owner: 'acme' },
        Tagging: 'a=1',
      }),
    );
  await untilCarried(first);
  await first.client.send(
    new PutObjectTaggingCommand({ Bucket: FIRST, Key, Tagging: { TagSet: [{ Key: 'a', Value: '2' }] } }),
  );
  const [source, replica] = [await readAll(first, FIRST, Key), await readAll(second, SECOND, Key)];
  expect(replica.bytes.equals(source.bytes)).toBe(true);
  expect(replica.same).toEqual(source.same);
  await untilCarried(first);
  const { TagSet } = await second.client.send(new GetObjectTaggingCommand({ Bucket: SECOND, Key }));
  expect(TagSet).toEqual([{ Key: 'a', Value: '2' }]);
  const head = await first.client.send(new HeadObjectCommand({ Bucket: FIRST, Key }));
  expect([head.ReplicationStatus, replica.ReplicationStatus]).toEqual(['COMPLETED', 'REPLICA']);

  await first.client.send(new DeleteObjectCommand({ Bucket: FIRST, Key }));
  await untilCarried(first);
  expect(await versionsOf(second, SECOND, Key)).toEqual(await versionsOf(first, FIRST, Key));
});

test('the deletion of a version is not replicated, and a replica goes to no third place', async () => {
  const Key = 'acme/in/kept';
  const { VersionId } = await first.client.send(new PutObjectCommand({ Bucket: FIRST, Key, Body: 'kept' }));
  await untilCarried(first);
  await first.client.send(new DeleteObjectCommand({ Bucket: FIRST, Key, VersionId }));
  const { VersionId: own } = await second.client.send(
    new PutObjectCommand({ Bucket: SECOND, Key, Body: 'of the other' }),
  );
  await untilCarried(second);
  expect(await versionsOf(first, FIRST, Key)).toEqual({ versions: [{ VersionId: own, IsLatest: true }], markers: [] });
  expect((await versionsOf(second, SECOND, Key)).versions.map((each) => each.VersionId)).toEqual([own, VersionId]);
});

test('a multipart object keeps its ETag and checksum; what is written while the other server is away waits', async () => {
  const Key = 'acme/in/large';
  await second.stop();
  const of = { Bucket: FIRST, Key };
  const { UploadId } = await first.client.send(
    new CreateMultipartUploadCommand({ ...of, ChecksumAlgorithm: 'CRC64NVME' }),
  );
  const parts = [randomBytes(5 * MIB), randomBytes(1000)];
  const sent = [];
  for (const [index, Body] of parts.entries()) {
    const part = { ...of, UploadId, PartNumber: index + 1, Body };
    const { ETag } = await first.client.send(new UploadPartCommand(part));
    sent.push({ ETag, PartNumber: index + 1 });
  }
  await first.client.send(new CompleteMultipartUploadCommand({ ...of, UploadId, MultipartUpload: { Parts: sent } }));
  expect(readUnreplicated(first.directory)).toEqual([
    expect.objectContaining({ bucket: FIRST, key: Key, sizeBytes: 5 * MIB + 1000 }),
  ]);
  const head = await first.client.send(new HeadObjectCommand(of));
  expect(head.ReplicationStatus).toBe('PENDING');
  second = await start('second');
  second.server.createBucket(SECOND);
  await untilCarried(first);
  const [source, replica] = [await readAll(first, FIRST, Key), await readAll(second, SECOND, Key)];
  expect(replica.bytes.equals(Buffer.concat(parts))).toBe(true);
  expect(replica.same).toEqual(source.same);
});
