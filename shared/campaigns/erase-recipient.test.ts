/** What is erased is looked for in every table: a place that comes later, and keeps addresses, is found here. */
import { randomUUID, randomUUIDv7 } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { insertRecords } from '#shared/records/insert-records.ts';
import { placeHold, releaseHold } from '#shared/retention/legal-holds.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { newRecord, seedParsingJob, seedRecords } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { createCampaignDirectory } from './campaign-directory.ts';
import { eraseRecipient } from './erase-recipient.ts';
import { addressHash, businessKeyOf } from './mail-address.ts';
import { storeMailEvents } from './store-mail-events.ts';
import { findSuppressions, importSuppressions, suppress } from './suppression-store.ts';

let sql: Sql;
useTestDatabase(
  (connected) => {
    sql = connected;
  },
  { poolMax: 1 },
);

const SENDER = {
  ...{ kind: 'sender', tenant: TEST_TENANT, name: 'bills', from: 'Acme <bills@acme.example>', transport: 'ses' },
  topics: [{ name: 'billing', class: 'transactional' }],
};
const ADDRESS = 'r1@example.com';
/** Line 4 is the address of line 1 once more. */
const addressOf = (line: number) => `r${line === 4 ? 1 : line}@example.com`;
const erase = () => eraseRecipient(sql, { tenantId: TEST_TENANT, address: 'R1@example.com', actor: 'test' });

beforeEach(async () => {
  await seedTenant(sql).catch(() => undefined);
  await emptyTables(
    sql,
    'files',
    'campaigns',
    'campaign_stats',
    'mail_events',
    'suppressions',
    'legal_holds',
    'outbox',
  );
  await emptyTables(sql, 'records', 'record_keys', 'record_attempts', 'record_chunks');
  await sql`
    INSERT INTO senders (tenant_id, name, definition, definition_hash, version, created_by)
    VALUES (${TEST_TENANT}, 'bills', ${JSON.stringify(SENDER)}::text::jsonb, 'x', 1, 'test') ON CONFLICT DO NOTHING`;
});

/** On its own route, as campaigns are. */
async function makeCampaign(jobId: string): Promise<string> {
  const routeId = randomUUIDv7();
  await sql`UPDATE record_keys SET route_id = ${routeId} WHERE job_id = ${jobId}`;
  await sql`
    UPDATE records SET "values" = jsonb_build_object('email', business_key::jsonb ->> 0, 'name', 'of ' || (business_key::jsonb ->> 0))
    WHERE job_id = ${jobId}`;
  await sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
      file_ref, request_hash, created_by, begun_at)
    VALUES (${jobId}, ${TEST_TENANT}, 'June', ${routeId}, ${randomUUIDv7()}, 'bill', 1, 'bills', 'billing', false, ${randomUUIDv7()}, 'x',
      'test', now())`;
  return jobId;
}

async function seedCampaign(): Promise<string> {
  const { job } = await seedRecords(sql, { records: 4, keyOf: (line) => businessKeyOf(addressOf(line)) });
  return await makeCampaign(job.id);
}

async function sendMails(id: string): Promise<void> {
  await sql`UPDATE records SET state = 'SUCCESS', reference = 'm-' || line WHERE job_id = ${id} AND state = 'PENDING'`;
  await sql`
    INSERT INTO record_attempts (job_id, line, started_at, tenant_id, generation, step, step_name, attempt, outcome, message, request_id,
      worker, duration_ms)
    SELECT job_id, line, now(), tenant_id, 1, 0, 'send', 1, 'succeeded', '250 <' || (values ->> 'email') || '>', ${randomUUID()}, 'w', 1
    FROM records WHERE job_id = ${id} AND state = 'SUCCESS'`;
  const time = new Date().toISOString();
  const mailOf = (line: number) => ({
    ...{ messageId: `m-${line}`, destination: [addressOf(line)] },
    tags: { ls_campaign: [id], ls_line: [String(line)] },
  });
  const said = [1, 2].flatMap((line) => {
    const bounced = { status: '5.1.1', diagnosticCode: `550 <${addressOf(line)}> unknown` };
    const click = { link: `https://x.example/?for=${addressOf(line)}`, userAgent: 'Firefox', timestamp: time };
    return [
      { eventType: 'Bounce', mail: mailOf(line), bounce: { bounceType: 'Permanent', bouncedRecipients: [bounced] } },
      { eventType: 'Click', mail: mailOf(line), click },
    ];
  });
  await storeMailEvents(
    sql,
    said.map((detail) => ({ type: 'mail event', time, detail })),
  );
}

