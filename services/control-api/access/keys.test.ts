/** API keys: their roles, their ends, their successors, and who may manage which. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApiKey, findApiKey, noteKeyUse } from '#shared/access/api-keys.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { dataUrl, smallPng } from '#testkit/seeds/small-png.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

async function ask(key: string, method: 'GET' | 'POST', url: string, payload?: object) {
  const response = await api.app.inject({ method, url, headers: { 'x-api-key': key }, ...(payload && { payload }) });
  return { status: response.statusCode, body: response.json() };
}

const make = (key: string, body: object) => ask(key, 'POST', '/api/v1/keys', { label: 'made', ...body });

test('an administrator of a tenant makes keys for the tenant and for nobody else', async () => {
  const made = await make(api.keys.acme, { tenant: 'acme', role: 'sender' });
  expect(made.status).toBe(201);
  expect((await ask(made.body.key, 'GET', '/api/v1/me')).body).toMatchObject({
    actor: 'tenant:acme:made',
    tenant: 'acme',
    time_zone: 'UTC',
    role: 'sender',
    permissions: expect.not.arrayContaining(['keys:manage']),
  });
  for (const tenant of ['globex', null])
    expect(await make(api.keys.acme, { tenant })).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
  expect(await make(made.body.key, { tenant: 'acme' })).toMatchObject({ status: 403 });
});

test('a role goes with a tenant, or with operators', async () => {
  const refused = { status: 400, body: { code: 'REQUEST_INVALID' } };
  expect(await make(api.keys.operator, { tenant: null, role: 'sender' })).toMatchObject(refused);
  expect(await make(api.keys.operator, { tenant: 'acme', role: 'admin' })).toMatchObject(refused);
  expect(await make(api.keys.acme, { tenant: 'acme', role: 'operator' })).toMatchObject(refused);
});

test('a tenant sees and ends its own keys, and not those of others', async () => {
  const other = await make(api.keys.operator, { tenant: 'globex' });
  const { body } = await ask(api.keys.acme, 'GET', '/api/v1/keys');
  expect(new Set(body.keys.map(({ tenant }: { tenant: string }) => tenant))).toEqual(new Set(['acme']));
  for (const verb of ['revoke', 'rotate'])
    expect((await ask(api.keys.acme, 'POST', `/api/v1/keys/${other.body.key_id}/${verb}`)).status).toBe(404);
  const own = await make(api.keys.acme, { tenant: 'acme' });
  expect((await ask(api.keys.acme, 'POST', `/api/v1/keys/${own.body.key_id}/revoke`)).status).toBe(200);
  expect((await ask(own.body.key, 'GET', '/api/v1/me')).status).toBe(401);
});

test('a key ends at its date, and cannot be made to have ended', async () => {
  const past = new Date(Date.now() - 60_000).toISOString();
  expect(await make(api.keys.operator, { tenant: null, expires_at: past })).toMatchObject({ status: 400 });
  const made = await make(api.keys.operator, { tenant: null, expires_at: new Date(Date.now() + 60_000).toISOString() });
  expect(await findApiKey(api.sql, made.body.key)).toMatchObject({ role: 'admin' });
  await api.sql`UPDATE api_keys SET expires_at = now() WHERE id = ${made.body.key_id}`;
  expect(await findApiKey(api.sql, made.body.key)).toBeUndefined();
});

test('a successor has the owner, the role and the length of life, and the old key ends after the overlap', async () => {
  const { keyId, key } = await createApiKey(api.sql, {
    tenantId: 'acme',
    label: 'desk',
    role: 'tenant-viewer',
    expiresAt: new Date(Date.now() + 30 * 86_400_000),
    actor: 'test',
  });
  const { status, body } = await ask(api.keys.acme, 'POST', `/api/v1/keys/${keyId}/rotate`, { overlap_hours: 2 });
  expect(status).toBe(201);
  const next = await findApiKey(api.sql, body.key);
  expect(next).toMatchObject({ tenantId: 'acme', label: 'desk', role: 'tenant-viewer' });
  const [days] = await api.sql<{ old: number; next: number }[]>`
    SELECT (SELECT extract(epoch FROM expires_at - now()) / 3600 FROM api_keys WHERE id = ${keyId})::float8 AS old,
      (SELECT extract(epoch FROM expires_at - now()) / 86400 FROM api_keys WHERE id = ${body.key_id})::float8 AS next`;
  expect(days?.old).toBeCloseTo(2, 1);
  expect(days?.next).toBeCloseTo(30, 1);
  expect(await findApiKey(api.sql, key)).toBeDefined();
  const again = await ask(api.keys.acme, 'POST', `/api/v1/keys/${keyId}/rotate`, { overlap_hours: 0 });
  expect(again.status).toBe(201);
  expect(await findApiKey(api.sql, key)).toBeUndefined();
});

test('the list shows when a key was last used', async () => {
  const { body } = await make(api.keys.operator, { tenant: null });
  const find = async () =>
    (await ask(api.keys.operator, 'GET', '/api/v1/keys?limit=200')).body.keys.find(
      ({ key_id }: { key_id: string }) => key_id === body.key_id,
    );
  expect(await find()).toMatchObject({ role: 'admin', last_used_at: null, expires_at: null });
  await noteKeyUse(api.sql, body.key_id);
  expect(await find()).toMatchObject({ last_used_at: expect.stringMatching(/^20/) });
});

test('keys from before there were roles are administrators', async () => {
  await api.sql`UPDATE api_keys SET role = NULL`;
  expect((await ask(api.keys.operator, 'GET', '/api/v1/me')).body).toMatchObject({ role: 'admin', tenant: null });
  expect(await findApiKey(api.sql, api.keys.acme)).toMatchObject({ role: 'tenant-admin' });
});

test('people and keys of a tenant are given the look of its portal, operators none', async () => {
  const portal = { name: 'Acme desk', colour: '#7A1F5C', logo: dataUrl(smallPng()) };
  const tenant = { id: 'acme', name: 'acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] };
  await applyTenants(api.sql, [{ ...tenant, portal }], 'test');
  expect((await ask(api.keys.acme, 'GET', '/api/v1/me')).body.portal).toEqual({
    ...portal,
    themes: {
      light: { accent: '#7a1f5c', on_accent: '#ffffff', soft: expect.stringMatching(/^#[0-9a-f]{6}$/) },
      dark: { accent: expect.stringMatching(/^#[0-9a-f]{6}$/), on_accent: '#06230f', soft: expect.any(String) },
    },
  });
  expect((await ask(api.keys.acme, 'GET', '/api/v1/tenants/acme')).body.portal).toEqual(portal);
  for (const key of [api.keys.operator, api.keys.globex])
    expect((await ask(key, 'GET', '/api/v1/me')).body.portal).toBeNull();
  const [event] = await api.sql`
    SELECT detail FROM audit_events WHERE type = 'tenant.applied' AND tenant_id = 'acme' ORDER BY at DESC, id DESC LIMIT 1`;
  expect(event?.detail.after.portal).toEqual({ ...portal, logo: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
  await applyTenants(api.sql, [tenant], 'test');
  expect((await ask(api.keys.acme, 'GET', '/api/v1/me')).body.portal).toBeNull();
});
