import { afterAll, beforeAll, expect, test } from 'vitest';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

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
