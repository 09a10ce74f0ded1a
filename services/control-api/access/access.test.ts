import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKey, findApiKey, revokeApiKey } from '#shared/access/api-keys.ts';
import type { Caller } from '#shared/access/permissions.ts';
import { storeDeadLetters } from '#shared/dead-letters/dead-letters.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createAuthenticator } from '../http/authenticate.ts';

/** Each key begins with ten seconds of it. */
const RATE_PER_SECOND = 2;
const OWNER: Caller = { keyId: randomUUID(), tenantId: null, label: 'test', role: 'admin' };
const KEY = `ls_${'k'.repeat(43)}`;

describe('a key', () => {
  test('that was revoked stops working once the remembered answer has ended, and not later', async () => {
    let owner: Caller | undefined = OWNER;
    let now = 0;
    const authenticate = createAuthenticator({ findKey: async () => owner, cacheMs: 15_000, now: () => now });
    expect(await authenticate(KEY, allow)).toEqual({ type: 'known', owner: OWNER });
    owner = undefined;
    now = 14_999;
    expect(await authenticate(KEY, allow)).toEqual({ type: 'known', owner: OWNER });
    now = 15_001;
    expect(await authenticate(KEY, allow)).toEqual({ type: 'unknown' });
  });

  test('is not believed when the database does not answer', async () => {
    const lost = new Error('lost');
    const authenticate = createAuthenticator({ findKey: () => Promise.reject(lost), cacheMs: 15_000 });
    await expect(authenticate(KEY, allow)).rejects.toBe(lost);
  });

  test('of a form that no key has costs no look-up', async () => {
    let lookups = 0;
    const findKey = async () => {
      lookups += 1;
      return OWNER;
    };
    const authenticate = createAuthenticator({ findKey, cacheMs: 15_000 });
    for (const key of [undefined, '', 'short', 'with space in it, long', 'x'.repeat(201), `ls_${'\u00e9'.repeat(43)}`])
      expect(await authenticate(key, allow)).toEqual({ type: 'unknown' });
    expect(lookups).toBe(0);
  });

  test('that many guess at once takes two look-ups at a time, and the rest is refused before it piles up', async () => {
    const { findKey, most } = countedLookups();
    const authenticate = createAuthenticator({ findKey, cacheMs: 15_000 });
    const answers = await Promise.all(guesses(500).map((guess) => authenticate(guess, allow)));
    expect(most()).toBe(2);
    expect(answers.filter(({ type }) => type === 'limited').length).toBeGreaterThan(200);
    expect(answers.some(({ type }) => type === 'known')).toBe(false);
  });

  test('that was guessed beyond the allowance of its address costs next to no look-up, while a known key keeps its own', async () => {
    const { findKey, most, total } = countedLookups();
    let now = 0;
    const authenticate = createAuthenticator({ findKey, cacheMs: 15_000, now: () => now });
    expect(await authenticate(KEY, allow)).toMatchObject({ type: 'known' });
    now = 60_000;
    const before = total();
    const flood = guesses(500).map((guess) => authenticate(guess, async () => false));
    expect(await authenticate(KEY, async () => false)).toMatchObject({ type: 'known' });
    expect(new Set((await Promise.all(flood)).map(({ type }) => type))).toEqual(new Set(['limited']));
    expect(total() - before).toBeLessThan(30);
    expect(most()).toBeLessThanOrEqual(2);
  });

  test('that is new comes through although strangers spent the allowance of its address', async () => {
    const authenticate = createAuthenticator({ findKey: async () => OWNER, cacheMs: 15_000 });
    expect(await authenticate(KEY, async () => false)).toMatchObject({ type: 'known' });
  });
});

const allow = async () => true;

function guesses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `guess-number-${String(index).padStart(20, '0')}`);
}

/** Knows `KEY` alone. */
function countedLookups() {
  let [running, most, total] = [0, 0, 0];
  const findKey = async (key: string) => {
    running += 1;
    total += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return key === KEY ? OWNER : undefined;
  };
  return { findKey, most: () => most, total: () => total };
}

