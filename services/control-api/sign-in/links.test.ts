/** One-time links, and the life of the sessions that they open. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApiKey, revokeApiKey } from '#shared/access/api-keys.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { type Answer, createTestBrowser, signInByLink } from '#testkit/beds/test-browser.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());
beforeEach(() => api.sql`UPDATE people SET disabled_at = NULL`);

const browser = () => createTestBrowser(api.app);
const refused = (status: number, code: string) => ({ status, body: { code } });

async function makeLink(key = api.keys.operator): Promise<string> {
  const reply = await api.app.inject({
    method: 'POST',
    url: '/api/v1/sign-in-links',
    headers: { 'x-api-key': key },
  });
  expect(reply.json()).toMatchObject({ url: expect.stringMatching(/\/(?:console|portal)\/sign-in#link=[\w-]{43}$/) });
  return reply.json().url.split('#link=')[1];
}

test('a link signs in with the role of its key, and the audit names the person', async () => {
  const chrome = browser();
  const signedIn = await chrome.post('/auth/link', { token: await makeLink() });
  expect(signedIn).toMatchObject({ status: 200, body: { app: 'console' } });
  const me = await chrome.get('/api/v1/me');
  expect(me.body).toMatchObject({
    actor: 'person:operator',
    role: 'admin',
    tenant: null,
    person: { name: 'operator', email: null },
    session: { way: 'link', ends_at: expect.stringMatching(/^20/) },
  });
  const minutes = (Date.parse(me.body.session.ends_at) - Date.now()) / 60_000;
  expect(minutes).toBeGreaterThan(28);
  expect(minutes).toBeLessThan(32);
  await chrome.post('/api/v1/tenants/acme/disable', { reason: 'a test' });
  await chrome.post('/api/v1/tenants/acme/enable', { reason: 'a test' });
  const events = await api.sql<{ type: string; actor: string; detail: object }[]>`
    SELECT type, actor, detail FROM audit_events
    WHERE type IN ('sign-in.link-created', 'person.signed-in', 'tenant.disabled') ORDER BY at, id`;
  expect(events).toMatchObject([
    { type: 'sign-in.link-created', actor: 'operator:operator' },
    { type: 'person.signed-in', actor: 'person:operator', detail: { way: 'link', role: 'admin' } },
    { type: 'tenant.disabled', actor: 'person:operator' },
  ]);
});

test('a link of a tenant signs in to the portal, among its own', async () => {
  const chrome = browser();
  expect((await chrome.post('/auth/link', { token: await makeLink(api.keys.acme) })).body).toEqual({ app: 'portal' });
  expect((await chrome.get('/api/v1/me')).body).toMatchObject({
    actor: 'person:acme:acme',
    tenant: 'acme',
    time_zone: 'UTC',
    role: 'tenant-admin',
  });
  expect((await chrome.get('/api/v1/tenants')).body.tenants).toMatchObject([{ tenant: 'acme' }]);
  const hours = (Date.parse((await chrome.get('/api/v1/me')).body.session.ends_at) - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(7.9);
  expect(hours).toBeLessThan(8.1);
});

test('a link works once, also when two tabs use it at the same time', async () => {
  const token = await makeLink();
  const tabs = await Promise.all([1, 2, 3].map(() => browser().post('/auth/link', { token })));
  expect(tabs.map(({ status }: Answer) => status).sort()).toEqual([200, 410, 410]);
  expect(await browser().post('/auth/link', { token })).toMatchObject(refused(410, 'LINK_INVALID'));
});

test('a link ends after two minutes, with its key, and when its person is disabled', async () => {
  const late = await makeLink();
  const [row] = await api.sql<{ seconds: number }[]>`
    SELECT extract(epoch FROM expires_at - created_at)::float8 AS seconds FROM sign_ins ORDER BY created_at DESC LIMIT 1`;
  expect(row?.seconds).toBeGreaterThan(110);
  expect(row?.seconds).toBeLessThanOrEqual(120);
  await api.sql`UPDATE sign_ins SET expires_at = now() WHERE used_at IS NULL`;
  expect((await browser().post('/auth/link', { token: late })).status).toBe(410);

  const made = await createApiKey(api.sql, { tenantId: null, label: 'short', actor: 'test' });
  const revoked = await makeLink(made.key);
  const open = browser();
  await open.post('/auth/link', { token: await makeLink(made.key) });
  expect((await open.get('/api/v1/me')).status).toBe(200);
  await revokeApiKey(api.sql, { keyId: made.keyId, actor: 'test' });
  expect((await browser().post('/auth/link', { token: revoked })).status).toBe(410);
  expect(await open.get('/api/v1/me')).toMatchObject(refused(401, 'SESSION_ENDED'));

  const disabled = await makeLink(api.keys.globex);
  await signInByLink(browser(), api.app, api.keys.globex);
  await api.sql`UPDATE people SET disabled_at = now() WHERE tenant_id = 'globex'`;
  expect((await browser().post('/auth/link', { token: disabled })).status).toBe(410);
  const another = await api.app.inject({
    ...{ method: 'POST', url: '/api/v1/sign-in-links', headers: { 'x-api-key': api.keys.globex } },
  });
  expect(another.json()).toMatchObject({ code: 'FORBIDDEN', message: expect.stringContaining('is disabled') });
});

test('links are off unless they are switched on, and work on the same machine only', async () => {
  const token = await makeLink();
  const away = { 'x-forwarded-for': '203.0.113.7' };
  expect(await browser().post('/auth/link', { token }, away)).toMatchObject(refused(403, 'SIGN_IN_INSECURE'));
  const elsewhere = { host: 'longshore.example' };
  expect(await browser().post('/auth/link', { token }, elsewhere)).toMatchObject(refused(403, 'SIGN_IN_INSECURE'));
  const off = await startTestApi({ signIn: { hasLinks: false, consoleOrigin: undefined, portalOrigin: undefined } });
  try {
    const headers = { 'x-api-key': off.keys.operator };
    const reply = await off.app.inject({ method: 'POST', url: '/api/v1/sign-in-links', headers });
    expect([reply.statusCode, reply.json().code]).toEqual([403, 'SIGN_IN_INSECURE']);
  } finally {
    await off.stop();
  }
});

test('only a key makes a link: a session does not prolong itself', async () => {
  const chrome = await signInByLink(browser(), api.app, api.keys.operator);
  expect(await chrome.post('/api/v1/sign-in-links', {})).toMatchObject(refused(403, 'FORBIDDEN'));
});

test('each sign-in makes a new session and ends that of the browser: a planted cookie is worth nothing', async () => {
  const chrome = browser();
  chrome.cookies.set('longshore-console', 'planted-by-somebody-who-waits');
  await signInByLink(chrome, api.app, api.keys.operator);
  const first = chrome.cookies.get('longshore-console');
  expect(first).not.toBe('planted-by-somebody-who-waits');
  await signInByLink(chrome, api.app, api.keys.operator);
  const old = browser();
  old.cookies.set('longshore-console', first ?? '');
  expect(await old.get('/api/v1/me')).toMatchObject(refused(401, 'SESSION_ENDED'));
  expect((await chrome.get('/api/v1/me')).status).toBe(200);
});

test('a browser has one session: signing in to the portal ends that of the console', async () => {
  const chrome = await signInByLink(browser(), api.app, api.keys.operator);
  await signInByLink(chrome, api.app, api.keys.acme);
  expect([...chrome.cookies.keys()]).toEqual(['longshore-portal']);
  expect((await chrome.get('/api/v1/me')).body).toMatchObject({ tenant: 'acme' });
});

test('signing out ends the session on the server, not only the cookie', async () => {
  const chrome = await signInByLink(browser(), api.app, api.keys.operator);
  const token = chrome.cookies.get('longshore-console') ?? '';
  expect(await chrome.post('/auth/sign-out', {})).toMatchObject({ status: 200, body: { signed_out: true } });
  expect(chrome.cookies.size).toBe(0);
  chrome.cookies.set('longshore-console', token);
  expect(await chrome.get('/api/v1/me')).toMatchObject(refused(401, 'SESSION_ENDED'));
  const headers = { 'x-api-key': api.keys.operator };
  const byKey = await api.app.inject({ method: 'POST', url: '/auth/sign-out', headers });
  expect(byKey.json()).toMatchObject({ code: 'SESSION_REQUIRED' });
});

test.each([
  ['idle for too long', "last_seen_at = now() - interval '31 minutes'"],
  ['12 hours old', 'expires_at = now()'],
  ['of another role than the person', "role = 'viewer'"],
])('a session that is %s has ended', async (_what, change) => {
  const chrome = await signInByLink(browser(), api.app, api.keys.operator);
  const { body } = await chrome.get('/api/v1/me');
  await api.sql.unsafe(`UPDATE sessions SET ${change} WHERE id = '${body.session.id}'`);
  expect(await chrome.get('/api/v1/me')).toMatchObject(refused(401, 'SESSION_ENDED'));
});

test('a session ends when its tenant is disabled', async () => {
  const chrome = await signInByLink(browser(), api.app, api.keys.acme);
  await api.sql`UPDATE tenants SET disabled_at = now() WHERE id = 'acme'`;
  expect(await chrome.get('/api/v1/me')).toMatchObject(refused(401, 'SESSION_ENDED'));
  await api.sql`UPDATE tenants SET disabled_at = NULL WHERE id = 'acme'`;
});

test('what a person asks keeps the session, what a page asks by itself does not', async () => {
  const chrome = await signInByLink(browser(), api.app, api.keys.operator);
  const byItself = { 'x-longshore-background': '1' };
  const { id } = (await chrome.get('/api/v1/me', byItself)).body.session;
  const age = async () => {
    const [row] = await api.sql<{ minutes: number }[]>`
      SELECT extract(epoch FROM now() - last_seen_at)::float8 / 60 AS minutes FROM sessions WHERE id = ${id}`;
    return row?.minutes;
  };
  await api.sql`UPDATE sessions SET last_seen_at = now() - interval '20 minutes' WHERE id = ${id}`;
  await chrome.get('/api/v1/me', byItself);
  expect(await age()).toBeGreaterThan(19);
  await chrome.get('/api/v1/me');
  await expect.poll(age).toBeLessThan(1);
});

test('over TLS the cookie belongs to this host alone, and on an open line there is none', async () => {
  const secure = await startTestApi({ trustedProxies: ['127.0.0.1'] });
  try {
    const tls = { host: 'longshore.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' };
    const chrome = await signInByLink(createTestBrowser(secure.app), secure.app, secure.keys.operator);
    const token = chrome.cookies.get('longshore-console') ?? '';
    const ask = async (cookie: string, headers: Record<string, string>) =>
      (
        await secure.app.inject({ url: '/api/v1/me', headers: { cookie, 'sec-fetch-site': 'same-origin', ...headers } })
      ).json();
    expect(await ask(`__Host-longshore-console=${token}`, tls)).toMatchObject({ actor: 'person:operator' });
    expect(await ask(`longshore-console=${token}`, tls)).toMatchObject({ code: 'UNAUTHENTICATED' });
    const out = await secure.app.inject({
      method: 'POST',
      url: '/auth/sign-out',
      headers: {
        ...tls,
        cookie: `__Host-longshore-console=${token}`,
        'sec-fetch-site': 'same-origin',
        'x-longshore': '1',
        'content-type': 'application/json',
      },
    });
    expect(out.headers['set-cookie']).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^__Host-longshore-console=; .*Path=\/; .*HttpOnly; Secure; SameSite=Lax$/),
      ]),
    );
  } finally {
    await secure.stop();
  }
});

test('attempts to sign in cost the address its allowance, as unknown keys do', async () => {
  const strict = await startTestApi({ strangerRatePerMinute: 3 });
  try {
    const attempt = () => createTestBrowser(strict.app).post('/auth/link', { token: 'x'.repeat(43) });
    const statuses = [];
    for (let time = 0; time < 5; time += 1) statuses.push((await attempt()).status);
    expect(statuses).toEqual([410, 410, 410, 429, 429]);
  } finally {
    await strict.stop();
  }
});
