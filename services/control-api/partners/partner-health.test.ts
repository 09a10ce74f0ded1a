import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PartnerHealth } from '#shared/api/partner-health.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { createCallReports } from '#shared/partners/report-calls.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

const PATH = '/api/v1/partners/acme/rfi/health';
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  const definition = examplePartner();
  await applyDefinition(
    api.sql,
    'partner',
    { tenantId: 'acme', name: definition.name, definition, definitionHash: 'h' },
    'test',
  );
});
afterAll(() => api.stop());

const reportsOf = (worker: string, sql = api.sql) =>
  createCallReports({ sql, worker, logger: pino({ level: 'silent' }) });
const ask = (path: string, key: string) => api.app.inject({ url: path, headers: { 'x-api-key': key } });
async function health(path = PATH): Promise<PartnerHealth> {
  const reply = await ask(path, api.keys.acme);
  expect(reply.statusCode, reply.body).toBe(200);
  return reply.json();
}

test('what two workers report side by side adds up', async () => {
  const workers = ['one', 'two'].map((worker) => reportsOf(worker));
  for (let round = 0; round < 5; round += 1) {
    for (const reports of workers) {
      for (let call = 0; call < 9; call += 1)
        reports.count('acme', 'rfi', { outcome: 'success', httpStatus: 200, cause: undefined, durationMs: 15 });
      reports.count('acme', 'rfi', {
        outcome: 'retryable',
        httpStatus: undefined,
        cause: 'PARTNER_TIMEOUT',
        durationMs: 900,
      });
      reports.count('globex', 'rfi', { outcome: 'success', httpStatus: 200, cause: undefined, durationMs: 1 });
    }
    await Promise.all(
      workers.map((reports, index) =>
        reports.report([{ tenantId: 'acme', name: 'rfi', breakerOpenForMs: index * 60_000 }]),
      ),
    );
  }
  const found = await health();
  expect(found.replies).toEqual([
    { outcome: 'success', http_status: 200, cause: null, calls: 90 },
    { outcome: 'retryable', http_status: null, cause: 'PARTNER_TIMEOUT', calls: 10 },
  ]);
  expect(found.calls).toMatchObject({ total: 100, p50_ms: expect.closeTo(13, -1), p95_ms: 850, p99_ms: 970 });
  expect(found.breakers).toMatchObject([
    { worker: 'one', open_until: null },
    { worker: 'two', open_until: expect.any(String) },
  ]);
  expect(found.waiting).toEqual({ records: 0, oldest_since: null });
});

test('records wait for it that nobody works on, of routes that call it', async () => {
  const [first, second] = await seedJobs(api.sql, { count: 2 });
  const step = (partner: string) => ({ steps: [{ kind: 'call', partner, operation: 'validate' }] });
  for (const [job, partner] of [
    [first!, 'rfi'],
    [second!, 'other'],
  ] as const) {
    await api.sql`
      WITH version AS (
        INSERT INTO route_versions SELECT (jsonb_populate_record(v, ${toJsonb({ id: job.id, version: partner.length, definition: step(partner) })}::text::jsonb)).*
        FROM route_versions v JOIN jobs j ON j.route_version_id = v.id WHERE j.id = ${job.id})
      UPDATE jobs SET state = 'WAITING', step_kind = 'call', open_records = 3, route_version_id = id WHERE id = ${job.id}`;
    await api.sql`
      INSERT INTO record_chunks (id, tenant_id, job_id, lines, next_action_at, lease_until, created_at) VALUES
        (uuid_v7(), 'acme', ${job.id}, '{1,2}', now(), NULL, '2026-01-02T03:04:05Z'),
        (uuid_v7(), 'acme', ${job.id}, '{3}', NULL, now(), now())`;
  }
  expect((await health()).waiting).toEqual({ records: 2, oldest_since: '2026-01-02T03:04:05.000Z' });
});

test('a breaker keeps since when it is open, and one that is not reported any more is gone', async () => {
  const reports = reportsOf('three');
  const [tenantId, name] = ['acme', 'rfi'];
  const since = async () => (await health()).breakers.find(({ worker }) => worker === 'three')?.since;
  await reports.report([{ tenantId, name, breakerOpenForMs: 60_000 }]);
  await api.sql`UPDATE partner_breakers SET since = '2020-01-01T00:00:00Z' WHERE worker = 'three'`;
  await reports.report([{ tenantId, name, breakerOpenForMs: 50_000 }]);
  expect(await since()).toBe('2020-01-01T00:00:00.000Z');
  await reports.report([{ tenantId, name, breakerOpenForMs: 0 }]);
  expect(await since()).not.toBe('2020-01-01T00:00:00.000Z');
  await api.sql`UPDATE partner_breakers SET reported_at = now() - interval '2 minutes' WHERE worker = 'three'`;
  await reportsOf('four').report([]);
  expect(await api.sql`SELECT 1 FROM partner_breakers WHERE worker = 'three'`).toEqual([]);
});

test('a database that is away loses reports, and fails nothing', async () => {
  const away = connectTestDatabase('postgres://nobody@127.0.0.1:1/none');
  await away.end();
  const reports = reportsOf('five', away);
  reports.count('acme', 'rfi', { outcome: 'success', httpStatus: 200, cause: undefined, durationMs: 1 });
  await reports.report([]);
});

test('another tenant’s partner, and one that is not there, is not found', async () => {
  expect((await ask(PATH, api.keys.globex)).statusCode).toBe(404);
  expect((await ask('/api/v1/partners/acme/none/health', api.keys.acme)).statusCode).toBe(404);
  expect((await ask(`${PATH}?window=2d`, api.keys.acme)).statusCode).toBe(400);
});

test('the command shows it', async () => {
  const longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.operator);
  const { code, out } = await longshore('partners', 'health', 'acme/rfi', '--window', '1h');
  expect(code).toBe(0);
  expect(out).toMatch(/^retryable +no reply +PARTNER_TIMEOUT +10/m);
});
