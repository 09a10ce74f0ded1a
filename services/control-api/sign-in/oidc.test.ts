/** Operators, and people of tenants, sign in at a provider, which may lie. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { createTestBrowser, type TestBrowser } from '#testkit/beds/test-browser.ts';
import { OIDC_LIES, startTestProvider, type TestProvider } from '#testkit/servers/oidc-provider.ts';
import { pathWithin } from './handle-oidc.ts';

const SECRET = 'a-secret-of-the-client';
const ORIGIN = 'http://localhost:80';

let provider: TestProvider;
let api: TestApi;
const settingsOf = (oidcAddresses: readonly string[]) => ({
  hasLinks: false,
  consoleOrigin: ORIGIN,
  portalOrigin: undefined,
  oidcAddresses,
  oidc: {
    issuer: provider.issuer,
    clientId: 'longshore',
    clientSecretName: 'oidc',
    scopes: 'openid profile email',
    rolesClaim: 'realm.groups',
    roles: { 'sre-prod': 'operator', admins: 'admin' } as const,
    origin: ORIGIN,
  },
});
const secrets = { read: async () => ({ text: SECRET }) } as never;

beforeAll(async () => {
  provider = await startTestProvider({ clientId: 'longshore', secret: SECRET });
  api = await startTestApi({ signIn: settingsOf(['127.0.0.0/8']), secrets });
});
afterAll(async () => {
  await api.stop();
  await provider.stop();
});
beforeEach(() => {
  provider.lie = undefined;
  provider.claims = personOf('maria', ['staff', 'sre-prod']);
});

function personOf(sub: string, groups: unknown) {
  const authTime = Math.floor(Date.now() / 1_000) - 60;
  return { sub, name: 'Maria Diaz', email: `${sub}@Bank.example`, realm: { groups }, auth_time: authTime };
}

async function begin(browser: TestBrowser, body = {}): Promise<string> {
  const { status, body: reply } = await browser.post('/auth/oidc', body);
  expect(status).toBe(200);
  return reply.url;
}

/** The provider sends the browser back: a navigation, which the site of the provider began. */
async function comeBack(browser: TestBrowser, back: URL) {
  return await browser.get(`${back.pathname}${back.search}`, { 'sec-fetch-site': 'cross-site', host: 'localhost:80' });
}

async function signIn(browser = createTestBrowser(api.app), body = {}) {
  const answer = await comeBack(browser, provider.signIn(await begin(browser, body)));
  return { browser, answer };
}

