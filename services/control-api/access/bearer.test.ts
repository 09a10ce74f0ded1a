/** OAuth 2 access tokens next to API keys, from an issuer that may lie. */
import { type CryptoKey, importJWK } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBearerAuthenticator } from '#services/control-api/http/authenticate-bearer.ts';
import { createKeyCache } from '#shared/access/key-cache.ts';
import {
  AUDIENCE,
  ISSUER,
  makeKey,
  type SigningKey,
  showKeys,
  signToken,
  startIssuer,
} from '#testkit/beds/authorizer-bed.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

const RULES = {
  issuer: ISSUER,
  audience: [AUDIENCE],
  algorithms: ['ES256'],
  clockToleranceS: 0,
  largestTokenBytes: 8_192,
};

let api: TestApi;
let key: SigningKey;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
beforeAll(async () => {
  key = await makeKey('k1');
  issuer = await startIssuer(showKeys(key.publicJwk));
  const keys = createKeyCache({
    url: new URL(issuer.url),
    timeoutMs: 60_000,
    refreshMs: 60_000,
    maxAgeMs: 60_000,
    cooldownMs: 0,
    now: Date.now,
  });
  api = await startTestApi({
    authenticateBearer: createBearerAuthenticator({
      rules: RULES,
      keys,
      roles: { 'longshore.operate': 'operator', 'longshore.send': 'sender', desk: 'viewer' },
      tenantClaim: 'tenant',
      isActiveTenant: async (tenantId) => tenantId === 'acme' || tenantId === 'globex',
      cacheMs: 0,
    }),
  });
});
afterAll(async () => {
  await issuer.stop();
  await api.stop();
});

