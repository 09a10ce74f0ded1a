/** A campaign's status is made of its job, of what people said and of the clock: a list by status reads on until it has a page. */
import { randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;
/** Newest first. */
const ids: string[] = [];

beforeAll(async () => {
  api = await startTestApi();
  for (let n = 0; n < 7; n += 1) {
    const id = randomUUIDv7();
    ids.unshift(id);
    await api.sql`
      INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
        file_ref, request_hash, created_by, word)
      VALUES (${id}, 'acme', ${`June ${n}`}, ${randomUUIDv7()}, ${randomUUIDv7()}, 'spring', 1, 'news', 'newsletter', true,
        ${randomUUIDv7()}, 'x', 'test', ${n % 3 === 0 ? 'PAUSED' : n === 1 ? 'CANCELLED' : 'GO'})`;
  }
});
afterAll(() => api.stop());

async function list(query: string) {
  const headers = { 'x-api-key': api.keys.acme };
  const reply = await api.app.inject({ method: 'GET', url: `/api/v1/campaigns?${query}`, headers });
  expect(reply.statusCode, reply.body).toBe(200);
  const { campaigns, next_cursor: next } = reply.json<{
    campaigns: { transaction_id: string; status: string }[];
    next_cursor: string | null;
  }>();
  return { found: campaigns.map(({ transaction_id: id }) => ids.indexOf(id)), next };
}

test.each([
  ['', [0, 1, 2, 3, 4, 5, 6]],
  ['status=paused&', [0, 3, 6]],
  ['status=CANCELLED&', [5]],
  ['status=awaiting_file&', [1, 2, 4]],
  ['status=sent&', []],
])('%s pages have each campaign once, in order, whatever their size', async (filter, wanted) => {
  for (const limit of [1, 2, 3, 7, 50]) {
    const found: number[] = [];
    let cursor: string | null = '';
    for (let page = 0; cursor !== null && page < 10; page += 1) {
      const at: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const listed = await list(`${filter}limit=${limit}${at}`);
      expect(listed.found.length).toBeLessThanOrEqual(limit);
      found.push(...listed.found);
      cursor = listed.next;
    }
    expect(found).toEqual(wanted);
    expect(cursor).toBeNull();
  }
});

test('a status that campaigns do not have is refused', async () => {
  const headers = { 'x-api-key': api.keys.acme };
  const reply = await api.app.inject({ method: 'GET', url: '/api/v1/campaigns?status=flying', headers });
  expect(reply.statusCode).toBe(400);
});