describe('requests', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi({ strangerRatePerMinute: 5, ratePerSecond: RATE_PER_SECOND });
  });
  afterAll(() => api.stop());

  test('without a valid key are refused everywhere but on the pages', async () => {
    const urls = Object.keys((api.app.swagger() as { paths: object }).paths);
    expect(urls.length).toBeGreaterThan(12);
    const remoteAddress = '192.0.2.1';
    const attempt = (url: string, headers: Record<string, string>, method: 'GET' | 'POST') =>
      api.app.inject({ method, url: url.replace('{id}', randomUUID()).replace('{line}', '1'), headers, remoteAddress });
    for (const [url, methods] of Object.entries((api.app.swagger() as { paths: Record<string, object> }).paths)) {
      for (const method of Object.keys(methods)) {
        const { statusCode } = await attempt(url, {}, method.toUpperCase() as 'GET');
        // What signs in has no key yet; it is refused because no page of ours asks. A recipient of a mail has only its link.
        if (url === '/auth/ways' || url === '/u/{token}') continue;
        const refusals = url.startsWith('/auth/') ? [401, 403, 429] : [401, 429];
        expect([url, method, refusals.includes(statusCode)]).toEqual([url, method, true]);
      }
    }
    for (const url of ['/docs', '/docs/static/swagger-ui.css', '/openapi.json'])
      expect([url, (await api.app.inject({ url })).statusCode]).toEqual([url, 200]);
  });

  test('without a valid key are limited by their address, and take nothing from those who have one', async () => {
    const remoteAddress = '192.0.2.2';
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      const headers = { 'x-api-key': `ls_wrong_key_number_${attempt}` };
      const response = await api.app.inject({ url: '/status?file_id=a', headers, remoteAddress });
      statuses.push(response.statusCode);
      if (response.statusCode === 429) {
        expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
        expect(response.json()).toMatchObject({ code: 'RATE_LIMITED' });
      }
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    const headers = { 'x-api-key': api.keys.globex };
    expect((await api.app.inject({ url: '/status?file_id=a', headers, remoteAddress })).statusCode).toBe(404);
  });

  test('of one key are limited, and those of another are not', async () => {
    const ask = (key: string) => api.app.inject({ url: '/api/v1/files', headers: { 'x-api-key': key } });
    /** Of the database's clock: each has the rate of its ten seconds. */
    const windowNow = async () => {
      const [row] = await api.sql`SELECT floor(extract(epoch FROM clock_timestamp()) / 10)::int AS at`;
      return row!.at as number;
    };
    const firstWindow = await windowNow();
    const answers = [await ask(api.keys.acme)];
    while (answers.at(-1)?.statusCode === 200 && answers.length < 1_000) answers.push(await ask(api.keys.acme));
    const limited = answers.pop()!;
    expect(limited.statusCode).toBe(429);
    expect(answers.length).toBeGreaterThanOrEqual(20);
    const windows = (await windowNow()) - firstWindow + 1;
    expect(answers.length).toBeLessThanOrEqual(windows * 10 * RATE_PER_SECOND + 1);
    expect(Number(limited.headers['retry-after'])).toBeLessThanOrEqual(10);
    expect(limited.json()).toMatchObject({ code: 'RATE_LIMITED', hint: expect.any(String) });
    expect((await ask(api.keys.globex)).statusCode).toBe(200);
  });

  test('a key that the database knows as revoked is refused', async () => {
    const { keyId, key } = await createApiKey(api.sql, { tenantId: 'acme', label: 'short-lived', actor: 'test' });
    await revokeApiKey(api.sql, { keyId, actor: 'test' });
    const response = await api.app.inject({ url: '/api/v1/files', headers: { 'x-api-key': key } });
    expect([response.statusCode, response.json().code]).toEqual([401, 'UNAUTHENTICATED']);
  });

  test('leave one log line each, by route template, without keys, names or queries', async () => {
    const secret = 'seeded-secret-0123456789';
    api.logged.length = 0;
    await api.app.inject({ url: `/status?file_id=${secret}`, headers: { 'x-api-key': api.keys.operator } });
    await api.app.inject({ url: `/nothing/${secret}?a=${secret}`, headers: { 'x-api-key': secret } });
    await api.app.inject({ url: `/api/v1/files/${secret}`, headers: { 'x-api-key': api.keys.operator } });
    const lines = api.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request answered');
    expect(lines.map(({ route, status }) => [route, status])).toEqual([
      ['/status', 404],
      ['(unknown)', 404],
      ['/api/v1/files/:id', 400],
    ]);
    expect(api.logged.join('\n')).not.toContain(secret);
    expect(api.logged.join('\n')).not.toContain(api.keys.operator);
    const metrics = await api.registry.metrics();
    expect(metrics).toMatch(/longshore_api_request_seconds_count\{method="GET",route="\/status",status="404"\} \d+/);
    expect(metrics).not.toContain(secret);
  });
});

