import { createHash, randomUUIDv7 } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { endExpiredUploads } from '#services/retry-sweeper/end-expired-uploads.ts';
import { createApiKey } from '#shared/access/api-keys.ts';
import { partChecksum } from '#shared/files/copies/part-checksum.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { beginCompletion, createUpload, noteStoreUpload } from '#shared/uploads/uploads.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

const BUCKET = 'test-landing';
const PART = 5 * 1024 ** 2;
const content = Buffer.alloc(2 * PART + 1_000, 'longshore ');

let api: TestApi;
let s3: S3TestServer;
let address: string;
let names = 0;
let name: string;

beforeAll(async () => {
  s3 = await startTestServer();
  for (const bucket of [BUCKET, 'test-archive', 'test-outbound']) s3.server.createBucket(bucket);
  api = await startTestApi({
    s3: { endpoint: s3.server.url, region: 'us-east-1', credentials: TEST_CREDENTIAL },
    upload: { partBytes: PART, stallMs: 1_000 },
  });
  address = await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await api.stop();
  await s3.stop();
});
beforeEach(() => {
  names += 1;
  name = `orders-${names}.csv`;
});

interface Asked {
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

async function ask(method: string, path: string, { key = api.keys.acme, headers = {}, body }: Asked = {}) {
  const isRaw = body instanceof Uint8Array;
  const response = await fetch(`${address}${path}`, {
    method,
    headers: {
      'x-api-key': key,
      ...(body !== undefined && !isRaw && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: isRaw ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}

const begin = (more: object = {}, asked: Asked = {}) =>
  ask('POST', '/api/v1/uploads', { body: { path: 'inbound', name, size: content.length, ...more }, ...asked });
const complete = async (id: string, crc64nvme?: string) =>
  await ask('POST', `/api/v1/uploads/${id}/complete`, { body: { crc64nvme: crc64nvme ?? (await crcOf(content)) } });
const crcOf = (bytes: Uint8Array) => partChecksum('CRC64NVME', bytes);
const partOf = (part: number) => content.subarray((part - 1) * PART, part * PART);

async function putParts(id: string, parts: readonly number[]): Promise<number[]> {
  const wanted = await Promise.all(parts.map(async (part) => ({ part, crc64nvme: await crcOf(partOf(part)) })));
  const { body } = await ask('POST', `/api/v1/uploads/${id}/urls`, { body: { parts: wanted } });
  const statuses: number[] = [];
  for (const { url, headers, part } of body.urls)
    statuses.push((await fetch(url, { method: 'PUT', headers, body: new Uint8Array(partOf(part)) })).status);
  return statuses;
}

const filesOf = (key: string) =>
  api.sql<{ id: string; source: string; uploadedBy: string; sizeBytes: string; contentHash: string }[]>`
    SELECT id, source, uploaded_by AS "uploadedBy", size_bytes AS "sizeBytes", content_hash AS "contentHash" FROM files WHERE key = ${key}`;
const uploadsLeft = async () =>
  (await createObjectStore({ client: s3.client }).listMultipartUploads({ bucket: BUCKET })).items;

describe('a file in parts', () => {
  test('becomes one file of its sender, whatever the order of its parts and however often it is completed', async () => {
    const { status, body } = await begin();
    expect([status, body.parts, body.missing]).toEqual([201, 3, [1, 2, 3]]);
    expect(await putParts(body.upload_id, [3, 1])).toEqual([200, 200]);
    const early = await complete(body.upload_id);
    expect([early.status, early.body.code, early.body.details.missing]).toEqual([409, 'UPLOAD_INCOMPLETE', [2]]);
    expect(await putParts(body.upload_id, [2])).toEqual([200]);
    const both = await Promise.all([complete(body.upload_id), complete(body.upload_id)]);
    const again = await complete(body.upload_id);
    const [file, ...others] = await filesOf(`acme/inbound/${name}`);
    expect(others).toEqual([]);
    for (const reply of [...both, again])
      expect(reply).toMatchObject({ status: 200, body: { state: 'completed', file_id: file?.id } });
    expect(file).toMatchObject({ source: 'http', uploadedBy: 'acme', sizeBytes: String(content.length) });
    expect(file?.contentHash).toBe(`CRC64NVME:${await crcOf(content)}`);
  });

  test('is refused, and none of it kept, when the whole has another checksum', async () => {
    const { body } = await begin();
    await putParts(body.upload_id, [1, 2, 3]);
    const reply = await complete(body.upload_id, await crcOf(Buffer.from('other')));
    expect([reply.status, reply.body.code]).toEqual([422, 'UPLOAD_MISMATCH']);
    expect(await filesOf(`acme/inbound/${name}`)).toEqual([]);
    expect((await uploadsLeft()).filter(({ key }) => key.endsWith(name))).toEqual([]);
    expect((await complete(body.upload_id)).body.code).toBe('UPLOAD_ENDED');
  });

  test('takes by a URL one part of its length and checksum, and nothing else', async () => {
    const { body } = await begin();
    const { body: reply } = await ask('POST', `/api/v1/uploads/${body.upload_id}/urls`, {
      body: { parts: [{ part: 1, crc64nvme: await crcOf(partOf(1)) }] },
    });
    const [{ url, headers }] = reply.urls;
    const put = async (to: string, bytes: Uint8Array, given = headers, method = 'PUT') =>
      (await fetch(to, { method, headers: given, ...(method === 'PUT' && { body: new Uint8Array(bytes) }) })).status;
    expect(await put(url, partOf(1).subarray(1))).toBe(403);
    expect(await put(url, Buffer.alloc(PART, 'x'))).toBe(400);
    expect(await put(url, partOf(1), { 'x-amz-checksum-crc64nvme': await crcOf(Buffer.alloc(PART, 'x')) })).toBe(403);
    expect(await put(url.replace('partNumber=1', 'partNumber=2'), partOf(1))).toBe(403);
    expect(await put(url.replace(name, 'other.csv'), partOf(1))).toBe(403);
    expect(await put(url, partOf(1), headers, 'GET')).toBe(403);
    expect(new URL(url).searchParams.get('X-Amz-Expires')).toBe('900');
    expect(await put(url, partOf(1))).toBe(200);
  });

  test('is its tenant’s alone', async () => {
    const { body } = await begin();
    const path = `/api/v1/uploads/${body.upload_id}`;
    const asked = [
      await ask('GET', path, { key: api.keys.globex }),
      await ask('POST', `${path}/urls`, { key: api.keys.globex, body: { parts: [{ part: 1 }] } }),
      await ask('POST', `${path}/complete`, { key: api.keys.globex, body: {} }),
      await ask('DELETE', path, { key: api.keys.globex }),
      await begin({ tenant: 'globex' }),
    ];
    expect(asked.map(({ status, body: { code } }) => [status, code])).toEqual(asked.map(() => [404, 'NOT_FOUND']));
    expect((await ask('GET', path)).body).toMatchObject({ state: 'open', missing: [1, 2, 3] });
  });

  test('ends when it is aborted, and after a day', async () => {
    const [aborted, expired] = [await begin(), await begin()];
    await putParts(aborted.body.upload_id, [1]);
    expect((await ask('DELETE', `/api/v1/uploads/${aborted.body.upload_id}`)).body.state).toBe('aborted');
    const urls = () =>
      ask('POST', `/api/v1/uploads/${expired.body.upload_id}/urls`, { body: { parts: [{ part: 1 }] } });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 86_400_000 });
    expect((await urls().finally(() => vi.useRealTimers())).status).toBe(200);
    await api.sql`UPDATE uploads SET expires_at = now() WHERE id = ${expired.body.upload_id}`;
    expect((await urls()).body.code).toBe('UPLOAD_ENDED');
    const store = createObjectStore({ client: s3.client });
    await endExpiredUploads({ sql: api.sql, store, signal: AbortSignal.timeout(60_000) });
    expect((await ask('GET', `/api/v1/uploads/${expired.body.upload_id}`)).body).toMatchObject({
      state: 'aborted',
      code: 'UPLOAD_ENDED',
    });
    expect((await uploadsLeft()).filter(({ key }) => key.endsWith(name))).toEqual([]);
  });

  test('goes on by its Idempotency-Key, and begins again after it was aborted', async () => {
    const headers = { 'idempotency-key': `parts-${name}` };
    const [one, two] = await Promise.all([begin({}, { headers }), begin({}, { headers })]);
    expect(two.body.upload_id).toBe(one.body.upload_id);
    expect((await uploadsLeft()).filter(({ key }) => key.endsWith(name))).toHaveLength(1);
    await putParts(one.body.upload_id, [2]);
    expect((await begin({}, { headers })).body.missing).toEqual([1, 3]);
    expect((await begin({ size: 1 }, { headers })).body.code).toBe('IDEMPOTENCY_KEY_REUSED');
    await ask('DELETE', `/api/v1/uploads/${one.body.upload_id}`);
    expect((await begin({}, { headers })).body).toMatchObject({ state: 'open', missing: [1, 2, 3] });
    expect(await putParts(one.body.upload_id, [1, 2, 3])).toEqual([200, 200, 200]);
    expect((await complete(one.body.upload_id)).body.state).toBe('completed');
    expect((await begin({}, { headers })).body.state).toBe('completed');
  });

  test('names every part of 40 GiB that is missing, however many there are', async () => {
    const { status, body } = await begin({ size: 40 * 1024 ** 3 });
    expect(status).toBe(201);
    expect(body.parts).toBeGreaterThan(1_000);
    expect(body.missing).toEqual(Array.from({ length: body.parts }, (_, index) => index + 1));
  });

  test('may be empty', async () => {
    const { body } = await begin({ size: 0 });
    const { body: reply } = await ask('POST', `/api/v1/uploads/${body.upload_id}/urls`, {
      body: { parts: [{ part: 1 }] },
    });
    expect((await fetch(reply.urls[0].url, { method: 'PUT', body: '' })).status).toBe(200);
    expect(await complete(body.upload_id, await crcOf(Buffer.alloc(0)))).toMatchObject({
      status: 200,
      body: { state: 'completed' },
    });
  });
});

describe('before a byte is taken', () => {
  test.each([
    ['..', 'x'],
    ['a/../../globex', 'x'],
    ['', '..'],
    ['', 'a\\b'],
    ['', 'a\0b'],
    ['', 'a\r\nb'],
    ['', 'invoice\u202efdp.exe'],
    ['', '\ud800'],
    ['', 'x'.repeat(256)],
    ['', 'half.tmp'],
  ])('the path %j with the name %j is refused', async (path, bad) => {
    const replies = [
      await begin({ path, name: bad }),
      await ask('POST', '/api/v1/files', { body: { path, name: bad, contentBase64: '' } }),
      await ask('POST', '/api/v1/files/presigned-url', { body: { path, name: bad, size: 1 } }),
    ];
    for (const { status, body } of replies) expect([status, body.code]).toEqual([422, 'NAME_REJECTED']);
  });

  test('a body whose path leads elsewhere, or whose size is too large, is refused', async () => {
    const raw = (path: string, length: number) =>
      new Promise<string>((resolve) => {
        const { port } = new URL(address);
        const socket = connect(Number(port), '127.0.0.1', () => {
          socket.write(
            `PUT ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${api.keys.acme}\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`,
          );
        });
        socket.once('data', (data) => {
          socket.destroy();
          resolve(data.toString());
        });
      });
    for (const path of ['/api/v1/files/../globex/x', '/api/v1/files/%2e%2e%2fglobex%2fx', '/api/v1/files/in/'])
      expect(await raw(path, 3)).toMatch(/^HTTP\/1\.1 (422|404)/);
    expect(await raw('/api/v1/files/x', 10 ** 14)).toMatch(/^HTTP\/1\.1 413/);
    expect(await raw('/api/v1/files/x', 3)).toMatch(/^HTTP\/1\.1 100/);
  });

  test('a disabled tenant is refused, by an operator’s key too, and so is what it began', async () => {
    const { body } = await begin();
    await putParts(body.upload_id, [1, 2, 3]);
    const disable = (verb: string) =>
      ask('POST', `/api/v1/tenants/acme/${verb}`, { key: api.keys.operator, body: { reason: 'a test' } });
    const asOperator = { key: api.keys.operator };
    const acts = (status: number) =>
      waitUntil('it acts', async () => (await begin({ tenant: 'acme' }, asOperator)).status === status, {
        timeoutMs: 60_000,
      });
    await disable('disable');
    try {
      await acts(409);
      const replies = [
        await begin({ tenant: 'acme' }, asOperator),
        await ask('PUT', '/api/v1/files/x?tenant=acme', { ...asOperator, body: Buffer.from('x') }),
        await ask('POST', `/api/v1/uploads/${body.upload_id}/complete`, {
          ...asOperator,
          body: { crc64nvme: await crcOf(content) },
        }),
      ];
      for (const reply of replies) expect([reply.status, reply.body.code]).toEqual([409, 'TENANT_DISABLED']);
    } finally {
      await disable('enable');
      await acts(201);
    }
  });
});

describe('a file as one body', () => {
  const put = (bytes: Uint8Array, headers: Record<string, string> = {}) =>
    ask('PUT', `/api/v1/files/inbound/${name}`, { body: bytes, headers });
  const digestOf = (bytes: Uint8Array) => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;

  test('is streamed into landing, small and large, and compared with its digest', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('a,b\n'), content]) {
      const reply = await put(bytes, { 'content-digest': digestOf(bytes) });
      expect(reply).toMatchObject({
        status: 201,
        body: { path: `inbound/${name}`, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
      });
      expect(reply.body.file_id).not.toBeNull();
    }
    expect(await filesOf(`acme/inbound/${name}`)).toHaveLength(3);
  });

  test('of another digest makes no object', async () => {
    for (const bytes of [Buffer.from('a,b\n'), content]) {
      const reply = await put(bytes, { 'content-digest': digestOf(Buffer.from('other')) });
      expect([reply.status, reply.body.code]).toEqual([422, 'UPLOAD_MISMATCH']);
    }
    const listed = await createObjectStore({ client: s3.client }).listVersions({
      bucket: BUCKET,
      prefix: `acme/inbound/${name}`,
    });
    expect(listed.items).toEqual([]);
    expect((await uploadsLeft()).filter(({ key }) => key.endsWith(name))).toEqual([]);
  });

  test('with an Idempotency-Key is one file, also side by side, and the key is for no other', async () => {
    const headers = { 'idempotency-key': `key-${name}` };
    const replies = await Promise.all([put(content, headers), put(content, headers)]);
    const done = replies.find(({ status }) => status === 201);
    for (const reply of replies) expect([undefined, 'UPLOAD_IN_PROGRESS']).toContain(reply.body.code);
    const again = await put(content, headers);
    expect(again).toMatchObject({ status: 201, body: { file_id: done?.body.file_id } });
    expect(await filesOf(`acme/inbound/${name}`)).toHaveLength(1);
    const other = await put(Buffer.from('x'), headers);
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
  });

  test('with a digest has its SHA-256 in the answer to a repeated request too', async () => {
    const headers = { 'idempotency-key': `digest-${name}`, 'content-digest': digestOf(content) };
    const sha256 = createHash('sha256').update(content).digest('hex');
    for (let times = 0; times < 2; times += 1)
      expect(await put(content, headers)).toMatchObject({ status: 201, body: { sha256 } });
  });

  test('goes on when the store names its multipart upload after the last byte was read', async () => {
    const held = await createUpload(api.sql, {
      id: randomUUIDv7(),
      tenantId: 'acme',
      bucket: BUCKET,
      key: `acme/inbound/${name}`,
      sizeBytes: null,
      contentType: undefined,
      source: 'http',
      uploadedBy: 'test',
      actor: 'test',
      isHeld: true,
    });
    if (held === undefined) throw new Error('no upload');
    expect(await beginCompletion(api.sql, held)).toBe(true);
    expect(await noteStoreUpload(api.sql, { ...held, epoch: held.epoch + 1 }, 'of another')).toBe(false);
    expect(await noteStoreUpload(api.sql, held, 'named late')).toBe(true);
    expect(await noteStoreUpload(api.sql, held, 'a second')).toBe(false);
  });

  test('is one file when its process ended after the object was there', async () => {
    const headers = { 'idempotency-key': `key-${name}` };
    const first = await put(Buffer.from('a,b\n'), headers);
    // As it is when the process ends between the last byte and the registration, and its lease ran out.
    await api.sql`DELETE FROM files WHERE id = ${first.body.file_id}`;
    await api.sql`
      UPDATE uploads SET state = 'COMPLETING', version_id = NULL, finished_at = NULL, lease_until = now() - interval '1 s'
      WHERE id = ${first.body.upload_id}`;
    const second = await put(Buffer.from('a,b\n'), headers);
    expect(second).toMatchObject({ status: 201, body: { upload_id: first.body.upload_id } });
    const listed = await createObjectStore({ client: s3.client }).listVersions({
      bucket: BUCKET,
      prefix: `acme/inbound/${name}`,
    });
    expect(listed.items).toHaveLength(1);
    expect(await filesOf(`acme/inbound/${name}`)).toHaveLength(1);
  });

  test('that stands still, or is cut off, leaves nothing', async () => {
    const { port } = new URL(address);
    const send = (path: string, isCut: boolean) =>
      new Promise<string>((resolve) => {
        let answer = '';
        const socket = connect(Number(port), '127.0.0.1', () => {
          socket.write(
            `PUT ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${api.keys.acme}\r\ncontent-length: 1000\r\n\r\nabc`,
            () => {
              if (isCut) socket.destroy();
            },
          );
        });
        socket.on('data', (data) => {
          answer += data.toString();
        });
        socket.on('close', () => resolve(answer));
      });
    expect(await send(`/api/v1/files/${name}`, false)).toMatch(/^HTTP\/1\.1 408[\s\S]*UPLOAD_STALLED/);
    await send(`/api/v1/files/cut-${name}`, true);
    const states = () =>
      api.sql<{ state: string; errorCode: string }[]>`
        SELECT state, error_code AS "errorCode" FROM uploads WHERE key LIKE ${`acme/%${name}`} ORDER BY created_at`;
    await waitUntil(
      'both ended',
      async () => (await states()).filter(({ state }) => state === 'ABORTED').length === 2,
      {
        timeoutMs: 60_000,
      },
    );
    expect((await states()).map(({ errorCode }) => errorCode)).toEqual(['UPLOAD_STALLED', 'UPLOAD_INCOMPLETE']);
    expect(await filesOf(`acme/${name}`)).toEqual([]);
  });

  test('comes as base64 in JSON, and by a presigned URL of its size', async () => {
    const bytes = Buffer.from('a,b\n');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const json = { path: 'inbound', name, contentBase64: bytes.toString('base64') };
    expect(await ask('POST', '/api/v1/files', { body: { ...json, sha256 } })).toMatchObject({
      status: 201,
      body: { sha256 },
    });
    const wrong = await ask('POST', '/api/v1/files', { body: { ...json, sha256: '0'.repeat(64) } });
    expect([wrong.status, wrong.body.code]).toEqual([422, 'UPLOAD_MISMATCH']);

    const { body } = await ask('POST', '/api/v1/files/presigned-url', { body: { name: `by-url-${name}`, size: 4 } });
    expect((await fetch(body.url, { method: 'PUT', headers: body.headers, body: 'a,b\n\n' })).status).toBe(403);
    expect((await fetch(body.url, { method: 'PUT', body: 'a,b\n' })).status).toBe(403);
    expect((await fetch(body.url, { method: 'PUT', headers: body.headers, body: 'a,b\n' })).status).toBe(200);
  });
});

describe('a download', () => {
  test('is a URL of a minute for an own file, and in the audit', async () => {
    const { body: sent } = await ask('PUT', `/api/v1/files/${encodeURIComponent('façade "1".csv')}`, {
      body: Buffer.from('a,b\n'),
    });
    const download = (more: object = {}, asked: Asked = {}) =>
      ask('POST', '/api/v1/downloads', { body: { file_id: sent.file_id, ...more }, ...asked });
    const { body } = await download();
    const got = await fetch(body.url);
    expect([got.status, await got.text()]).toEqual([200, 'a,b\n']);
    expect(got.headers.get('content-disposition')).toBe(
      `attachment; filename="fa_ade _1_.csv"; filename*=UTF-8''fa%C3%A7ade%20%221%22.csv`,
    );
    expect(new URL(body.url).searchParams.get('X-Amz-Expires')).toBe('60');
    expect((await download({}, { key: api.keys.globex })).status).toBe(404);
    expect((await download({}, { key: api.keys.operator })).status).toBe(400);
    expect((await download({ reason: 'INC-1' }, { key: api.keys.operator })).status).toBe(200);
    expect((await download({ what: 'results' })).status).toBe(404);
    expect((await ask('GET', `/api/v1/files/${sent.file_id}`)).body.downloads).toEqual(['original']);
    const lines = await api.sql`
      SELECT actor, detail ->> 'reason' AS reason FROM audit_events WHERE type = 'file.downloaded' AND file_id = ${sent.file_id} ORDER BY at`;
    expect(lines).toEqual([
      { actor: 'tenant:acme:acme', reason: null },
      { actor: 'operator:operator', reason: 'INC-1' },
    ]);
  });

  test('of an original takes more than the right to see it', async () => {
    const { key } = await createApiKey(api.sql, {
      tenantId: 'acme',
      label: 'viewer',
      role: 'tenant-viewer',
      actor: 'test',
    });
    const { body: sent } = await ask('PUT', `/api/v1/files/${name}`, { body: Buffer.from('x') });
    const ofKey = (what: string) => ask('POST', '/api/v1/downloads', { key, body: { file_id: sent.file_id, what } });
    expect([(await ofKey('original')).status, (await ofKey('rejects')).status]).toEqual([403, 404]);
  });

  test.each([
    ['parse', 'SUCCEEDED'],
    ['load', 'SUCCEEDED'],
    ['convert', 'FAILED'],
    ['transform', 'SUCCEEDED', 'rejectedRows'],
  ])('of what a step %s that %s rejected is the file that the sender gets', async (kind, state, output = 'rejects') => {
    const place = { bucket: 'test-outbound', key: `acme/rejects/inbound/${name}` };
    await createObjectStore({ client: s3.client }).put({ target: place, body: Buffer.from('x,no number\n') });
    await seedTenant(api.sql);
    const [job] = await seedJobs(api.sql, { objects: [{ key: `acme/inbound/${name}` }] });
    await api.sql`
      INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
      VALUES (${job?.id ?? ''}, 0, ${kind}, ${state}, 1, ${api.sql.json({ [output]: place })}, now(), now())`;
    const { body } = await ask('POST', '/api/v1/downloads', { body: { file_id: job?.fileId, what: 'rejects' } });
    expect(await (await fetch(body.url)).text()).toBe('x,no number\n');
    expect((await ask('GET', `/api/v1/files/${job?.fileId}`)).body.downloads).toEqual(['original', 'rejects']);
  });
});

describe('an upload link', () => {
  const invite = async () => {
    const body = { tenant: 'acme', path: 'desk', reason: 'CASE-7: the mailbox was full' };
    const reply = await ask('POST', '/api/v1/upload-links', { key: api.keys.operator, body });
    return { status: reply.status, token: new URL(reply.body.url, address).hash.slice(1) };
  };
  const send = async (token: string, as = name) => {
    const response = await fetch(`${address}/upload/${encodeURIComponent(as)}`, {
      method: 'PUT',
      headers: { 'x-upload-link': token },
      body: 'a,b\n',
    });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };

  test('takes one file to the routes of its tenant, with who and why', async () => {
    const { status, token } = await invite();
    expect(status).toBe(201);
    expect((await send(token, '../x')).body.code).toBe('NAME_REJECTED');
    expect((await send(token)).status).toBe(201);
    expect(await send(token)).toMatchObject({ status: 404, body: { code: 'UPLOAD_LINK_INVALID' } });
    expect(await filesOf(`acme/desk/${name}`)).toMatchObject([
      { source: 'link', uploadedBy: 'link:operator:operator' },
    ]);
    const [line] =
      await api.sql`SELECT detail FROM audit_events WHERE type = 'upload.created' AND detail ->> 'key' = ${`acme/desk/${name}`}`;
    expect(line?.detail).toMatchObject({ source: 'link', reason: 'CASE-7: the mailbox was full' });
  });

  test('is refused when it is forged, cut or expired', async () => {
    const { token } = await invite();
    await api.sql`UPDATE upload_links SET expires_at = now()`;
    for (const bad of [token, token.slice(1), `${token}x`, 'A'.repeat(43)])
      expect(await send(bad)).toMatchObject({ status: 404, body: { code: 'UPLOAD_LINK_INVALID' } });
  });

  test('opens a page that runs nothing but our script', async () => {
    const page = await fetch(`${address}/upload`);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(await page.text()).not.toMatch(/<script(?! src="\/upload\.js" defer>)/);
    expect((await fetch(`${address}/upload.js`)).headers.get('content-type')).toContain('javascript');
  });
});

test('a JSON request that does not arrive whole is refused in time', async () => {
  const slow = await startTestApi({ arrivalMs: 300 });
  try {
    const { port } = new URL(await slow.app.listen({ host: '127.0.0.1', port: 0 }));
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(
          `POST /api/v1/files HTTP/1.1\r\nhost: x\r\nx-api-key: ${slow.keys.acme}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{`,
        ),
      );
      socket.on('data', (data) => {
        text += data.toString();
      });
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408[\s\S]*REQUEST_TIMEOUT/);
  } finally {
    await slow.stop();
  }
});

