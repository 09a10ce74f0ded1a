/** The filters of `GET /api/v1/files` and of `/count`, and whose files they find. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
  const definition = { steps: [{ call: { partner: 'bank', operation: 'pay' } }] };
  await api.sql`UPDATE route_versions SET definition = ${api.sql.json(definition)}
    WHERE route_id = (SELECT id FROM routes WHERE tenant_id = 'acme')`;
  const objects = [
    { name: 'routed.csv', key: 'acme/inbound/eu/routed.csv' },
    { name: 'big.edi', key: 'acme/inbound/big.edi', sizeBytes: 9_000_000, source: 'sftp' as const },
  ];
  await seedJobs(api.sql, { objects });
  const others = [
    { name: 'lost.txt', key: 'acme/other/lost.txt', tenantId: 'acme' },
    { name: 'theirs.csv', key: 'globex/inbound/theirs.csv', tenantId: 'globex' },
  ];
  await registerFiles(
    api.sql,
    others.map((object) => arrivedObject(object)),
    'test',
  );
  await api.sql`UPDATE files SET content_hash = 'CRC64NVME:abc=' WHERE name IN ('big.edi', 'theirs.csv')`;
  await api.sql`UPDATE files SET status = 'QUARANTINED', error_code = 'NO_ROUTE', error_cause = 'NONE_FITS',
    finished_at = now() WHERE name = 'lost.txt'`;
});
afterAll(() => api.stop());

async function get(path: string, query: Record<string, string>, key = api.keys.operator) {
  const response = await api.app.inject({ url: `/api/v1/files${path}`, query, headers: { 'x-api-key': key } });
  return { status: response.statusCode, body: response.json() };
}

test.each<[Record<string, string>, string[]]>([
  [{ route: 'route-0', tenant: 'acme' }, ['big.edi', 'routed.csv']],
  [{ route: 'route-0', type: 'edi' }, ['big.edi']],
  [{ route: 'none' }, []],
  [{ partner: 'bank' }, ['big.edi', 'routed.csv']],
  [{ partner: 'bank', route: 'route-0', min_size: '10000' }, ['big.edi']],
  [{ partner: 'none' }, []],
  [{ source: 'sftp' }, ['big.edi']],
  [{ path: 'acme/inbound/' }, ['big.edi', 'routed.csv']],
  [{ path: 'inbound/', tenant: 'acme' }, ['big.edi', 'routed.csv']],
  [{ path: 'acme/inbound/', tenant: 'acme' }, ['big.edi', 'routed.csv']],
  [{ path: 'acme/inbound/', tenant: 'globex' }, []],
  [{ path: '%' }, []],
  [{ min_size: '9000000' }, ['big.edi']],
  [{ checksum: 'CRC64NVME:abc=' }, ['big.edi', 'theirs.csv']],
  [{ code: 'NO_ROUTE' }, ['lost.txt']],
  [{ cause: 'NONE_FITS' }, ['lost.txt']],
  [{ cause: 'NONE_FITS', code: 'OTHER' }, []],
  [{ finished_from: '2026-01-01T00:00:00Z' }, ['lost.txt']],
  [{ finished_from: '2999-01-01T00:00:00Z' }, []],
  [{ status: 'quarantined,failed', order: 'finished' }, ['lost.txt']],
  [{ name: '*e*.csv' }, ['routed.csv', 'theirs.csv']],
])('%j finds %j, and is counted alike', async (query, expected) => {
  const { body } = await get('', query);
  expect(body.files.map((file: { file_name: string }) => file.file_name).sort()).toEqual(expected);
  const { order: _, ...filters } = query;
  expect((await get('/count', filters)).body).toEqual({ count: expected.length, is_capped: false });
});

test('no filter finds the files of another tenant', async () => {
  for (const query of [{ checksum: 'CRC64NVME:abc=' }, { route: 'route-0' }, { partner: 'bank' }, { name: '*.csv' }]) {
    const { body } = await get('', query, api.keys.globex);
    for (const file of body.files) expect(file.customer_id).toBe('globex');
    expect((await get('/count', query, api.keys.globex)).body.count).toBe(body.files.length);
  }
  expect((await get('/count', { tenant: 'acme' }, api.keys.globex)).body).toEqual({ count: 0, is_capped: false });
});

test('a name that begins with * is searched for in a week, which the answer says, and not in more', async () => {
  const { body } = await get('', { name: '*big*' });
  expect(Date.now() - Date.parse(body.searched_to)).toBeGreaterThan(6.9 * 86_400_000);
  expect((await get('', { name: 'big*' })).body.searched_to).toBeNull();
  for (const path of ['', '/count'])
    expect(await get(path, { name: '*big*', from: '2026-01-01T00:00:00Z', to: '2026-01-09T00:00:00Z' })).toMatchObject({
      status: 400,
      body: { code: 'REQUEST_INVALID', hint: expect.stringContaining('closer together') },
    });
});

test('the order of their ends is for failed and quarantined files alone', async () => {
  for (const query of [{}, { status: 'completed' }, { status: 'failed', route: 'route-0' }])
    expect((await get('', { ...query, order: 'finished' })).status).toBe(400);
});