describe('a tenant', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi();
  });
  afterAll(() => api.stop());

  test('finds nothing of another tenant by any id, in any list, and changes nothing of it', async () => {
    await seedTenant(api.sql, { tenantId: 'acme' });
    const [job] = await seedJobs(api.sql, { tenantId: 'acme' });
    await applyDefinition(
      api.sql,
      'partner',
      { tenantId: 'acme', name: 'gw', definition: {}, definitionHash: 'x' },
      'test',
    );
    await applyDefinition(
      api.sql,
      'store',
      { tenantId: 'acme', name: 'office', definition: {}, definitionHash: 'x' },
      'test',
    );
    await storeDeadLetters(
      api.sql,
      [
        {
          id: randomUUID(),
          queue: 'partner-steps',
          messageId: 'm',
          body: '{}',
          attributes: {},
          receiveCount: 3,
          reason: 'r',
          tenantId: 'acme',
          state: 'PARKED',
        },
      ],
      'test',
    );
    const ask = (key: string, method: 'GET' | 'POST', url: string) =>
      api.app.inject({
        method,
        url,
        headers: { 'x-api-key': key },
        ...(method === 'POST' && { payload: { reason: 'x' } }),
      });
    const byId: ['GET' | 'POST', string][] = [
      ['GET', `/api/v1/files/${job!.fileId}`],
      ['GET', `/api/v1/jobs/${job!.id}`],
      ['GET', `/status?file_id=${job!.fileId}`],
      ['POST', `/api/v1/jobs/${job!.id}/retry`],
      ['POST', `/api/v1/files/${job!.fileId}/reroute`],
      ['GET', `/api/v1/jobs/${job!.id}/records`],
      ['POST', `/api/v1/jobs/${job!.id}/release`],
      ['POST', `/api/v1/jobs/${job!.id}/reject`],
      ['POST', `/api/v1/jobs/${job!.id}/cancel`],
    ];
    for (const [method, url] of byId) {
      expect([url, (await ask(api.keys.globex, method, url)).statusCode]).toEqual([url, 404]);
      expect([url, (await ask(api.keys.acme, method, url)).statusCode]).not.toEqual([url, 404]);
    }
    for (const list of ['files', 'routes', 'partners', 'stores', 'dead-letters']) {
      const entries = async (key: string, query = '') =>
        Object.values((await ask(key, 'GET', `/api/v1/${list}${query}`)).json()).find(Array.isArray);
      expect([list, await entries(api.keys.globex)]).toEqual([list, []]);
      expect([list, await entries(api.keys.globex, '?tenant=acme')]).toEqual([list, []]);
      expect([list, (await entries(api.keys.acme))?.length]).toEqual([list, 1]);
      expect([list, (await entries(api.keys.operator, '?tenant=acme'))?.length]).toEqual([list, 1]);
    }
    const { tenants } = (await ask(api.keys.globex, 'GET', '/api/v1/tenants')).json();
    expect(tenants.map(({ tenant }: { tenant: string }) => tenant)).toEqual(['globex']);
  });

  test('may not do what takes an operator', async () => {
    const headers = { 'x-api-key': api.keys.acme };
    const attempts = [
      { method: 'GET', url: '/api/v1/queues' },
      { method: 'POST', url: '/api/v1/keys', payload: { tenant: null, label: 'mine' } },
      { method: 'POST', url: '/api/v1/dead-letters/redrive', payload: { dry_run: true } },
      { method: 'POST', url: '/api/v1/routes', payload: { kind: 'tenant' } },
    ] as const;
    for (const attempt of attempts) {
      const response = await api.app.inject({ headers, ...attempt });
      expect([attempt.url, response.statusCode, response.json().code]).toEqual([attempt.url, 403, 'FORBIDDEN']);
    }
  });

  test('gets a key from an operator, sees with it only its own, and loses it when it is revoked', async () => {
    const headers = { 'x-api-key': api.keys.operator };
    const made = await api.app.inject({
      method: 'POST',
      url: '/api/v1/keys',
      headers,
      payload: { tenant: 'globex', label: 'ci' },
    });
    expect(made.statusCode).toBe(201);
    const { key, key_id } = made.json();
    expect(await findApiKey(api.sql, key)).toMatchObject({ tenantId: 'globex', label: 'ci' });
    const listed = (await api.app.inject({ url: '/api/v1/keys', headers })).body;
    expect(listed).toContain(key_id);
    expect(listed).not.toContain(key);
    const revoke = () => api.app.inject({ method: 'POST', url: `/api/v1/keys/${key_id}/revoke`, headers });
    expect((await revoke()).json()).toEqual({ key_id, revoked: true });
    expect((await revoke()).statusCode).toBe(404);
    expect(await findApiKey(api.sql, key)).toBeUndefined();
  });
});

test('a database that is away is a 503 that says nothing of it', async () => {
  const api = await startTestApi({
    authenticate: async () => {
      throw Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' });
    },
  });
  try {
    const response = await api.app.inject({ url: '/status?file_id=a', headers: { 'x-api-key': api.keys.acme } });
    expect([response.statusCode, response.json().code]).toEqual([503, 'DEPENDENCY_UNAVAILABLE']);
    expect(response.body).not.toContain('10.1.2.3');
  } finally {
    await api.stop();
  }
});
