import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDigest } from '#local/s3/checksum.ts';
import { openEventJournal } from '#local/s3/event-journal.ts';
import { openMetadataDatabase } from '#local/s3/metadata-database.ts';
import { anyCharacter } from '#testkit/seeds/any-character.ts';
import { type S3TestServer, startTestServer } from '#testkit/servers/s3-server.ts';

const Bucket = 'landing';
const MIB = 1024 * 1024;
const EMPTY = new Uint8Array();
const NOT_IN_XML = /[\p{Cc}\ufffe\uffff]/u;
let s3: S3TestServer;

beforeAll(async () => {
  s3 = await startTestServer();
  s3.server.createBucket(Bucket, { hasEvents: true });
});
afterAll(() => s3.stop());

const put = (Key: string, Body: string | Buffer = 'content', more = {}) =>
  s3.client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = async (Key: string, more = {}) => {
  const reply = await s3.client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from(await reply.Body!.transformToByteArray());
};
const head = (Key: string, more = {}) => s3.client.send(new HeadObjectCommand({ Bucket, Key, ...more }));
const failure = (code: string, status?: number) =>
  expect.objectContaining({
    name: code,
    ...(status === undefined ? {} : { $metadata: expect.objectContaining({ httpStatusCode: status }) }),
  });
function crc64(bytes: Buffer): string {
  const digest = createDigest('CRC64NVME');
  digest.update(bytes);
  return digest.digest().toString('base64');
}