describe('a body that is not as it should be', () => {
  /** As it stands, over its own socket. Resolves to the answer, or to what came before the socket closed. */
  const raw = (head: readonly string[], body: string | Buffer = '', { ends = false } = {}) =>
    new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(Number(new URL(address).port), '127.0.0.1', () => {
        const lines = [...head, 'host: x', `x-api-key: ${api.keys.acme}`];
        socket.write(`${lines.join('\r\n')}\r\n\r\n`);
        socket.write(body);
        if (ends) socket.end();
      });
      socket.on('data', (data) => {
        answer += data.toString();
        if (/\r\n\r\n.*\}$/s.test(answer)) socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(answer));
    });
  const put = (headers: readonly string[], body?: string | Buffer, options?: { ends?: boolean }) =>
    raw([`PUT /api/v1/files/${name} HTTP/1.1`, ...headers], body, options);
  const nothingIsLeft = async () => {
    await waitUntil(
      'what was begun has ended',
      async () => {
        const open = await api.sql`
          SELECT 1 FROM uploads WHERE key = ${`acme/${name}`} AND state NOT IN ('ABORTED', 'COMPLETED')`;
        return open.length === 0;
      },
      { timeoutMs: 60_000 },
    );
    expect(await filesOf(`acme/${name}`)).toEqual([]);
    const store = createObjectStore({ client: s3.client });
    expect((await store.listVersions({ bucket: BUCKET, prefix: `acme/${name}` })).items).toEqual([]);
    expect((await uploadsLeft()).filter(({ key }) => key.endsWith(name))).toEqual([]);
  };

  test('comes in chunks without a length, and is whole', async () => {
    const answer = await put(['transfer-encoding: chunked'], '4\r\na,b\n\r\n2\r\nc\n\r\n0\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 201/);
    expect(await filesOf(`acme/${name}`)).toMatchObject([{ sizeBytes: '6' }]);
  });

  test.each<[string, string[], string, boolean]>([
    ['ends before its last chunk', ['transfer-encoding: chunked'], '4\r\na,b\n\r\n', true],
    ['has a chunk that is not as long as it says', ['transfer-encoding: chunked'], 'ff\r\na,b\n\r\n', true],
    ['has chunks that are none', ['transfer-encoding: chunked'], 'zz\r\na,b\n\r\n0\r\n\r\n', false],
    ['is shorter than its length', ['content-length: 100'], 'a,b\n', true],
    ['has two lengths', ['content-length: 4', 'content-length: 5'], 'a,b\n', false],
    ['has a length and chunks', ['content-length: 4', 'transfer-encoding: chunked'], '4\r\na,b\n\r\n0\r\n\r\n', false],
    ['has a length below nothing', ['content-length: -4'], 'a,b\n', false],
    ['has a digest that is none', ['content-length: 4', 'content-digest: sha-256=:AAAA:'], 'a,b\n', false],
    [
      'has a digest of md5 alone',
      ['content-length: 4', 'content-digest: md5=:AAAAAAAAAAAAAAAAAAAAAA==:'],
      'a,b\n',
      false,
    ],
    ['has a key that no header has', ['content-length: 4', `idempotency-key: ${'k'.repeat(201)}`], 'a,b\n', false],
  ])('%s: it is no file, and nothing of it is left', async (_name, headers, body, ends) => {
    expect(await put(headers, body, { ends })).not.toMatch(/^HTTP\/1\.1 [25]/);
    await nothingIsLeft();
  });

  test('what follows a body of its length is not of the file', async () => {
    const smuggled = `PUT /api/v1/files/smuggled-${name} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`;
    expect(await put(['content-length: 4'], `a,b\n${smuggled}`)).toMatch(/^HTTP\/1\.1 201/);
    expect(await filesOf(`acme/${name}`)).toMatchObject([{ sizeBytes: '4' }]);
    expect(await filesOf(`acme/smuggled-${name}`)).toEqual([]);
  });

  test.each([
    ['a letter that base64 has not', 'YSxi-g=='],
    ['a length that base64 has not', 'YSxiC'],
    ['padding alone', '='],
    ['padding in the middle', 'YQ==YQ=='],
    ['bits that no byte has', 'YSxiCh=='],
    ['a line break', 'YSxi\nCg=='],
  ])('base64 with %s is refused', async (_name, contentBase64) => {
    const reply = await ask('POST', '/api/v1/files', { body: { name, contentBase64 } });
    expect([reply.status, reply.body.code]).toEqual([400, 'REQUEST_INVALID']);
    await nothingIsLeft();
  });

  test('base64 of more than 7 MB, and a body of more than a request has, are refused', async () => {
    const large = Buffer.alloc(7_000_001).toString('base64');
    const reply = await ask('POST', '/api/v1/files', { body: { name, contentBase64: large } });
    expect([400, 413]).toContain(reply.status);
    const huge = await ask('POST', '/api/v1/files', { body: { name, contentBase64: large.repeat(2) } });
    expect([huge.status, huge.body.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    const whole = Buffer.alloc(7_000_000).toString('base64');
    expect((await ask('POST', '/api/v1/files', { body: { name, contentBase64: whole } })).status).toBe(201);
  });

  test('one Idempotency-Key in JSON is one file of one content, two at a time or one after the other', async () => {
    const headers = { 'idempotency-key': `json-${name}` };
    const send = (text: string, more: object = {}) =>
      ask('POST', '/api/v1/files', {
        headers,
        body: { name, contentBase64: Buffer.from(text).toString('base64'), ...more },
      });
    const both = await Promise.all([send('a,b\n'), send('a,b\n')]);
    for (const { status } of both) expect([201, 409]).toContain(status);
    const again = await send('a,b\n');
    expect(again.status).toBe(201);
    for (const other of [await send('other\n'), await send('a,b\n', { path: 'elsewhere' })])
      expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    // The same key of another way is another request.
    const put = await ask('PUT', `/api/v1/files/${name}`, { headers, body: Buffer.from('a,b\n') });
    expect([put.status, put.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect(await filesOf(`acme/${name}`)).toHaveLength(1);
  });

  test('one Idempotency-Key gives one presigned upload, and the key is for no other', async () => {
    const headers = { 'idempotency-key': `url-${name}` };
    const wish = (more: object = {}) =>
      ask('POST', '/api/v1/files/presigned-url', { headers, body: { name, size: 4, ...more } });
    const both = await Promise.all([wish(), wish()]);
    expect(new Set(both.map(({ body }) => body.upload_id)).size).toBe(1);
    const other = await wish({ size: 5 });
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    const url = both[0]?.body;
    for (const bytes of ['', 'a,b', 'a,b\n\n'])
      expect((await fetch(url.url, { method: 'PUT', headers: url.headers, body: bytes })).status).toBe(403);
  });
});
