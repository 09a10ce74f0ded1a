import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { Counter, Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { choosePartBytes, planParts } from '#shared/files/copies/plan-parts.ts';
import { createTestClient, type S3TestServer, startTestServer } from '#testkit/servers/s3-server.ts';
import { createObjectStore } from './create-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { createS3Client } from './s3-client.ts';

const MIB = 1024 ** 2;
const BUCKET = 'here';
const OTHER = 'there';
let s3: S3TestServer;
let store: ObjectStore;
let requests: Counter<'operation'>;
let copiedBytes: Counter<'plan'>;

beforeAll(async () => {
  s3 = await startTestServer();
  s3.server.createBucket(BUCKET);
  s3.server.createBucket(OTHER);
  requests = new Counter({
    name: 'longshore_s3_requests_total',
    help: 'test',
    labelNames: ['operation'],
    registers: [new Registry()],
  });
  copiedBytes = new Counter({
    name: 'longshore_copied_bytes_total',
    help: 'test',
    labelNames: ['plan'],
    registers: [new Registry()],
  });
  store = createObjectStore({
    client: s3.client,
    copyPartBytes: 5 * MIB,
    uploadPartBytes: 5 * MIB,
    metrics: { requests, copiedBytes },
  });
});

afterAll(async () => {
  await s3?.stop();
});

async function read(bucket: string, key: string, versionId?: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.readStream({ bucket, key, versionId })) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function openUploads(): Promise<number> {
  const pages = await Promise.all([BUCKET, OTHER].map((bucket) => store.listMultipartUploads({ bucket })));
  return pages.flatMap((page) => page.items).length;
}

async function* pieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('the object store', () => {
  it('tells of an absent object with a value, of an absent version too', async () => {
    await expect(store.head({ bucket: BUCKET, key: 'absent' })).resolves.toBe('not-found');
    const { versionId } = await store.put({ target: { bucket: BUCKET, key: 'a' }, body: 'x' });
    await store.deleteVersion({ bucket: BUCKET, key: 'a', versionId });
    await expect(store.head({ bucket: BUCKET, key: 'a', versionId })).resolves.toBe('not-found');
  });

  it('calls a missing bucket invalid and not an absent object, and wrong credentials denied', async () => {
    const source = { bucket: BUCKET, key: 'a' };
    await store.put({ target: source, body: 'x' });
    await expect(store.copy({ source, target: { bucket: 'no-such-bucket', key: 'a' } })).rejects.toMatchObject({
      fault: 'invalid',
    });
    const stranger = createTestClient(s3.server.url, { accessKeyId: 'X', secretAccessKey: 'y', name: 'stranger' });
    await expect(createObjectStore({ client: stranger }).head(source)).rejects.toMatchObject({ fault: 'denied' });
    stranger.destroy();
  });

  it('says what it knows of an object: size, metadata, type, checksum of the whole, version', async () => {
    const target = { bucket: BUCKET, key: 'sub/dir/über & <x>.csv' };
    const written = await store.put({ target, body: 'a,b\n', metadata: { colour: 'blue' }, contentType: 'text/csv' });
    const head = await store.head({ ...target, versionId: written.versionId });
    expect(head).toMatchObject({
      sizeBytes: 4,
      etag: written.etag,
      versionId: written.versionId,
      contentType: 'text/csv',
      metadata: { colour: 'blue' },
      checksums: [{ algorithm: 'CRC64NVME', type: 'FULL_OBJECT' }],
    });
  });

  it('refuses to overwrite when told so', async () => {
    const request = { target: { bucket: BUCKET, key: 'once' }, body: 'x', onlyIfAbsent: true };
    await store.put(request);
    await expect(store.put(request)).rejects.toMatchObject({ fault: 'precondition-failed' });
  });

  it('reads ranges, also beyond the end and of an empty object', async () => {
    const target = { bucket: BUCKET, key: 'range' };
    await store.put({ target, body: '0123456789' });
    expect((await store.readRange(target, { first: 2, last: 4 })).toString()).toBe('234');
    expect((await store.readRange(target, { first: 8, last: 100 })).toString()).toBe('89');
    expect((await store.readRange(target, { first: 50, last: 100 })).length).toBe(0);
    await store.put({ target: { bucket: BUCKET, key: 'empty' }, body: '' });
    expect((await store.readRange({ bucket: BUCKET, key: 'empty' }, { first: 0, last: 9 })).length).toBe(0);
    expect((await read(BUCKET, 'empty')).length).toBe(0);
    await expect(store.readRange(target, { first: 0, last: 64 * MIB })).rejects.toMatchObject({ fault: 'invalid' });
  });

  it('gives the sockets back when readers leave early, and stops a reader that is told to', async () => {
    const target = { bucket: BUCKET, key: 'large-to-read' };
    await store.put({ target, body: randomBytes(4 * MIB) });
    for (let round = 0; round < 60; round += 1) {
      for await (const _piece of store.readStream(target)) break;
    }
    await expect(store.head(target)).resolves.toMatchObject({ sizeBytes: 4 * MIB });
    const controller = new AbortController();
    const reading = (async () => {
      for await (const _piece of store.readStream(target, { signal: controller.signal })) controller.abort();
    })();
    await expect(reading).rejects.toMatchObject({ fault: 'aborted' });
  });

  it('copies the version that is named, with new metadata and the same checksum', async () => {
    const source = { bucket: BUCKET, key: 'copy/+ ä%2F&.csv' };
    const first = await store.put({
      target: source,
      body: 'first',
      metadata: { colour: 'blue' },
      contentType: 'text/csv',
    });
    await store.put({ target: source, body: 'second' });
    const target = { bucket: OTHER, key: source.key };
    const written = await store.copy({
      source: { ...source, versionId: first.versionId, etag: first.etag },
      target,
      replace: { metadata: { 'longshore-job': 'j1' }, contentType: 'text/csv' },
      checksumAlgorithm: 'CRC64NVME',
    });
    expect(written.checksums).toEqual(first.checksums);
    expect((await read(OTHER, source.key, written.versionId)).toString()).toBe('first');
    expect(await store.head(target)).toMatchObject({ metadata: { 'longshore-job': 'j1' }, contentType: 'text/csv' });
  });

  it('keeps what the headers say of the content, in one request and in parts', async () => {
    const source = { bucket: BUCKET, key: 'described.csv.gz' };
    const headers = {
      contentType: 'text/csv',
      contentEncoding: 'gzip',
      contentDisposition: 'attachment; filename="a.csv"',
      contentLanguage: 'de',
      cacheControl: 'no-store',
    };
    await s3.client.send(
      new PutObjectCommand({
        Bucket: source.bucket,
        Key: source.key,
        Body: 'bytes',
        ContentType: headers.contentType,
        ContentEncoding: headers.contentEncoding,
        ContentDisposition: headers.contentDisposition,
        ContentLanguage: headers.contentLanguage,
        CacheControl: headers.cacheControl,
      }),
    );
    const head = await store.head(source);
    if (head === 'not-found') throw new Error('it was put');
    expect(head).toMatchObject(headers);
    const target = (key: string) => ({ bucket: OTHER, key });
    const described = { source: { ...source, etag: head.etag }, sizeBytes: head.sizeBytes, jobId: 'j1' };
    await store.copy({ source, target: target('one') });
    await store.copy({ source, target: target('two'), replace: { ...headers, metadata: { a: 'b' } } });
    await store.copyMultipart({ ...described, target: target('three') });
    await store.copyMultipart({ ...described, target: target('four'), plan: 'streamed' });
    for (const key of ['one', 'two', 'three', 'four'])
      expect(await store.head(target(key)), key).toMatchObject(headers);
  });

  it('gathers deletions of versions that are asked for side by side, and fails only what is refused', async () => {
    const keys = Array.from({ length: 30 }, (_, index) => ({ bucket: BUCKET, key: `gone/${index}` }));
    const written = await Promise.all(keys.map((target) => store.put({ target, body: 'x' })));
    await Promise.all(keys.map((key, index) => store.deleteVersion({ ...key, versionId: written[index]?.versionId })));
    expect((await store.listVersions({ bucket: BUCKET, prefix: 'gone/' })).items).toEqual([]);
    await Promise.all(keys.map((key, index) => store.deleteVersion({ ...key, versionId: written[index]?.versionId })));
    const [kept, missing] = await Promise.allSettled([
      store.deleteVersion({ bucket: 'no-such-bucket', key: 'x', versionId: written[0]?.versionId }),
      store.deleteVersion({ ...(keys[0] as { bucket: string; key: string }), versionId: written[0]?.versionId }),
    ]);
    expect([kept.status, missing.status]).toEqual(['rejected', 'fulfilled']);
  });

  it('refuses to copy a source that is gone or another', async () => {
    const source = { bucket: BUCKET, key: 'moving' };
    const first = await store.put({ target: source, body: 'first' });
    await store.put({ target: source, body: 'second' });
    const target = { bucket: OTHER, key: 'moving' };
    await expect(store.copy({ source: { ...source, etag: first.etag }, target })).rejects.toMatchObject({
      fault: 'precondition-failed',
    });
    await store.deleteVersion({ ...source, versionId: first.versionId });
    await expect(store.copy({ source: { ...source, versionId: first.versionId }, target })).rejects.toMatchObject({
      fault: 'not-found',
    });
    await expect(store.head(target)).resolves.toBe('not-found');
  });

  it.each([5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 12 * MIB])(
    'copies %i bytes in parts, byte-identical and with a checksum of the whole',
    async (size) => {
      const bytes = randomBytes(size);
      const source = { bucket: BUCKET, key: `parts-${size}` };
      const put = await store.put({ target: source, body: bytes, metadata: { colour: 'blue' } });
      const target = { bucket: OTHER, key: source.key };
      const request = {
        source: { ...source, ...put },
        target,
        sizeBytes: size,
        jobId: 'job-7',
        checksumAlgorithm: 'CRC64NVME' as const,
      };
      const written = await store.copyMultipart(request);
      const head = await store.head({ ...target, versionId: written.versionId });
      expect(head).toMatchObject({
        sizeBytes: size,
        checksums: put.checksums,
        metadata: { colour: 'blue', 'longshore-job': 'job-7' },
      });
      expect((await read(OTHER, source.key)).equals(bytes)).toBe(true);
      expect(await openUploads()).toBe(0);
    },
  );

  it('leaves neither an object nor an upload when a copy in parts fails or is told to stop', async () => {
    const source = { bucket: BUCKET, key: 'parts-to-fail' };
    const put = await store.put({ target: source, body: randomBytes(11 * MIB) });
    const target = { bucket: OTHER, key: 'never' };
    const request = { source: { ...source, versionId: put.versionId }, target, jobId: 'j', sizeBytes: 40 * MIB };
    await expect(store.copyMultipart(request)).rejects.toMatchObject({ name: 'ObjectStoreError' });
    const controller = new AbortController();
    const stopped = store.copyMultipart({ ...request, sizeBytes: 11 * MIB, signal: controller.signal });
    controller.abort();
    await expect(stopped).rejects.toMatchObject({ fault: 'aborted' });
    await expect(store.head(target)).resolves.toBe('not-found');
    expect(await openUploads()).toBe(0);
  });

  it.each([0, 1, 5 * MIB, 12 * MIB + 3])('uploads a stream of %i bytes, counted and hashed', async (size) => {
    const bytes = randomBytes(size);
    const target = { bucket: BUCKET, key: `stream-${size}` };
    copiedBytes.reset();
    const uploaded = await store.upload({ target, body: pieces(bytes), expectedBytes: size });
    expect(uploaded).toMatchObject({ sizeBytes: size, sha256: createHash('sha256').update(bytes).digest('hex') });
    expect((await read(BUCKET, target.key)).equals(bytes)).toBe(true);
    expect(await store.head(target)).toMatchObject({ checksums: [{ algorithm: 'CRC64NVME', type: 'FULL_OBJECT' }] });
    // What fits in one part is one request, and no copy in parts.
    const inParts = size > 5 * MIB ? [{ labels: { plan: 'unknown-length' }, value: size }] : [];
    expect((await copiedBytes.get()).values).toEqual(inParts);
  });

  it.each([
    ['ends early', 11 * MIB, 12 * MIB],
    ['is longer than it should be', 12 * MIB, 11 * MIB],
  ])('refuses a source that %s, and leaves nothing open', async (_what, size, expectedBytes) => {
    const target = { bucket: BUCKET, key: 'short-stream' };
    const upload = store.upload({ target, body: pieces(randomBytes(size)), expectedBytes });
    await expect(upload).rejects.toMatchObject({ fault: 'truncated', code: 'SOURCE_TRUNCATED' });
    await expect(store.head(target)).resolves.toBe('not-found');
    expect(await openUploads()).toBe(0);
  });

  it('refuses a source that outgrows its parts, and leaves nothing open', async () => {
    const small = createObjectStore({ client: s3.client, uploadPartBytes: 5 * MIB, mostUploadParts: 2 });
    const [fits, outgrows] = ['fits', 'outgrows'].map((key) => ({ bucket: BUCKET, key }));
    await small.upload({ target: fits!, body: pieces(randomBytes(10 * MIB)) });
    await expect(store.head(fits!)).resolves.toMatchObject({ sizeBytes: 10 * MIB });
    await expect(small.upload({ target: outgrows!, body: pieces(randomBytes(10 * MIB + 1)) })).rejects.toMatchObject({
      fault: 'invalid',
      code: 'OBJECT_STORE_REJECTED',
      message: expect.stringContaining('larger than 10485760 bytes'),
    });
    await expect(store.head(outgrows!)).resolves.toBe('not-found');
    expect(await openUploads()).toBe(0);
  });

  it('passes on what broke the source, and stops when told to, with nothing left open', async () => {
    const target = { bucket: BUCKET, key: 'broken-stream' };
    const broken = (async function* () {
      yield* pieces(randomBytes(11 * MIB));
      throw new RangeError('the source broke');
    })();
    await expect(store.upload({ target, body: broken })).rejects.toThrow(RangeError);
    const controller = new AbortController();
    const endless = (async function* () {
      for (let count = 0; ; count += 1) {
        if (count === 200) controller.abort();
        yield randomBytes(65_536);
      }
    })();
    await expect(store.upload({ target, body: endless, signal: controller.signal })).rejects.toMatchObject({
      fault: 'aborted',
    });
    await expect(store.head(target)).resolves.toBe('not-found');
    expect(await openUploads()).toBe(0);
  });

  it('lists versions and markers by page, newest first, whatever the key', async () => {
    const keys = ['list/a b+c', 'list/ä&<x>', 'list/z\u0001'];
    for (const key of keys) {
      await store.put({ target: { bucket: BUCKET, key }, body: '1' });
      await store.put({ target: { bucket: BUCKET, key }, body: '22' });
      await store.deleteVersion({ bucket: BUCKET, key });
    }
    const seen: string[] = [];
    let after: { key: string; versionId?: string } | undefined;
    for (let page = 0; page < 20; page += 1) {
      const listed = await store.listVersions({
        bucket: BUCKET,
        prefix: 'list/',
        limit: 2,
        ...(after !== undefined && { after }),
      });
      seen.push(
        ...listed.items.map(
          (item) => `${item.key} ${item.isDeleteMarker ? 'marker' : item.sizeBytes} ${item.isLatest}`,
        ),
      );
      after = listed.next;
      if (after === undefined) break;
    }
    const expected = [keys[0], keys[2], keys[1]].flatMap((key) => [
      `${key} marker true`,
      `${key} 2 false`,
      `${key} 1 false`,
    ]);
    expect(seen).toEqual(expected);
  });

  it('deletes many versions at once', async () => {
    const versions = await Promise.all(
      ['d1', 'd2', 'd3'].map(async (key) => {
        const { versionId } = await store.put({ target: { bucket: OTHER, key }, body: 'x' });
        return { key, ...(versionId !== undefined && { versionId }) };
      }),
    );
    await expect(store.deleteVersions(OTHER, versions)).resolves.toEqual([]);
    await expect(store.head({ bucket: OTHER, key: 'd2' })).resolves.toBe('not-found');
  });

  it('counts requests by operation', async () => {
    requests.reset();
    await store.put({ target: { bucket: BUCKET, key: 'counted' }, body: 'x' });
    await store.copy({ source: { bucket: BUCKET, key: 'counted' }, target: { bucket: OTHER, key: 'counted' } });
    const { values } = await requests.get();
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.operation, value]))).toEqual({
      PutObject: 1,
      CopyObject: 1,
    });
  });
});

