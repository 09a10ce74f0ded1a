/** Operators sign in at a provider, which may lie. */
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