describe('objects', () => {
  it.each([0, 1, 4096, 65_536, 65_537, 3 * MIB + 1])('%i bytes come back as they were put', async (size) => {
    const body = randomBytes(size);
    const reply = await put(`sizes/${size}`, body);
    expect(reply.ETag).toBe(`"${createHash('md5').update(body).digest('hex')}"`);
    expect(reply.VersionId).toMatch(/^.{32}$/);
    expect((await get(`sizes/${size}`)).equals(body)).toBe(true);
  });

  it('keeps headers, user metadata and tags', async () => {
    await put('described', 'x', {
      ContentType: 'text/csv',
      ContentDisposition: 'inline',
      CacheControl: 'no-store',
      Metadata: { Owner: 'acme  corp', __proto__x: '1' },
      Tagging: 'a=1&b=%C3%BC',
    });
    const described = await head('described');
    expect(described).toMatchObject({
      ContentType: 'text/csv',
      ContentDisposition: 'inline',
      CacheControl: 'no-store',
      Metadata: { owner: 'acme  corp', __proto__x: '1' },
      ContentLength: 1,
      TagCount: 2,
    });
    const { TagSet } = await s3.client.send(new GetObjectTaggingCommand({ Bucket, Key: 'described' }));
    expect(TagSet).toEqual([
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: 'ü' },
    ]);
    await s3.client.send(
      new PutObjectTaggingCommand({ Bucket, Key: 'described', Tagging: { TagSet: [{ Key: '<&>', Value: '"' }] } }),
    );
    const changed = await s3.client.send(new GetObjectTaggingCommand({ Bucket, Key: 'described' }));
    expect(changed.TagSet).toEqual([{ Key: '<&>', Value: '"' }]);
    expect((await get('described')).toString()).toBe('x');
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)('checks and returns %s', async (algorithm) => {
    const body = randomBytes(1000);
    const digest = createDigest(algorithm);
    digest.update(body);
    const value = digest.digest().toString('base64');
    const field = `Checksum${algorithm}`;
    await put('checked', body, { [field]: value });
    expect(await head('checked', { ChecksumMode: 'ENABLED' })).toMatchObject({
      [field]: value,
      ChecksumType: 'FULL_OBJECT',
    });
    await expect(put('checked-wrong', `${body}x`, { [field]: value })).rejects.toEqual(failure('BadDigest', 400));
    await expect(head('checked-wrong')).rejects.toEqual(failure('NotFound', 404));
  });

  it('keeps a content encoding as it was given, but for aws-chunked', async () => {
    for (const [given, kept] of [
      ['deflate, gzip', 'deflate, gzip'],
      ['deflate,gzip', 'deflate,gzip'],
      ['gzip, aws-chunked', 'gzip'],
      ['aws-chunked', undefined],
    ]) {
      await put('encoded', 'x', { ContentEncoding: given });
      expect((await head('encoded')).ContentEncoding).toBe(kept);
    }
  });

  it('checks Content-MD5', async () => {
    const ContentMD5 = createHash('md5').update('other').digest('base64');
    await expect(put('md5', 'content', { ContentMD5 })).rejects.toEqual(failure('BadDigest'));
    await expect(put('md5', 'content', { ContentMD5: 'short' })).rejects.toEqual(failure('InvalidDigest'));
  });

  it('streams a body of known length with a trailing checksum', async () => {
    const body = randomBytes(2 * MIB);
    await put('streamed', Readable.from([body.subarray(0, 7), body.subarray(7)]) as unknown as Buffer, {
      ContentLength: body.length,
    });
    expect((await get('streamed')).equals(body)).toBe(true);
  });

  it('answers ranges, of small and of large bodies', async () => {
    for (const size of [100, 200_000]) {
      const body = randomBytes(size);
      await put('ranged', body);
      expect(await get('ranged', { Range: 'bytes=0-0' })).toEqual(body.subarray(0, 1));
      expect(await get('ranged', { Range: 'bytes=-10' })).toEqual(body.subarray(-10));
      expect(await get('ranged', { Range: 'bytes=90-' })).toEqual(body.subarray(90));
      expect(await get('ranged', { Range: `bytes=50-${size * 2}` })).toEqual(body.subarray(50));
      const reply = await head('ranged', { Range: 'bytes=1-2' });
      expect(reply).toMatchObject({ ContentLength: 2, ContentRange: `bytes 1-2/${size}` });
      await expect(get('ranged', { Range: `bytes=${size}-` })).rejects.toEqual(failure('InvalidRange', 416));
    }
  });

  it('honours conditions on reads and writes', async () => {
    const { ETag } = await put('conditional');
    await expect(put('conditional', 'new', { IfNoneMatch: '*' })).rejects.toEqual(failure('PreconditionFailed', 412));
    await expect(put('conditional', 'new', { IfMatch: '"other"' })).rejects.toEqual(failure('PreconditionFailed'));
    await expect(put('conditional-no', 'new', { IfMatch: ETag })).rejects.toEqual(failure('NoSuchKey', 404));
    await put('conditional', 'new', { IfMatch: ETag });
    await expect(get('conditional', { IfMatch: ETag })).rejects.toEqual(failure('PreconditionFailed'));
    const current = await head('conditional');
    await expect(get('conditional', { IfNoneMatch: current.ETag })).rejects.toMatchObject({
      $metadata: { httpStatusCode: 304 },
    });
  });

  it('lets exactly one of many creations by If-None-Match win', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => put('contended', `writer ${index}`, { IfNoneMatch: '*' })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('honours conditions on deletions, of one object and of several, and deletes nothing where one does not hold', async () => {
    const { ETag, VersionId } = await put('to-delete');
    const of = { Bucket, Key: 'to-delete' };
    const other = { IfMatch: '"other"' };
    for (const condition of [
      other,
      { ...other, VersionId },
      { IfMatchSize: 1 },
      { IfMatchLastModifiedTime: new Date(0) },
    ])
      await expect(s3.client.send(new DeleteObjectCommand({ ...of, ...condition }))).rejects.toEqual(
        failure('PreconditionFailed', 412),
      );
    const several = {
      Bucket,
      Delete: {
        Objects: [
          { Key: 'to-delete', ETag: '"other"' },
          { Key: 'to-delete', Size: 1 },
        ],
      },
    };
    const { Errors, Deleted } = await s3.client.send(new DeleteObjectsCommand(several));
    expect(Errors?.map(({ Code }) => Code)).toEqual(['PreconditionFailed', 'PreconditionFailed']);
    expect(Deleted).toBeUndefined();
    expect(String(await get('to-delete'))).toBe('content');
    await s3.client.send(new DeleteObjectCommand({ ...of, IfMatch: ETag }));
    await expect(head('to-delete')).rejects.toThrow();
    await s3.client.send(new DeleteObjectCommand({ Bucket, Key: 'never-there', IfMatch: ETag }));
    const { DeleteMarkers } = await s3.client.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'never-there' }));
    expect(DeleteMarkers).toBeUndefined();
  });

  it('writes by If-None-Match unless the object is the one named', async () => {
    const { ETag } = await put('none-match');
    await expect(put('none-match', 'new', { IfNoneMatch: ETag })).rejects.toEqual(failure('PreconditionFailed', 412));
    await put('none-match', 'new', { IfNoneMatch: '"other"' });
    expect(String(await get('none-match'))).toBe('new');
  });

  it('says what is missing', async () => {
    await expect(get('absent')).rejects.toEqual(failure('NoSuchKey', 404));
    const elsewhere = new GetObjectCommand({ Bucket: 'nowhere', Key: 'k' });
    await expect(s3.client.send(elsewhere)).rejects.toEqual(failure('NoSuchBucket', 404));
    await expect(get('absent', { VersionId: 'x' })).rejects.toEqual(failure('InvalidArgument', 400));
    await expect(get('absent', { VersionId: 'a'.repeat(32) })).rejects.toEqual(failure('NoSuchVersion', 404));
    await expect(put('k'.repeat(1025))).rejects.toEqual(failure('KeyTooLongError', 400));
    await expect(put('big', 'x', { Metadata: { a: 'y'.repeat(2100) } })).rejects.toEqual(failure('MetadataTooLarge'));
  });
});

