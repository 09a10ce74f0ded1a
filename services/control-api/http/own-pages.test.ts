/** A cookie counts only for pages of ours: every combination of what a browser says, and of what other sites can make it send. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { createTestBrowser, signInByLink } from '#testkit/beds/test-browser.ts';

const OWN = 'http://localhost:80';
const PORTAL = 'https://portal.example';

let api: TestApi;
let cookie: string;
beforeAll(async () => {
  api = await startTestApi({ signIn: { hasLinks: true, consoleOrigin: undefined, portalOrigin: PORTAL } });
  const browser = await signInByLink(createTestBrowser(api.app), api.app, api.keys.operator);
  cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
});
afterAll(() => api.stop());

type Headers = Record<string, string | undefined>;

async function ask(method: 'GET' | 'HEAD' | 'POST', headers: Headers, url?: string) {
  const reply = await api.app.inject({
    method,
    url: url ?? (method === 'POST' ? '/api/v1/tenants/acme/enable' : '/api/v1/me'),
    headers: { host: 'localhost:80', ...Object.fromEntries(Object.entries(headers).filter(([, value]) => value)) },
    ...(method === 'POST' && { payload: JSON.stringify({ reason: 'a test' }) }),
  });
  return method === 'HEAD' ? String(reply.statusCode) : `${reply.statusCode} ${reply.json().code ?? ''}`.trim();
}

const SITES = ['same-origin', 'same-site', 'cross-site', 'none', undefined];
const ORIGINS = [OWN, PORTAL, 'http://localhost:81', 'https://localhost:80', 'http://evil.example', 'null', undefined];
const TYPES = [
  'application/json',
  'Application/JSON; charset=utf-8',
  'text/plain',
  'application/x-www-form-urlencoded',
  'application/jsonp',
  undefined,
];
const MARKS = ['1', 'true', undefined];

const isOwn = (site: string | undefined, origin: string | undefined) =>
  site === undefined ? origin === OWN || origin === PORTAL : site === 'same-origin';

describe('with a session', () => {
  test.each(SITES.flatMap((site) => ORIGINS.map((origin) => ({ site, origin }))))(
    'Sec-Fetch-Site $site, Origin $origin',
    async ({ site, origin }) => {
      const from = { cookie, 'sec-fetch-site': site, origin };
      const refused = '403 CROSS_SITE_REFUSED';
      expect(await ask('GET', from)).toBe(isOwn(site, origin) ? '200' : refused);
      for (const type of TYPES)
        for (const mark of MARKS) {
          const isTaken = isOwn(site, origin) && mark === '1' && /^application\/json(;|$)/i.test(type ?? '');
          const answer = await ask('POST', { ...from, 'content-type': type, 'x-longshore': mark });
          expect([type, mark, answer]).toEqual([type, mark, isTaken ? '200' : refused]);
        }
    },
  );

  test('never together with a key, whoever of them counts', async () => {
    const own = { 'sec-fetch-site': 'same-origin', 'x-longshore': '1', 'content-type': 'application/json' };
    for (const given of [cookie, 'longshore-console=unknown-as-it-is', 'longshore-portal=unknown-as-it-is'])
      for (const key of [api.keys.operator, 'ls_unknown-as-it-is'])
        for (const method of ['GET', 'POST'] as const)
          expect(await ask(method, { ...own, cookie: given, 'x-api-key': key })).toBe('400 REQUEST_INVALID');
  });

  test('cookies of others are nothing, and an empty one is none', async () => {
    for (const given of ['theirs=1', 'longshore-console=', '__Host-longshore-console=x', 'longshore-consol=x'])
      expect(await ask('GET', { cookie: given, 'sec-fetch-site': 'same-origin', 'x-api-key': api.keys.acme })).toBe(
        '200',
      );
  });
});

test('a key needs none of it', async () => {
  for (const site of SITES)
    expect(
      await ask('POST', {
        'x-api-key': api.keys.operator,
        'sec-fetch-site': site,
        'content-type': 'application/json',
        origin: 'http://evil.example',
      }),
    ).toBe('200');
});

test('another site signs nobody in', async () => {
  for (const site of SITES.filter((each) => each !== 'same-origin'))
    expect(
      await ask(
        'POST',
        { 'sec-fetch-site': site, 'x-longshore': '1', 'content-type': 'application/json' },
        '/auth/link',
      ),
    ).toBe('403 CROSS_SITE_REFUSED');
});
