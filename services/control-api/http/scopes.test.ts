/** Which endpoints a key with scopes reaches: every endpoint against every scope. A new endpoint is closed to all of them until it is added here. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKey } from '#shared/access/api-keys.ts';
import { SCOPES, type Scope } from '#shared/access/scopes.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;
const keys = {} as Record<Scope, string>;
beforeAll(async () => {
  api = await startTestApi();
  for (const scope of SCOPES) keys[scope] = await keyWith([scope]);
});
afterAll(() => api.stop());

async function keyWith(scopes: readonly Scope[], role: 'tenant-admin' | 'tenant-viewer' | 'admin' = 'tenant-admin') {
  const tenantId = role === 'admin' ? null : 'acme';
  return (await createApiKey(api.sql, { tenantId, label: scopes.join(' '), role, scopes, actor: 'test' })).key;
}

const OPEN: Readonly<Record<Scope, readonly string[]>> = {
  'campaigns:read': [
    'GET /api/v1/campaigns',
    'GET /api/v1/campaigns/{id}/analytics',
    'GET /api/v1/campaigns/{id}/preview',
    'GET /api/v1/campaigns/{id}/preview/{line}',
    'GET /api/v1/campaigns/{id}/recipients',
    'GET /api/v1/campaigns/{id}/status',
    'GET /api/v1/mails',
    'GET /api/v1/senders',
    'GET /api/v1/senders/{tenant}/{name}',
    'GET /api/v1/senders/{tenant}/{name}/diff',
    'GET /api/v1/senders/{tenant}/{name}/versions',
    'GET /api/v1/senders/{tenant}/{name}/versions/{version}',
    'GET /api/v1/suppressions',
    'GET /api/v1/suppressions/{address}',
    'GET /api/v1/templates/{name}',
  ],
  'campaigns:write': [
    'POST /api/v1/campaigns',
    'POST /api/v1/campaigns/{id}/cancel',
    'POST /api/v1/campaigns/{id}/pause',
    'POST /api/v1/campaigns/{id}/resume',
    'POST /api/v1/campaigns/{id}/test',
  ],
  'templates:write': ['POST /api/v1/templates/presigned-url'],
  'suppressions:write': [
    'DELETE /api/v1/suppressions/{address}',
    'POST /api/v1/suppressions',
    'PUT /api/v1/suppressions/{address}',
  ],
  'files:read': [],
  'files:write': [
    'DELETE /api/v1/uploads/{id}',
    'GET /api/v1/uploads/{id}',
    'POST /api/v1/files',
    'POST /api/v1/files/presigned-url',
    'POST /api/v1/uploads',
    'POST /api/v1/uploads/{id}/complete',
    'POST /api/v1/uploads/{id}/urls',
    'PUT /api/v1/files/{directory}/{name}',
  ],
};

/** Streams answer for as long as somebody reads. */
const STREAMS = ['GET /api/v1/jobs/{id}/events', 'GET /api/v1/live'];
/** For nobody in particular, or about the caller alone. */
const WITHOUT_SCOPE = /^GET \/api\/v1\/(?:me|tenants)$| \/auth\/| \/u\//;

async function ask(endpoint: string, key: string) {
  const [method = '', path = ''] = endpoint.split(' ');
  const url = path.replaceAll(/\{(\w+)\}/g, (_all, name) =>
    ['line', 'version'].includes(name) ? '1' : name === 'id' ? randomUUID() : 'nobody',
  );
  const reply = await api.app.inject({ method: method as 'GET', url, headers: { 'x-api-key': key } });
  return { status: reply.statusCode, body: reply.json() };
}

const isClosed = ({ status, body }: Awaited<ReturnType<typeof ask>>): boolean =>
  status === 403 && /^The scopes of this key|^This takes the permission/.test(body.message);