describe('versions', () => {
  it('keeps every version until it is deleted by its id', async () => {
    const first = await put('versioned', 'one');
    const second = await put('versioned', 'two');
    expect((await get('versioned', { VersionId: first.VersionId })).toString()).toBe('one');
    const marker = await s3.client.send(new DeleteObjectCommand({ Bucket, Key: 'versioned' }));
    expect(marker.DeleteMarker).toBe(true);
    await expect(get('versioned')).rejects.toEqual(failure('NoSuchKey'));
    await expect(get('versioned', { VersionId: marker.VersionId })).rejects.toEqual(failure('MethodNotAllowed', 405));
    const listed = await s3.client.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'versioned' }));
    expect(listed.DeleteMarkers).toMatchObject([{ VersionId: marker.VersionId, IsLatest: true }]);
    expect(listed.Versions).toMatchObject([
      { VersionId: second.VersionId, IsLatest: false },
      { VersionId: first.VersionId, IsLatest: false },
    ]);
    for (const { VersionId } of [marker, second])
      await s3.client.send(new DeleteObjectCommand({ Bucket, Key: 'versioned', VersionId: VersionId! }));
    expect((await get('versioned')).toString()).toBe('one');
  });

  it('overwrites in a bucket without versioning, and keeps one null version when suspended', async () => {
    const client = s3.client;
    await client.send(new CreateBucketCommand({ Bucket: 'plain' }));
    for (const Body of ['a', 'b']) await client.send(new PutObjectCommand({ Bucket: 'plain', Key: 'k', Body }));
    const versioning = (Status: 'Enabled' | 'Suspended') =>
      client.send(new PutBucketVersioningCommand({ Bucket: 'plain', VersioningConfiguration: { Status } }));
    await versioning('Enabled');
    const kept = await client.send(new PutObjectCommand({ Bucket: 'plain', Key: 'k', Body: 'c' }));
    await versioning('Suspended');
    await client.send(new PutObjectCommand({ Bucket: 'plain', Key: 'k', Body: 'd' }));
    const { Versions } = await client.send(new ListObjectVersionsCommand({ Bucket: 'plain' }));
    expect(Versions?.map(({ VersionId }) => VersionId)).toEqual(['null', kept.VersionId]);
    expect((await client.send(new GetBucketVersioningCommand({ Bucket: 'plain' }))).Status).toBe('Suspended');
  });
});

