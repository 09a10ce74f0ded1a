/** A few hostile values in each field of every endpoint that the API describes: one that is new is tried without being named. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { listEndpoints } from '#testkit/checks/list-endpoints.ts';
import { tryHostileBodies, tryHostileReads } from '#testkit/checks/try-hostile-fields.ts';
import { type OneOfEach, seedOneOfEach } from '#testkit/seeds/seed-one-of-each.ts';

/** Every so-manieth value; `hostile-fields.long.test.ts` sends all. */
const STEP = 12;
let api: TestApi;
let ids: OneOfEach;
beforeAll(async () => {
  api = await startTestApi();
  ids = await seedOneOfEach(api, 'acme', 'zebra');
});
afterAll(() => api.stop());

test('no value in a query or a path is a fault of ours', async () => {
  const { tried, faults } = await tryHostileReads({ api, ids, step: STEP });
  expect(faults).toEqual([]);
  expect(tried).toBeGreaterThan(20_000 / STEP);
});

test('no value in a body is a fault of ours, or changes a prototype', async () => {
  const { tried, faults } = await tryHostileBodies({ api, ids, step: STEP });
  expect(faults).toEqual([]);
  expect(tried).toBeGreaterThan(6_000 / STEP);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test('a limit of a page is a number from 1 to its most', async () => {
  const taken: string[] = [];
  for (const { path, query, method } of listEndpoints(api.app).filter(({ query }) => query.includes('limit')))
    for (const limit of ['0', '-1', '1e9', 'NaN', '1.5', '', 'x', '99999999999999999999', 'Infinity', '1,2']) {
      const url = path.replaceAll(/\{(\w+)\}/g, () => ids[path.split('/')[3] ?? ''] ?? '');
      const fields = new URLSearchParams({ ...(query.includes('address') && { address: 'a@b.example' }), limit });
      const reply = await api.app.inject({
        method,
        url: `${url}?${fields}`,
        headers: { 'x-api-key': api.keys.operator },
      });
      if (reply.statusCode !== 400) taken.push(`${path} ${limit} ${reply.statusCode}`);
    }
  expect(taken).toEqual([]);
});
