import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
  await seedJobs(api.sql);
  await seedJobs(api.sql, { tenantId: 'globex' });
});
afterAll(() => api.stop());

function ask(
  url: string,
  { as = 'acme', key = api.keys.operator, method = 'GET' as 'GET' | 'POST', payload = {} } = {},
) {
  return api.app.inject({
    method,
    url,
    headers: { 'x-api-key': key, 'x-longshore-as': as },
    ...(method === 'POST' && { payload }),
  });
}

test('an operator sees what the tenant sees and no more, and the audit of the tenant says so once', async () => {
  expect((await ask('/api/v1/me')).json()).toMatchObject({ tenant: 'acme', role: 'tenant-viewer' });
  const { files } = (await ask('/api/v1/files')).json();
  expect(new Set(files.map((file: { customer_id: string }) => file.customer_id))).toEqual(new Set(['acme']));
  const [other] = await api.sql<{ id: string }[]>`SELECT id FROM files WHERE tenant_id = 'globex'`;
  expect((await ask(`/api/v1/files/${other?.id}`)).statusCode).toBe(404);
  expect((await ask('/api/v1/people')).statusCode).toBe(403);
  const lines = await api.sql`SELECT tenant_id, actor FROM audit_events WHERE type = 'support.viewed'`;
  expect(lines).toEqual([{ tenant_id: 'acme', actor: expect.stringMatching(/^operator:/) }]);
});

test('it changes nothing, and is for operators and known tenants', async () => {
  const [job] = await api.sql<{ id: string }[]>`SELECT id FROM jobs WHERE tenant_id = 'acme'`;
  const cancelled = await ask(`/api/v1/jobs/${job?.id}/cancel`, { method: 'POST', payload: { reason: 'x' } });
  expect([cancelled.statusCode, cancelled.json().code]).toEqual([403, 'FORBIDDEN']);
  for (const as of ['acme', 'globex'])
    expect((await ask('/api/v1/files', { as, key: api.keys.acme })).statusCode).toBe(403);
  expect((await ask('/api/v1/files', { as: 'nobody' })).statusCode).toBe(404);
  expect((await ask('/api/v1/files', { as: 'acme', key: 'ls_unknown-key-of-nobody' })).statusCode).toBe(401);
});