describe('copies', () => {
  it('copies content with or without its metadata, also a given version', async () => {
    const { VersionId } = await put('source ü&+', 'old', { Metadata: { a: '1' }, Tagging: 't=1' });
    await put('source ü&+', 'new');
    const CopySource = `${Bucket}/${encodeURIComponent('source ü&+')}?versionId=${VersionId}`;
    const copied = await s3.client.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource }));
    expect(copied.CopySourceVersionId).toBe(VersionId);
    expect((await get('copied')).toString()).toBe('old');
    expect(await head('copied')).toMatchObject({ Metadata: { a: '1' }, TagCount: 1 });
    await s3.client.send(
      new CopyObjectCommand({ Bucket, Key: 'copied', CopySource, MetadataDirective: 'REPLACE', Metadata: { b: '2' } }),
    );
    expect((await head('copied')).Metadata).toEqual({ b: '2' });
  });

  it('outlives its source', async () => {
    for (const size of [10, 200_000]) {
      const body = randomBytes(size);
      const { VersionId } = await put('mortal', body);
      await s3.client.send(new CopyObjectCommand({ Bucket, Key: 'heir', CopySource: `${Bucket}/mortal` }));
      await s3.client.send(new DeleteObjectCommand({ Bucket, Key: 'mortal', VersionId: VersionId! }));
      expect((await get('heir')).equals(body)).toBe(true);
    }
  });

  it('honours conditions on source and destination', async () => {
    await put('conditions-source');
    const copy = (more: object) =>
      s3.client.send(new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/conditions-source`, ...more }));
    await expect(copy({ CopySourceIfMatch: '"no"' })).rejects.toEqual(failure('PreconditionFailed', 412));
    await copy({ IfNoneMatch: '*' });
    await expect(copy({ IfNoneMatch: '*' })).rejects.toEqual(failure('PreconditionFailed', 412));
    await expect(copy({ Key: 'conditions-source' })).rejects.toEqual(failure('InvalidRequest', 400));
  });

  it('computes the checksum that is asked for', async () => {
    const body = randomBytes(100_000);
    await put('crc32', body);
    const { CopyObjectResult } = await s3.client.send(
      new CopyObjectCommand({ Bucket, Key: 'crc64', CopySource: `${Bucket}/crc32`, ChecksumAlgorithm: 'CRC64NVME' }),
    );
    expect(CopyObjectResult?.ChecksumCRC64NVME).toBe(crc64(body));
  });
});

describe('multipart uploads', () => {
  const start = async (Key: string, more = {}) =>
    (await s3.client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }))).UploadId!;
  const part = (Key: string, UploadId: string, PartNumber: number, Body: Buffer) =>
    s3.client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
  const complete = (Key: string, UploadId: string, Parts: { PartNumber: number; ETag?: string | undefined }[]) =>
    s3.client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: Parts as never } }),
    );

  it.each([
    ['outside of the source', 'bytes=0-21', 'InvalidRange', 416],
    ['without an end', 'bytes=0-', 'InvalidArgument', 400],
    ['that ends before it begins', 'bytes=3-1', 'InvalidArgument', 400],
  ])('refuses to copy a range %s', async (_what, CopySourceRange, code, status) => {
    const Key = 'multipart/refused-range';
    await put('five-bytes', Buffer.from('12345'));
    const UploadId = await start(Key);
    const CopySource = `${Bucket}/five-bytes`;
    const copy = new UploadPartCopyCommand({ Bucket, Key, UploadId, PartNumber: 1, CopySource, CopySourceRange });
    await expect(s3.client.send(copy)).rejects.toEqual(failure(code, status));
    await s3.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    await s3.client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'five-bytes' }] } }));
  });

  it.each(['ChecksumSHA256', 'ChecksumCRC64NVME'])(
    'refuses a %s that is not a digest as one that does not match',
    async (name) => {
      await expect(put('bad-digest', Buffer.from('x'), { [name]: 'bad' })).rejects.toEqual(failure('BadDigest', 400));
    },
  );

  it('makes one object of sent and copied parts, with the CRC of the whole', async () => {
    const Key = 'multipart/whole';
    const [first, source, last] = [randomBytes(5 * MIB), randomBytes(6 * MIB), randomBytes(10)];
    await put('multipart-source', source);
    const UploadId = await start(Key, { ChecksumAlgorithm: 'CRC64NVME' });
    const sent = await part(Key, UploadId, 1, first);
    const copied = await s3.client.send(
      new UploadPartCopyCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber: 3,
        CopySource: `${Bucket}/multipart-source`,
        CopySourceRange: `bytes=7-${5 * MIB + 6}`,
      }),
    );
    const ended = await part(Key, UploadId, 10, last);
    const listed = await s3.client.send(new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 2 }));
    expect(listed.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([1, 3]);
    expect(listed).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '3' });
    const done = await complete(Key, UploadId, [
      { PartNumber: 1, ETag: sent.ETag },
      { PartNumber: 3, ETag: copied.CopyPartResult?.ETag },
      { PartNumber: 10, ETag: ended.ETag },
    ]);
    const whole = Buffer.concat([first, source.subarray(7, 5 * MIB + 7), last]);
    expect(done.ETag).toMatch(/^"[0-9a-f]{32}-3"$/);
    expect(done).toMatchObject({ ChecksumCRC64NVME: crc64(whole), ChecksumType: 'FULL_OBJECT' });
    await s3.client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'multipart-source' }] } }));
    expect((await get(Key)).equals(whole)).toBe(true);
    const range = `bytes=${5 * MIB - 3}-${10 * MIB + 4}`;
    expect((await get(Key, { Range: range })).equals(whole.subarray(5 * MIB - 3, 10 * MIB + 5))).toBe(true);
    await expect(complete(Key, UploadId, [{ PartNumber: 1, ETag: sent.ETag }])).rejects.toEqual(
      failure('NoSuchUpload'),
    );
  });

  it("works with lib-storage's defaults", async () => {
    const body = randomBytes(11 * MIB);
    const params = { Bucket, Key: 'uploaded', Body: Readable.from([body.subarray(0, 100), body.subarray(100)]) };
    await new Upload({ client: s3.client, params }).done();
    expect((await get('uploaded')).equals(body)).toBe(true);
  });

  it('answers a completion that is asked for again as the first time', async () => {
    const of = { Bucket, Key: 'completed-twice' };
    const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand(of));
    const { ETag } = await s3.client.send(
      new UploadPartCommand({ ...of, UploadId, PartNumber: 1, Body: Buffer.from('x') }),
    );
    const complete = () =>
      s3.client.send(
        new CompleteMultipartUploadCommand({ ...of, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }),
      );
    const first = await complete();
    expect({ ...(await complete()), $metadata: undefined }).toEqual({ ...first, $metadata: undefined });
    const versions = await s3.client.send(new ListObjectVersionsCommand({ Bucket, Prefix: of.Key }));
    expect(versions.Versions).toHaveLength(1);
    await put(of.Key, 'newer');
    await expect(complete()).rejects.toEqual(failure('NoSuchUpload', 404));
  });

  it('refuses parts that are missing, out of order or too small', async () => {
    const Key = 'multipart/refused';
    const UploadId = await start(Key);
    const { ETag } = await part(Key, UploadId, 1, randomBytes(10));
    const second = await part(Key, UploadId, 2, randomBytes(10));
    const parts = [
      { PartNumber: 1, ETag },
      { PartNumber: 2, ETag: second.ETag },
    ];
    await expect(complete(Key, UploadId, [{ PartNumber: 1, ETag: '"x"' }])).rejects.toEqual(failure('InvalidPart'));
    await expect(complete(Key, UploadId, parts.toReversed())).rejects.toEqual(failure('InvalidPartOrder'));
    await expect(complete(Key, UploadId, parts)).rejects.toEqual(failure('EntityTooSmall'));
    await s3.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    await expect(part(Key, UploadId, 1, randomBytes(1))).rejects.toEqual(failure('NoSuchUpload', 404));
  });

  it('lists uploads by key and age, in pages', async () => {
    const ids = [await start('list/a'), await start('list/a'), await start('list/b')];
    const page = (more: object) =>
      s3.client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'list/', MaxUploads: 2, ...more }));
    const first = await page({});
    expect(first.Uploads?.map(({ UploadId }) => UploadId)).toEqual(ids.slice(0, 2));
    const second = await page({ KeyMarker: first.NextKeyMarker, UploadIdMarker: first.NextUploadIdMarker });
    expect(second.Uploads?.map(({ UploadId }) => UploadId)).toEqual(ids.slice(2));
    expect(second.IsTruncated).toBe(false);
  });

  it('leaves no file behind once everything is deleted', async () => {
    const own = await startTestServer();
    try {
      own.server.createBucket(Bucket);
      const params = { Bucket, Key: 'k', Body: randomBytes(6 * MIB) };
      await new Upload({ client: own.client, params }).done();
      await own.client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k` }));
      const { Versions } = await own.client.send(new ListObjectVersionsCommand({ Bucket }));
      const Objects = Versions!.map(({ Key, VersionId }) => ({ Key, VersionId }));
      const { Deleted } = await own.client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
      expect(Deleted).toBeUndefined();
      await expect.poll(() => bodyFiles(own.directory)).toEqual([]);
    } finally {
      await own.stop();
    }
  });
});