async function ask(token: string, headers: Record<string, string> = {}) {
  const response = await api.app.inject({
    url: '/api/v1/me',
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  return { status: response.statusCode, body: response.json(), challenge: response.headers['www-authenticate'] };
}

test.each([
  ['a scope', { scope: 'other longshore.operate' }, 'operator'],
  ['a group', { scope: '', groups: ['desk'] }, 'viewer'],
  ['the first of several in the mapping', { scope: 'longshore.operate', roles: ['desk'] }, 'operator'],
])('%s gives the role', async (_what, claims, role) => {
  expect(await ask(await signToken(key, { claims: { sub: 'ci', ...claims } }))).toMatchObject({
    status: 200,
    body: { actor: 'operator:ci', tenant: null, role },
  });
});

test('the claim gives the tenant, and only that tenant’s things', async () => {
  const token = await signToken(key, { claims: { sub: 'erp', scope: 'longshore.send', tenant: 'acme' } });
  expect((await ask(token)).body).toMatchObject({ actor: 'tenant:acme:erp', tenant: 'acme', role: 'sender' });
  const files = await api.app.inject({
    url: '/api/v1/files?tenant=globex',
    headers: { authorization: `Bearer ${token}` },
  });
  expect(files.json()).toMatchObject({ files: [] });
  const apply = await api.app.inject({
    method: 'POST',
    url: '/api/v1/routes',
    headers: { authorization: `Bearer ${token}` },
    payload: { kind: 'tenant', id: 'acme', name: 'x' },
  });
  expect(apply.statusCode).toBe(403);
});

test('scopes of ours in a token narrow its role to them; those of others do not', async () => {
  const tokenOf = (scope: string) => signToken(key, { claims: { sub: 'centre', scope, tenant: 'acme' } });
  expect((await ask(await tokenOf('longshore.send campaigns:write mails:send'))).body).toMatchObject({
    ...{ role: 'sender', scopes: ['campaigns:write'] },
    permissions: ['campaigns:change'],
  });
  expect((await ask(await tokenOf('longshore.send mails:send'))).body).toMatchObject({ role: 'sender', scopes: null });
  const authorization = `Bearer ${await tokenOf('longshore.send campaigns:write')}`;
  const statusOf = async (method: 'GET' | 'POST', url: string) =>
    (await api.app.inject({ method, url, headers: { authorization } })).statusCode;
  expect(await statusOf('GET', '/api/v1/files')).toBe(403);
  expect(await statusOf('POST', '/api/v1/campaigns')).toBe(400);
});

test.each([
  ['no role', { scope: 'something.else' }],
  ['a tenant’s role without a tenant', { scope: 'longshore.send' }],
  ['a tenant that is not there', { scope: 'longshore.send', tenant: 'nobody' }],
  ['a tenant that is no text', { scope: 'longshore.send', tenant: ['acme'] }],
  ['an operator’s role with a tenant', { scope: 'longshore.operate', tenant: 'acme' }],
  ['another audience', { scope: 'longshore.operate', aud: 'others' }],
  ['another issuer', { scope: 'longshore.operate', iss: 'https://evil.example' }],
])('%s is let in nowhere', async (_what, claims) => {
  expect(await ask(await signToken(key, { claims }))).toMatchObject({
    status: 401,
    body: { code: 'UNAUTHENTICATED' },
    challenge: 'Bearer',
  });
});

test('a token that is expired, unsigned, or signed by somebody else is refused', async () => {
  const claims = { scope: 'longshore.operate' };
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;
  const attacker = await makeKey('k1');
  for (const token of [
    await signToken(key, { claims, expiresInS: -10 }),
    await signToken(attacker, { claims }),
    none,
    'x'.repeat(20_000),
  ])
    expect((await ask(token)).status).toBe(401);
});

test('a request has one kind of credential', async () => {
  const token = await signToken(key, { claims: { scope: 'longshore.operate' } });
  expect(await ask(token, { 'x-api-key': api.keys.operator })).toMatchObject({
    status: 400,
    body: { code: 'REQUEST_INVALID' },
  });
});

test('an issuer that is away is not the caller’s fault', async () => {
  issuer.state.reply = (response) => response.writeHead(500).end();
  const other = await makeKey('k2');
  expect(await ask(await signToken(other, { claims: { scope: 'longshore.operate' } }))).toMatchObject({
    status: 503,
    body: { code: 'DEPENDENCY_UNAVAILABLE' },
  });
});

test('tokens with wrong signatures cost an address its allowance before they are verified, and a good one comes through', async () => {
  const good = await signToken(key, { claims: { scope: 'longshore.operate' } });
  const forged = await signToken(await makeKey('k1'), { claims: { scope: 'longshore.operate' } });
  const publicKey = (await importJWK(key.publicJwk)) as CryptoKey;
  let verified = 0;
  const authenticate = createBearerAuthenticator({
    rules: RULES,
    keys: {
      findKey: async () => {
        verified += 1;
        return publicKey;
      },
    },
    roles: { 'longshore.operate': 'operator' },
    tenantClaim: 'tenant',
    isActiveTenant: async () => true,
    cacheMs: 15_000,
  });
  const flood = Array.from({ length: 500 }, (_, index) => authenticate(`Bearer ${forged}${index}`, async () => false));
  expect(await authenticate(`Bearer ${good}`, async () => false)).toMatchObject({ type: 'limited' });
  expect(new Set((await Promise.all(flood)).map(({ type }) => type))).toEqual(new Set(['limited']));
  expect(verified).toBeLessThan(30);
  expect(await authenticate(`Bearer ${good}`, async () => false)).toMatchObject({ type: 'known' });
  expect(await authenticate('Bearer of bad news', async () => true)).toEqual({ type: 'unknown' });
});

test('a token that was verified is not believed beyond its own end', async () => {
  const publicKey = (await importJWK(key.publicJwk)) as CryptoKey;
  let now = Date.now();
  const authenticate = createBearerAuthenticator({
    rules: RULES,
    keys: { findKey: async () => publicKey },
    roles: { 'longshore.operate': 'operator' },
    tenantClaim: 'tenant',
    isActiveTenant: async () => true,
    cacheMs: 60_000,
    now: () => now,
  });
  const token = await signToken(key, { claims: { scope: 'longshore.operate' }, expiresInS: 30 });
  expect(await authenticate(`Bearer ${token}`, async () => true)).toMatchObject({ type: 'known' });
  now += 31_000;
  expect(await authenticate(`Bearer ${token}`, async () => true)).toEqual({ type: 'unknown' });
});
