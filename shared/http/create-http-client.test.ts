import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { createHttpClient } from './create-http-client.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening socket has an address');
  return new URL(`http://127.0.0.1:${address.port}/`);
}

const client = createHttpClient({ timeoutMs: 500, maxBodyBytes: 10_000 });

test('gives whatever status came, and asks once', async () => {
  let asked = 0;
  const url = await serve((_request, response) => {
    asked += 1;
    response.writeHead(503, { 'retry-after': '5' }).end('busy');
  });
  for (const method of ['GET', 'PUT', 'POST'] as const) {
    expect(await client.send({ method, url, ...(method === 'GET' ? {} : { body: 'a' }) })).toMatchObject({
      type: 'replied',
      status: 503,
      headers: { 'retry-after': '5' },
      body: Buffer.from('busy'),
    });
  }
  expect(asked).toBe(3);
});

test('sends a body as it is, or none', async () => {
  const url = await serve(async (request, response) => {
    const chunks: Buffer[] = await request.toArray();
    response.end(`${request.method} ${Buffer.concat(chunks).toString()}`);
  });
  const bodyOf = async (request: Partial<Parameters<typeof client.send>[0]>) => {
    const outcome = await client.send({ method: 'POST', url, ...request });
    return outcome.type === 'replied' ? outcome.body.toString() : outcome.message;
  };
  expect(await bodyOf({ body: 'some text' })).toBe('POST some text');
  expect(await bodyOf({ method: 'PUT', body: Buffer.from('bytes') })).toBe('PUT bytes');
  expect(await bodyOf({})).toBe('POST ');
  expect(await bodyOf({ method: 'DELETE' })).toBe('DELETE ');
});

test('follows no redirect, so a key stays with its host', async () => {
  let wasFollowed = false;
  const other = await serve((_request, response) => {
    wasFollowed = true;
    response.end();
  });
  const url = await serve((_request, response) => response.writeHead(302, { location: other.href }).end());
  expect(await client.send({ method: 'GET', url, headers: { 'x-api-key': 'k' } })).toMatchObject({ status: 302 });
  expect(wasFollowed).toBe(false);
});

test('ends a reply that trickles', async () => {
  const url = await serve((_request, response) => {
    const timer = setInterval(() => response.write('.'), 50);
    response.on('close', () => clearInterval(timer));
  });
  const begun = performance.now();
  expect(await client.send({ method: 'GET', url })).toMatchObject({ type: 'no-reply', cause: 'timeout' });
  expect(performance.now() - begun).toBeLessThan(2_000);
});

test('stops reading at the cap, counted after decompression', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  const url = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
  expect(await client.send({ method: 'GET', url })).toMatchObject({ type: 'too-large', status: 200 });
});

test('tells a refused connection from one that was cut', async () => {
  const cut = await serve((request) => request.socket.destroy());
  expect(await client.send({ method: 'GET', url: cut })).toMatchObject({ type: 'no-reply', cause: 'reset' });
  const half = await serve((request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.destroy());
  });
  expect(await client.send({ method: 'GET', url: half })).toMatchObject({ type: 'no-reply' });
  const gone = await serve(() => {});
  for (const close of closers.splice(0)) await close();
  expect(await client.send({ method: 'GET', url: gone })).toMatchObject({ type: 'no-reply', cause: 'refused' });
});

test('ends when its caller gives up', async () => {
  const url = await serve(() => {});
  const signal = AbortSignal.timeout(50);
  expect(await client.send({ method: 'GET', url, signal })).toMatchObject({ type: 'no-reply', cause: 'aborted' });
});

test('never rejects: what no header may hold is no reply, and nothing was asked', async () => {
  let asked = 0;
  const url = await serve((_request, response) => {
    asked += 1;
    response.end();
  });
  const outcome = await client.send({ method: 'GET', url, headers: { 'x-name': 'a\r\nb' } });
  expect(outcome).toMatchObject({ type: 'no-reply', cause: 'other' });
  expect(asked).toBe(0);
});

test('reads compressed replies, and tells one that was cut from one that is whole', async () => {
  const whole = gzipSync(Buffer.from('{"status":"VALID"}'));
  let isCut = false;
  const url = await serve((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(isCut ? whole.subarray(0, 15) : whole);
  });
  expect(await client.send({ method: 'GET', url })).toMatchObject({ body: Buffer.from('{"status":"VALID"}') });
  isCut = true;
  expect(await client.send({ method: 'GET', url })).toMatchObject({ type: 'no-reply', cause: 'other' });
});

test('uses its connections again', async () => {
  const sockets = new Set<unknown>();
  const url = await serve((request, response) => {
    sockets.add(request.socket);
    response.end('x');
  });
  const own = createHttpClient({ timeoutMs: 5_000, maxBodyBytes: 100, maxSockets: 2 });
  for (let call = 0; call < 10; call += 1) await own.send({ method: 'POST', url, body: 'a' });
  own.close();
  expect(sockets.size).toBe(1);
});
