/** Batches over the API: lists, one with its files, and a person's decision that it is complete. */
import { randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { routeFiles } from '#shared/jobs/route-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
});
afterAll(() => api.stop());

async function join(names: readonly string[]): Promise<void> {
  const objects = names.map((name) => arrivedObject({ name, key: `acme/inbound/${name}` }));
  const { files } = await registerFiles(api.sql, objects, 'test');
  const inputs = await loadRoutingInput(
    api.sql,
    files.map(({ id }) => id),
  );
  const step = { lane: 'standard', queue: 'partner-steps', stepKind: 'deliver', stepCount: 1, maxAttempts: 1 } as const;
  const batch = { key: '', fullAt: 10, idleMs: undefined, maxConcurrency: undefined, closeAt: undefined };
  const decisions = inputs.map(({ fileId, routes: [route] }) => ({
    fileId,
    isLarge: false,
    jobs: [{ id: randomUUIDv7(), ...route!, ...step, isOrdered: false, headFailure: 'block' as const, batch }],
  }));
  await routeFiles(api.sql, decisions, 'test');
}

const ask = async (method: 'GET' | 'POST', url: string, key = api.keys.operator, payload?: object) => {
  const headers = { 'x-api-key': key };
  const reply = await api.app.inject({ method, url: `/api/v1/batches${url}`, headers, ...(payload && { payload }) });
  return { status: reply.statusCode, body: reply.json() };
};

test('lists batches, shows one with its files, and closes it once', async () => {
  await join(['a.csv', 'b.csv']);
  const { body: page } = await ask('GET', '?state=open&route=route-0');
  expect(page).toMatchObject({
    batches: [{ customer_id: 'acme', state: 'OPEN', files: 2, full_at: 10, missing: [] }],
    next_cursor: null,
  });
  const [{ batch_id: id }] = page.batches;
  const { body: open } = await ask('GET', `/${id}`);
  expect(
    open.members.map(({ path, state, wait_reason: why }: Record<string, string>) => [path, state, why]).sort(),
  ).toEqual([
    ['inbound/a.csv', 'WAITING', 'BATCH'],
    ['inbound/b.csv', 'WAITING', 'BATCH'],
  ]);
  const word = { reason: 'the rest comes tomorrow' };
  expect(await ask('POST', `/${id}/close`, undefined, word)).toMatchObject({
    status: 200,
    body: { state: 'RUNNING', closed_by: 'operator', members: [{ state: 'PENDING' }, { state: 'PENDING' }] },
  });
  expect(await ask('POST', `/${id}/close`, undefined, word)).toMatchObject({
    status: 409,
    body: { code: 'BATCH_CLOSED' },
  });
  expect((await ask('GET', '?state=open')).body.batches).toEqual([]);
});

test('a batch of another tenant is not there', async () => {
  const { body: page } = await ask('GET', '');
  const [{ batch_id: id }] = page.batches;
  expect((await ask('GET', `/${id}`, api.keys.globex)).status).toBe(404);
  expect((await ask('GET', '', api.keys.globex)).body.batches).toEqual([]);
});
