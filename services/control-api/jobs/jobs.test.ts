import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
let ids: string[];
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
  const own = await seedJobs(api.sql, { count: 7 });
  await seedJobs(api.sql, { count: 2, tenantId: 'globex' });
  ids = own
    .map(({ id }) => id)
    .sort()
    .reverse();
  const set = (index: number, columns: object) =>
    api.sql`UPDATE jobs SET ${api.sql(columns as never)} WHERE id = ${ids[index]!}`;
  await set(0, { state: 'WAITING', wait_reason: 'HELD' });
  await set(1, { state: 'WAITING', wait_reason: 'breaker-open' });
  await set(2, { state: 'FAILED', error_code: 'DELIVERY_ERROR', error_cause: 'HTTP_503' });
  await set(3, { state: 'FAILED', error_code: 'VALIDATION_ERROR', error_cause: 'CSV_QUOTE' });
  await set(4, { state: 'CANCELLED', error_code: 'DELIVERY_ERROR', error_cause: 'CANCELLED' });
  // What once was waited for, or failed, is not the filter's business any more.
  await set(5, { state: 'SUCCEEDED', wait_reason: 'HELD', error_code: null });
});
afterAll(() => api.stop());

async function list(query: string, key = api.keys.acme) {
  const reply = await api.app.inject({ url: `/api/v1/jobs?${query}`, headers: { 'x-api-key': key } });
  expect(reply.statusCode).toBe(200);
  return reply.json<{
    jobs: { job_id: string; customer_id: string; file_name: string }[];
    next_cursor: string | null;
  }>();
}

test.each([
  ['held=true', [0]],
  ['wait_reason=HELD', [0]],
  ['wait_reason=breaker-open', [1]],
  ['state=waiting', [0, 1]],
  ['state=FAILED', [2, 3]],
  ['state=failed&cause=HTTP_503', [2]],
  ['code=DELIVERY_ERROR', [2, 4]],
  ['state=cancelled', [4]],
  ['state=failed&held=true', []],
  ['route=route-0&state=Succeeded', [5]],
  ['route=no-such-route', []],
  ['tenant=globex', []],
])('%s', async (query, expected) => {
  const { jobs } = await list(query);
  expect(jobs.map(({ job_id }) => ids.indexOf(job_id))).toEqual(expected);
  expect(jobs.every(({ file_name }) => file_name.endsWith('.csv'))).toBe(true);
});

test('pages give every job once, newest first; an operator sees all tenants', async () => {
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page = await list(`limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
    seen.push(...page.jobs.map(({ job_id }) => job_id));
    cursor = page.next_cursor;
  }
  expect(seen).toEqual(ids);
  expect((await list('', api.keys.operator)).jobs).toHaveLength(9);
  expect((await list('tenant=globex', api.keys.operator)).jobs.map(({ customer_id }) => customer_id)).toEqual([
    'globex',
    'globex',
  ]);
});

test.each([
  'state=nonsense',
  'held=maybe',
  'cursor=nonsense',
  'limit=1000',
  'colour=red',
  'held=true&wait_reason=RECORDS',
])('%s is refused', async (query) => {
  const reply = await api.app.inject({ url: `/api/v1/jobs?${query}`, headers: { 'x-api-key': api.keys.acme } });
  expect([reply.statusCode, reply.json().code]).toEqual([400, 'REQUEST_INVALID']);
});

test('retried jobs are let into their queue as far as the window of the fleet allows', async () => {
  const narrow = await startTestApi({ admissionWindow: 1 });
  try {
    await seedTenant(narrow.sql);
    const jobs = await seedJobs(narrow.sql, { count: 2 });
    await cancelJobs(narrow.sql, { jobIds: jobs.map(({ id }) => id), actor: 'test', reason: 'test' });
    for (const { id } of jobs) {
      const reply = await narrow.app.inject({
        method: 'POST',
        url: `/api/v1/jobs/${id}/retry`,
        headers: { 'x-api-key': narrow.keys.operator },
        payload: { reason: 'again' },
      });
      expect(reply.json()).toMatchObject({ state: 'PENDING', generation: 2 });
    }
    const rows = await narrow.sql`SELECT wakes FROM jobs ORDER BY wakes`;
    expect(rows.map(({ wakes }) => wakes)).toEqual([1, 2]);
  } finally {
    await narrow.stop();
  }
});
