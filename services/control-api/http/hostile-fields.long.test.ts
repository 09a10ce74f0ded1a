/** Every hostile value in each field of every endpoint that the API describes: one that is new is tried without being named. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { tryHostileBodies, tryHostileReads } from '#testkit/checks/try-hostile-fields.ts';
import { type OneOfEach, seedOneOfEach } from '#testkit/seeds/seed-one-of-each.ts';

const STEP = 1;
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
