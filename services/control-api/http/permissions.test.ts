/** Who may do what: every endpoint against every kind of key. A new endpoint has to be decided here. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
let jobId: string;
let fileId: string;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  const [job] = await seedJobs(api.sql);
  [jobId, fileId] = [job!.id, job!.fileId];
  const definition = {
    records: { columns: [{ name: 'id' }] },
    steps: [{ parse: {} }, { call: { partner: 'p', operation: 'o' } }],
  };
  await api.sql`UPDATE route_versions SET definition = ${api.sql.json(definition)}`;
});
afterAll(() => api.stop());

const REASON = { reason: 'a test' };
const ROUTE = { kind: 'route', tenant: 'acme', name: 'x', match: { path: 'x' }, steps: [{ stage: {} }] };
type Endpoint = readonly [takes: 'tenant' | 'operator', payload?: object | undefined, query?: string];

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /status': ['tenant', undefined, 'file_id=x'],
  'GET /api/v1/files': ['tenant'],
  'GET /api/v1/files/{id}': ['tenant'],
  'POST /api/v1/files/{id}/reroute': ['tenant', REASON],
  'GET /api/v1/jobs': ['tenant'],
  'GET /api/v1/jobs/{id}': ['tenant'],
  'POST /api/v1/jobs/{id}/cancel': ['tenant', REASON],
  'POST /api/v1/jobs/{id}/retry': ['operator', REASON],
  'POST /api/v1/jobs/{id}/skip': ['operator', REASON],
  'POST /api/v1/jobs/{id}/release': ['operator', REASON],
  'POST /api/v1/jobs/{id}/reject': ['operator', REASON],
  'GET /api/v1/jobs/{id}/records': ['tenant'],
  'GET /api/v1/jobs/{id}/records/{line}': ['tenant'],
  'POST /api/v1/jobs/{id}/records/retry': ['operator', REASON],
  'GET /api/v1/routes': ['tenant'],
  'GET /api/v1/routes/{tenant}/{name}': ['tenant'],
  'POST /api/v1/routes': ['operator', ROUTE],
  'GET /api/v1/partners': ['tenant'],
  'GET /api/v1/stores': ['tenant'],
  'GET /api/v1/tenants': ['tenant'],
  'GET /api/v1/sftp-users': ['tenant'],
  'POST /api/v1/tenants/{tenant}/disable': ['operator', REASON],
  'POST /api/v1/tenants/{tenant}/enable': ['operator', REASON],
  'POST /api/v1/routes/{tenant}/{name}/disable': ['operator', REASON],
  'POST /api/v1/routes/{tenant}/{name}/enable': ['operator', REASON],
  'POST /api/v1/sftp-users/{username}/disable': ['operator', REASON],
  'POST /api/v1/sftp-users/{username}/enable': ['operator', REASON],
  'GET /api/v1/dead-letters': ['tenant'],
  'GET /api/v1/dead-letters/{id}': ['tenant'],
  'POST /api/v1/dead-letters/redrive': ['operator', REASON],
  'POST /api/v1/dead-letters/{id}/redrive': ['operator', { ...REASON, body: '{}' }],
  'POST /api/v1/dead-letters/discard': ['operator', { ...REASON, queue: 'work' }],
  'GET /api/v1/notices': ['tenant'],
  'POST /api/v1/notices/retry': ['tenant', REASON],
  'GET /api/v1/queues': ['operator'],
  'GET /api/v1/health': ['operator'],
  'GET /api/v1/keys': ['operator'],
  'POST /api/v1/keys': ['operator', { tenant: 'acme', label: 'new' }],
  'POST /api/v1/keys/{id}/revoke': ['operator'],
};
/** A stream: it answers until its job ends; `job-events.test.ts` has its own. */
const STREAMS = ['GET /api/v1/jobs/{id}/events'];

async function ask(endpoint: string, key: string | undefined): Promise<{ status: number; code: unknown }> {
  const [method = '', path = ''] = endpoint.split(' ');
  const [, payload, query = ''] = ENDPOINTS[endpoint] as Endpoint;
  const ids: Record<string, string> = {
    id: path.includes('/files/') ? fileId : path.includes('/jobs/') ? jobId : randomUUID(),
  };
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? (name === 'line' ? '1' : 'nobody'));
  const response = await api.app.inject({
    method: method as 'GET',
    url: `${url}?${query}`,
    headers: key === undefined ? {} : { 'x-api-key': key },
    ...(payload && { payload }),
  });
  return { status: response.statusCode, code: response.json().code };
}

test('every endpoint says who may call it', () => {
  const paths = (api.app.swagger() as { paths: Record<string, object> }).paths;
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(all.sort()).toEqual([...Object.keys(ENDPOINTS), ...STREAMS].sort());
});

test.each(Object.keys(ENDPOINTS))('%s', async (endpoint) => {
  const [takes] = ENDPOINTS[endpoint] as Endpoint;
  expect(await ask(endpoint, undefined)).toEqual({ status: 401, code: 'UNAUTHENTICATED' });
  const own = await ask(endpoint, api.keys.acme);
  if (takes === 'operator') expect(own).toEqual({ status: 403, code: 'FORBIDDEN' });
  else expect([401, 403]).not.toContain(own.status);
  // What belongs to another tenant is not there, whatever the endpoint takes.
  if (/\/(?:jobs|files)\/\{id\}/.test(endpoint))
    expect(await ask(endpoint, api.keys.globex)).toEqual({ status: 404, code: 'NOT_FOUND' });
  const operator = await ask(endpoint, api.keys.operator);
  expect([400, 401, 403]).not.toContain(operator.status);
});

test('a tenant may count what a retry of its records would take, and neither name AMBIGUOUS ones nor a new key', async () => {
  const retry = async (payload: object) =>
    (
      await api.app.inject({
        method: 'POST',
        url: `/api/v1/jobs/${jobId}/records/retry`,
        payload,
        headers: { 'x-api-key': api.keys.acme },
      })
    ).json();
  for (const payload of [{ as_new: true }, { states: ['AMBIGUOUS'] }, { states: ['ambiguous'], as_new: true }, {}])
    expect(await retry({ ...payload, ...REASON })).toMatchObject({
      code: expect.stringMatching(/FORBIDDEN|JOB_HAS_NO_RECORDS/),
    });
});
