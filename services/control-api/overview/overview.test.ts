import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Overview } from '#shared/api/overview.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { findOverview } from './find-overview.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
  for (const [tenantId, count] of [
    ['acme', 3],
    ['globex', 2],
  ] as const) {
    await seedJobs(api.sql, { tenantId, count });
    await api.sql`
      UPDATE jobs SET id = uuid_v7(), state = 'FAILED', error_code = 'DELIVERY_ERROR', error_cause = 'HTTP_503' WHERE tenant_id = ${tenantId}`;
  }
  // A failure of the same kind a week and an hour ago, by the id's time.
  const [old] = await seedJobs(api.sql);
  const id = (Date.now() - 7 * 86_400_000 - 3_600_000).toString(16).padStart(12, '0');
  await api.sql`
    UPDATE jobs SET id = ${`${id.slice(0, 8)}-${id.slice(8)}-7000-8000-000000000000`}, state = 'FAILED', error_code = 'DELIVERY_ERROR',
      error_cause = 'HTTP_503' WHERE id = ${old!.id}`;
  const [held] = await seedJobs(api.sql);
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${held!.id}`;
});
afterAll(() => api.stop());

async function ask(key: string): Promise<Overview> {
  const reply = await api.app.inject({ url: '/api/v1/overview', headers: { 'x-api-key': key } });
  expect(reply.statusCode).toBe(200);
  return reply.json();
}

test('counts what came late, partners that are not called and effects in doubt, of each tenant its own', async () => {
  const { sql } = api;
  const jobs = await seedJobs(sql, { objects: ['x', 'y', 'z'].map((name) => ({ name })) });
  const [unknown, again, done] = jobs.map(({ id }) => id) as [string, string, string];
  await sql`UPDATE jobs SET superseded_by = ${done} WHERE id = ${again}`;
  for (const [jobId, stage] of [
    [unknown, 'UNKNOWN'],
    [again, 'UNKNOWN'],
    [done, 'DONE'],
  ] as const)
    await sql`
      INSERT INTO effects (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch)
      VALUES (${jobId}, 0, 0, 'acme', 'k', 'push', ${stage}, '{}', 1)`;
  await sql`
    INSERT INTO expected_occurrences (tenant_id, expectation, opens_at, due_at, closes_at, state, next_look_at)
    SELECT 'acme', state || days, at, at, at + interval '9 days', state, CASE state WHEN 'LATE' THEN at + interval '9 days' END
    FROM unnest(ARRAY['LATE', 'MISSED', 'MET']) AS state, unnest(ARRAY[0, 3]) AS days, LATERAL (SELECT now() - days * interval '1 day' - interval '1 hour' AS at) AS due`;
  await sql`
    INSERT INTO partner_breakers (tenant_id, partner, worker, open_until, since, reported_at)
    SELECT 'acme', partner, worker, CASE partner WHEN 'closed' THEN now() - interval '1 s' ELSE now() + interval '1 hour' END, now(),
      CASE partner WHEN 'gone' THEN now() - interval '1 hour' ELSE now() END
    FROM unnest(ARRAY['open', 'closed', 'gone']) AS partner, unnest(ARRAY['one', 'two']) AS worker`;
  const needs = { late_files: 3, open_breakers: 1, effects_in_doubt: 1 };
  expect((await findOverview(sql, null, Date.now())).needs_person).toMatchObject(needs);
  expect((await findOverview(sql, 'acme', Date.now())).needs_person).toMatchObject(needs);
  const none = { late_files: 0, open_breakers: 0, effects_in_doubt: 0 };
  expect((await findOverview(sql, 'globex', Date.now())).needs_person).toMatchObject(none);
  await sql`DELETE FROM effects`;
  await sql`DELETE FROM jobs WHERE id = ANY(${jobs.map(({ id }) => id)}::uuid[])`;
  await sql`DELETE FROM files WHERE name IN ('x', 'y', 'z')`;
});

test('counts what needs a person and what fails, with the week before', async () => {
  const overview = await ask(api.keys.operator);
  expect(overview.needs_person).toMatchObject({ held_jobs: 1, failed_jobs: 5, parked_dead_letters: 0 });
  expect(overview.failing).toMatchObject([
    {
      tenant: 'acme',
      route: 'route-0',
      code: 'DELIVERY_ERROR',
      cause: 'HTTP_503',
      count: 3,
      retryable: 3,
      week_before: 1,
    },
    { tenant: 'globex', count: 2, week_before: 0 },
  ]);
  expect(overview.last_day.arrived).toBe(7);
  expect(overview.minutes.reduce((sum, { arrived }) => sum + arrived, 0)).toBe(7);
});

test('a tenant sees its own numbers', async () => {
  const overview = await ask(api.keys.globex);
  expect(overview.needs_person).toMatchObject({ held_jobs: 0, failed_jobs: 2 });
  expect(overview.failing.map(({ tenant }) => tenant)).toEqual(['globex']);
  expect(overview.last_day.arrived).toBe(2);
});

test('branches and infected content are shown, and counted as what a retry cannot help', async () => {
  const jobs = await seedJobs(api.sql, { objects: ['a', 'b', 'c'].map((name) => ({ name })) });
  const [parent, branch, infected] = jobs.map(({ id }) => id) as [string, string, string];
  await api.sql`
    UPDATE jobs SET state = 'FAILED', finished_at = now(), error_code = 'SCAN_ERROR', error_cause = 'SCAN_TIMEOUT',
      parent_job_id = CASE WHEN id = ${branch} THEN ${parent}::uuid END WHERE id IN (${parent}, ${branch})`;
  await api.sql`
    UPDATE jobs SET state = 'FAILED', finished_at = now(), error_code = 'SCAN_ERROR', error_cause = 'SCAN_INFECTED' WHERE id = ${infected}`;
  const { failing } = await findOverview(api.sql, 'acme', Date.now());
  expect(failing.filter(({ code }) => code === 'SCAN_ERROR')).toMatchObject([
    { cause: 'SCAN_TIMEOUT', count: 2, retryable: 1 },
    { cause: 'SCAN_INFECTED', count: 1, retryable: 0 },
  ]);
  await api.sql`DELETE FROM jobs WHERE id = ANY(${jobs.map(({ id }) => id)}::uuid[])`;
});

test('is read once for all who ask within a second', async () => {
  const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => ask(api.keys.acme)));
  expect(new Set(others.map(({ at }) => at))).toEqual(new Set([first!.at]));
});

test('a job that failed at another time is of another day', async () => {
  const { failing } = await findOverview(api.sql, 'acme', Date.now() - 7 * 86_400_000);
  expect(failing).toMatchObject([{ count: 4, week_before: 0 }]);
});

test('the command shows it', async () => {
  const longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.operator);
  const { code, out } = await longshore('overview');
  expect(code).toBe(0);
  expect(out).toMatch(/held jobs +1/);
  expect(out).toMatch(/^acme +route-0 +DELIVERY_ERROR HTTP_503 +3 +1 /m);
});
