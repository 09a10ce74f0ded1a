import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { UsageOfDay } from '#shared/api/usage.ts';
import { ensurePartitions } from '#shared/db/partitions.ts';
import { createCallReports } from '#shared/partners/report-calls.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { rollUpUsage } from '#shared/usage/roll-up-usage.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { sealAudit } from '#testkit/seeds/seal-audit.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';

const DAY_MS = 86_400_000;
const TODAY = new Date().toISOString().slice(0, 10);
const YESTERDAY = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await ensurePartitions(api.sql, new Date());
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
});
afterAll(() => api.stop());
beforeEach(() => emptyTables(api.sql, 'audit_events', 'audit_seals', 'usage_days', 'campaigns'));

interface Line {
  readonly type: string;
  readonly detail?: object;
  readonly tenantId?: string;
  readonly day?: string;
  readonly jobId?: string | null;
}

async function write(lines: readonly Line[]): Promise<void> {
  const rows = lines.map(({ type, detail = {}, tenantId = 'acme', day = TODAY, jobId = null }) => ({
    at: `${day}T00:00:01Z`,
    type,
    tenant_id: tenantId,
    job_id: jobId,
    actor: 'test',
    detail: detail as never,
  }));
  await api.sql`INSERT INTO audit_events ${api.sql(rows)}`;
  await sealAudit(api.sql);
}

async function rollUp(limit = 3): Promise<void> {
  while ((await rollUpUsage(api.sql, { limit })) > 0);
}

async function usage(query = '', key = api.keys.operator): Promise<UsageOfDay[]> {
  const reply = await api.app.inject({ url: `/api/v1/usage${query}`, headers: { 'x-api-key': key } });
  expect(reply.statusCode).toBe(200);
  return reply.json().usage;
}

const NOTHING = { files: 0, bytes: 0, records: 0, mails: 0, calls: 0 };
const routed = (sizeBytes: number, more: Partial<Line> = {}): Line => ({
  type: 'file.routed',
  detail: { sizeBytes, jobs: 1 },
  ...more,
});

test('files and bytes are added up per tenant and day, what is unpacked from a file not', async () => {
  await write([
    routed(100),
    routed(50),
    routed(7, { detail: { sizeBytes: 7, parentFileId: randomUUID() } }),
    routed(1, { tenantId: 'globex' }),
    routed(5, { day: YESTERDAY }),
    { type: 'file.completed', detail: { sizeBytes: 100 } },
  ]);
  await rollUp();
  expect(await usage()).toEqual([
    { ...NOTHING, day: YESTERDAY, tenant: 'acme', files: 1, bytes: 5 },
    { ...NOTHING, day: TODAY, tenant: 'acme', files: 2, bytes: 150 },
    { ...NOTHING, day: TODAY, tenant: 'globex', files: 1, bytes: 1 },
  ]);
});

test('records count when their calls end, and those of a campaign are mails', async () => {
  const campaign = randomUUID();
  await api.sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
      file_ref, request_hash, created_by)
    VALUES (${campaign}, 'acme', 'c', ${randomUUID()}, ${randomUUID()}, 't', 1, 's', 'x', false, ${randomUUID()}, 'h', 'test')`;
  const settled = (success: number, failed: number, jobId: string): Line => ({
    type: 'records.settled',
    detail: { success, failed, ambiguous: 1, open: 0, generation: 1 },
    jobId,
  });
  await write([settled(90, 9, randomUUID()), settled(40, 2, campaign)]);
  await rollUp();
  expect(await usage()).toEqual([{ ...NOTHING, day: TODAY, tenant: 'acme', records: 100, mails: 40 }]);
});

test('however many clocks run side by side, each line counts once', async () => {
  await write(Array.from({ length: 60 }, () => routed(2)));
  await Promise.all([rollUp(4), rollUp(5), rollUp(7)]);
  await rollUp();
  expect(await usage()).toMatchObject([{ files: 60, bytes: 120 }]);
});

test('calls of partners are added where they are counted', async () => {
  const logger = createLogger({ service: 'test', level: 'silent' });
  const reports = createCallReports({ sql: api.sql, worker: 'w', logger });
  const call = { outcome: 'succeeded', httpStatus: 200, cause: undefined, durationMs: 3 };
  for (const partner of ['one', 'two']) for (let n = 0; n < 5; n += 1) reports.count('acme', partner, call);
  await reports.report([]);
  reports.count('acme', 'one', { ...call, httpStatus: 503 });
  await reports.report([]);
  expect((await usage()).reduce((sum, { calls }) => sum + calls, 0)).toBe(11);
});

test('a tenant sees its own, over the days that it asks for, as CSV too, and so does the command', async () => {
  await write([routed(100), routed(5, { day: YESTERDAY }), routed(1, { tenantId: 'globex' })]);
  await rollUp();
  expect(await usage(`?from=${TODAY}`, api.keys.acme)).toMatchObject([{ day: TODAY, tenant: 'acme' }]);
  expect(await usage(`?to=${YESTERDAY}`, api.keys.acme)).toMatchObject([{ day: YESTERDAY }]);
  expect(await usage('?tenant=globex', api.keys.acme)).toEqual([]);
  const csv = `day,tenant,files,bytes,records,mails,calls\r\n${TODAY},globex,1,1,0,0,0\r\n`;
  const reply = await api.app.inject({ url: '/api/v1/usage?format=csv', headers: { 'x-api-key': api.keys.globex } });
  expect(reply.headers['content-type']).toMatch(/^text\/csv/);
  expect(reply.body).toBe(csv);
  const longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.globex);
  expect((await longshore('usage', '--csv')).out).toBe(csv);
  expect(JSON.parse((await longshore('usage', '--json', '--utc')).out)).toMatchObject([{ tenant: 'globex', files: 1 }]);
  expect((await longshore('usage', '--from', TODAY)).out).toMatch(/globex +1 +1 +0 +0 +0$/m);
});