describe('the plan of a copy in parts', () => {
  it('covers every byte once, in at most 10,000 parts, the same each time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 * 2 ** 40 }),
        fc.constantFrom(5 * MIB, 64 * MIB, 1024 * MIB),
        (size, partBytes) => {
          const parts = planParts(size, choosePartBytes(size, partBytes));
          expect(parts.length).toBeLessThanOrEqual(10_000);
          expect(parts.at(0)?.first).toBe(0);
          expect(parts.at(-1)?.last).toBe(size - 1);
          expect(parts.every((part, index) => index === 0 || part.first === (parts[index - 1]?.last ?? 0) + 1)).toBe(
            true,
          );
          expect(planParts(size, choosePartBytes(size, partBytes))).toEqual(parts);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('an unreliable store', () => {
  /** Hands requests on to the real server; `spoil` may swallow the reply of one that was done. */
  async function between(
    spoil: (method: string, url: string, count: number) => 'pass' | 'cut' | 'body-error' | 'hang',
  ): Promise<{ server: Server; url: string }> {
    let count = 0;
    const server = createServer(async (request, response) => {
      const body: Buffer[] = [];
      for await (const piece of request) body.push(piece as Buffer);
      const headers = new Headers(
        Object.entries(request.headers).filter(
          (entry): entry is [string, string] =>
            typeof entry[1] === 'string' && !['connection', 'content-length', 'expect'].includes(entry[0]),
        ),
      );
      const port = new URL(s3.server.url).port;
      const { request: send } = await import('node:http');
      count += 1;
      const action = spoil(request.method ?? '', request.url ?? '', count);
      const upstream = send(
        {
          host: '127.0.0.1',
          port,
          method: request.method,
          path: request.url,
          headers: {
            ...Object.fromEntries(headers),
            host: request.headers.host,
            'content-length': Buffer.concat(body).length,
          },
        },
        (reply) => {
          if (action === 'cut') {
            reply.resume().on('end', () => response.destroy());
          } else if (action === 'body-error') {
            reply.resume().on('end', () => {
              response.writeHead(200, { 'content-type': 'application/xml' });
              response.end(
                '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>',
              );
            });
          } else if (action === 'hang') {
            response.writeHead(reply.statusCode ?? 500, reply.headers);
            reply.once('data', (piece: Buffer) => response.write(piece));
          } else {
            response.writeHead(reply.statusCode ?? 500, reply.headers);
            reply.pipe(response);
          }
        },
      );
      upstream.on('error', () => response.destroy());
      upstream.end(Buffer.concat(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  function unreliableStore(url: string, idleTimeoutMs = 30_000) {
    const client = createS3Client({
      LONGSHORE_S3_PATH_STYLE: true,
      endpoint: url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'LOCALTEST', secretAccessKey: 'a-secret-for-tests' },
    });
    return { client, store: createObjectStore({ client, idleTimeoutMs, copyPartBytes: 5 * MIB }) };
  }

  it.each(['cut', 'body-error'] as const)('makes one version when the reply of a copy is spoilt (%s)', async (how) => {
    const source = { bucket: BUCKET, key: `spoilt-${how}` };
    await store.put({ target: source, body: 'bytes' });
    const { server, url } = await between((method) => (method === 'PUT' ? how : 'pass'));
    const { client, store: unreliable } = unreliableStore(url);
    const target = { bucket: OTHER, key: source.key };
    try {
      const written = await unreliable.copy({ source, target, replace: { metadata: { 'longshore-key': 'k1' } } });
      const { items } = await store.listVersions({ bucket: OTHER, prefix: source.key });
      expect(items.map(({ versionId }) => versionId)).toEqual([written.versionId]);
    } finally {
      client.destroy();
      server.closeAllConnections();
      server.close();
    }
  });

  it('makes one version when the reply of a completed upload in parts is lost', async () => {
    const source = { bucket: BUCKET, key: 'spoilt-parts' };
    await store.put({ target: source, body: randomBytes(6 * MIB) });
    const { server, url } = await between((method, path) =>
      method === 'POST' && path.includes('uploadId') ? 'cut' : 'pass',
    );
    const { client, store: unreliable } = unreliableStore(url);
    try {
      const target = { bucket: OTHER, key: source.key };
      const written = await unreliable.copyMultipart({ source, target, sizeBytes: 6 * MIB, jobId: 'j9' });
      const { items } = await store.listVersions({ bucket: OTHER, prefix: source.key });
      expect(items.map(({ versionId }) => versionId)).toEqual([written.versionId]);
      expect(await openUploads()).toBe(0);
    } finally {
      client.destroy();
      server.closeAllConnections();
      server.close();
    }
  });

  it('gives up a body that stands still', async () => {
    const target = { bucket: BUCKET, key: 'still' };
    await store.put({ target, body: randomBytes(2 * MIB) });
    const { server, url } = await between((method) => (method === 'GET' ? 'hang' : 'pass'));
    const { client, store: unreliable } = unreliableStore(url, 200);
    try {
      const reading = (async () => {
        for await (const _piece of unreliable.readStream(target));
      })();
      await expect(reading).rejects.toMatchObject({ fault: 'unavailable' });
    } finally {
      client.destroy();
      server.closeAllConnections();
      server.close();
    }
  });

  it('calls a store that cannot be reached unavailable', async () => {
    const { client, store: unreliable } = unreliableStore('http://127.0.0.1:1');
    await expect(unreliable.head({ bucket: BUCKET, key: 'a' })).rejects.toMatchObject({
      fault: 'unavailable',
      code: 'OBJECT_STORE_UNAVAILABLE',
    });
    client.destroy();
  });
});
