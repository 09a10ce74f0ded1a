/** People and their sessions: who invites whom, and how soon it ends. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Role } from '#shared/access/permissions.ts';
import { newToken } from '#shared/access/random-token.ts';
import { findSession, openSession } from '#shared/access/sessions.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { createTestBrowser, signInByLink, type TestBrowser } from '#testkit/beds/test-browser.ts';

let api: TestApi;
let admin: TestBrowser;
let acme: TestBrowser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await signInByLink(createTestBrowser(api.app), api.app, api.keys.operator);
  acme = await signInByLink(createTestBrowser(api.app), api.app, api.keys.acme);
});
afterAll(() => api.stop());

let invited = 0;
async function invite(tenant = 'acme', role: Role = 'sender'): Promise<string> {
  invited += 1;
  const body = { tenant, email: `Person${invited}@acme.example`, name: 'A person', role };
  const reply = await admin.post('/api/v1/people', body);
  expect(reply.status).toBe(201);
  return reply.body.person_id;
}

/** A browser in which the person is signed in. */
async function signInAs(personId: string): Promise<TestBrowser> {
  const token = newToken();
  const visitor = { address: '203.0.113.9', userAgent: 'a test' };
  await api.sql`
    WITH person AS (SELECT id, tenant_id, role, NULL::uuid AS key_id, now() AS proved_at FROM people WHERE id = ${personId}),
    ${openSession(api.sql, { way: 'mail', token, visitor, actor: 'test' })} SELECT 1`;
  const browser = createTestBrowser(api.app);
  browser.cookies.set('longshore-portal', token);
  return browser;
}

const find = async (id: string, browser = admin) =>
  (await browser.get('/api/v1/people?limit=200')).body.people.find(
    ({ person_id }: { person_id: string }) => person_id === id,
  );

test('an invited person is in the list of its tenant, with the address in lower case', async () => {
  const id = await invite();
  expect(await find(id)).toMatchObject({
    tenant: 'acme',
    email: `person${invited}@acme.example`,
    role: 'sender',
    signs_in: 'mail',
    sessions: 0,
    last_signed_in_at: null,
    disabled_at: null,
  });
  expect(await find(id, acme)).toMatchObject({ role: 'sender' });
  const globex = await signInByLink(createTestBrowser(api.app), api.app, api.keys.globex);
  expect(await find(id, globex)).toBeUndefined();
  expect((await globex.get('/api/v1/people?tenant=acme')).body.people).toEqual([]);
});

