/** Deliveries to an external store: another server, other credentials, nothing that either could copy from the other on its own. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { StoreDirectory } from '#shared/stores/store-directory.ts';
import { runStep, type StepBench, type StepToRun, startStepBench } from '#testkit/beds/step-bed.ts';
import {
  FAR_BUCKET,
  FAR_CREDENTIAL,
  PART_BYTES,
  type StoreTestBed,
  startStoreTestBed,
} from '#testkit/beds/store-bed.ts';
import { TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { type S3FaultProxy, startS3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { confirmOptions } from '../confirm/options.ts';
import { confirmStep } from '../confirm/run.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type DeliverOptions, deliverOptions } from './options.ts';
import { deliverStep } from './run.ts';

let bench: StepBench;
let bed: StoreTestBed;
/** Before the fleet's own store. */
let nearProxy: S3FaultProxy;
let directory: StoreDirectory;
let nowMs = 0;

beforeAll(async () => {
  bench = await startStepBench();
  nearProxy = await startS3FaultProxy(bench.s3.server.url);
  bed = await startStoreTestBed({ url: nearProxy.url, credentials: TEST_CREDENTIAL });
});

afterAll(async () => {
  await bed?.stop();
  await nearProxy?.stop();
  await bench?.stop();
});

beforeEach(async () => {
  await Promise.all([bed.putSecret(), bed.define()]);
  directory = bed.openDirectory({ now: () => nowMs });
});

afterEach(() => {
  for (const proxy of [bed.proxy, nearProxy]) proxy.spoil(() => undefined);
  directory.close();
});

function deliver(object: ObjectLocation, request: Partial<StepToRun<DeliverOptions>> & { from?: StoreDirectory } = {}) {
  const { from = directory, options, ...rest } = request;
  return runStep(bench, {
    step: deliverStep,
    kind: deliverOptions,
    object,
    options: { store: 'globex', externalBucket: FAR_BUCKET, ...(options as object) },
    useStore: (name, work) => from.use({ tenantId: 'acme', name }, work),
    ...rest,
  });
}

function confirm(object: ObjectLocation, delivery: unknown) {
  return runStep(bench, {
    step: confirmStep,
    kind: confirmOptions,
    object,
    outputs: { deliver: delivery as Record<string, unknown> },
    useStore: (name, work) => directory.use({ tenantId: 'acme', name }, work),
  });
}

function outputOf(outcome: StepOutcome): Record<string, unknown> {
  if (outcome.type !== 'succeeded') throw new Error(JSON.stringify(outcome));
  return { ...outcome.output };
}

