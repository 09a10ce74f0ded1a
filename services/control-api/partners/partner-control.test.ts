/** Pause, breaker and test call of a partner over HTTP and from the command line. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { PartnerControlView, PartnerTest } from '#shared/api/partner-control.ts';
import type { PartnerHealth } from '#shared/api/partner-health.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { leaseRateSlice } from '#shared/partners/lease-rate-slice.ts';
import { unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';

const SECRET = 'hunter2-of-the-partner';
const PATH = '/api/v1/partners/acme/rfi';
let api: TestApi;
let url: string;
let baseUrl: string;
let seen: { readonly url: string; readonly headers: Readonly<Record<string, unknown>>; readonly body: string }[];
let reply: (response: ServerResponse) => void;
const server = createServer(async (request, response) => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  seen.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(pieces).toString() });
  reply(response);
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api = await startTestApi({
    partnerGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    secrets: {
      read: async (name) => {
        if (name.endsWith('missing')) throw unavailableSecret('It is not there.');
        return { text: SECRET, version: '1', changedAt: '2026-01-02T03:04:05.000Z' };
      },
    },
  });
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
  await seedTenant(api.sql);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await api.stop();
});

let versions = 0;
async function apply(changes: Record<string, unknown> = {}): Promise<void> {
  versions += 1;
  const { operations } = examplePartner();
  const validate = { ...operations.validate, test: { key: 'T-1', amount: '0', name: 'test' } };
  const definition = examplePartner({ baseUrl, timeout: '60s', operations: { ...operations, validate }, ...changes });
  const row = { tenantId: 'acme', name: 'rfi', definition, definitionHash: `h${versions}` };
  await applyDefinition(api.sql, 'partner', row, 'test');
}

beforeEach(async () => {
  seen = [];
  reply = (response) => response.end('{"status":"VALID","reference":"r-7"}');
  await api.sql`DELETE FROM partners`;
  await api.sql`DELETE FROM definition_versions`;
  await apply();
});

async function post<Reply>(path: string, body: object = {}, key = api.keys.operator): Promise<[number, Reply]> {
  const response = await api.app.inject({
    method: 'POST',
    url: `${PATH}/${path}`,
    headers: { 'x-api-key': key },
    body,
  });
  return [response.statusCode, response.json()];
}
async function health(key = api.keys.operator): Promise<PartnerHealth> {
  return (await api.app.inject({ url: `${PATH}/health`, headers: { 'x-api-key': key } })).json();
}
const audit = () =>
  api.sql`SELECT type, actor, detail FROM audit_events WHERE type LIKE 'partner.%' AND type <> 'partner.applied' ORDER BY id DESC LIMIT 1`;
const again = () => api.sql`UPDATE partners SET tested_at = NULL`;

test('a pause is in the answer, in the health, for whoever may know why, and in the audit', async () => {
  expect((await health()).control).toEqual({ revision: 0, paused: null, breaker: null, tests: ['validate'] });
  const [status, paused] = await post<PartnerControlView>('pause', { reason: 'INC-1 it books twice' });
  expect([status, paused.revision]).toEqual([200, 1]);
  expect(paused.paused).toEqual({ since: expect.any(String), by: 'operator:operator', reason: 'INC-1 it books twice' });
  expect((await health()).control).toEqual(paused);
  expect((await health(api.keys.acme)).control.paused).toEqual({ since: paused.paused?.since, by: null, reason: null });
  expect(await audit()).toEqual([
    {
      type: 'partner.paused',
      actor: 'operator:operator',
      detail: { partner: 'rfi', reason: 'INC-1 it books twice' },
    },
  ]);
  const [, resumed] = await post<PartnerControlView>('resume', { reason: 'mended' });
  expect(resumed).toMatchObject({ revision: 2, paused: null });
});

test('a change from an old page is refused, and shows what it is now', async () => {
  await post('pause', { reason: 'mine' });
  const [status, problem] = await post<{ code: string; details: { control: PartnerControlView } }>('resume', {
    reason: 'theirs',
    revision: 0,
  });
  expect([status, problem.code]).toEqual([409, 'PARTNER_CHANGED']);
  expect(problem.details.control.paused?.reason).toBe('mine');
});

test('a breaker is open for a time or until it is closed', async () => {
  const [, timed] = await post<PartnerControlView>('breaker', { state: 'open', for: '2h', reason: 'they work on it' });
  expect(Date.parse(timed.breaker?.until ?? '') - Date.parse(timed.breaker?.since ?? '')).toBe(7_200_000);
  const [, open] = await post<PartnerControlView>('breaker', { state: 'open', reason: 'longer' });
  expect(open.breaker).toMatchObject({ until: null, reason: 'longer' });
  const [, closed] = await post<PartnerControlView>('breaker', { state: 'closed', reason: 'back' });
  expect(closed.breaker).toBeNull();
  expect((await audit())[0]).toMatchObject({ type: 'partner.breaker-closed' });
  for (const body of [
    { state: 'open' },
    { state: 'half', reason: 'x' },
    { state: 'closed', for: '1h', reason: 'x' },
    { state: 'open', for: '31d', reason: 'x' },
    { state: 'open', for: '-1h', reason: 'x' },
    { state: 'open', reason: 'x', force: true },
  ])
    expect((await post('breaker', body))[0], JSON.stringify(body)).toBe(400);
});

test('a test call sends the values of the definition, also while it is paused, and says what came', async () => {
  await post('pause', { reason: 'x' });
  const [status, tested] = await post<PartnerTest>('test');
  expect(status).toBe(200);
  expect(tested).toMatchObject({ ok: true, operation: 'validate', outcome: 'success', http_status: 200, cause: null });
  expect(seen).toMatchObject([{ url: '/validation', headers: { 'x-request-id': tested.request_id } }]);
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ recordKey: 'T-1', amount: '0', text: 'TEST!' });
  expect((await health()).control.paused).not.toBeNull();
  expect(await audit()).toEqual([
    {
      type: 'partner.tested',
      actor: 'operator:operator',
      detail: { partner: 'rfi', operation: 'validate', requestId: tested.request_id },
    },
  ]);
});

test('of several tests at once one is made', async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => post<{ code?: string }>('test')));
  expect(made.map(([status]) => status).sort()).toEqual([200, 429, 429, 429, 429, 429]);
  expect(seen).toHaveLength(1);
  const response = await api.app.inject({
    method: 'POST',
    url: `${PATH}/test`,
    headers: { 'x-api-key': api.keys.operator },
  });
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
});

test('no secret and nothing of the reply but its meaning is in the answer', async () => {
  await apply({ auth: { type: 'static', header: 'x-key', prefix: 'Key ', secret: 'key' } });
  reply = (response) =>
    response.writeHead(422).end(JSON.stringify({ status: 'INVALID', code: 'V1', message: `no ${SECRET}` }));
  const [, tested] = await post<PartnerTest>('test');
  expect(seen[0]?.headers['x-key']).toBe(`Key ${SECRET}`);
  expect(tested).toMatchObject({ ok: false, outcome: 'failed', http_status: 422, cause: 'BUSINESS_REJECTION' });
  expect(JSON.stringify(tested)).not.toContain(SECRET);
  expect(api.logged.join()).not.toContain(SECRET);
});

test.each([
  ['it refuses the connection', 'http://127.0.0.1:1', 'PARTNER_UNREACHABLE'],
  ['its address is not allowed', 'http://169.254.169.254', 'PARTNER_ADDRESS_REFUSED'],
  ['its name leads inside', 'http://[::ffff:10.0.0.1]', 'PARTNER_ADDRESS_REFUSED'],
])('a test says so where %s', async (_what, address, cause) => {
  await apply({ baseUrl: address });
  const [status, tested] = await post<PartnerTest>('test');
  expect(status).toBe(200);
  expect(tested).toMatchObject({ ok: false, http_status: null, cause });
});

test('the health has the age of each secret, whether it can be read, and nothing of it', async () => {
  await apply({ auth: { type: 'static', header: 'x-key', prefix: '', secret: 'key' }, tls: { authority: 'missing' } });
  const found = await health(api.keys.acme);
  expect(found.secrets).toEqual([
    { name: 'key', changed_at: '2026-01-02T03:04:05.000Z', ends_at: null, state: 'ok' },
    { name: 'missing', changed_at: null, ends_at: null, state: 'unavailable' },
  ]);
  expect(JSON.stringify(found)).not.toContain(SECRET);
});

test('a redirect is not followed', async () => {
  reply = (response) => response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
  const [, tested] = await post<PartnerTest>('test');
  expect(tested).toMatchObject({ ok: false, http_status: 302, cause: 'PARTNER_REDIRECT' });
  expect(seen).toHaveLength(1);
});

test('without a test in the definition there is none, whatever is asked for', async () => {
  expect((await post<{ code: string }>('test', { operation: 'redeem' }))[1].code).toBe('PARTNER_NO_TEST');
  await apply({ operations: examplePartner().operations });
  const [status, problem] = await post<{ code: string }>('test');
  expect([status, problem.code]).toEqual([409, 'PARTNER_NO_TEST']);
  expect(seen).toEqual([]);
  const { redeem } = examplePartner().operations;
  expect(() => examplePartner({ operations: { redeem: { ...redeem, test: {} } } })).toThrow(/idempotent: true/);
});

test('a test takes its turn among workers that use up the rate', async () => {
  await apply({ limits: { ratePerSecond: 20 } });
  const rate = { tenantId: 'acme', partner: 'rfi', ratePerSecond: 20 };
  let isOver = false;
  const busy = (async () => {
    while (!isOver) {
      const { forMs } = await leaseRateSlice(api.sql, rate);
      await delay(forMs);
    }
  })();
  for (let time = 0; time < 3; time += 1) {
    await again();
    expect((await post<PartnerTest>('test'))[1]).toMatchObject({ ok: true, outcome: 'success' });
  }
  isOver = true;
  await busy;
});

test('a test is out of the partner’s rate', async () => {
  await apply({ limits: { ratePerSecond: 0.01 } });
  expect((await post<PartnerTest>('test'))[1].ok).toBe(true);
  await again();
  expect((await post<PartnerTest>('test'))[1]).toMatchObject({ ok: false, outcome: 'not-made', http_status: null });
  expect(seen).toHaveLength(1);
});

test('what is not there is not found, and a tenant changes nothing', async () => {
  const headers = { 'x-api-key': api.keys.operator };
  for (const verb of ['pause', 'resume', 'test'])
    for (const path of ['/api/v1/partners/globex/rfi', '/api/v1/partners/acme/none']) {
      const body = verb === 'test' ? {} : { reason: 'x' };
      const { statusCode } = await api.app.inject({ method: 'POST', url: `${path}/${verb}`, headers, body });
      expect(statusCode).toBe(404);
    }
  for (const key of [api.keys.acme, api.keys.globex]) {
    expect((await post('pause', { reason: 'x' }, key))[0]).toBe(403);
    expect((await post('breaker', { state: 'open', reason: 'x' }, key))[0]).toBe(403);
    expect((await post('test', {}, key))[0]).toBe(403);
  }
  expect((await health()).control.revision).toBe(0);
});

test('the commands do it', async () => {
  const longshore = longshoreAt(url, api.keys.operator);
  const paused = await longshore('partners', 'pause', 'acme/rfi', '--reason', 'INC-2 wrong amounts');
  expect([paused.code, paused.out]).toEqual([0, expect.stringMatching(/paused since .* by operator:operator: INC-2/)]);
  expect((await longshore('partners', 'health', 'acme/rfi')).out).toMatch(/calls now +paused since/);
  expect((await longshore('partners', 'resume', 'rfi', '--reason', 'x')).out).toMatch(/calls +pass/);
  const opened = await longshore('partners', 'breaker', 'rfi', 'open', '--for', '2h', '--reason', 'x');
  expect(opened.out).toMatch(/breaker by hand +open until /);
  expect((await longshore('partners', 'breaker', 'rfi', 'closed', '--reason', 'x')).out).toMatch(/not open/);
  const tested = await longshore('partners', 'test', 'rfi');
  expect([tested.code, tested.out]).toEqual([0, expect.stringMatching(/outcome +success[\s\S]*status +200/)]);
  await again();
  reply = (response) => response.writeHead(503).end();
  const failing = await longshore('partners', 'test', 'rfi', '--operation', 'validate');
  expect(failing.code).not.toBe(0);
  expect(failing.out).toMatch(/cause +HTTP_503/);
});