function bodyFiles(directory: string): string[] {
  return readdirSync(join(directory, 'bodies'), { recursive: true })
    .map(String)
    .filter((name) => name.includes('/'));
}

describe('listings', () => {
  const names = ['a', 'dir/1', 'dir/2', 'dir/sub/3', 'dir0', 'ü', '\u{1F600}', '\uffee', 'z z', 'x&<>'];

  beforeAll(async () => {
    s3.server.createBucket('lists');
    for (const Key of names) await s3.client.send(new PutObjectCommand({ Bucket: 'lists', Key, Body: EMPTY }));
    await s3.client.send(new PutObjectCommand({ Bucket: 'lists', Key: 'gone/1', Body: EMPTY }));
    await s3.client.send(new DeleteObjectCommand({ Bucket: 'lists', Key: 'gone/1' }));
  });

  it('are in the byte order of keys, in pages of any size, url-encoded or not', async () => {
    const expected = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const MaxKeys of [1, 3, 1000])
      for (const encoding of [{}, { EncodingType: 'url' as const }]) {
        const found: string[] = [];
        let ContinuationToken: string | undefined;
        do {
          const page = await s3.client.send(
            new ListObjectsV2Command({ Bucket: 'lists', MaxKeys, ContinuationToken, ...encoding }),
          );
          const decode = 'EncodingType' in encoding ? decodeURIComponent : (name: string) => name;
          found.push(...page.Contents!.map(({ Key }) => decode(Key!)));
          ContinuationToken = page.NextContinuationToken;
        } while (ContinuationToken !== undefined);
        expect(found).toEqual(expected);
      }
  });

  it('roll keys up to common prefixes, each counted once over all pages', async () => {
    const prefixes: string[] = [];
    const keys: string[] = [];
    let Marker: string | undefined;
    do {
      const page = await s3.client.send(
        new ListObjectsCommand({ Bucket: 'lists', Delimiter: '/', MaxKeys: 1, Marker }),
      );
      prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!));
      keys.push(...(page.Contents ?? []).map(({ Key }) => Key!));
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(prefixes).toEqual(['dir/']);
    expect(keys).toHaveLength(7);
    const below = await s3.client.send(new ListObjectsV2Command({ Bucket: 'lists', Delimiter: '/', Prefix: 'dir/' }));
    expect(below.Contents?.map(({ Key }) => Key)).toEqual(['dir/1', 'dir/2']);
    expect(below.CommonPrefixes).toEqual([{ Prefix: 'dir/sub/' }]);
  });

  it('name the owner: always the older kind and that of versions, the newer kind on request', async () => {
    const owner = { ID: 'tester', DisplayName: 'tester' };
    await put('owned/a');
    const of = { Bucket, Prefix: 'owned/' };
    expect((await s3.client.send(new ListObjectsCommand(of))).Contents?.[0]?.Owner).toEqual(owner);
    expect((await s3.client.send(new ListObjectVersionsCommand(of))).Versions?.[0]?.Owner).toEqual(owner);
    expect((await s3.client.send(new ListObjectsV2Command(of))).Contents?.[0]?.Owner).toBeUndefined();
    const asked = await s3.client.send(new ListObjectsV2Command({ ...of, FetchOwner: true }));
    expect(asked.Contents?.[0]?.Owner).toEqual(owner);
  });

  it('page through the versions of one key', async () => {
    const put = () => s3.client.send(new PutObjectCommand({ Bucket: 'lists', Key: 'many', Body: EMPTY }));
    const written = [(await put()).VersionId, (await put()).VersionId, (await put()).VersionId];
    const found: (string | undefined)[] = [];
    let markers = {};
    for (let pages = 0; pages < 3; pages++) {
      const page = await s3.client.send(
        new ListObjectVersionsCommand({ Bucket: 'lists', Prefix: 'many', MaxKeys: 1, ...markers }),
      );
      expect(page.Versions?.[0]?.IsLatest).toBe(pages === 0);
      found.push(page.Versions?.[0]?.VersionId);
      markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
    }
    expect(found).toEqual(written.toReversed());
  });

  it('show buckets, their region and their absence', async () => {
    const { Buckets } = await s3.client.send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).toContain('lists');
    expect((await s3.client.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint ?? '').toBe('');
    await expect(s3.client.send(new HeadBucketCommand({ Bucket: 'nowhere' }))).rejects.toEqual(
      failure('NotFound', 404),
    );
  });
});