const countSessions = async () => (await api.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM sessions`)[0]?.n;

test('the role comes from the claim, and the person comes with the first sign-in', async () => {
  const { browser, answer } = await signIn(undefined, { return_to: '/console/files?status=failed' });
  expect([answer.status, answer.headers.location]).toEqual([303, '/console/files?status=failed']);
  expect((await browser.get('/api/v1/me')).body).toMatchObject({
    actor: 'person:maria@bank.example',
    role: 'operator',
    tenant: null,
    person: { name: 'Maria Diaz', email: 'maria@bank.example' },
    session: { way: 'oidc' },
  });
  const asked = new URL(await begin(createTestBrowser(api.app))).searchParams;
  expect(Object.fromEntries(asked)).toMatchObject({
    response_type: 'code',
    client_id: 'longshore',
    scope: 'openid profile email',
    redirect_uri: `${ORIGIN}/auth/callback`,
    code_challenge_method: 'S256',
    max_age: '43200',
  });
  expect(asked.get('state')).not.toBe(asked.get('nonce'));
  const again = new URL(await begin(createTestBrowser(api.app), { again: true }));
  expect(again.searchParams.get('max_age')).toBe('0');
});

test('another role at the provider is the role of the next session, and ends the one before', async () => {
  const { browser: before } = await signIn();
  provider.claims = personOf('maria', ['admins']);
  const { browser: after } = await signIn();
  expect((await after.get('/api/v1/me')).body).toMatchObject({ role: 'admin' });
  expect((await before.get('/api/v1/me')).status).toBe(401);
  expect(await api.sql`SELECT 1 FROM people WHERE subject = 'maria'`).toHaveLength(1);
});

test.each([
  ['groups that map to nothing', ['staff', '<b>bold</b>'], /has staff, &lt;b&gt;bold&lt;\/b&gt;/],
  ['no group', [], /is empty or missing/],
  ['no claim', undefined, /is empty or missing/],
  ['a claim of another form', { 'sre-prod': true }, /is empty or missing/],
  ['groups that are no texts', [['sre-prod'], { name: 'sre-prod' }, 7, null, true], /is empty or missing/],
  ['a number', 7, /is empty or missing/],
  ['names of a prototype', ['__proto__', 'constructor', 'toString'], /has __proto__, constructor, toString/],
  ['ten thousand groups', Array.from({ length: 10_000 }, (_, index) => `g-${index}`), /has g-0, g-1/],
])('who has %s gets no session, and sees what the claim said', async (_what, groups, said) => {
  provider.claims = personOf('stranger', groups);
  const { browser, answer } = await signIn();
  expect([answer.status, answer.body]).toEqual([403, expect.stringMatching(said)]);
  expect(answer.body).toContain('realm.groups');
  expect(browser.cookies.get('longshore-console')).toBeUndefined();
  expect(await api.sql`SELECT 1 FROM people WHERE subject = 'stranger'`).toHaveLength(0);
});

test('a disabled person does not come in, whatever the provider says', async () => {
  await signIn();
  await api.sql`UPDATE people SET disabled_at = now() WHERE subject = 'maria'`;
  expect((await signIn()).answer).toMatchObject({ status: 403, body: expect.stringContaining('disabled') });
  await api.sql`UPDATE people SET disabled_at = NULL`;
});

const NO_ANSWER = 'did not answer';
const REASONS: Readonly<Record<(typeof OIDC_LIES)[number], string>> = {
  nonce: 'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'alg none': 'OAUTH_UNSUPPORTED_OPERATION',
  'alg HS256': 'OAUTH_UNSUPPORTED_OPERATION',
  expired: 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  audience: 'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  issuer: 'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  key: 'OAUTH_INVALID_RESPONSE',
  'unknown key': 'OAUTH_KEY_SELECTION_FAILED',
  'another party': 'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'no subject': 'OAUTH_INVALID_RESPONSE',
  'no expiry': 'OAUTH_INVALID_RESPONSE',
  'no audience': 'OAUTH_INVALID_RESPONSE',
  'no id token': 'OAUTH_INVALID_RESPONSE',
  'silent token': NO_ANSWER,
  'huge token': NO_ANSWER,
  'redirected token': 'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'error token': 'invalid_grant',
  'not json': 'OAUTH_RESPONSE_IS_NOT_JSON',
  'silent keys': NO_ANSWER,
  'huge keys': NO_ANSWER,
  'redirected keys': 'OAUTH_RESPONSE_IS_NOT_CONFORM',
};

describe('a provider that lies', () => {
  test.each(OIDC_LIES)('%s: nobody signs in', async (lie) => {
    await signIn();
    // Keys that were read before would hide what the provider does to them now.
    const fresh = lie.endsWith('keys') ? await startTestApi({ signIn: settingsOf(['127.0.0.0/8']), secrets }) : api;
    try {
      const sessions = await fresh.sql`SELECT 1 FROM sessions`;
      provider.lie = lie;
      const browser = createTestBrowser(fresh.app);
      const { answer } = await signIn(browser);
      expect([answer.status, answer.body]).toEqual([
        REASONS[lie] === NO_ANSWER ? 503 : 403,
        expect.stringContaining(REASONS[lie]),
      ]);
      expect(answer.headers['content-type']).toContain('text/html');
      expect(String(answer.body).length).toBeLessThan(2_000);
      expect([...browser.cookies.keys()]).toEqual(['longshore-sign-in']);
      expect(await fresh.sql`SELECT 1 FROM sessions`).toHaveLength(sessions.length);
    } finally {
      if (fresh !== api) await fresh.stop();
    }
  });

  test.each([
    ['in the future', Math.floor(Date.now() / 1_000) + 86_400],
    ['of long ago', 1],
    ['not at all', undefined],
  ])('that the person proved itself %s never makes a session more recent than it is', async (_when, authTime) => {
    provider.claims = { ...personOf('timeless', ['admins']), auth_time: authTime };
    const { browser } = await signIn();
    const { proved_at: provedAt } = (await browser.get('/api/v1/me')).body.session;
    expect(Date.parse(provedAt)).toBeLessThanOrEqual(Date.now() + 1_000);
    const makesKey = await browser.post('/api/v1/keys', { tenant: null, label: 'x' });
    expect(makesKey.status).toBe(authTime !== undefined && authTime > 1 ? 201 : 403);
  });

  test('that it refused is said with its code and not its words', async () => {
    const browser = createTestBrowser(api.app);
    const back = provider.signIn(await begin(browser));
    back.searchParams.delete('code');
    back.searchParams.set('error', 'access_denied');
    back.searchParams.set('error_description', '<script>alert(1)</script>');
    const answer = await comeBack(browser, back);
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('access_denied') });
    expect(answer.body).not.toContain('script');
  });

  test('its address has to be allowed', async () => {
    const guarded = await startTestApi({ signIn: settingsOf([]), secrets });
    try {
      const reply = await createTestBrowser(guarded.app).post('/auth/oidc', {});
      expect(reply).toMatchObject({ status: 503, body: { code: 'DEPENDENCY_UNAVAILABLE' } });
    } finally {
      await guarded.stop();
    }
  });
});

describe('a sign-in', () => {
  test('ends in the browser that began it', async () => {
    const [mine, theirs] = [createTestBrowser(api.app), createTestBrowser(api.app)];
    const back = provider.signIn(await begin(mine));
    await begin(theirs);
    expect((await comeBack(theirs, back)).status).toBe(400);
    expect((await comeBack(createTestBrowser(api.app), back)).status).toBe(400);
    expect((await comeBack(mine, back)).status).toBe(303);
  });

  test('is used once', async () => {
    const browser = createTestBrowser(api.app);
    const back = provider.signIn(await begin(browser));
    expect((await comeBack(browser, back)).status).toBe(303);
    const sessions = await countSessions();
    expect((await comeBack(browser, back)).status).toBe(400);
    expect(await countSessions()).toBe(sessions);
  });

  test('with another state, or none, is none', async () => {
    for (const state of ['another', '', undefined]) {
      const browser = createTestBrowser(api.app);
      const back = provider.signIn(await begin(browser));
      if (state === undefined) back.searchParams.delete('state');
      else back.searchParams.set('state', state);
      expect((await comeBack(browser, back)).status).toBe(400);
    }
  });

  test('ends after ten minutes', async () => {
    const browser = createTestBrowser(api.app);
    const back = provider.signIn(await begin(browser));
    await api.sql`UPDATE sign_ins SET expires_at = now() WHERE used_at IS NULL`;
    expect((await comeBack(browser, back)).status).toBe(400);
  });

  test('in two tabs at the same time succeeds in both', async () => {
    const browser = createTestBrowser(api.app);
    const urls = [await begin(browser), await begin(browser)];
    for (const url of urls) expect((await comeBack(browser, provider.signIn(url))).status).toBe(303);
    expect((await browser.get('/api/v1/me')).status).toBe(200);
  });

  test('signing out goes on at the provider', async () => {
    const { browser } = await signIn();
    const out = (await browser.post('/auth/sign-out', {})).body.provider_url;
    const url = new URL(out);
    expect([url.origin, url.pathname]).toEqual([provider.issuer, '/sign-out']);
    expect(url.searchParams.get('post_logout_redirect_uri')).toBe(`${ORIGIN}/console/sign-in`);
  });
});

describe('people of a tenant', () => {
  const PORTAL = 'http://localhost:80';
  const documentOf = (signIn: unknown, id = 'acme') => ({
    name: 'tenant.yaml',
    text: JSON.stringify({ kind: 'tenant', id, name: id, ...(signIn === undefined ? {} : { signIn }) }),
  });
  const providerOf = (more = {}) => ({
    oidc: {
      ...{ issuer: provider.issuer, clientId: 'longshore', clientSecret: 'oidc', rolesClaim: 'realm.groups' },
      ...{ roles: { admins: 'tenant-admin', staff: 'sender' }, ...more },
    },
  });
  const asked: string[] = [];
  let portal: TestApi;
  beforeAll(async () => {
    const read = async (name: string) => {
      asked.push(name);
      return { text: SECRET };
    };
    const signIn = { ...settingsOf(['127.0.0.0/8']), portalOrigin: PORTAL };
    portal = await startTestApi({ signIn, secrets: { read } as never, mailServer: { host: 'none.invalid' } as never });
  });
  afterAll(() => portal.stop());

  async function apply(...files: ReturnType<typeof documentOf>[]) {
    const headers = { 'x-api-key': portal.keys.operator };
    const reply = await portal.app.inject({ method: 'POST', url: '/api/v1/routes', headers, payload: { files } });
    return { status: reply.statusCode, body: reply.json() };
  }
  const goTo = async (browser: TestBrowser, body: object) => await browser.post('/auth/oidc', body);

  async function signInAt(tenant: string, browser = createTestBrowser(portal.app), body = {}) {
    const { status, body: begun } = await goTo(browser, { tenant, ...body });
    expect(status).toBe(200);
    const back = provider.signIn(begun.url);
    return { browser, back, answer: await comeBack(browser, back) };
  }

  test('sign in at its provider, with its secret and a redirect URI of its own, and become what its document says', async () => {
    expect((await apply(documentOf(providerOf()))).status).toBe(200);
    asked.length = 0;
    const { browser, back, answer } = await signInAt('acme', undefined, { return_to: '/portal/send' });
    expect([answer.status, answer.headers.location]).toEqual([303, '/portal/send']);
    expect([back.pathname, asked]).toEqual(['/auth/callback/acme', ['acme/oidc']]);
    expect((await browser.get('/api/v1/me')).body).toMatchObject({
      ...{ actor: 'person:acme:maria@bank.example', role: 'sender', tenant: 'acme', session: { way: 'oidc' } },
    });
    expect(browser.cookies.has('longshore-portal')).toBe(true);
    const out = new URL((await browser.post('/auth/sign-out', {})).body.provider_url);
    expect(out.searchParams.get('post_logout_redirect_uri')).toBe(`${PORTAL}/portal/sign-in`);
    const { sign_in: shown } = (
      await portal.app.inject({ url: '/api/v1/tenants/acme', headers: { 'x-api-key': portal.keys.acme } })
    ).json();
    expect(shown).toMatchObject({ oidc: { issuer: provider.issuer, roles: { staff: 'sender' } } });
  });

  test('are asked again who they are before they make keys', async () => {
    provider.claims = { ...personOf('ada', ['admins']), auth_time: Math.floor(Date.now() / 1_000) - 3_600 };
    const { browser } = await signInAt('acme');
    const key = { tenant: 'acme', label: 'x' };
    expect((await browser.post('/api/v1/keys', key)).body.code).toBe('SIGN_IN_AGAIN');
    provider.claims = { ...personOf('ada', ['admins']), auth_time: Math.floor(Date.now() / 1_000) };
    await signInAt('acme', browser, { again: true });
    expect((await browser.post('/api/v1/keys', key)).status).toBe(201);
  });

  test('come by no mail, and nobody is invited', async () => {
    await portal.sql`INSERT INTO people (id, tenant_id, email, name, role) VALUES (uuid_v7(), 'acme', 'old@acme.example', 'Old', 'sender')`;
    const browser = createTestBrowser(portal.app);
    expect((await browser.post('/auth/mail', { email: 'old@acme.example' })).status).toBe(202);
    expect(await portal.sql`SELECT 1 FROM sign_ins WHERE way = 'mail' AND person_id IS NOT NULL`).toHaveLength(0);
    const invited = await portal.app.inject({
      ...{ method: 'POST', url: '/api/v1/people', headers: { 'x-api-key': portal.keys.operator } },
      payload: { tenant: 'acme', email: 'new@acme.example', name: 'New', role: 'sender' },
    });
    expect([invited.statusCode, invited.json().code]).toEqual([409, 'PERSON_ROLE_ELSEWHERE']);
  });

  test('of two tenants with the same provider are two, with the role of each', async () => {
    await apply(documentOf(providerOf({ roles: { staff: 'tenant-viewer' } }), 'globex'));
    const [acme, globex] = [await signInAt('acme'), await signInAt('globex')];
    const roleIn = async ({ browser }: { browser: TestBrowser }) => {
      const { tenant, role } = (await browser.get('/api/v1/me')).body;
      return [tenant, role];
    };
    expect([await roleIn(acme), await roleIn(globex)]).toEqual([
      ['acme', 'sender'],
      ['globex', 'tenant-viewer'],
    ]);
    const operators = createTestBrowser(portal.app);
    await comeBack(operators, provider.signIn((await goTo(operators, {})).body.url));
    expect(await portal.sql`SELECT 1 FROM people WHERE subject = 'maria'`).toHaveLength(3);
  });

  test('cannot take the answer for another tenant, or for operators, as theirs', async () => {
    for (const path of ['/auth/callback/globex', '/auth/callback', '/auth/callback/nobody']) {
      const browser = createTestBrowser(portal.app);
      const back = provider.signIn((await goTo(browser, { tenant: 'acme' })).body.url);
      back.pathname = path;
      expect([path, (await comeBack(browser, back)).status]).toEqual([path, path.endsWith('nobody') ? 404 : 400]);
      expect([...browser.cookies.keys()]).toEqual(['longshore-sign-in']);
    }
  });

  test('never get a role of operators, and an unproven address gives none', async () => {
    const refused = await apply(documentOf(providerOf({ roles: { staff: 'admin' } })));
    expect([refused.status, JSON.stringify(refused.body)]).toEqual([422, expect.stringContaining('signIn')]);
    await apply(documentOf(providerOf({ rolesClaim: 'email', roles: { 'maria@Bank.example': 'sender' } })));
    expect((await signInAt('acme')).answer.status).toBe(403);
    provider.claims = { ...personOf('maria', []), email_verified: true };
    expect((await signInAt('acme')).answer.status).toBe(303);
  });

  test('are signed out when the tenant has another provider, or none', async () => {
    await apply(documentOf(providerOf()));
    const { browser } = await signInAt('acme');
    expect((await browser.get('/api/v1/me')).status).toBe(200);
    await apply(documentOf(providerOf({ issuer: 'https://login.elsewhere.example' })));
    expect((await browser.get('/api/v1/me')).status).toBe(401);
    const begun = createTestBrowser(portal.app);
    await apply(documentOf(providerOf()));
    const back = provider.signIn((await goTo(begun, { tenant: 'acme' })).body.url);
    await apply(documentOf(undefined));
    expect((await comeBack(begun, back)).status).toBe(404);
    const [event] =
      await portal.sql`SELECT detail FROM audit_events WHERE type = 'tenant.applied' AND tenant_id = 'acme' ORDER BY id DESC LIMIT 1`;
    expect(event?.detail).toMatchObject({ before: { signIn: { oidc: { issuer: provider.issuer } } }, after: {} });
  });

  test('of a tenant that is unknown, disabled or without a provider get the same answer', async () => {
    await apply(documentOf(undefined));
    await portal.sql`UPDATE tenants SET disabled_at = now() WHERE id = 'globex'`;
    const answers = await Promise.all(
      ['acme', 'globex', 'nobody', "x' OR 1=1"].map((tenant) => goTo(createTestBrowser(portal.app), { tenant })),
    );
    for (const { status, body } of answers) expect([status, body.message]).toEqual([404, answers[0]?.body.message]);
    expect((await createTestBrowser(portal.app).get('/auth/ways')).body).toMatchObject({ tenant_oidc: false });
  });
});

test.each([
  ['/console/files?x=1#y', '/console/files?x=1#y'],
  ['/console', '/console'],
  ['/consoles', '/console'],
  ['//evil.example/console', '/console'],
  ['https://evil.example/console', '/console'],
  ['/\\evil.example/console', '/console'],
  ['/console/../portal', '/console'],
  ['javascript:alert(1)', '/console'],
  ['/console/\u0000', '/console/'],
])('after signing in, %s leads to %s', (path, leads) => {
  expect(pathWithin('/console', path)).toBe(leads);
});
