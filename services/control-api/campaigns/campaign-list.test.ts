/** A campaign's status is made of its job, of what people said and of the clock: a list by status reads on until it has a page. */
import { randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;
/** More than one statement reads. */
const COUNT = 600;
/** Newest first. */
const ids: string[] = [];
const wordOf = (n: number) => (n % 3 === 0 ? 'PAUSED' : n === 1 ? 'CANCELLED' : 'GO');
/** Places in the list. */
const placesOf = (...words: string[]) =>
  Array.from({ length: COUNT }, (_each, place) => place).filter((place) => words.includes(wordOf(COUNT - 1 - place)));

beforeAll(async () => {
  api = await startTestApi();
  // Those of one millisecond come in any order.
  ids.push(
    ...Array.from({ length: COUNT }, () => randomUUIDv7())
      .sort()
      .reverse(),
  );
  for (const [place, id] of ids.entries()) {
    const n = COUNT - 1 - place;
    await api.sql`
      INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
        file_ref, request_hash, created_by, word)
      VALUES (${id}, 'acme', ${`June ${n}`}, ${randomUUIDv7()}, ${randomUUIDv7()}, 'spring', 1, 'news', 'newsletter', true,
        ${randomUUIDv7()}, 'x', 'test', ${wordOf(n)})`;
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
  ['', placesOf('PAUSED', 'CANCELLED', 'GO')],
  ['status=paused&', placesOf('PAUSED')],
  ['status=CANCELLED&', placesOf('CANCELLED')],
  ['status=awaiting_file&', placesOf('GO')],
  ['status=sent&', []],
])('%s pages have each campaign once, in order, whatever their size', async (filter, wanted) => {
  for (const limit of [70, 100, 200]) {
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