describe('buckets', () => {
  it('go with the uploads that are unfinished in them, and leave no file', async () => {
    const bucket = { Bucket: 'only-an-upload' };
    await s3.client.send(new CreateBucketCommand(bucket));
    const upload = { ...bucket, Key: 'unfinished' };
    const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand(upload));
    await s3.client.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: randomBytes(100_000) }));
    await s3.client.send(new DeleteBucketCommand(bucket));
    await expect(s3.client.send(new HeadBucketCommand(bucket))).rejects.toThrow();
    await s3.client.send(new CreateBucketCommand(bucket));
    const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand(bucket));
    expect(Uploads).toEqual([]);
    await s3.client.send(new PutObjectCommand({ ...bucket, Key: 'k', Body: '' }));
    await expect(s3.client.send(new DeleteBucketCommand(bucket))).rejects.toEqual(failure('BucketNotEmpty', 409));
  });

  it('are left as they are when they are created again', async () => {
    await put('kept', 'kept');
    await s3.client.send(new CreateBucketCommand({ Bucket }));
    expect(String(await get('kept'))).toBe('kept');
    expect((await s3.client.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Enabled');
  });

  it.each(['foo.-bar', 'foo-.bar', 'foo..bar', '-foo', 'foo.', 'Foo', '192.0.2.1', 'ab'])(
    'are not called %s',
    async (name) => {
      await expect(s3.client.send(new CreateBucketCommand({ Bucket: name }))).rejects.toEqual(
        failure('InvalidBucketName', 400),
      );
    },
  );

  it('are listed in pages', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) await s3.client.send(new CreateBucketCommand({ Bucket: name }));
    const names: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await s3.client.send(new ListBucketsCommand({ Prefix: 'page-', MaxBuckets: 2, ContinuationToken }));
      names.push(...page.Buckets!.map(({ Name }) => Name));
      ({ ContinuationToken } = page);
    } while (ContinuationToken !== undefined);
    expect(names).toEqual(['page-a', 'page-b', 'page-c']);
  });
});

