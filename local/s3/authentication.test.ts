import { createHash, createHmac } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeComponent } from '#local/s3/s3-request.ts';
import { createTestClient, type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

let s3: S3TestServer;
let clockShiftMs = 0;

beforeAll(async () => {
  s3 = await startTestServer({ idleTimeoutMs: 500, now: () => Date.now() + clockShiftMs });
  s3.server.createBucket('bucket');
  await s3.client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: 'content' }));
});
afterAll(() => s3.stop());

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');

interface Signing {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly payloadHash: string;
  /** Presigned, for so many seconds; a header otherwise. */
  readonly expires?: number;
  readonly query?: Record<string, string>;
  readonly atMs?: number;
}

/** An independent signer, written from the specification. */
function sign(signing: Signing) {
  const { method, path, payloadHash, expires, atMs = Date.now() } = signing;
  const timestamp = new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${timestamp.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const host = `127.0.0.1:${s3.server.port}`;
  const headers: Record<string, string> = { host, ...signing.headers };
  if (expires === undefined) Object.assign(headers, { 'x-amz-date': timestamp, 'x-amz-content-sha256': payloadHash });
  const names = Object.keys(headers).sort();
  const query: Record<string, string> = { ...signing.query };
  if (expires !== undefined)
    Object.assign(query, {
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${TEST_CREDENTIAL.accessKeyId}/${scope}`,
      'X-Amz-Date': timestamp,
      'X-Amz-Expires': String(expires),
      'X-Amz-SignedHeaders': names.join(';'),
    });
  const canonicalQuery = Object.keys(query)
    .sort()
    .map((name) => `${encodeComponent(name)}=${encodeComponent(query[name]!)}`)
    .join('&');
  const canonicalHeaders = names.map((name) => `${name}:${headers[name]}\n`).join('');
  const canonical = [method, path, canonicalQuery, canonicalHeaders, names.join(';'), payloadHash].join('\n');
  const key = ['us-east-1', 's3', 'aws4_request'].reduce<Buffer>(
    hmac,
    hmac(`AWS4${TEST_CREDENTIAL.secretAccessKey}`, timestamp.slice(0, 8)),
  );
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`).toString('hex');
  const credential = `Credential=${TEST_CREDENTIAL.accessKeyId}/${scope}`;
  if (expires === undefined)
    headers.authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  const target =
    expires === undefined ? `${path}?${canonicalQuery}` : `${path}?${canonicalQuery}&X-Amz-Signature=${signature}`;
  return { method, target, headers, key, scope, timestamp, signature };
}

function send(
  { method, target, headers }: { method: string; target: string; headers: Record<string, string> },
  body: string | Buffer = '',
): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof send>>>();
  const options = { host: '127.0.0.1', port: s3.server.port, method, path: target, headers };
  const outgoing = request(options, async (response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString(), headers: response.headers });
  });
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

const presigned = { method: 'GET', path: '/bucket/k', payloadHash: 'UNSIGNED-PAYLOAD', expires: 60 };