const land = (bytes: Buffer) => bench.land(`inbound/${randomUUID()}`, bytes);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('a delivery to an external store', () => {
  it.each([0, 1, 1_000, PART_BYTES])(
    'puts %i bytes in one request, checked by the checksum of the source',
    async (size) => {
      const bytes = randomBytes(size);
      const object = await land(bytes);
      bed.proxy.spoil(() => undefined);
      const output = outputOf(await deliver(object));
      expect(bed.proxy.counts).toEqual(new Map([['Other', 1]]));
      expect(output).toMatchObject({
        store: 'globex',
        bucket: FAR_BUCKET,
        key: object.key,
        sizeBytes: size,
        verifiedBy: 'checksum',
        copy: { plan: 'streamed', proof: 'CRC64NVME', parts: 1, resumedParts: 0, sha256: sha256(bytes) },
      });
      expect((await bed.readFar(object.key)).equals(bytes)).toBe(true);
      await expect(confirm(object, output)).resolves.toMatchObject({ type: 'succeeded' });
    },
  );

  it.each([PART_BYTES + 1, 2 * PART_BYTES, 2 * PART_BYTES + 7])(
    'streams %i bytes in parts and leaves no upload',
    async (size) => {
      const bytes = randomBytes(size);
      const object = await land(bytes);
      const output = outputOf(await deliver(object, { isLarge: true }));
      const parts = Math.ceil(size / PART_BYTES);
      const copy = { plan: 'streamed', proof: 'CRC64NVME', parts, sha256: sha256(bytes) };
      expect(output).toMatchObject({ sizeBytes: size, verifiedBy: 'checksum', copy });
      expect((await bed.readFar(object.key)).equals(bytes)).toBe(true);
      expect(await bed.farUploads()).toEqual([]);
      await expect(confirm(object, output)).resolves.toMatchObject({ type: 'succeeded' });
    },
  );

  it('recognises by its key what an earlier try had delivered, and makes no second version', async () => {
    for (const size of [100, PART_BYTES + 100]) {
      const object = await land(randomBytes(size));
      const first = outputOf(await deliver(object));
      const second = outputOf(await deliver(object, { isFirstTry: false }));
      expect(second).toMatchObject({ store: 'globex', versionId: first.versionId, wasThere: true });
      expect(await bed.farVersions(object.key)).toHaveLength(1);
    }
  });

  it('whose reply was lost is looked for, not made again', async () => {
    const object = await land(randomBytes(500));
    bed.proxy.spoil(({ operation, count }) =>
      operation === 'Other' && count === 1 ? { type: 'lost-reply' } : undefined,
    );
    outputOf(await deliver(object));
    expect(await bed.farVersions(object.key)).toHaveLength(1);
    expect(bed.proxy.counts.get('Other')).toBe(1);
  });

  it('damaged on its way there is sent again', async () => {
    const flipFirst = (what: string) => {
      bed.proxy.spoil(({ operation, count }) =>
        operation === what && count === 1 ? { type: 'flipped-request' } : undefined,
      );
    };
    for (const [what, size] of [
      ['Other', 2_000],
      ['UploadPart', PART_BYTES + 2_000],
    ] as const) {
      const bytes = randomBytes(size);
      const object = await land(bytes);
      flipFirst(what);
      outputOf(await deliver(object));
      expect(bed.proxy.counts.get(what)).toBeGreaterThan(1);
      expect((await bed.readFar(object.key)).equals(bytes)).toBe(true);
    }
  });

  it.each([3_000, PART_BYTES + 3_000])('of %i bytes that was read wrong never shows there', async (size) => {
    const object = await land(randomBytes(size));
    nearProxy.spoil(({ operation, count }) =>
      operation === 'GetObject' && count === 1 ? { type: 'flipped-reply' } : undefined,
    );
    await expect(deliver(object)).resolves.toMatchObject({ type: 'retry', cause: 'CHECKSUM_MISMATCH' });
    expect(await bed.farVersions(object.key)).toEqual([]);
    expect(await bed.farUploads()).toEqual([]);
    outputOf(await deliver(object, { isFirstTry: false }));
  });

  it('is compared by ETag, or by all of its bytes, where the store keeps no checksums', async () => {
    await bed.define({ checksums: false });
    for (const [size, proof] of [
      [900, 'ETAG'],
      [PART_BYTES + 900, 'BYTES'],
    ] as const) {
      const bytes = randomBytes(size);
      const object = await land(bytes);
      bed.proxy.spoil(() => ({ type: 'no-checksums' }));
      const output = outputOf(await deliver(object));
      expect(output).toMatchObject({ copy: { proof, sha256: sha256(bytes) } });
      // Of the source the SHA-256 is known: it is not read a second time.
      expect(bed.proxy.counts.get('GetObject') ?? 0).toBe(proof === 'BYTES' ? 1 : 0);
      await expect(confirm(object, output)).resolves.toMatchObject({ type: 'succeeded' });
    }
  });

  it('needs nothing that Cloud Storage refuses in its XML API', async () => {
    await bed.define({ checksums: false });
    for (const size of [0, 900, PART_BYTES, 2 * PART_BYTES + 900]) {
      const bytes = randomBytes(size);
      const object = await land(bytes);
      bed.proxy.spoil(() => ({ type: 'as-google' }));
      const output = outputOf(await deliver(object, { isLarge: size > PART_BYTES }));
      expect(output).toMatchObject({ sizeBytes: size, copy: { sha256: sha256(bytes) } });
      expect((await bed.readFar(object.key)).equals(bytes)).toBe(true);
      await expect(confirm(object, output)).resolves.toMatchObject({ type: 'succeeded' });
      // What an earlier try delivered is known again without a version id.
      expect(outputOf(await deliver(object, { isFirstTry: false }))).toMatchObject({ wasThere: true });
    }
    expect(await bed.farUploads()).toEqual([]);
  });

  it('goes nowhere that the definition does not name', async () => {
    await bed.define({ buckets: [`${FAR_BUCKET}/acme/inbound/`] });
    const object = await land(randomBytes(10));
    outputOf(await deliver(object));
    for (const options of [{ key: 'elsewhere/x' }, { externalBucket: 'not-allowed' }, { key: 'acme/inbound-too/x' }]) {
      await expect(deliver(object, { options })).resolves.toMatchObject({
        type: 'failed',
        cause: 'STORE_PLACE_REFUSED',
      });
    }
    await expect(deliver(object, { options: { store: 'nobody' } })).resolves.toMatchObject({
      type: 'retry',
      cause: 'STORE_UNKNOWN',
    });
  });

  it('fails at its own when the source is gone or another', async () => {
    const object = await land(randomBytes(10));
    const other = { ...object, etag: '"another"' };
    await expect(deliver(other)).resolves.toMatchObject({ type: 'failed', cause: 'SOURCE_CHANGED' });
    await bench.store.deleteVersion(object);
    await expect(deliver(object)).resolves.toMatchObject({ type: 'failed', cause: 'SOURCE_GONE' });
  });
});