function endpoints(): string[] {
  const paths = (api.app.swagger() as { paths: Record<string, object> }).paths;
  return Object.entries(paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((endpoint) => !STREAMS.includes(endpoint) && !WITHOUT_SCOPE.test(endpoint))
    .sort();
}

describe('a key of the scope', () => {
  test.each(SCOPES.filter((scope) => scope !== 'files:read'))(
    '%s reaches its endpoints and no other',
    async (scope) => {
      const open: string[] = [];
      for (const endpoint of endpoints()) if (!isClosed(await ask(endpoint, keys[scope]))) open.push(endpoint);
      expect(open).toEqual(OPEN[scope]);
    },
  );

  test('files:read reads files, jobs and their results, and changes nothing', async () => {
    const open: string[] = [];
    for (const endpoint of endpoints()) if (!isClosed(await ask(endpoint, keys['files:read']))) open.push(endpoint);
    expect(open).toEqual(
      expect.arrayContaining(['GET /api/v1/files', 'GET /api/v1/jobs/{id}', 'GET /status', 'POST /api/v1/downloads']),
    );
    const isOther = (each: string) =>
      !/^GET (?:\/status$|\/api\/v1\/(?:files|jobs)(?:\/|$))/.test(each) && each !== 'POST /api/v1/downloads';
    expect(open.filter(isOther)).toEqual([]);
  });
});

test('scopes add up, and the refusal names those that would do', async () => {
  const both = await keyWith(['campaigns:read', 'suppressions:write']);
  expect(isClosed(await ask('GET /api/v1/campaigns', both))).toBe(false);
  expect(isClosed(await ask('PUT /api/v1/suppressions/{address}', both))).toBe(false);
  expect(await ask('POST /api/v1/campaigns', both)).toMatchObject({
    status: 403,
    body: {
      code: 'FORBIDDEN',
      hint: expect.stringContaining('campaigns:write'),
      details: { scopes: ['campaigns:write'] },
    },
  });
});

test('a scope grants nothing that the role lacks', async () => {
  const key = await keyWith(['suppressions:write', 'campaigns:write'], 'tenant-viewer');
  for (const endpoint of ['PUT /api/v1/suppressions/{address}', 'POST /api/v1/campaigns/{id}/pause'])
    expect(await ask(endpoint, key)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
});

test('an operator’s key is narrowed too: it neither makes keys nor signs anybody in, and views as no tenant what it may not read', async () => {
  const key = await keyWith(['campaigns:read'], 'admin');
  for (const endpoint of ['POST /api/v1/keys', 'POST /api/v1/sign-in-links', 'POST /graphql', 'GET /api/v1/live'])
    expect([endpoint, isClosed(await ask(endpoint, key))]).toEqual([endpoint, true]);
  const headers = { 'x-api-key': key, 'x-longshore-as': 'acme' };
  expect((await api.app.inject({ url: '/api/v1/files', headers })).statusCode).toBe(403);
  expect((await api.app.inject({ url: '/api/v1/campaigns', headers })).statusCode).toBe(200);
});

test.each([
  '/api/v1/campaigns/../keys',
  '/api/v1/campaigns/%2e%2e/keys',
  '/api/v1//campaigns',
  '/API/v1/campaigns',
  '/api/v1/campaignsx',
])('a path such as %s leads nowhere else', async (url) => {
  const { statusCode } = await api.app.inject({ url, headers: { 'x-api-key': keys['campaigns:read'] } });
  expect([403, 404]).toContain(statusCode);
});

test('a key is made with scopes, shows them, and keeps them when it is rotated', async () => {
  const operator = { 'x-api-key': api.keys.operator };
  const make = (scopes: unknown) =>
    api.app.inject({
      ...{ method: 'POST', url: '/api/v1/keys', headers: operator },
      payload: { tenant: 'acme', label: 'centre', scopes },
    });
  for (const wrong of [[], ['campaigns:*'], 'campaigns:read', Array(7).fill('files:read')])
    expect((await make(wrong)).statusCode).toBe(400);
  const made = (await make(['campaigns:write', 'campaigns:read'])).json();
  const me = async (key: string) => (await api.app.inject({ url: '/api/v1/me', headers: { 'x-api-key': key } })).json();
  const narrowed = {
    ...{ role: 'tenant-admin', scopes: ['campaigns:write', 'campaigns:read'] },
    permissions: ['read', 'campaigns:change'],
  };
  expect(await me(made.key)).toMatchObject(narrowed);
  const url = `/api/v1/keys/${made.key_id}/rotate`;
  const next = (await api.app.inject({ method: 'POST', url, headers: operator, payload: {} })).json();
  expect(await me(next.key)).toMatchObject(narrowed);
  const { keys: all } = (await api.app.inject({ url: '/api/v1/keys?limit=200', headers: operator })).json();
  const scopesOf = (id: string) => all.find(({ key_id }: { key_id: string }) => key_id === id)?.scopes;
  expect([made, next].map(({ key_id }) => scopesOf(key_id))).toEqual(Array(2).fill(narrowed.scopes));
  expect(await me(api.keys.acme)).toMatchObject({ scopes: null });
  const { tenants } = (await api.app.inject({ url: '/api/v1/tenants', headers: { 'x-api-key': next.key } })).json();
  expect(tenants).toMatchObject([{ tenant: 'acme' }]);
});
