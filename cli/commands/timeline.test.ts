import { afterAll, beforeAll, expect, test } from 'vitest';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedParsingJob, storeStep } from '#testkit/seeds/seed-records.ts';

let api: TestApi;
let longshore: ReturnType<typeof longshoreAt>;

beforeAll(async () => {
  api = await startTestApi();
  longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.operator);
  await seedTenant(api.sql);
});
afterAll(() => api.stop());

test('shows what happened to a file, and what a person said', async () => {
  const [job] = await seedJobs(api.sql);
  expect(await longshore('cancel', job!.id, '--reason', 'sent by mistake')).toMatchObject({ code: 0 });
  const { out } = await longshore('timeline', job!.fileId);
  expect(out).toMatch(/file\.queued[\s\S]*file\.routed/);
  expect(out).toMatch(/job\.created +route-0/);
  expect(out).toMatch(/job\.cancelled +route-0 .*operator:operator +.*sent by mistake$/m);
  const people = await longshore('timeline', job!.fileId, '--kinds', 'person', '--json');
  expect(JSON.parse(people.out)).toMatchObject([{ type: 'job.cancelled', reason: 'sent by mistake' }]);
});

test('names the branch that a line is about', async () => {
  const [job] = await seedJobs(api.sql);
  await api.sql`
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue, parent_job_id,
      parent_seq, branch, depth)
    SELECT uuid_v7(), tenant_id, file_id, route_id, route_version_id, 'SUCCEEDED', 'classify', 1, 1, queue, id, 0, 'kind', 1
    FROM jobs WHERE id = ${job!.id}`;
  const { out } = await longshore('timeline', job!.fileId);
  expect(out).toMatch(/job\.created +route-0 /);
  expect(out).toMatch(/job\.created +route-0, kind/);
});

test('says what a step waits for', async () => {
  const job = await seedParsingJob(api.sql);
  await storeStep(api.sql, job, { type: 'later', delayMs: 300_000, countsAttempt: false, reason: 'PARTNER_PAUSED' });
  expect((await longshore('timeline', job.fileId)).out).toMatch(/step\.waiting .* for PARTNER_PAUSED$/m);
});
