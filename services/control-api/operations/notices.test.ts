import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  const insert = (id: number, tenant: string, state: string, isGathering = false) => {
    const event = `019aa4c2-7d1e-7b62-9a51-00000000000${id}`;
    return api.sql`
      INSERT INTO notices (event_id, tenant_id, route, channel, notice, body, delivery_id, state, attempts, next_action_at, error_cause, error_message)
      VALUES (${event}, ${tenant}, ${id === 1 ? 'orders' : ''}, 'desk', 'failed', '{}', ${isGathering ? null : event}, ${state}, 2, now(),
        'NOTICE_REFUSED', 'The receiver answered 410.')`;
  };
  await insert(1, 'acme', 'PARKED');
  await insert(2, 'acme', 'PENDING');
  await insert(3, 'acme', 'PENDING', true);
  await insert(4, 'globex', 'PARKED');
});
afterAll(() => api?.stop());

async function list(key: keyof TestApi['keys'], query = '') {
  const reply = await api.app.inject({ url: `/api/v1/notices${query}`, headers: { 'x-api-key': api.keys[key] } });
  expect(reply.statusCode).toBe(200);
  return reply.json<{ notices: Record<string, unknown>[] }>().notices;
}

async function retry(key: keyof TestApi['keys'], payload: Record<string, unknown>) {
  return await api.app.inject({
    method: 'POST',
    url: '/api/v1/notices/retry',
    headers: { 'x-api-key': api.keys[key] },
    payload,
  });
}

test('a tenant sees its own notices with why they were not taken, an operator all', async () => {
  const own = await list('acme');
  expect(own.map(({ state }) => state).sort()).toEqual(['gathering', 'parked', 'pending']);
  expect(own.find(({ state }) => state === 'parked')).toMatchObject({
    customer_id: 'acme',
    channel: 'desk',
    route: 'orders',
    attempts: 2,
    cause: 'NOTICE_REFUSED',
    message: 'The receiver answered 410.',
  });
  expect(await list('operator')).toHaveLength(4);
  expect(await list('operator', '?tenant=globex&state=parked')).toMatchObject([{ customer_id: 'globex', route: null }]);
  expect(await list('acme', '?tenant=globex')).toEqual([]);
});

test('pages give every notice once, also of one event to several channels', async () => {
  const event = '019aa4c2-7d1e-7b62-9a51-000000000009';
  for (const channel of ['a', 'b', 'c'])
    await api.sql`
      INSERT INTO notices (event_id, tenant_id, route, channel, notice, body, delivery_id, state, attempts, next_action_at, created_at)
      VALUES (${event}, 'acme', '', ${channel}, 'failed', '{}', ${event}, 'PENDING', 0, now(), '2026-01-02T03:04:05Z')`;
  const channels: unknown[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const url: string = `/api/v1/notices?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const page: { notices: { channel: string }[]; next_cursor: string | null } = (
      await api.app.inject({ url, headers: { 'x-api-key': api.keys.acme } })
    ).json();
    channels.push(...page.notices.map(({ channel }) => channel));
    cursor = page.next_cursor;
  }
  await api.sql`DELETE FROM notices WHERE event_id = ${event}`;
  expect(channels).toEqual(['desk', 'desk', 'desk', 'c', 'b', 'a']);
});

test('parked ones are tried again by a word with a reason, each tenant its own', async () => {
  expect((await retry('acme', {})).statusCode).toBe(400);
  expect((await retry('acme', { tenant: 'globex', reason: 'x' })).json()).toEqual({ retried: 0 });
  expect((await retry('acme', { reason: 'it is back' })).json()).toEqual({ retried: 1 });
  expect(await list('operator', '?state=parked')).toMatchObject([{ customer_id: 'globex' }]);
  const [event] =
    await api.sql`SELECT actor, detail ->> 'reason' AS reason FROM audit_events WHERE type = 'notice.retried'`;
  expect(event).toEqual({ actor: 'tenant:acme:acme', reason: 'it is back' });
  expect((await retry('operator', { channel: 'none', reason: 'x' })).json()).toEqual({ retried: 0 });
  expect((await retry('operator', { channel: 'desk', reason: 'x' })).json()).toEqual({ retried: 1 });
});
