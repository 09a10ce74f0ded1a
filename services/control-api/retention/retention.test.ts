/** Retention over HTTP: what expires, holds, certificates, and what is refused once the objects of a file are gone. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { deleteExpiredFiles, findExpiryTurns } from '#shared/retention/delete-expired.ts';
import { claimExpiredObjects, settleExpiredObjects } from '#shared/retention/expired-objects.ts';
import { setRetentionDefault } from '#shared/retention/redate-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
const DAY_MS = 86_400_000;

beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
  await setRetentionDefault(api.sql, 400 * DAY_MS);
});
afterAll(() => api.stop());
beforeEach(() =>
  emptyTables(
    api.sql,
    'files',
    'legal_holds',
    'deletion_certificates',
    'expired_objects',
    'restores',
    'retention_changes',
    'audit_events',
  ),
);

async function ask(method: 'GET' | 'POST', path: string, key = api.keys.operator, payload?: object) {
  const reply = await api.app.inject({
    method,
    url: `/api/v1${path}`,
    headers: { 'x-api-key': key },
    ...(payload !== undefined && { payload }),
  });
  return { status: reply.statusCode, body: reply.json() };
}

async function seedEnded(daysAgo: number, tenantId = 'acme') {
  const [job] = await seedJobs(api.sql, { tenantId });
  const { id, fileId } = job ?? { id: '', fileId: '' };
  await api.sql`
    UPDATE jobs SET state = 'FAILED', finished_at = now(), woken_at = NULL, error_code = 'X', error_cause = 'X', error_message = 'X'
    WHERE id = ${id}`;
  await api.sql`
    UPDATE files SET open_jobs = 0, failed_jobs = 1, woken_at = NULL, status = 'FAILED', error_code = 'X', archived_at = now(),
      archive_bucket = 'test-archive', archive_key = id, archive_version_id = 'v', finished_at = now() - ${daysAgo}::int * interval '1 day'
    WHERE id = ${fileId}`;
  return { jobId: id, fileId };
}

const REASON = { reason: 'case 4711' };

test('what expires when is counted for each tenant, to a tenant its own alone', async () => {
  await seedEnded(401);
  await seedEnded(398);
  const { fileId } = await seedEnded(375);
  const { body } = await ask('GET', '/retention', api.keys.acme);
  expect(body).toMatchObject({
    default_files_seconds: 400 * 86_400,
    tenants: [
      {
        customer_id: 'acme',
        files_seconds: 400 * 86_400,
        expired: 1,
        within_day: 1,
        within_month: 3,
        holds: 0,
        is_held: false,
      },
    ],
    objects_waiting: 0,
  });
  const all = (await ask('GET', '/retention')).body.tenants.map((entry: { customer_id: string }) => entry.customer_id);
  expect(all).toEqual(expect.arrayContaining(['acme', 'globex']));
  expect((await ask('GET', '/retention?tenant=acme', api.keys.globex)).body.tenants).toEqual([]);
  const [file] = await api.sql`SELECT expire_at AS at FROM files WHERE id = ${fileId}`;
  expect(Date.parse((await ask('GET', `/files/${fileId}`)).body.expires_at)).toBe(new Date(file?.at).getTime());
});

test.each([
  [{ tenant: 'acme' }, { customer_id: 'acme', route: null, file_id: null }],
  [
    { tenant: 'acme', route: 'route-0' },
    { customer_id: 'acme', route: 'route-0', file_id: null },
  ],
])('a hold on %o is placed and released by who may, each once', async (scope, shown) => {
  expect((await ask('POST', '/legal-holds', api.keys.acme, { ...scope, ...REASON })).status).toBe(403);
  const { body } = await ask('POST', '/legal-holds', api.keys.operator, { ...scope, ...REASON });
  expect(body).toMatchObject({ ...shown, ...REASON, released_at: null });
  expect((await ask('GET', '/legal-holds', api.keys.acme)).body.holds).toHaveLength(1);
  expect((await ask('GET', '/legal-holds', api.keys.globex)).body.holds).toEqual([]);
  const release = () => ask('POST', `/legal-holds/${body.hold_id}/release`, api.keys.operator, { reason: 'closed' });
  expect(await release()).toMatchObject({ status: 200, body: { release_reason: 'closed' } });
  expect(await release()).toMatchObject({ status: 409, body: { code: 'HOLD_RELEASED' } });
  expect((await ask('GET', '/legal-holds')).body.holds).toEqual([]);
  expect((await ask('GET', '/legal-holds?all=true')).body.holds).toHaveLength(1);
});

test('a hold names one thing, and one that is there', async () => {
  const { fileId } = await seedEnded(1);
  const place = async (scope: object) =>
    (await ask('POST', '/legal-holds', api.keys.operator, { ...scope, ...REASON })).status;
  for (const scope of [{}, { route: 'route-0' }, { tenant: 'acme', file_id: fileId }])
    expect(await place(scope)).toBe(400);
  for (const scope of [{ tenant: 'none' }, { tenant: 'acme', route: 'none' }, { file_id: randomUUID() }])
    expect(await place(scope)).toBe(404);
  expect(await place({ file_id: fileId })).toBe(200);
  expect((await ask('GET', '/legal-holds')).body.holds).toMatchObject([{ customer_id: 'acme', file_id: fileId }]);
});

test.each([
  ['untouched', 'matches', () => api.sql`SELECT`],
  ['with another count', 'differs', () => api.sql`UPDATE deletion_certificates SET files = 0`],
  ['of another rule', 'differs', () => api.sql`UPDATE deletion_certificates SET rule = 'route none'`],
  ['with another digest', 'differs', () => api.sql`UPDATE deletion_certificates SET digest = repeat('0', 64)`],
  ['of another kind', 'differs', () => api.sql`UPDATE deletion_certificates SET what = 'objects'`],
  [
    'of another time',
    'missing',
    () => api.sql`UPDATE deletion_certificates SET created_at = created_at + interval '1 day'`,
  ],
  ['of another tenant', 'missing', () => api.sql`UPDATE deletion_certificates SET tenant_id = 'globex'`],
  ['with another id', 'missing', () => api.sql`UPDATE deletion_certificates SET id = gen_random_uuid()`],
  [
    'that says too early that the objects are gone',
    'missing',
    () => api.sql`UPDATE deletion_certificates SET objects_left = 0, completed_at = now()`,
  ],
  ['complete with objects left', 'differs', () => api.sql`UPDATE deletion_certificates SET completed_at = now()`],
  [
    'whose line in the audit was altered',
    'differs',
    () => api.sql`UPDATE audit_events SET detail = detail || '{"files": 9}'`,
  ],
  ['whose line in the audit is gone', 'missing', () => api.sql`DELETE FROM audit_events WHERE type LIKE 'retention.%'`],
  ['older than the audit', 'dropped', () => api.sql`DELETE FROM audit_events`],
] as const)('a certificate %s is shown as one that the audit %s', async (_name, audit, alter) => {
  await api.sql`
    INSERT INTO audit_events (at, type, tenant_id, actor, detail)
    SELECT now() - interval '1 day', 'x', id, 'test', '{}' FROM tenants`;
  await seedEnded(401);
  for (const turn of await findExpiryTurns(api.sql))
    await deleteExpiredFiles(api.sql, { ...turn, limit: 10, buckets: ['test-archive'], actor: 'test' });
  await alter();
  const { body } = await ask('GET', '/deletion-certificates');
  expect(body.certificates).toMatchObject([{ audit }]);
});

test('a certificate whose objects are gone is complete by the audit, too', async () => {
  await seedEnded(401);
  for (const turn of await findExpiryTurns(api.sql))
    await deleteExpiredFiles(api.sql, { ...turn, limit: 10, buckets: ['test-archive'], actor: 'test' });
  await settleExpiredObjects(api.sql, { gone: await claimExpiredObjects(api.sql, 10), refused: [] }, 'test');
  const { body } = await ask('GET', '/deletion-certificates');
  expect(body.certificates).toMatchObject([{ objects: 1, objects_left: 0, audit: 'matches' }]);
});

test('certificates are listed, newest first, to a tenant its own alone', async () => {
  await seedEnded(401);
  await seedEnded(402, 'globex');
  for (const turn of await findExpiryTurns(api.sql))
    await deleteExpiredFiles(api.sql, { ...turn, limit: 10, buckets: ['test-archive'], actor: 'test' });
  const { body } = await ask('GET', '/deletion-certificates', api.keys.acme);
  expect(body.certificates).toMatchObject([
    {
      customer_id: 'acme',
      what: 'files',
      rule: 'default',
      files: 1,
      jobs: 1,
      bytes: 1_000,
      objects: 1,
      objects_left: 1,
      completed_at: null,
    },
  ]);
  const first = await ask('GET', '/deletion-certificates?limit=1');
  const second = await ask('GET', `/deletion-certificates?limit=1&cursor=${first.body.next_cursor}`);
  const tenants = [first, second].map(({ body: { certificates } }) => certificates[0].customer_id);
  expect(tenants.sort()).toEqual(['acme', 'globex']);
  expect((await ask('GET', '/deletion-certificates?to=2020-01-01T00:00:00Z')).body.certificates).toEqual([]);
  expect((await ask('GET', '/retention')).body.objects_waiting).toBe(2);
});

test('a file whose objects expired is shown, and neither retried, sent again, downloaded nor restored', async () => {
  const { fileId, jobId } = await seedEnded(100);
  await api.sql`UPDATE files SET objects_removed_at = now() WHERE id = ${fileId}`;
  expect((await ask('GET', `/files/${fileId}`)).body.objects_expired_at).toEqual(expect.any(String));
  for (const [path, payload] of [
    [`/jobs/${jobId}/retry`, REASON],
    ['/jobs', { file_id: fileId, route: 'route-0', ...REASON }],
    ['/downloads', { file_id: fileId, ...REASON }],
    [`/files/${fileId}/restore`, REASON],
  ] as const)
    expect([path, await ask('POST', path, api.keys.operator, payload)]).toMatchObject([
      path,
      { status: 410, body: { code: 'FILE_EXPIRED' } },
    ]);
});

test('a restore is asked for once at a time, of what is in the archive', async () => {
  const { fileId } = await seedEnded(1);
  expect((await ask('GET', `/files/${fileId}/restore`)).status).toBe(404);
  const restore = (body: object) => ask('POST', `/files/${fileId}/restore`, api.keys.operator, { ...REASON, ...body });
  expect(await restore({ days: 3 })).toMatchObject({
    status: 200,
    body: { state: 'ASKED', days: 3, tier: 'standard' },
  });
  expect(await restore({ days: 5 })).toMatchObject({ status: 200, body: { days: 3, resend: false } });
  // What a second one adds is not lost: the first may take days.
  expect(await restore({ days: 5, resend: true, reason: 'sent again' })).toMatchObject({
    status: 200,
    body: { days: 3, resend: true, reason: 'sent again' },
  });
  expect(await restore({})).toMatchObject({ status: 200, body: { resend: true, reason: 'sent again' } });
  expect((await restore({ tier: 'warm' })).status).toBe(400);
  await api.sql`UPDATE files SET archived_at = NULL, archive_key = NULL WHERE id = ${fileId}`;
  expect(await restore({})).toMatchObject({ status: 409, body: { code: 'FILE_NOT_ARCHIVED' } });
});
