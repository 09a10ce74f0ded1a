import { randomUUID } from 'node:crypto';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createApiKey, revokeApiKey } from '#shared/access/api-keys.ts';
import { storeDeadLetters } from '#shared/dead-letters/dead-letters.ts';
import { jobDue } from '#shared/messages/wake-ups.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());
beforeEach(async () => void (await api.sql`DELETE FROM dead_letters`));

async function park(overrides: object = {}): Promise<string> {
  const id = randomUUID();
  const letter = {
    id,
    queue: 'partner-steps',
    messageId: randomUUID(),
    body: 'nonsense',
    attributes: { sentAt: '2026-01-02T03:04:05Z' },
    receiveCount: 3,
    reason: 'cannot be read',
    state: 'PARKED' as const,
    ...overrides,
  };
  await storeDeadLetters(api.sql, [letter], 'test');
  return id;
}

async function ask(method: 'GET' | 'POST', path: string, payload?: object, key = api.keys.operator) {
  const url = `/api/v1/dead-letters${path}`;
  const response = await api.app.inject({ method, url, headers: { 'x-api-key': key }, ...(payload && { payload }) });
  return { status: response.statusCode, body: response.json() };
}
const parked = async () => Number((await api.sql`SELECT count(*) AS n FROM dead_letters WHERE state = 'PARKED'`)[0]?.n);

describe('a parked letter', () => {
  test('is shown whole, to its tenant and to operators', async () => {
    const id = await park({ tenantId: 'acme', body: 'x'.repeat(5_000) });
    for (const key of [api.keys.operator, api.keys.acme])
      expect((await ask('GET', `/${id}`, undefined, key)).body).toMatchObject({
        dead_letter_id: id,
        body: 'x'.repeat(5_000),
        attributes: { sentAt: '2026-01-02T03:04:05Z' },
        receive_count: 3,
        fault: expect.any(String),
      });
    expect((await ask('GET', `/${id}`, undefined, api.keys.globex)).status).toBe(404);
  });

  test('is found by its state in any case', async () => {
    await park();
    for (const state of ['parked', 'PARKED', 'Parked'])
      expect((await ask('GET', `?state=${state}`)).body.dead_letters).toHaveLength(1);
    expect((await ask('GET', '?state=DISCARDED')).body.dead_letters).toEqual([]);
    expect((await ask('GET', '?state=lost')).status).toBe(400);
  });

  test('is discarded by its id or a filter, with a reason, and counts as parked no more', async () => {
    const first = await park();
    await park({ queue: 'work', tenantId: 'acme' });
    await park({ queue: 'work', tenantId: 'globex' });
    for (const body of [{}, { ids: [first] }, { reason: 'all of them' }])
      expect((await ask('POST', '/discard', body)).status).toBe(400);
    expect((await ask('POST', '/discard', { queue: 'work', dry_run: true })).body).toEqual({
      dry_run: true,
      parked: [{ queue: 'work', letters: 2 }],
      discarded: 0,
      has_more: false,
    });
    expect(await parked()).toBe(3);
    expect((await ask('POST', '/discard', { ids: [first], reason: 'no use' })).body).toMatchObject({ discarded: 1 });
    expect((await ask('POST', '/discard', { ids: [first], reason: 'again' })).status).toBe(404);
    expect((await ask('POST', '/discard', { queue: 'work', tenant: 'acme', reason: 'x' })).body).toMatchObject({
      discarded: 1,
    });
    expect((await ask('POST', '/discard', { queue: 'work', reason: 'x' })).body).toMatchObject({
      discarded: 1,
      has_more: false,
    });
    expect(await parked()).toBe(0);
    const [event] = await api.sql`
      SELECT actor, detail FROM audit_events WHERE type = 'dead-letter.discarded' AND detail ->> 'deadLetterId' = ${first}`;
    expect(event).toEqual({
      actor: 'operator:operator',
      detail: { deadLetterId: first, queue: 'partner-steps', reason: 'no use' },
    });
  });

  test('is sent again with a corrected body that the queue can read, and with no other', async () => {
    const id = await park();
    const body = jobDue.encode({ type: 'job.due', jobId: randomUUID(), tenantId: 'acme', wake: 1 } as never);
    expect((await ask('POST', `/${id}/redrive`, { body: '{"type":"job.due"}', reason: 'x' })).body).toMatchObject({
      code: 'REQUEST_INVALID',
      details: { faults: [{ field: 'body' }] },
    });
    expect((await ask('POST', `/${id}/redrive`, { body })).status).toBe(400);
    expect(await parked()).toBe(1);
    expect((await ask('POST', `/${id}/redrive`, { body, reason: 'the id was cut off' })).body).toMatchObject({
      state: 'REDRIVEN',
      body: 'nonsense',
      note: 'the id was cut off',
    });
    const { Messages: messages = [] } = await api.fauxqs.sqs.send(
      new ReceiveMessageCommand({ QueueUrl: api.queueUrls['partner-steps'], WaitTimeSeconds: 5 }),
    );
    expect(messages.map(({ Body }) => Body)).toEqual([body]);
    const [event] = await api.sql`
      SELECT detail FROM audit_events WHERE type = 'dead-letter.redriven' AND detail ->> 'deadLetterId' = ${id}`;
    expect(event?.detail).toMatchObject({ reason: 'the id was cut off', sentBody: body });
    expect((await ask('POST', `/${id}/redrive`, { body, reason: 'again' })).status).toBe(404);
  });
});

describe('lists of operators', () => {
  const get = async (url: string) =>
    (await api.app.inject({ url, headers: { 'x-api-key': api.keys.operator } })).json();

  test('of keys come in pages', async () => {
    for (let key = 0; key < 5; key += 1)
      await createApiKey(api.sql, { tenantId: 'acme', label: `key ${key}`, actor: 'test' });
    const all = (await get('/api/v1/keys?limit=200')).keys.map(({ key_id }: { key_id: string }) => key_id);
    const first = await get('/api/v1/keys?limit=3');
    const rest = await get(`/api/v1/keys?limit=200&cursor=${first.next_cursor}`);
    expect([...first.keys, ...rest.keys].map(({ key_id }) => key_id)).toEqual(all);
    expect(rest.next_cursor).toBeNull();
    await revokeApiKey(api.sql, { keyId: all.at(-1), actor: 'test' });
  });

  test.each(['two\nlines', 'right to left \u202egnp', 'zero\u200bwidth', 'escape \u001b[2J', '   ', ''])(
    'take no label like %j',
    async (label) => {
      const reply = await api.app.inject({
        method: 'POST',
        url: '/api/v1/keys',
        headers: { 'x-api-key': api.keys.operator },
        payload: { tenant: 'acme', label },
      });
      expect([reply.statusCode, reply.json().code]).toEqual([400, 'REQUEST_INVALID']);
    },
  );
});