describe('authentication', () => {
  it('lets nobody in without a signature, except to the health check', async () => {
    const anonymous = await send({ method: 'GET', target: '/bucket/k', headers: {} });
    expect(anonymous).toMatchObject({ status: 403, text: expect.stringContaining('<Code>AccessDenied</Code>') });
    expect(await send({ method: 'GET', target: '/_health', headers: {} })).toMatchObject({ status: 200 });
  });

  it('refuses a wrong secret and an unknown key', async () => {
    for (const [credentials, name] of [
      [{ ...TEST_CREDENTIAL, secretAccessKey: 'wrong-secret' }, 'SignatureDoesNotMatch'],
      [{ ...TEST_CREDENTIAL, accessKeyId: 'NOBODY' }, 'InvalidAccessKeyId'],
    ] as const) {
      const client = createTestClient(s3.server.url, credentials);
      await expect(client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'k' }))).rejects.toMatchObject({ name });
      client.destroy();
    }
  });

  it('refuses a clock that is more than 15 minutes off', async () => {
    const request = { method: 'GET', path: '/bucket/k', payloadHash: sha256('') };
    expect(await send(sign({ ...request, atMs: Date.now() - 14 * 60_000 }))).toMatchObject({ status: 200 });
    for (const minutes of [-16, 16]) {
      const reply = await send(sign({ ...request, atMs: Date.now() + minutes * 60_000 }));
      expect(reply).toMatchObject({ status: 403, text: expect.stringContaining('RequestTimeTooSkewed') });
    }
  });

  it('takes a presigned URL until it expires, for its method and key alone', async () => {
    const signed = sign({ ...presigned, query: { 'response-content-disposition': 'attachment; filename="a b"' } });
    const reply = await send(signed);
    expect(reply).toMatchObject({ status: 200, text: 'content' });
    expect(reply.headers['content-disposition']).toBe('attachment; filename="a b"');
    for (const change of [{ method: 'DELETE' }, { target: signed.target.replace('/k?', '/l?') }])
      expect(await send({ ...signed, ...change })).toMatchObject({
        status: 403,
        text: expect.stringContaining('SignatureDoesNotMatch'),
      });
    clockShiftMs = 61_000;
    try {
      expect(await send(signed)).toMatchObject({ status: 403, text: expect.stringContaining('Request has expired') });
    } finally {
      clockShiftMs = 0;
    }
  });

  it('refuses x-amz headers that the signature does not cover', async () => {
    const signed = sign({ ...presigned, method: 'PUT' });
    const headers = { ...signed.headers, 'x-amz-copy-source': '/bucket/k' };
    expect(await send({ ...signed, headers })).toMatchObject({ status: 403 });
  });

  it('refuses a presigned URL that comes with an Authorization header, as Amazon S3 does', async () => {
    const signed = sign(presigned);
    const { authorization } = sign({ method: 'GET', path: '/bucket/k', payloadHash: sha256('') }).headers;
    const reply = await send({ ...signed, headers: { ...signed.headers, authorization: authorization! } });
    expect(reply).toMatchObject({ status: 400, text: expect.stringContaining('<Code>InvalidArgument</Code>') });
  });

  it('takes a body in chunks of HTTP, of no declared length, when it is the signed one', async () => {
    const put = (body: string) => {
      const headers = { 'transfer-encoding': 'chunked' };
      return send(sign({ method: 'PUT', path: '/bucket/of-chunks', payloadHash: sha256('content'), headers }), body);
    };
    expect(await put('content')).toMatchObject({ status: 200 });
    expect(await put('c0ntent')).toMatchObject({
      status: 400,
      text: expect.stringContaining('XAmzContentSHA256Mismatch'),
    });
  });

  it('refuses a body that is not the signed one', async () => {
    const signed = sign({ method: 'PUT', path: '/bucket/tampered', payloadHash: sha256('honest') });
    const reply = await send(signed, 'forged');
    expect(reply).toMatchObject({ status: 400, text: expect.stringContaining('XAmzContentSHA256Mismatch') });
    expect(await send(sign({ ...presigned, path: '/bucket/tampered' }))).toMatchObject({ status: 404 });
  });

  it('checks the signature of every chunk and of the trailer', async () => {
    const put = (content: string, forge: (body: string) => string) => {
      const signed = sign({
        method: 'PUT',
        path: '/bucket/chunked',
        payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
        headers: {
          'x-amz-decoded-content-length': String(content.length),
          'x-amz-trailer': 'x-amz-checksum-sha256',
          'content-encoding': 'aws-chunked',
        },
      });
      let previous = signed.signature;
      const chain = (kind: string, hashes: string) => {
        const text = `AWS4-HMAC-SHA256-${kind}\n${signed.timestamp}\n${signed.scope}\n${previous}\n${hashes}`;
        previous = hmac(signed.key, text).toString('hex');
        return previous;
      };
      const chunk = (data: string) =>
        `${data.length.toString(16)};chunk-signature=${chain('PAYLOAD', `${sha256('')}\n${sha256(data)}`)}\r\n${data}`;
      const trailer = `x-amz-checksum-sha256:${createHash('sha256').update(content).digest('base64')}`;
      const body = `${chunk(content.slice(0, 5))}\r\n${chunk(content.slice(5))}\r\n${chunk('')}${trailer}\r\n`;
      const end = `x-amz-trailer-signature:${chain('TRAILER', sha256(`${trailer}\n`))}\r\n\r\n`;
      return send(signed, forge(body + end));
    };
    expect(await put('hello world', (body) => body)).toMatchObject({ status: 200 });
    for (const forge of [
      (body: string) => body.replace('world', 'w0rld'),
      (body: string) => body.replace(/signature:[0-9a-f]{4}/, 'signature:0000'),
      (body: string) => body.replace(/x-amz-trailer-signature:\w+\r\n/, ''),
    ])
      expect(await put('hello world', forge)).toMatchObject({
        status: 403,
        text: expect.stringContaining('SignatureDoesNotMatch'),
      });
    const truncated = await put('hello world', (body) => body.slice(0, body.lastIndexOf('0;chunk')));
    expect(truncated).toMatchObject({ status: 400, text: expect.stringContaining('IncompleteBody') });
    for (const more of ['extra', 'extra\r\n', '5\r\nextra\r\n']) {
      const prolonged = await put('hello world', (body) => body + more);
      expect(prolonged).toMatchObject({ status: 400, text: expect.stringContaining('InvalidRequest') });
    }
  });

  it.each([0, -1, 604_801])('refuses a presigned URL of %i seconds as one that does not hold', async (expires) => {
    const signed = sign({ method: 'GET', path: '/bucket/k', payloadHash: 'UNSIGNED-PAYLOAD', expires });
    expect(await send(signed)).toMatchObject({ status: 403, text: expect.stringContaining('AccessDenied') });
  });

  it('takes an empty Authorization header for none, and ignores what is expected but 100-continue', async () => {
    const anonymous = await send({ method: 'GET', target: '/bucket/k', headers: { authorization: '' } });
    expect(anonymous).toMatchObject({ status: 403, text: expect.stringContaining('AccessDenied') });
    const signed = sign({
      method: 'PUT',
      path: '/bucket/expected',
      payloadHash: sha256('x'),
      headers: { expect: '200', 'content-length': '1' },
    });
    expect(await send(signed, 'x')).toMatchObject({ status: 200 });
  });

  it('refuses XML with a DOCTYPE, broken XML, and subresources that are not there', async () => {
    const post = (document: string) =>
      send(sign({ method: 'POST', path: '/bucket', query: { delete: '' }, payloadHash: sha256(document) }), document);
    const doctype = '<!DOCTYPE a [<!ENTITY x "y">]><Delete><Object><Key>&x;</Key></Object></Delete>';
    for (const document of [
      doctype,
      '<Delete><Object>',
      '<Other/>',
      '',
      '<Delete><Object><Key>&toString;</Key></Object></Delete>',
    ])
      expect(await post(document)).toMatchObject({ status: 400, text: expect.stringContaining('MalformedXML') });
    const acl = sign({ method: 'PUT', path: '/bucket/k', query: { acl: '' }, payloadHash: sha256('') });
    expect(await send(acl)).toMatchObject({ status: 501, text: expect.stringContaining('NotImplemented') });
    expect(await send(sign(presigned))).toMatchObject({ text: 'content' });
  });

  it('keeps nothing of an upload whose client goes away', async () => {
    const headers = { 'content-length': '1000000' };
    const signed = sign({ method: 'PUT', path: '/bucket/cut', payloadHash: 'UNSIGNED-PAYLOAD', headers });
    const socket = connect(s3.server.port, '127.0.0.1');
    const lines = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`PUT ${signed.target} HTTP/1.1\r\n${lines.join('')}\r\n${'x'.repeat(700_000)}`, () =>
      socket.destroy(),
    );
    await new Promise((resolve) => socket.once('close', resolve));
    expect(await send(sign({ ...presigned, path: '/bucket/cut' }))).toMatchObject({ status: 404 });
  });

  it('cuts off a client that stops sending, and keeps nothing of it', async () => {
    const signed = sign({
      method: 'PUT',
      path: '/bucket/stalled',
      payloadHash: 'UNSIGNED-PAYLOAD',
      headers: { 'content-length': '1000' },
    });
    const socket = connect(s3.server.port, '127.0.0.1');
    const lines = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`PUT ${signed.target} HTTP/1.1\r\n${lines.join('')}\r\nabc`);
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(await send(sign({ ...presigned, path: '/bucket/stalled' }))).toMatchObject({ status: 404 });
  });

  it('answers by virtual host too', async () => {
    const host = `bucket.localhost:${s3.server.port}`;
    const signed = sign({ ...presigned, path: '/k', headers: { host } });
    expect(await send(signed)).toMatchObject({ status: 200, text: 'content' });
  });
});