describe('keys', () => {
  const segment = fc.oneof(
    fc.constantFrom('..', '.', '', '/', '//', '%2e%2e', '\\', '&<>"\'', '+', '?', '#', ' ', '~', '*'),
    fc.string({ unit: anyCharacter, maxLength: 40 }),
  );
  const key = fc
    .array(segment, { minLength: 1, maxLength: 8 })
    .map((segments) => segments.join('/'))
    .filter((text) => {
      const bytes = Buffer.byteLength(text);
      return bytes > 0 && bytes <= 1024 && text.isWellFormed() && !NOT_IN_XML.test(text);
    });

  it('of every legal kind come back, are listed, are deleted, and never leave the directory', async () => {
    s3.server.createBucket('keys');
    await fc.assert(
      fc.asyncProperty(key, async (Key) => {
        const { client } = s3;
        const { VersionId } = await client.send(new PutObjectCommand({ Bucket: 'keys', Key, Body: Key }));
        const reply = await client.send(new GetObjectCommand({ Bucket: 'keys', Key }));
        expect(await reply.Body?.transformToString()).toBe(Key);
        const listed = await client.send(new ListObjectsV2Command({ Bucket: 'keys', EncodingType: 'url' }));
        expect(listed.Contents?.map((entry) => decodeURIComponent(entry.Key!))).toEqual([Key]);
        await client.send(new DeleteObjectCommand({ Bucket: 'keys', Key, VersionId: VersionId! }));
        const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket: 'keys' }));
        expect(KeyCount).toBe(0);
      }),
      { numRuns: 150, examples: [['../../escape'], ['/lead'], ['a//b'], ['k'.repeat(1024)], ['ü'.repeat(512)]] },
    );
    const outside = readdirSync(s3.directory).filter(
      (name) => !/^(metadata|journal-removed)\.sqlite(-shm|-wal)?$/.test(name),
    );
    expect(outside).toEqual(['bodies']);
    expect(existsSync(join(dirname(s3.directory), 'escape'))).toBe(false);
  });
});

