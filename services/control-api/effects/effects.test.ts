/** Effects over HTTP: lists by stage, an operator's words, and what another tenant sees of them. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApiKey } from '#shared/access/api-keys.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
  const definition = {
    ...{ kind: 'route', tenant: 'acme', name: 'route-0' },
    match: { path: '**' },
    steps: [{ deliver: {} }],
  };
  await api.sql`UPDATE route_versions SET definition = ${api.sql.json(definition)}`;
});
afterAll(() => api.stop());
beforeEach(() => emptyTables(api.sql, 'files', 'effects', 'audit_events', 'outbox', 'actions', 'action_items'));
afterEach(async () => expect(await findRowViolations(api.sql, { isAtRest: false })).toEqual([]));

async function ask(method: 'GET' | 'POST', path: string, key: string, payload?: object) {
  const reply = await api.app.inject({
    method,
    url: `/api/v1${path}`,
    headers: { 'x-api-key': key },
    ...(payload !== undefined && { payload }),
  });
  return { status: reply.statusCode, body: reply.json() };
}

/** Of a job that has ended. */
async function seedEffect(stage: string, tenantId = 'acme'): Promise<{ id: string; jobId: string }> {
  const { sql } = api;
  const [job] = await seedJobs(sql, { tenantId });
  const jobId = job?.id ?? '';
  await ask('POST', `/jobs/${jobId}/cancel`, api.keys.operator, { reason: 'x' });
  await sql`
    UPDATE files SET status = 'FAILED', archived_at = now(), finished_at = now(), lease_until = NULL WHERE id = ${job?.fileId ?? ''}`;
  await sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail) VALUES ('file.failed', ${tenantId}, ${job?.fileId ?? ''}, 'test', '{}')`;
  const [row] = await sql<{ id: string }[]>`
    INSERT INTO effects (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch)
    VALUES (${jobId}, 0, 0, ${tenantId}, ${jobId}, 'push', ${stage}, '{"path":"/in/a.csv"}', 1) RETURNING id`;
  return { id: row?.id ?? '', jobId };
}

const REASON = { reason: 'asked the partner' };

test('are listed by stage, newest first, each tenant its own', async () => {
  const doubted = await seedEffect('UNKNOWN');
  await seedEffect('DONE');
  const others = await seedEffect('UNKNOWN', 'globex');
  const idsOf = async (query: string, key: string) =>
    (await ask('GET', `/effects?${query}`, key)).body.effects.map(({ effect_id }: { effect_id: string }) => effect_id);
  expect(await idsOf('stage=unknown', api.keys.operator)).toEqual([others.id, doubted.id]);
  expect(await idsOf('stage=UNKNOWN', api.keys.acme)).toEqual([doubted.id]);
  expect(await idsOf('stage=UNKNOWN&tenant=globex', api.keys.acme)).toEqual([]);
  expect(await idsOf('kind=load', api.keys.operator)).toEqual([]);
  expect(await idsOf(`job_id=${doubted.jobId}`, api.keys.operator)).toEqual([doubted.id]);
  expect((await ask('GET', '/effects?stage=nonsense', api.keys.operator)).status).toBe(400);
  const first = await ask('GET', '/effects?limit=1', api.keys.operator);
  expect(await idsOf(`limit=2&cursor=${first.body.next_cursor}`, api.keys.operator)).toHaveLength(2);
});

test('of another tenant are not there', async () => {
  const { id } = await seedEffect('UNKNOWN');
  for (const path of [`/effects/${id}`, `/effects/${randomUUID()}`])
    expect(await ask('GET', path, api.keys.globex)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  const { status } = await ask('POST', `/effects/${id}/resolve`, api.keys.globex, { as: 'done', ...REASON });
  expect(status).toBe(404);
  const own = await ask('POST', `/effects/${id}/resolve`, api.keys.acme, { as: 'done', ...REASON });
  expect(own).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
  expect((await ask('GET', `/effects/${id}`, api.keys.acme)).body).toMatchObject({
    stage: 'UNKNOWN',
    key: expect.any(String),
  });
});

test.each([
  ['done', 'DONE'],
  ['not-done', 'PREPARED'],
])('in doubt are said to be %s once, and the job goes on', async (as, stage) => {
  const { id, jobId } = await seedEffect('UNKNOWN');
  const resolve = () => ask('POST', `/effects/${id}/resolve`, api.keys.operator, { as, ...REASON });
  expect(await resolve()).toMatchObject({
    status: 200,
    body: { effect: { stage, job_state: 'PENDING' }, action: null },
  });
  expect(await resolve()).toMatchObject({ status: 409, body: { code: 'EFFECT_NOT_IN_DOUBT' } });
  const { body } = await ask('GET', `/jobs/${jobId}`, api.keys.operator);
  expect(body).toMatchObject({ state: 'PENDING', generation: 2 });
});

test('in doubt are sent as new by two people, and are in doubt no more', async () => {
  const { id, jobId } = await seedEffect('UNKNOWN');
  const second = (await createApiKey(api.sql, { tenantId: null, label: 'second', actor: 'test' })).key;
  const { body } = await ask('POST', `/effects/${id}/resolve`, api.keys.operator, { as: 'resend', ...REASON });
  expect(body).toMatchObject({ effect: { stage: 'UNKNOWN' }, action: { state: 'AWAITING_APPROVAL', takes: 1 } });
  const approved = await ask('POST', `/actions/${body.action.action_id}/approve`, second);
  expect(approved).toMatchObject({ status: 200, body: { state: 'RUNNING' } });
  // As the sweeper does in the end.
  await api.sql`UPDATE jobs SET superseded_by = id WHERE id = ${jobId}`;
  expect((await ask('GET', '/effects?stage=unknown', api.keys.operator)).body.effects).toEqual([]);
  await api.sql`UPDATE jobs SET superseded_by = NULL WHERE id = ${jobId}`;
});