test('an address is one person of a tenant, and may be one of another', async () => {
  const ask = (tenant: string, email: string, browser = admin) =>
    browser.post('/api/v1/people', { tenant, email, name: 'Maria', role: 'sender' });
  expect((await ask('acme', 'maria@agency.example')).status).toBe(201);
  expect(await ask('acme', 'Maria@Agency.example')).toMatchObject({ status: 409, body: { code: 'PERSON_EXISTS' } });
  expect((await ask('globex', 'maria@agency.example')).status).toBe(201);
  expect(await ask('nobody', 'maria@agency.example')).toMatchObject({ status: 404 });
  expect(await ask('globex', 'else@agency.example', acme)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
});

test.each([
  { tenant: 'acme', email: 'no address', name: 'x', role: 'sender' },
  { tenant: 'acme', email: 'a@acme.example', name: 'x\u202ey', role: 'sender' },
  { tenant: 'acme', email: 'a@acme.example', name: 'x', role: 'admin' },
  { tenant: null, email: 'a@acme.example', name: 'x', role: 'viewer' },
])('what is no invitation is refused: %o', async (body) => {
  expect(await admin.post('/api/v1/people', body)).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
});

test('another role ends the sessions, and the next one has it', async () => {
  const id = await invite();
  const browser = await signInAs(id);
  expect((await browser.get('/api/v1/me')).body).toMatchObject({ role: 'sender', session: { way: 'mail' } });
  expect((await admin.post(`/api/v1/people/${id}/role`, { role: 'tenant-viewer' })).body).toEqual({
    person_id: id,
    changed: true,
  });
  expect(await browser.get('/api/v1/me')).toMatchObject({ status: 401, body: { code: 'SESSION_ENDED' } });
  expect((await (await signInAs(id)).get('/api/v1/me')).body).toMatchObject({ role: 'tenant-viewer' });
  expect((await admin.post(`/api/v1/people/${id}/role`, { role: 'tenant-viewer' })).body.changed).toBe(false);
  expect((await admin.post(`/api/v1/people/${id}/role`, { role: 'operator' })).status).toBe(400);
});

test('who invites learns where the person asks for a link', async () => {
  const body = { tenant: 'acme', email: 'where@acme.example', name: 'Where', role: 'sender' };
  const { status, body: made } = await admin.post('/api/v1/people', body);
  expect([status, made.sign_in_url]).toEqual([201, null]);
});

test('a disabled person is out of every session, and in the audit', async () => {
  const id = await invite();
  const browsers = [await signInAs(id), await signInAs(id)];
  expect((await find(id)).sessions).toBe(2);
  const word = { reason: 'left the company' };
  expect((await acme.post(`/api/v1/people/${id}/disable`, word)).body).toEqual({ person_id: id, changed: true });
  for (const browser of browsers) expect((await browser.get('/api/v1/me')).status).toBe(401);
  expect((await (await signInAs(id)).get('/api/v1/me')).status).toBe(401);
  expect((await acme.post(`/api/v1/people/${id}/disable`, word)).body.changed).toBe(false);
  await acme.post(`/api/v1/people/${id}/enable`, { reason: 'came back' });
  expect((await (await signInAs(id)).get('/api/v1/me')).status).toBe(200);
  const events = await api.sql`
    SELECT type, actor, detail ->> 'reason' AS reason FROM audit_events
    WHERE detail ->> 'personId' = ${id} AND type IN ('person.disabled', 'person.enabled') ORDER BY at, id`;
  expect(events).toMatchObject([
    { type: 'person.disabled', actor: 'person:acme:acme', reason: 'left the company' },
    { type: 'person.enabled', actor: 'person:acme:acme', reason: 'came back' },
  ]);
});

test('a person sees and ends its own sessions, and no others', async () => {
  const [mine, other] = [await invite(), await invite()];
  const [here, elsewhere, others] = [await signInAs(mine), await signInAs(mine), await signInAs(other)];
  const { sessions } = (await here.get('/api/v1/sessions')).body;
  expect(sessions.map(({ is_current }: { is_current: boolean }) => is_current)).toEqual([false, true]);
  expect(sessions[0]).toMatchObject({ person_id: mine, address: '203.0.113.9', user_agent: 'a test', way: 'mail' });
  expect((await here.post(`/api/v1/sessions/${sessions[0].session_id}/end`, { reason: 'old' })).body).toEqual({
    ended: 1,
  });
  expect((await elsewhere.get('/api/v1/me')).status).toBe(401);
  const [theirs] = (await others.get('/api/v1/sessions')).body.sessions;
  const word = { reason: 'not mine' };
  expect((await here.post(`/api/v1/sessions/${theirs.session_id}/end`, word)).status).toBe(404);
  expect((await here.get(`/api/v1/sessions?person=${other}`)).body.sessions).toEqual([]);
  expect((await others.get('/api/v1/me')).status).toBe(200);
  expect((await acme.post(`/api/v1/people/${other}/end-sessions`, word)).body).toEqual({ ended: 1 });
  expect((await others.get('/api/v1/me')).status).toBe(401);
});

test('people of another tenant, and operators, are not there for a tenant', async () => {
  const theirs = await invite('globex');
  const [operator] = await api.sql<{ id: string }[]>`SELECT id FROM people WHERE tenant_id IS NULL`;
  for (const id of [theirs, operator!.id])
    for (const [path, body] of [
      ['role', { role: 'sender' }],
      ['disable', { reason: 'x' }],
      ['enable', { reason: 'x' }],
      ['end-sessions', { reason: 'x' }],
    ] as const)
      expect([path, (await acme.post(`/api/v1/people/${id}/${path}`, body)).status]).toEqual([path, 404]);
  const [session] = await api.sql<{ id: string }[]>`SELECT id FROM sessions WHERE person_id = ${operator!.id}`;
  expect((await acme.post(`/api/v1/sessions/${session!.id}/end`, { reason: 'x' })).status).toBe(404);
  const seen = (await acme.get('/api/v1/sessions?limit=200')).body.sessions;
  expect(new Set(seen.map(({ tenant }: { tenant: string }) => tenant))).toEqual(new Set(['acme']));
});

test('the role of whoever signs in by a link is that of its key', async () => {
  const [person] = await api.sql<{ id: string }[]>`SELECT id FROM people WHERE issuer = 'key' AND tenant_id = 'globex'`;
  expect(await admin.post(`/api/v1/people/${person!.id}/role`, { role: 'sender' })).toMatchObject({
    status: 409,
    body: { code: 'PERSON_ROLE_ELSEWHERE' },
  });
});

test('a session of a provider has to be of the last ten minutes for what takes a recent sign-in', async () => {
  const browser = await signInByLink(createTestBrowser(api.app), api.app, api.keys.operator);
  const { id } = (await browser.get('/api/v1/me')).body.session;
  const make = () => browser.post('/api/v1/keys', { tenant: null, label: 'x' });
  expect((await make()).status).toBe(201);
  await api.sql`UPDATE sessions SET way = 'oidc', proved_at = now() - interval '11 minutes' WHERE id = ${id}`;
  expect(await make()).toMatchObject({ status: 403, body: { code: 'SIGN_IN_AGAIN' } });
  for (const [path, body] of [
    ['/api/v1/people', { tenant: 'acme', email: 'a@b.example', name: 'x', role: 'sender' }],
    ['/api/v1/routes', { kind: 'tenant', id: 'acme', name: 'Acme' }],
    ['/api/v1/actions', { verb: 'resend', filter: { code: 'X' } }],
  ] as const)
    expect([path, (await browser.post(path, body)).body.code]).toEqual([path, 'SIGN_IN_AGAIN']);
  expect((await browser.get('/api/v1/keys')).status).toBe(200);
  expect((await browser.post('/api/v1/tenants/acme/enable', { reason: 'x' })).status).toBe(200);
  await api.sql`UPDATE sessions SET proved_at = now() - interval '9 minutes' WHERE id = ${id}`;
  expect((await make()).status).toBe(201);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  try {
    expect((await make()).status).toBe(201);
  } finally {
    vi.useRealTimers();
  }
});

test('a key without sessions is told so', async () => {
  const { key } = (await admin.post('/api/v1/keys', { tenant: 'acme', label: 'x', role: 'sender' })).body;
  const reply = await api.app.inject({ url: '/api/v1/sessions', headers: { 'x-api-key': key } });
  expect(reply.json().code).toBe('SESSION_REQUIRED');
  expect(await findSession(api.sql, key)).toBeUndefined();
});