/** Tables that have the text in any row. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    SELECT oid::regclass::text AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1`;
  const found: string[] = [];
  for (const { name } of tables) {
    const [row] = await sql.unsafe<{ has: boolean }[]>(
      `SELECT EXISTS (SELECT FROM ${name} AS t WHERE lower(t::text) LIKE $1) AS has`,
      [`%${text}%`],
    );
    if (row?.has === true) found.push(name);
  }
  return found;
}

test('no table has an erased address; its mails stay counted, and the other recipients as they are', async () => {
  const campaigns = [await seedCampaign(), await seedCampaign()];
  for (const id of campaigns) await sendMails(id);
  await suppress(sql, { tenantId: TEST_TENANT, address: ADDRESS, topic: 'billing', actor: 'test' });
  expect(await tablesWith(ADDRESS)).toEqual([
    ...['mail_events', 'record_attempts', 'record_keys', 'records', 'suppressions'],
  ]);
  const countsOf = () => sql`
    SELECT state, error_cause, count(*)::int FROM records GROUP BY 1, 2 UNION ALL
    SELECT kind, detail ->> 'smtp', count(*)::int FROM mail_events GROUP BY 1, 2 ORDER BY 1, 2`;
  const before = [...(await countsOf())];
  expect(await erase()).toMatchObject({ records: 4, campaigns: 2, reports: 4, left: [], files: [{}, {}] });
  expect(await tablesWith(ADDRESS)).toEqual([]);
  expect(await tablesWith(addressHash(ADDRESS))).toEqual(['suppressions']);
  expect([...(await countsOf())]).toEqual(before);
  for (const other of [2, 3]) expect(await tablesWith(addressOf(other))).toContain('records');
  expect(await findSuppressions(sql, { tenantId: TEST_TENANT, address: ADDRESS })).toMatchObject([
    { topic: '*', reason: 'hard-bounce', expiresAt: null },
    { topic: 'billing', reason: 'operator' },
  ]);
  const [event] = await sql`SELECT body -> 'data' AS data FROM outbox WHERE body ->> 'type' = 'recipient.erased'`;
  expect(event?.data).toEqual({ records: 4, campaigns: 2, reports: 4 });
});

test('what is reported late brings no erased address back, nor does an import of an old list', async () => {
  const id = await seedCampaign();
  await sendMails(id);
  await erase();
  await sendMails(id);
  const old = { tenantId: TEST_TENANT, topic: '*', addresses: [ADDRESS], actor: 'test' };
  expect(await importSuppressions(sql, old)).toBe(0);
  expect(await tablesWith(ADDRESS)).toEqual([]);
  expect(await erase()).toMatchObject({ records: 0, campaigns: 0, reports: 0, left: [] });
});

test('a mail that was not sent is not sent any more, also of a topic that nobody unsubscribes from', async () => {
  const id = await seedCampaign();
  await erase();
  const directory = createCampaignDirectory({
    sql,
    secrets: { read: () => Promise.reject(new Error('no secret is needed')) },
    transports: {
      send: () => Promise.reject(new Error('nothing was to be sent')),
      accountName: 'none',
      account: () => Promise.reject(new Error('no account is needed')),
      close: () => undefined,
    },
    unsubscribe: undefined,
  });
  const found = await directory.find(TEST_TENANT, `campaign-${id}`);
  if (!found.ok) throw new Error(found.message);
  const { partner } = found;
  const callOf = (record: Record<string, string>) =>
    partner.call(
      {
        operation: 'send',
        requestId: randomUUID(),
        values: { record, replies: {}, meta: { line: 1, tenant: TEST_TENANT } },
      },
      () => true,
    );
  const suppressed = { type: 'failed', isFinal: true, cause: 'SUPPRESSED' };
  const [row] = await sql<{ values: Record<string, string> }[]>`
    SELECT "values" FROM records WHERE job_id = ${id} AND line = 1`;
  expect(await callOf(row?.values ?? {})).toMatchObject(suppressed);
  // As a worker has it that claimed the record before.
  expect(await callOf({ email: ADDRESS })).toMatchObject(suppressed);
  directory.close();
});

test('what is in the middle is left whole and named: a mail that is being sent, a file that is being read', async () => {
  const sending = await seedCampaign();
  await sql`UPDATE records SET state = 'RUNNING' WHERE job_id = ${sending} AND line = 1`;
  const parsing = await seedParsingJob(sql);
  const records = [newRecord(1, businessKeyOf(ADDRESS))];
  await insertRecords(sql, { jobId: parsing.id, epoch: parsing.epoch, records });
  await makeCampaign(parsing.id);
  const left = [sending, parsing.id].sort();
  expect(await erase()).toMatchObject({ records: 0, campaigns: 0, left });
  expect(await tablesWith(ADDRESS)).toEqual(['record_keys', 'records']);
  await sql`UPDATE records SET state = 'SUCCESS' WHERE job_id = ${sending} AND line = 1`;
  await sql`UPDATE jobs SET state = 'FAILED', error_code = 'X', error_cause = 'X', error_message = 'X', finished_at = now() WHERE id = ${parsing.id}`;
  expect(await erase()).toMatchObject({ records: 3, campaigns: 2, left: [] });
  expect(await tablesWith(ADDRESS)).toEqual([]);
});

test('nothing is erased while the tenant has a legal hold, and nothing of another tenant', async () => {
  await sendMails(await seedCampaign());
  const holdId = await placeHold(sql, { tenantId: TEST_TENANT, reason: 'case 4711', actor: 'test' });
  const before = await tablesWith(ADDRESS);
  expect(await erase()).toBe('held');
  expect(await tablesWith(ADDRESS)).toEqual(before);
  await releaseHold(sql, { holdId, reason: 'closed', actor: 'test' });
  await seedTenant(sql, { tenantId: 'globex' });
  expect(await eraseRecipient(sql, { tenantId: 'globex', address: ADDRESS, actor: 'test' })).toMatchObject({
    records: 0,
  });
  expect(await tablesWith(ADDRESS)).toEqual(before);
  expect(await eraseRecipient(sql, { tenantId: 'nobody', address: ADDRESS, actor: 'test' })).toBe('unknown');
  expect(await erase()).toMatchObject({ records: 2 });
});
