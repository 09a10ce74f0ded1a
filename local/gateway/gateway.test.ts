import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { generateKeyPair, SignJWT } from 'jose';
import { generate } from 'selfsigned';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadAuthorizerConfig } from '#services/authorizer/config.ts';
import { createAuthorizer } from '#services/authorizer/create-authorizer.ts';
import { createUndiciClient } from '#shared/http/create-undici-client.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { AUDIENCE, CLIENT, ISSUER, startTestPartner } from '#testkit/beds/partner-simulator-bed.ts';
import { loadGatewayConfig } from './config.ts';
import { evaluatePolicy } from './evaluate-policy.ts';
import { type GatewayOptions, startGateway } from './start-gateway.ts';

const client = createUndiciClient({ timeoutMs: 60_000, maxBodyBytes: 100_000 });
const lines: string[] = [];
const logger = createLogger({ service: 'gateway', destination: { write: (line: string) => lines.push(line) } });

let partner: Awaited<ReturnType<typeof startTestPartner>>;
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  partner = await startTestPartner();
  closers.push(partner.stop);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function openGateway(options: Partial<GatewayOptions> = {}) {
  const config = loadAuthorizerConfig({
    LONGSHORE_AUTHORIZER_ISSUER: ISSUER,
    LONGSHORE_AUTHORIZER_AUDIENCE: AUDIENCE,
    LONGSHORE_AUTHORIZER_JWKS_URL: `${partner.simulator.url}/.well-known/jwks.json`,
    LONGSHORE_AUTHORIZER_CLOCK_TOLERANCE_S: '0',
    LONGSHORE_AUTHORIZER_RULES: JSON.stringify([
      { method: 'POST', path: '/validation', scopes: ['rfi.validate'] },
      { method: 'GET', path: '/assignments', scopes: ['rfi.assignments'] },
      { method: 'POST', path: '/baec/*', scopes: ['rfi.coupons'] },
    ]),
  });
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    backend: new URL(partner.simulator.url),
    authorize: createAuthorizer(config, { logger }),
    logger,
    ...options,
  });
  closers.push(gateway.stop);
  const call = async (
    token: string | undefined,
    more: { path?: string; method?: 'GET' | 'POST'; body?: string | Buffer; headers?: Record<string, string> } = {},
  ) => {
    const method = more.method ?? 'POST';
    const outcome = await client.send({
      method,
      url: new URL(more.path ?? '/validation', gateway.url),
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...more.headers,
      },
      ...(method === 'POST' && { body: more.body ?? JSON.stringify({ recordKey: 'r1' }) }),
    });
    return outcome.type === 'replied'
      ? {
          status: outcome.status,
          headers: outcome.headers,
          body: outcome.bodyFault ?? JSON.parse(outcome.body.toString() || 'null'),
        }
      : { status: 0, headers: {}, body: outcome };
  };
  return { gateway, call };
}

async function fetchToken(scope?: string): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
  });
  if (scope !== undefined) form.set('scope', scope);
  const { body } = await partner.simulator.identity.issueToken(form, undefined);
  return String(body.access_token);
}

