/** Pulls over HTTP, as somebody reads them who knows the FileChecks item and not the table. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
});
afterAll(() => api.stop());

/** `attempts`: as the column has it, which begins at 0 again once the file has landed. */
test.each([
  ['TRIGGERED', 'WAITING', 0, 0],
  ['RUNNING', 'DOWNLOADING', 2, 2],
  ['TRIGGERED', 'DOWNLOADING', 2, 2],
  ['ERROR', 'CONNECTING', 1, 1],
  ['RUNNING', 'CLEANING', 0, 1],
  ['TRIGGERED', 'CLEANING', 1, 1],
  ['RUNNING', 'CLEANING', 1, 2],
  ['ERROR', 'CLEANING', 4, 5],
  ['COMPLETED', 'DONE', 0, 1],
])('a pull that is %s at %s with %i counted shows %i attempts', async (status, stage, counted, shown) => {
  const [row] = await api.sql<{ id: string }[]>`
    INSERT INTO pulls (tenant_id, project, pipeline, remote, remote_path, status, transfer_stage, attempts)
    VALUES ('acme', 'P-1', 'p', 'partner', '/in/a', ${status}, ${stage}, ${counted}) RETURNING id`;
  const reply = await api.app.inject({
    url: `/api/v1/pulls/${row?.id}`,
    headers: { 'x-api-key': api.keys.operator },
  });
  expect(reply.json()).toMatchObject({ status, transferStage: stage, attempts: shown });
});
