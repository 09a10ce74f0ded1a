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

const longshore = (...args: string[]) => longshoreAt(address, api.keys.operator)(...args);

test('shows what waits for a person, and the comment that somebody made', async () => {
  expect((await longshore('reviews')).err).toContain('There are no open reviews.');
  const [job] = await seedJobs(api.sql);
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() WHERE id = ${job!.id}`;
  expect(await longshore('comment', job!.id, '--text', 'taken by Maria')).toMatchObject({ code: 0 });
  expect((await longshore('reviews', '--tenant', 'acme')).out).toMatch(
    new RegExp(`${job!.id} +acme .*operator:operator +taken by Maria`),
  );
});