describe('an external store that cannot be used', () => {
  it('is tried again when it is away', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await bed.define({ endpoint: `http://127.0.0.1:${port}` });
    const outcome = await deliver(await land(randomBytes(10)));
    expect(outcome).toMatchObject({ type: 'retry', code: 'DELIVERY_ERROR', cause: 'OBJECT_STORE_UNAVAILABLE' });
    expect(outcome).toHaveProperty('message', expect.stringContaining('the store globex'));
  });

  it('is tried again when it refuses, and takes the credentials that were rotated meanwhile, with no restart', async () => {
    await bed.putSecret({ ...FAR_CREDENTIAL, secretAccessKey: 'an-old-secret-of-theirs' });
    const object = await land(randomBytes(PART_BYTES + 5));
    const refused = await deliver(object);
    expect(refused).toMatchObject({ type: 'retry', cause: 'OBJECT_STORE_DENIED' });
    expect(JSON.stringify(refused)).not.toContain('an-old-secret-of-theirs');
    await bed.putSecret();
    outputOf(await deliver(object, { isFirstTry: false }));
  });

  it('is tried again while its secret is missing or is none', async () => {
    const object = await land(randomBytes(10));
    await bed.define({ credentials: 'not-there' });
    await expect(deliver(object)).resolves.toMatchObject({ type: 'retry', cause: 'SECRET_UNAVAILABLE' });
    await bed.define();
    await bed.putSecret({ accessKeyId: 'half-a-secret' });
    const outcome = await deliver(object, { from: bed.openDirectory() });
    expect(outcome).toMatchObject({ type: 'retry', cause: 'SECRET_UNAVAILABLE' });
    expect(JSON.stringify(outcome)).not.toContain('half-a-secret');
  });

  it('is tried again when its bucket is missing, or when it is no object store', async () => {
    await bed.define({ buckets: ['nobodys-bucket', FAR_BUCKET] });
    const object = await land(randomBytes(10));
    const options = { externalBucket: 'nobodys-bucket' };
    await expect(deliver(object, { options })).resolves.toMatchObject({
      type: 'retry',
      cause: 'OBJECT_STORE_REJECTED',
    });
    const web = createServer((_request, response) => response.writeHead(404).end('not here')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    await bed.define({ endpoint: `http://127.0.0.1:${(web.address() as AddressInfo).port}` });
    const outcome = await deliver(object, { from: bed.openDirectory() });
    web.closeAllConnections();
    web.close();
    expect(outcome).toMatchObject({ type: 'retry', cause: 'OBJECT_STORE_REJECTED' });
  });

  it.each(['http://127.0.0.1:1', 'http://localhost:1', 'http://[::ffff:127.0.0.1]:1'])(
    'is not called at %s unless the operator allows it',
    async (endpoint) => {
      await bed.define({ endpoint });
      const guarded = bed.openDirectory({ allow: [] });
      const outcome = await deliver(await land(randomBytes(10)), { from: guarded });
      guarded.close();
      expect(outcome).toMatchObject({ type: 'retry', cause: 'STORE_ADDRESS_REFUSED' });
    },
  );

  it('gets nothing that it was sent into a message or an error', async () => {
    const token = 'a-token-of-their-session';
    await bed.putSecret({ ...FAR_CREDENTIAL, sessionToken: token });
    const echo = createServer((request, response) => {
      const sent = [request.headers['x-amz-security-token'], request.headers.authorization].join(' ');
      const shown = `<Code>${sent}</Code><Message>${sent}</Message><CanonicalRequest>${sent}</CanonicalRequest>`;
      request.resume().on('end', () => {
        response
          .writeHead(403, { 'content-type': 'application/xml' })
          .end(`<?xml version="1.0"?><Error>${shown}</Error>`);
      });
    }).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    await bed.define({ endpoint: `http://127.0.0.1:${(echo.address() as AddressInfo).port}` });
    const from = bed.openDirectory();
    const outcome = await deliver(await land(randomBytes(10)), { from });
    const thrown = await from
      .use({ tenantId: 'acme', name: 'globex' }, ({ store }) => store.head({ bucket: FAR_BUCKET, key: 'x' }))
      .catch((error: unknown) => error);
    const everything = (value: unknown): string =>
      value instanceof Error
        ? [value.message, value.stack, ...Object.values(value).map(String), everything(value.cause)].join()
        : JSON.stringify(value);
    from.close();
    echo.closeAllConnections();
    echo.close();
    expect(outcome).toMatchObject({ type: 'retry', cause: 'OBJECT_STORE_DENIED' });
    expect(thrown).toMatchObject({ code: 'OBJECT_STORE_DENIED' });
    for (const secret of [token, FAR_CREDENTIAL.accessKeyId, FAR_CREDENTIAL.secretAccessKey]) {
      expect(everything(outcome)).not.toContain(secret);
      expect(everything(thrown)).not.toContain(secret);
    }
  });

  it('is called by its new definition within seconds, while who uses the old one ends in peace', async () => {
    const object = await land(randomBytes(2 * PART_BYTES));
    await bed.define({ endpoint: 'http://127.0.0.1:9', pathStyle: true });
    const from = bed.openDirectory({ now: () => nowMs });
    await expect(deliver(object, { from })).resolves.toMatchObject({ type: 'retry' });
    await bed.define();
    nowMs += 20_000;
    let replaced: Promise<unknown> = Promise.resolve();
    await from.use({ tenantId: 'acme', name: 'globex' }, async ({ store }) => {
      await bed.define({ description: 'another' });
      nowMs += 20_000;
      replaced = deliver(object, { from });
      outputOf((await replaced) as StepOutcome);
      expect(await store.head({ bucket: FAR_BUCKET, key: object.key })).not.toBe('not-found');
    });
    from.close();
  });
});