async function forgedToken(): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256');
  const { keys } = partner.simulator.identity.publicKeys() as { keys: { kid: string }[] };
  return new SignJWT({ scope: CLIENT.scopes.join(' ') })
    .setProtectedHeader({ alg: 'ES256', kid: keys[0]?.kid ?? '' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject('longshore')
    .setExpirationTime('5m')
    .sign(privateKey);
}

test('of an expired, a forged, a wrong-scope and a good token one reaches the backend', async () => {
  const { call } = await openGateway();
  partner.simulator.identity.setLifetimeS(-60);
  const expired = await fetchToken();
  partner.simulator.identity.setLifetimeS(300);
  expect(await call(expired)).toMatchObject({ status: 401, body: { message: 'Unauthorized' } });
  expect(await call(await forgedToken())).toMatchObject({ status: 401, body: { message: 'Unauthorized' } });
  expect(await call(await fetchToken('rfi.coupons'))).toMatchObject({
    status: 403,
    body: { Message: 'User is not authorized to access this resource' },
    headers: { 'x-amzn-errortype': 'AccessDeniedException' },
  });
  expect(partner.simulator.ledger.calls).toHaveLength(0);
  expect(await call(await fetchToken())).toMatchObject({ status: 200, body: { status: 'VALID' } });
  expect(partner.simulator.ledger.calls).toMatchObject([
    { api: 'validation', subject: 'longshore', outcome: 'accepted' },
  ]);
});

test('no token, an empty one and two of them are 401', async () => {
  const { call, gateway } = await openGateway();
  expect((await call(undefined)).status).toBe(401);
  expect((await call(undefined, { headers: { authorization: '' } })).status).toBe(401);
  const token = await fetchToken();
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  const authorization = `Authorization: Bearer ${token}\r\n`;
  socket.write(`POST /validation HTTP/1.1\r\nHost: x\r\n${authorization}${authorization}Content-Length: 2\r\n\r\n{}`);
  const [reply] = await once(socket, 'data');
  expect(String(reply)).toMatch(/^HTTP\/1\.1 401 /);
  socket.destroy();
  expect(partner.simulator.ledger.calls).toHaveLength(0);
});

test('a token that expires between two calls is 401, and a fresh one goes on', async () => {
  const { call } = await openGateway();
  const token = await fetchToken();
  expect((await call(token)).status).toBe(200);
  partner.simulator.identity.setLifetimeS(-1);
  expect((await call(await fetchToken())).status).toBe(401);
  partner.simulator.identity.setLifetimeS(300);
  expect((await call(await fetchToken())).status).toBe(200);
});

test('a method without an authorizer gets its request as it is, and opens no other', async () => {
  const { call } = await openGateway({ open: ['POST /oauth/token'] });
  const authorization = `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`;
  const form = { 'content-type': 'application/x-www-form-urlencoded', authorization };
  const body = 'grant_type=client_credentials&scope=rfi.validate';
  const issued = await call(undefined, { path: '/oauth/token', body, headers: form });
  expect(issued).toMatchObject({ status: 200, body: { token_type: 'Bearer' } });
  expect((await call(issued.body.access_token)).status).toBe(200);
  expect((await call(undefined, { method: 'GET', path: '/oauth/token' })).status).toBe(401);
  expect((await call(undefined, { path: '/oauth/token/x', body })).status).toBe(401);
  expect((await call(undefined)).status).toBe(401);
});

describe('the path that is called is the one that was allowed', () => {
  test.each([
    '/baec/../_ledger',
    '/baec/%2e%2e/_ledger',
    '/baec/%2E%2E%2F_ledger',
    '//_ledger',
    '/baec//x',
    '/baec/*',
    '/baec/;x',
    '/baec\\..\\_ledger',
    '/',
  ])('%s is refused', async (path) => {
    const { gateway } = await openGateway();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    const token = await fetchToken();
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 2\r\n\r\n{}`);
    const [reply] = await once(socket, 'data');
    expect(String(reply)).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  test('other methods and paths of a good token are 403', async () => {
    const { call } = await openGateway();
    const token = await fetchToken();
    for (const [method, path] of [
      ['GET', '/validation'],
      ['POST', '/validation/x'],
      ['POST', '/Validation'],
      ['GET', '/_ledger'],
      ['POST', '/coupon-redemptions'],
    ] as const) {
      expect((await call(token, { method, path })).status).toBe(403);
    }
    expect((await call(token, { path: '/baec/coupon-verifications' })).status).toBe(200);
    expect((await call(token, { method: 'GET', path: '/assignments?recordKey=r1' })).status).toBe(200);
  });
});

test('the backend sees the authorizer’s words, not the caller’s, and no token', async () => {
  const { call } = await openGateway();
  const token = await fetchToken();
  await call(token, { headers: { 'x-authorizer-subject': 'admin', 'x-request-id': 'mine' } });
  const [seen] = partner.simulator.ledger.calls;
  expect(seen?.subject).toBe('longshore');
  expect(seen?.requestId).not.toBe('mine');
  expect(lines.join('')).not.toContain(token);
});

describe('a backend', () => {
  async function startBackend(host: string, tls?: { readonly key: string; readonly cert: string }) {
    const seen: (string | undefined)[] = [];
    const onRequest: RequestListener = (request, response) => {
      seen.push(`${request.headers.host} ${request.url} ${request.headers.authorization ?? '-'}`);
      request.resume().once('end', () => response.end('{}'));
    };
    const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
    server.listen(0, host);
    await once(server, 'listening');
    closers.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    return { seen, port: (server.address() as AddressInfo).port };
  }

  const authorize = async () => allow('*');

  test.each(['/prefix', '/prefix/', '/pre%20fix/v1'])('at the path %s gets each call below it', async (prefix) => {
    const { seen, port } = await startBackend('127.0.0.1');
    const { call } = await openGateway({ authorize, backend: new URL(`http://127.0.0.1:${port}${prefix}`) });
    expect((await call('t', { path: '/validation?a=1' })).status).toBe(200);
    expect(seen).toEqual([`127.0.0.1:${port} ${prefix.replace(/\/$/, '')}/validation?a=1 -`]);
  });

  test('at an IPv6 address, with credentials of its own, is called', async () => {
    const { seen, port } = await startBackend('::1');
    const { call, gateway } = await openGateway({
      authorize,
      host: '::1',
      backend: new URL(`http://us%40er:pass@[::1]:${port}`),
    });
    expect(new URL(gateway.url).hostname).toBe('[::1]');
    expect((await call('t')).status).toBe(200);
    expect(seen).toEqual([`[::1]:${port} /validation Basic ${Buffer.from('us@er:pass').toString('base64')}`]);
  });

  test('of https is called over TLS, and not when its certificate is not trusted', async () => {
    const { private: privateKey, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
    const { seen, port } = await startBackend('127.0.0.1', { key: privateKey, cert });
    const backend = new URL(`https://localhost:${port}/prefix`);
    const { call } = await openGateway({ authorize, backend });
    expect((await call('t')).status).toBe(504);
    const trusted = getCACertificates('default');
    setDefaultCACertificates([...trusted, cert]);
    try {
      expect((await call('t')).status).toBe(200);
    } finally {
      setDefaultCACertificates(trusted);
    }
    expect(seen).toEqual([`localhost:${port} /prefix/validation -`]);
  });

  test.each(['ftp://x', 'http://x?a=1', 'http://x#a', 'x'])('of the URL %s is refused at the start', (url) => {
    const env = { LONGSHORE_HTTP_PORT: '0', LONGSHORE_GATEWAY_BACKEND_URL: url };
    expect(() => loadGatewayConfig(env)).toThrow('LONGSHORE_GATEWAY_BACKEND_URL');
  });
});

describe('an authorizer that', () => {
  test.each([
    ['throws', () => Promise.reject(new Error('Task timed out'))],
    ['never answers', () => new Promise(() => {})],
    ['answers nothing', async () => undefined],
    ['answers an object in its context', async () => ({ ...allow('*'), context: { a: {} } })],
    ['answers no principal', async () => ({ ...allow('*'), principalId: undefined })],
    ['answers no statement', async () => ({ ...allow('*'), policyDocument: { Version: '2012-10-17', Statement: [] } })],
  ])('%s lets nobody in', async (_name, authorize) => {
    const { call } = await openGateway({ authorize, authorizerDeadlineMs: 100 });
    expect(await call('t')).toMatchObject({ status: 500, body: { message: null } });
    expect(partner.simulator.ledger.calls).toHaveLength(0);
  });

  test('denies explicitly is 403 with its words', async () => {
    const { call } = await openGateway({ authorize: async () => allow('*', 'Deny') });
    expect(await call('t')).toMatchObject({ status: 403, body: { Message: expect.stringContaining('explicit deny') } });
  });
});

test('a deny wins over an allow, and wildcards match as IAM has them', () => {
  const arn = 'arn:aws:execute-api:us-east-1:0:local/main/POST/validation';
  const decide = (...statements: [string, 'Allow' | 'Deny'][]) =>
    evaluatePolicy(
      {
        principalId: 'p',
        context: {},
        policyDocument: {
          Version: '2012-10-17',
          Statement: statements.map(([Resource, Effect]) => ({
            Action: ['execute-api:Invoke'],
            Effect,
            Resource: [Resource],
          })),
        },
      },
      arn,
    );
  expect(decide([arn, 'Allow'])).toBe('allowed');
  expect(decide(['*', 'Allow'], [arn, 'Deny'])).toBe('explicitly-denied');
  expect(decide([`${arn}x`, 'Allow'])).toBe('not-allowed');
  expect(decide(['arn:aws:execute-api:*/POST/*', 'Allow'])).toBe('allowed');
  expect(decide(['arn:aws:execute-api:*/GET/*', 'Allow'])).toBe('not-allowed');
  expect(decide([`${arn.slice(0, -1)}?`, 'Allow'])).toBe('allowed');
  expect(decide([`${arn}?`, 'Allow'])).toBe('not-allowed');
  expect(decide([`${arn}*`, 'Allow'])).toBe('allowed');
});

describe('the backend’s faults', () => {
  const send = async (fault: string, options: Partial<GatewayOptions> = {}) => {
    const { call } = await openGateway(options);
    return call(await fetchToken(), { body: JSON.stringify({ recordKey: 'r', m: `SIM:V:${fault}` }) });
  };

  test('pass through as they are: status, Retry-After, redirect', async () => {
    expect(await send('429-5')).toMatchObject({ status: 429, headers: { 'retry-after': '5' } });
    expect(await send('500')).toMatchObject({ status: 500 });
    expect(await send('redirect')).toMatchObject({ status: 302 });
    expect(partner.simulator.followedRedirects).toBe(0);
  });

  test('without a reply are 504: reset, too late, headers without end, nobody there', async () => {
    expect(await send('reset')).toMatchObject({
      status: 504,
      body: { message: 'Network error communicating with endpoint' },
    });
    expect(await send('timeout', { deadlineMs: 150 })).toMatchObject({
      status: 504,
      body: { message: 'Endpoint request timed out' },
    });
    expect(await send('headers')).toMatchObject({ status: 504 });
    expect(await send('500', { backend: new URL('http://127.0.0.1:1') })).toMatchObject({ status: 504 });
  });

  test('in the middle of a reply cut it: a drip at the deadline, a body that is too short', async () => {
    expect(await send('drip', { deadlineMs: 200 })).toMatchObject({ body: { cause: 'cut-off' } });
    expect(await send('short')).toMatchObject({ body: { cause: 'cut-off' } });
    expect(await send('bomb')).toMatchObject({ body: { cause: 'too-large' } });
  });
});

test('a body over the cap is 413, announced or not, and does not reach the backend', async () => {
  const { call, gateway } = await openGateway({ largestBodyBytes: 10_000 });
  const token = await fetchToken();
  expect(await call(token, { body: Buffer.alloc(10_001) })).toMatchObject({ status: 413 });
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `POST /validation HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  for (let sent = 0; sent < 12; sent += 1) socket.write(`3e8\r\n${'x'.repeat(1_000)}\r\n`);
  const [reply] = await once(socket, 'data');
  expect(String(reply)).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
  expect(partner.simulator.ledger.calls).toHaveLength(0);
});

function allow(resource: string, effect = 'Allow') {
  return {
    principalId: 'p',
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect: effect, Resource: resource }],
    },
  };
}
