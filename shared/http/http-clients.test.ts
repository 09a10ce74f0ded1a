import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { createServer as createSocketServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, test } from 'vitest';
import { createGotClient } from './create-got-client.ts';
import { createUndiciClient } from './create-undici-client.ts';
import type { HttpReply } from './http-client.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function serve(listener: RequestListener): Promise<URL> {
  return listening(createServer(listener));
}

async function listening(server: Server | TlsServer): Promise<URL> {
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

/** What answers a TLS handshake with anything but one. */
async function listen(onSocket: (socket: Socket) => void): Promise<URL> {
  const sockets = new Set<Socket>();
  const server = createSocketServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return new URL(`https://127.0.0.1:${(server.address() as { port: number }).port}/`);
}

/** A server on its own thread: says its port, then that a request is there, and answers it once it may. */
const ANSWERING = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:http').createServer((request, response) => {
    parentPort.once('message', (answered) => response.end('done', () => {
      Atomics.store(answered, 0, 1);
      Atomics.notify(answered, 0);
    }));
    parentPort.postMessage('asked');
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

describe.each([
  ['undici', createUndiciClient],
  ['got', createGotClient],
])('the client over %s', (_library, create) => {
  const client = create({ timeoutMs: 20_000, maxBodyBytes: 10_000 });
  const hasty = create({ timeoutMs: 500, maxBodyBytes: 10_000 });

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
    expect(await hasty.send({ method: 'GET', url })).toMatchObject({
      type: 'replied',
      status: 200,
      bodyFault: { cause: 'late' },
    });
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
  ])('stops reading at the cap, counted after decompression: %s', async (encoding, pack) => {
    const bomb = pack(Buffer.alloc(50_000_000));
    const url = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(bomb),
    );
    expect(await client.send({ method: 'GET', url })).toMatchObject({ status: 200, bodyFault: { cause: 'too-large' } });
  });

  test('tells a refused connection from one that was cut', async () => {
    const cut = await serve((request) => request.socket.destroy());
    expect(await client.send({ method: 'GET', url: cut })).toMatchObject({
      type: 'no-reply',
      wasSent: true,
      cause: 'lost',
    });
    const half = await serve((request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.destroy());
    });
    expect(await client.send({ method: 'GET', url: half })).toMatchObject({
      status: 200,
      bodyFault: { cause: 'cut-off' },
    });
    const gone = await serve(() => {});
    for (const close of closers.splice(0)) await close();
    expect(await client.send({ method: 'GET', url: gone })).toMatchObject({
      type: 'no-reply',
      wasSent: false,
      cause: 'unreachable',
    });
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
    expect(outcome).toMatchObject({ type: 'no-reply', wasSent: false });
    expect(asked).toBe(0);
  });

  const JSON_TEXT = Buffer.from('{"status":"VALID"}');

  test.each([
    ['gzip', 'gzip', gzipSync(JSON_TEXT)],
    ['gzip under its old name, in capitals', 'X-GZIP', gzipSync(JSON_TEXT)],
    ['gzip without its end', 'gzip', gzipSync(JSON_TEXT).subarray(0, -6)],
    ['gzip that is not', 'gzip', JSON_TEXT],
    ['gzip twice', 'gzip, gzip', gzipSync(gzipSync(JSON_TEXT))],
    ['deflate', 'deflate', deflateSync(JSON_TEXT)],
    ['deflate without its zlib header', 'deflate', deflateRawSync(JSON_TEXT)],
    ['brotli', 'br', brotliCompressSync(JSON_TEXT)],
    ['zstd', 'zstd', zstdCompressSync(JSON_TEXT)],
    ['nothing, said outright', 'identity', JSON_TEXT],
    ['a charset in the place of an encoding', 'UTF-8', JSON_TEXT],
  ])('reads %s', async (_name, encoding, body) => {
    const url = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(body),
    );
    const reply = await client.send({ method: 'GET', url });
    expect(reply).toMatchObject({ type: 'replied', status: 200 });
    expect((reply as HttpReply).body.toString()).toBe(JSON_TEXT.toString());
    expect(reply).not.toHaveProperty('bodyFault');
  });

  test.each([200, 204, 304])('%i without a body is whole, whatever encoding it names', async (status) => {
    const url = await serve((_request, response) => response.writeHead(status, { 'content-encoding': 'gzip' }).end());
    const reply = await client.send({ method: 'POST', url, body: 'x' });
    expect(reply).toMatchObject({ type: 'replied', status, body: Buffer.alloc(0) });
    expect(reply).not.toHaveProperty('bodyFault');
  });

  const WHOLE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';
  const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

  test.each([
    ['an unasked 100', [`HTTP/1.1 100 Continue\r\n\r\n${WHOLE}`]],
    ['a 100 in pieces', ['HTTP/1.', '1 100 Cont', 'inue\r\nDate: now\r\n\r', `\n${WHOLE.slice(0, 5)}`, WHOLE.slice(5)]],
    ['many of 100 without words', ['HTTP/1.1 100\r\n\r\n'.repeat(500), WHOLE]],
    ['102', ['HTTP/1.1 102 Processing\r\n\r\n', WHOLE]],
    ['a head that comes byte by byte', [...`HTTP/1.1 100 Continue\r\n\r\n${WHOLE}`]],
    ['103 and 100', [`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${WHOLE}`]],
    ['100 and 103', ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', WHOLE]],
    ['extensions of chunks', [`${CHUNKED}2;a=b;c="d e"\r\n{}\r\n0;x\r\n\r\n`]],
    ['a trailer', [`${CHUNKED}0002\r\n{}\r\n000\r\nX-Sum: 1\r\n\r\n`]],
    ['blanks around a length', ['HTTP/1.1 200 OK\r\nContent-Length:  2  \r\n\r\n{}']],
    ['an offer to upgrade', ['HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}']],
    ['no words behind the status', ['HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}']],
    ['a line end before the status', [`\r\n${WHOLE}`]],
    ['a line end behind the body', [`${WHOLE}\r\n`]],
    ['more behind the body', [`${WHOLE}junk`]],
    ['a body for 204', ['HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}']],
    ['chunks for 204', ['HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n']],
  ])('takes a reply with %s for what it is', async (_name, parts) => {
    const url = await listen((socket) =>
      socket.once('data', async () => {
        for (const part of parts) {
          socket.write(part);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    url.protocol = 'http:';
    for (const isUnrepeatable of [true, false]) {
      const reply = (await client.send({ method: 'POST', url, body: 'x', isUnrepeatable })) as HttpReply;
      expect(reply).toMatchObject({ type: 'replied' });
      expect(`${reply.status} ${reply.body}`).toMatch(/^(?:200 \{\}|204 )$/);
      expect(reply).not.toHaveProperty('bodyFault');
    }
  });

  test('reads gzip that no header names', async () => {
    const url = await serve((_request, response) => response.end(gzipSync(JSON_TEXT)));
    expect(((await client.send({ method: 'GET', url })) as HttpReply).body.toString()).toBe(JSON_TEXT.toString());
  });

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['a bare line end', WHOLE.replaceAll('\r\n', '\n')],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['a name with a blank', 'HTTP/1.1 200 OK\r\nX-Name : a\r\nContent-Length: 2\r\n\r\n{}'],
  ])('says of %s that it cannot be read', async (_name, words) => {
    const url = await listen((socket) => socket.once('data', () => socket.end(words)));
    url.protocol = 'http:';
    expect(await client.send({ method: 'POST', url, body: 'x' })).toMatchObject({
      type: 'no-reply',
      wasSent: true,
      cause: 'unreadable',
    });
  });

  test('says which bodies it cannot unpack, and keeps their status', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(201, { 'content-encoding': 'br' }).end('\u0001\u0002 this is nothing'),
    );
    expect(await client.send({ method: 'GET', url })).toMatchObject({
      status: 201,
      bodyFault: { cause: 'undecodable' },
    });
  });

  test('reads a reply that came while the process stood still, although its time is over', async () => {
    const answering = new Worker(ANSWERING, { eval: true });
    closers.push(async () => void (await answering.terminate()));
    const [port] = (await once(answering, 'message')) as [number];
    const answered = new Int32Array(new SharedArrayBuffer(4));
    const url = new URL(`http://127.0.0.1:${port}/`);
    const reply = client.send({ method: 'POST', url, body: 'x', timeoutMs: 1_500 });
    await once(answering, 'message');
    const stoodMs = performance.now();
    answering.postMessage(answered);
    Atomics.wait(answered, 0, 0, 30_000);
    while (performance.now() - stoodMs < 1_600);
    expect(await reply).toMatchObject({ type: 'replied', status: 200 });
  });

  describe('what fails before the request is sent', () => {
    test('is told from what fails after it, whatever the handshake met', async () => {
      const plain = await serve((_request, response) => response.end());
      const secure = new URL(plain.href.replace('http:', 'https:'));
      const resetting = await listen((socket) => socket.once('data', () => socket.resetAndDestroy()));
      const closing = await listen((socket) => socket.once('data', () => socket.end()));
      const silent = await listen(() => {});
      for (const url of [secure, resetting, closing, silent]) {
        const outcome = await (url === silent ? hasty : client).send({ method: 'POST', url, body: 'effect' });
        expect(outcome, url.href).toMatchObject({ type: 'no-reply', wasSent: false });
      }
    });

    test('a connection that is never made', async () => {
      const lookup = (_name: string, _options: unknown, _done: unknown) => {};
      const guarded = create({
        timeoutMs: 200,
        maxBodyBytes: 100,
        addressGuard: { isAllowed: () => true, lookup: lookup as never },
      });
      const outcome = await guarded.send({ method: 'POST', url: new URL('http://never.example/'), body: 'x' });
      expect(outcome).toMatchObject({ type: 'no-reply', wasSent: false, cause: 'timeout' });
      guarded.close();
    });

    test('a certificate that is not trusted', async () => {
      const { private: key, cert } = await generate([{ name: 'commonName', value: '127.0.0.1' }]);
      let asked = 0;
      const server = createTlsServer({ key, cert }, (_request, response) => {
        asked += 1;
        response.end();
      });
      const url = new URL((await listening(server)).href.replace('http:', 'https:'));
      expect(await client.send({ method: 'POST', url, body: 'x' })).toMatchObject({
        wasSent: false,
        cause: 'untrusted',
      });
      expect(asked).toBe(0);
    });
  });

  test('a request that may not be repeated has a connection that no one on the way can have forgotten', async () => {
    const ports: (number | undefined)[] = [];
    const url = await serve((request, response) => {
      ports.push(request.socket.remotePort);
      response.end('x');
    });
    for (let call = 0; call < 3; call += 1) await client.send({ method: 'POST', url, body: 'a', isUnrepeatable: true });
    expect(new Set(ports).size).toBe(3);
  });

  test('uses its connections again', async () => {
    const sockets = new Set<unknown>();
    const url = await serve((request, response) => {
      sockets.add(request.socket);
      response.end('x');
    });
    const own = create({ timeoutMs: 5_000, maxBodyBytes: 100, maxSockets: 2 });
    for (let call = 0; call < 10; call += 1) await own.send({ method: 'POST', url, body: 'a' });
    own.close();
    expect(sockets.size).toBeLessThanOrEqual(2);
  });
});

test.each([
  ['a header on several lines', 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\td\r\nContent-Length: 2\r\n\r\n{}'],
  ['one length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length:2\r\n\r\n{}'],
  ['one length in a list', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2, 2\r\nX: y\r\n\r\n{}'],
  ['an encoding that is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}'],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\n{}'],
])('undici reads a head with %s', async (_name, words) => {
  const client = createUndiciClient({ timeoutMs: 20_000, maxBodyBytes: 10_000 });
  for (const pieces of [[words], [...words]]) {
    const url = await listen((socket) =>
      socket.once('data', async () => {
        for (const piece of pieces) {
          socket.write(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        socket.end();
      }),
    );
    url.protocol = 'http:';
    const reply = (await client.send({ method: 'POST', url, body: 'x' })) as HttpReply;
    expect(reply).toMatchObject({ type: 'replied', status: 200 });
    expect(reply.body.toString()).toBe('{}');
    expect(reply).not.toHaveProperty('bodyFault');
  }
});
