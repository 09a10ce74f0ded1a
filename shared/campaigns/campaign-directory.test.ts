/** How mails of a campaign wait for each other: which of them are made ready, and what is asked again when one's turn comes late. */
import { randomUUID, randomUUIDv7 } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import type { CallOutcome } from '#shared/partners/call-partner.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { createCampaignDirectory } from './campaign-directory.ts';
import type { MailSent } from './campaign-mail.ts';
import { addressHash } from './mail-address.ts';

let sql: Sql;
useTestDatabase((connected) => {
  sql = connected;
});

const CONCURRENCY = 2;
const SENDER = {
  ...{ kind: 'sender', tenant: TEST_TENANT, name: 'bills', from: 'Acme <bills@acme.example>', transport: 'ses' },
  limits: { ratePerSecond: 10_000, concurrency: CONCURRENCY },
  topics: [{ name: 'billing', class: 'transactional' }],
};
const LATE_MS = 1_000;
const PATIENCE = { timeoutMs: 60_000 };

beforeEach(async () => {
  await seedTenant(sql).catch(() => undefined);
  await emptyTables(sql, 'campaigns', 'suppressions', 'templates');
  await sql`
    INSERT INTO senders (tenant_id, name, definition, definition_hash, version, created_by)
    VALUES (${TEST_TENANT}, 'bills', ${JSON.stringify(SENDER)}::text::jsonb, 'x', 1, 'test') ON CONFLICT DO NOTHING`;
  await sql`
    INSERT INTO templates (tenant_id, id, version, format, topic, status, key, subject, html, "text", created_by, expires_at)
    VALUES (${TEST_TENANT}, 'bill', 1, 'html', 'billing', 'READY', 'k', 'Bill', '<p>Bill</p>', 'Bill', 'test', now())`;
});

/** A service that takes mails and answers none until it is let, and a clock that can be put on. */
async function start() {
  const id = randomUUIDv7();
  await sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
      file_ref, request_hash, created_by, begun_at)
    VALUES (${id}, ${TEST_TENANT}, 'June', ${randomUUIDv7()}, ${randomUUIDv7()}, 'bill', 1, 'bills', 'billing', false, ${randomUUIDv7()},
      'x', 'test', now())`;
  const sent: { to: string; answer(): void }[] = [];
  const seen = { made: 0, most: 0, underWay: 0, intents: 0, lateMs: 0 };
  const directory = createCampaignDirectory({
    sql,
    secrets: {
      async read() {
        seen.made += 1;
        return { text: 'the key of unsubscribe links', version: '1' };
      },
    },
    transports: {
      async send({ to }) {
        const { promise, resolve } = Promise.withResolvers<MailSent>();
        sent.push({ to, answer: () => resolve({ type: 'sent', messageId: `m-${to}` }) });
        seen.underWay += 1;
        seen.most = Math.max(seen.most, seen.underWay);
        try {
          return await promise;
        } finally {
          seen.underWay -= 1;
        }
      },
      accountName: 'none',
      account: async () => ({ maxPerSecond: null, maxPerDay: null, sentLastDay: null }),
      close: () => undefined,
    },
    unsubscribe: { secretName: 'links', publicUrl: 'https://longshore.example' },
    now: () => performance.now() + seen.lateMs,
  });
  const found = await directory.find(TEST_TENANT, `campaign-${id}`);
  if (!found.ok) throw new Error(found.message);
  const send = (line: number, isWanted = () => true) =>
    found.partner.call(
      {
        ...{ operation: 'send', requestId: randomUUID() },
        values: {
          ...{ record: { email: `r${line}@example.com` }, replies: {} },
          meta: { line, tenant: TEST_TENANT },
        },
        beforeSend: async () => {
          seen.intents += 1;
          return true;
        },
      },
      isWanted,
    ) as Promise<CallOutcome>;
  const answerAll = async (outcomes: readonly Promise<CallOutcome>[]): Promise<CallOutcome[]> => {
    const timer = setInterval(() => {
      for (const { answer } of sent.splice(0)) answer();
    }, 5);
    try {
      return await Promise.all(outcomes);
    } finally {
      clearInterval(timer);
    }
  };
  return { id, sent, seen, send, answerAll };
}

test('while requests are under way as many mails again are made, and none of them has an intent', async () => {
  const { sent, seen, send, answerAll } = await start();
  const outcomes = Array.from({ length: 9 }, (_each, line) => send(line + 1));
  await waitUntil('the next mails are made', () => seen.made === 2 * CONCURRENCY, PATIENCE);
  await waitUntil('the first are under way', () => sent.length === CONCURRENCY, PATIENCE);
  expect([seen.made, seen.intents, seen.underWay]).toEqual([2 * CONCURRENCY, CONCURRENCY, CONCURRENCY]);
  const ended = await answerAll(outcomes);
  expect(ended.map(({ type }) => type)).toEqual(Array(9).fill('success'));
  expect([seen.most, seen.intents]).toEqual([CONCURRENCY, 9]);
});

test.each([
  ['paused', (id: string) => sql`UPDATE campaigns SET word = 'PAUSED' WHERE id = ${id}`, { type: 'wait' }],
  [
    'cancelled',
    (id: string) => sql`UPDATE campaigns SET word = 'CANCELLED' WHERE id = ${id}`,
    { type: 'failed', cause: 'CAMPAIGN_CANCELLED' },
  ],
])('a mail whose turn comes late is not sent when its campaign was %s meanwhile', async (_what, change, expected) => {
  const { id, seen, answerAll, outcomes } = await startWithWaiting();
  await change(id);
  seen.lateMs = LATE_MS;
  const ended = await answerAll(outcomes);
  expect(ended.filter(({ type }) => type === 'success')).toHaveLength(CONCURRENCY);
  for (const other of ended.filter(({ type }) => type !== 'success')) expect(other).toMatchObject(expected);
  expect(seen.intents).toBe(CONCURRENCY);
});

test('a recipient who unsubscribes while the mail waits for its turn gets none', async () => {
  const { seen, answerAll, outcomes } = await startWithWaiting();
  await sql`
    INSERT INTO suppressions (tenant_id, topic, address_hash, reason, origin)
    SELECT ${TEST_TENANT}, '*', unnest(${[1, 2, 3, 4].map((line) => addressHash(`r${line}@example.com`))}::text[]), 'operator', 'test'`;
  seen.lateMs = LATE_MS;
  const ended = await answerAll(outcomes);
  expect(ended.map((each) => ('cause' in each ? each.cause : each.type)).toSorted()).toEqual([
    ...Array(2).fill('SUPPRESSED'),
    ...Array(2).fill('success'),
  ]);
});

test('a worker that stops withdraws the mails that wait for their turn, without an intent', async () => {
  let isWanted = true;
  const { seen, answerAll, outcomes } = await startWithWaiting(() => isWanted);
  isWanted = false;
  const types = (await answerAll(outcomes)).map(({ type }) => type);
  expect(types.toSorted()).toEqual(['success', 'success', 'withdrawn', 'withdrawn']);
  expect(seen.intents).toBe(CONCURRENCY);
});

/** As many mails wait for their turn as are under way. */
async function startWithWaiting(isWanted = () => true) {
  const started = await start();
  const { sent, seen, send } = started;
  const outcomes = Array.from({ length: 2 * CONCURRENCY }, (_each, line) => send(line + 1, isWanted));
  await waitUntil('all are made', () => seen.made === 2 * CONCURRENCY, PATIENCE);
  await waitUntil('the first are under way', () => sent.length === CONCURRENCY, PATIENCE);
  return { ...started, outcomes };
}
