import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
let address: string;

beforeAll(async () => {
  api = await startTestApi();
  address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  await seedTenant(api.sql);
});
afterAll(() => api.stop());

test('shows files as they change, and ends after so many', async () => {
  let isDone = false;
  const watching = longshoreAt(address, api.keys.acme)('watch', '--events', '2').finally(() => {
    isDone = true;
  });
  const ids: string[] = [];
  while (!isDone) {
    const [job] = await seedJobs(api.sql);
    ids.push(job!.fileId);
    await setTimeout(200);
  }
  const { code, out } = await watching;
  expect(code).toBe(0);
  const lines = out.trim().split('\n');
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(ids.some((id) => line.includes(`${id}  PROCESSING`))).toBe(true);
});

test('a key that is not valid is refused at once', async () => {
  const { code, err } = await longshoreAt(address, 'not-a-key-of-ours-at-all')('watch');
  expect(code).not.toBe(0);
  expect(err).toContain('UNAUTHENTICATED');
});