describe('events', () => {
  it('are in the journal when the reply is there, for buckets that have them', async () => {
    const client = s3.client;
    await client.send(new CreateBucketCommand({ Bucket: 'eventful' }));
    await client.send(new PutObjectCommand({ Bucket: 'eventful', Key: 'before', Body: EMPTY }));
    await client.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: 'eventful',
        NotificationConfiguration: { EventBridgeConfiguration: {} },
      }),
    );
    await client.send(new PutObjectCommand({ Bucket: 'eventful', Key: 'k', Body: 'abc' }));
    await client.send(new CopyObjectCommand({ Bucket: 'eventful', Key: 'k', CopySource: 'eventful/before' }));
    const journal = openEventJournal(s3.directory);
    const events = journal.read(10_000).filter(({ bucket }) => bucket === 'eventful');
    journal.close();
    expect(events).toMatchObject([
      {
        key: 'k',
        size: 3,
        reason: 'PutObject',
        requester: 'tester',
        etag: createHash('md5').update('abc').digest('hex'),
      },
      { key: 'k', size: 0, reason: 'CopyObject' },
    ]);
    expect(events[0]!.sequencer < events[1]!.sequencer).toBe(true);
  });

  it('leave the journal for good once the reader removed them', async () => {
    await put('removed');
    const journal = openEventJournal(s3.directory);
    const positions = journal.read(10_000).map(({ position }) => position);
    expect(positions.length).toBeGreaterThan(0);
    journal.remove(positions);
    expect(journal.read(10_000)).toEqual([]);
    journal.close();
    const database = openMetadataDatabase(s3.directory);
    const count = database.prepare('SELECT count(*) AS count FROM events');
    await expect.poll(() => count.get()?.count).toBe(0);
    database.close();
  });
});
