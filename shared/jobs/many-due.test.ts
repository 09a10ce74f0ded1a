/**
 * What each clock reads for one batch when 20,000 of what it looks for are due at once, as PostgreSQL counted it: no table whole, and rows for
 * its batch alone, with plans made for the batch and with plans that are kept for every batch.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findDueActions, findOpenItems } from '#shared/actions/action-transitions.ts';
import { advanceDueBatches } from '#shared/batches/advance-batches.ts';
import { closeDueBatches } from '#shared/batches/close-batches.ts';
import { tickCampaigns } from '#shared/campaigns/campaign-clock.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { doubtLeftEffects } from '#shared/effects/resolve-effect.ts';
import { findDue, findUnplanned } from '#shared/expectations/expectation-transitions.ts';
import { gatherDigests, leaseNotices, notifyChannels } from '#shared/notices/notice-transitions.ts';
import { wakeSources } from '#shared/pulls/source-transitions.ts';
import { wakePulls } from '#shared/pulls/wake-pulls.ts';
import { sweepRecords } from '#shared/records/sweep-records.ts';
import { claimRestores } from '#shared/retention/restores.ts';
import { claimOrphans } from '#shared/transfers/orphaned-transfers.ts';
import { deleteEndedUploads, findExpiredUploads } from '#shared/uploads/uploads.ts';
import { rollUpUsage } from '#shared/usage/roll-up-usage.ts';
import { PLAN_MODES, statementCost } from '#testkit/checks/statement-cost.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { leaseOutbox } from './outbox.ts';

let database: TestDatabase;
let sql: Sql;

const MANY = 20_000;
const BATCH = 50;
/** For a batch of 50, with what it joins and writes. */
const MOST_ROWS = 3_000;
const ACTION = '00000000-0000-7000-8000-0000000000aa';
const ROUTE = '00000000-0000-7000-8000-000000000001';
/** Tables and partitions of more than 5,000 rows. */
let largeTables: string[];

/** The same for the same number and kind. */
const id = (of: Sql, kind: number) =>
  of`('00000000-0000-7000-80' || lpad(${kind}::text, 2, '0') || '-' || lpad(to_hex(n), 12, '0'))::uuid`;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectDatabase(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: 1,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 120_000,
    },
    'many-due-test',
  );
  await seedTenant(sql);
  await sql`SET session_replication_role = replica`;
  await sql`SET synchronous_commit = off`;
  const numbers = sql`generate_series(1, ${MANY}::int) AS n`;
  await sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, order_key, order_seq, status,
      archived_at, archive_bucket, archive_key, finished_at, created_at)
    SELECT ${id(sql, 1)}, 'acme', 'test-landing', 'acme/inbound/' || n, 'v', 'file-' || n, 100, n, 's3', now(), 'acme/inbound', n, 'COMPLETED',
      now(), 'test-archive', n, now(), now() - n * interval '1 second' FROM ${numbers}`;
  // Those up to 10,000 have ended, the others wait for their records.
  await sql`
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue, open_records,
      wait_reason, next_action_at, finished_at, created_at)
    SELECT ${id(sql, 2)}, 'acme', ${id(sql, 1)}, ${ROUTE}, ${ROUTE}, CASE WHEN n <= ${MANY / 2}::int THEN 'FAILED' ELSE 'WAITING' END, 'call', 3, 3,
      'partner-steps', 10, CASE WHEN n > ${MANY / 2}::int THEN 'RECORDS' END, now() + interval '1 day',
      CASE WHEN n <= ${MANY / 2}::int THEN now() END, now() FROM ${numbers}`;
  await sql`
    INSERT INTO records (job_id, line, created_at, tenant_id, state, "values", next_attempt_at)
    SELECT j.id, line, j.created_at, 'acme', 'PENDING', '{}', now() - interval '1 minute'
    FROM jobs j CROSS JOIN generate_series(1, 10) AS line WHERE j.state = 'WAITING' LIMIT ${MANY}`;
  await sql`
    INSERT INTO effects (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch)
    SELECT ${id(sql, 2)}, 0, 0, 'acme', n, 'push', CASE WHEN n <= ${MANY / 2}::int THEN 'COMMITTING' ELSE 'DONE' END, '{}', 1 FROM ${numbers}`;
  await sql`
    INSERT INTO outbox (event_id, topic, body, created_at)
    SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'events' ELSE 'channels' END,
      jsonb_build_object('type', 'file.failed', 'tenantId', 'acme', 'fileId', ${id(sql, 1)}, 'data', '{}'::jsonb), now() - n * interval '1 second'
    FROM ${numbers}`;
  await sql`
    INSERT INTO notice_channels (tenant_id, route, name, notices, digest_ms, definition)
    SELECT 'acme', '', 'channel-' || n, '{failed}', CASE WHEN n > 10 THEN 60000 ELSE 0 END, '{}' FROM generate_series(1, 20) AS n`;
  await sql`
    INSERT INTO notices (event_id, tenant_id, route, channel, notice, body, created_at, delivery_id, next_action_at)
    SELECT ${id(sql, 3)}, 'acme', '', 'channel-' || (n % 20 + 1), 'failed', '{}', now() - n * interval '1 second', CASE WHEN n % 20 < 10 THEN ${id(sql, 3)} END,
      CASE WHEN n % 20 = 19 THEN now() + interval '1 day' ELSE now() - interval '1 second' END FROM ${numbers}`;
  await sql`
    INSERT INTO expectations (tenant_id, name, definition, definition_hash, version, created_by, planned_from, planned_until)
    SELECT 'acme', 'expected-' || n, '{"due":{}}', n, 1, 'key:me', '1 UTC', now() - interval '1 second' FROM generate_series(1, 5000) AS n`;
  await sql`
    INSERT INTO expected_occurrences (tenant_id, expectation, opens_at, due_at, closes_at, state, next_look_at)
    SELECT 'acme', 'expected-' || (n % 5000 + 1), now() - interval '1 day' + n * interval '1 second', now() + n * interval '1 second', now() + interval '2 days',
      'OPEN', now() - interval '1 second' FROM ${numbers}`;
  await sql`
    INSERT INTO restores (file_id, tenant_id, state, days, tier, reason, actor, next_action_at)
    SELECT ${id(sql, 1)}, 'acme', 'THAWING', 7, 'standard', 'why', 'key:me', now() - interval '1 second' FROM ${numbers}`;
  await sql`
    INSERT INTO uploads (id, tenant_id, bucket, key, source, uploaded_by, state, expires_at, finished_at)
    SELECT ${id(sql, 4)}, 'acme', 'test-landing', n, 'http', 'key:me', CASE WHEN n % 2 = 0 THEN 'OPEN' ELSE 'COMPLETED' END, now() - interval '1 hour',
      CASE WHEN n % 2 = 1 THEN now() - interval '30 days' END FROM ${numbers}`;
  await sql`
    INSERT INTO actions (id, verb, state, filter, preview, actor, takes, next_action_at)
    VALUES (${ACTION}, 'retry', 'RUNNING', '{}', '{}', 'key:me', ${MANY}, now())`;
  await sql`INSERT INTO action_items (action_id, subject) SELECT ${ACTION}::uuid, ${id(sql, 2)} FROM ${numbers}`;
  await sql`
    INSERT INTO batches (id, tenant_id, route_id, key, state, full_at, close_at, look_at)
    SELECT ${id(sql, 5)}, 'acme', ${ROUTE}, n, CASE WHEN n % 2 = 0 THEN 'OPEN' ELSE 'RUNNING' END, 10, now() + interval '1 day', now() - interval '1 second'
    FROM ${numbers}`;
  await sql`
    INSERT INTO sources (tenant_id, name, definition, definition_hash, version, created_by, next_action_at)
    SELECT 'acme', 'source-' || n, '{}', n, 1, 'key:me', now() - interval '1 second' FROM ${numbers}`;
  await sql`
    INSERT INTO pulls (id, tenant_id, project, remote, remote_path, status, woken_at, lease_until)
    SELECT ${id(sql, 6)}, 'acme', 'p', 'remote-' || (n % 20), '/out/' || n, CASE WHEN n % 3 = 0 THEN 'RUNNING' ELSE 'TRIGGERED' END,
      CASE WHEN n % 3 = 1 AND n < 1000 THEN now() - interval '1 day' END, CASE WHEN n % 3 = 0 THEN now() - interval '1 day' END FROM ${numbers}`;
  await sql`
    INSERT INTO transfers (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, bucket, key, source_etag, part_bytes, worker, updated_at)
    SELECT ${id(sql, 2)}, 0, 'job', 'deliver', 'acme', ${id(sql, 1)}, 1, 'COPYING', 'streamed', 'b', n, 'e', 1, 'w', now() - interval '1 hour'
    FROM ${numbers}`;
  // The first 550 wait for a person, 50 begin, the others are over.
  await sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing, file_ref,
      request_hash, created_by, begun_at, word, announced)
    SELECT ${id(sql, 2)}, 'acme', n, ${ROUTE}, ${ROUTE}, 't', 1, 's', 'news', false, ${id(sql, 1)}, 'h', 'key:me', now() - CASE WHEN n <= 600 THEN interval '0' ELSE interval '10 days' END,
      CASE WHEN n <= 550 THEN 'HELD' ELSE 'GO' END, CASE WHEN n <= 600 THEN 'CREATED' ELSE 'DONE' END FROM generate_series(1, 5000) AS n`;
  await sql`
    INSERT INTO audit_events (id, type, tenant_id, file_id, actor, detail)
    SELECT ${id(sql, 7)}, 'file.routed', 'acme', ${id(sql, 1)}, 'router', '{"sizeBytes":100}' FROM ${numbers}`;
  await sql`
    INSERT INTO audit_seals (event_at, event_id, tenant_id, seq, previous, hash, number)
    SELECT at, id, 'acme', row_number() OVER (ORDER BY id), '\\x00', '\\x00', row_number() OVER (ORDER BY id) FROM audit_events`;
  await sql`SET session_replication_role = origin`;
  await sql`ANALYZE`;
  const large = await sql<
    { name: string }[]
  >`SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND reltuples > 5000`;
  largeTables = large.map(({ name }) => name);
  expect(largeTables.length).toBeGreaterThan(15);
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

const batch = { limit: BATCH, actor: 'test', window: 1_000 };

/** Each resolves to how much it took. */
const CLOCKS: Record<string, (tx: Sql) => Promise<number>> = {
  'due records': async (tx) => (await sweepRecords(tx, batch)).length,
  'effects of ended jobs': (tx) => doubtLeftEffects(tx, batch),
  'events for topics': async (tx) => (await leaseOutbox(tx, { limit: BATCH, leaseMs: 60_000 })).length,
  'events for channels': (tx) => notifyChannels(tx, batch),
  'notices of digests': (tx) => gatherDigests(tx, { most: 5 }),
  'notices to send': async (tx) =>
    (await leaseNotices(tx, { limit: BATCH, limitPerChannel: 5, leaseMs: 60_000 })).length,
  'expectations to plan': async (tx) => (await findUnplanned(tx, batch)).length,
  'occurrences to look at': async (tx) => (await findDue(tx, batch)).length,
  restores: async (tx) => (await claimRestores(tx, BATCH)).length,
  'uploads past their end': async (tx) => (await findExpiredUploads(tx, BATCH)).length,
  'uploads to forget': async (tx) => {
    await deleteEndedUploads(tx, 7, BATCH);
    return BATCH;
  },
  actions: async (tx) => (await findDueActions(tx, BATCH)).length * (await findOpenItems(tx, ACTION, BATCH)).length,
  'batches to close': async (tx) => (await closeDueBatches(tx, batch)).looked,
  'batches to advance': async (tx) => (await advanceDueBatches(tx, batch)).looked,
  sources: async (tx) => (await wakeSources(tx, { limit: BATCH, boundMs: 90_000 })).length,
  pulls: async (tx) => (await wakePulls(tx, { limit: BATCH, boundMs: 90_000 })).length,
  'transfers of nobody': async (tx) => (await claimOrphans(tx, { limit: BATCH, claimMs: 60_000 })).length,
  'audit lines to count': async (tx) => await rollUpUsage(tx, batch),
  campaigns: async (tx) => {
    await tickCampaigns(tx, { actor: 'test' });
    const begun = await tx`SELECT 1 FROM campaigns WHERE announced = 'STARTED'`;
    return begun.length;
  },
};

describe.each(PLAN_MODES)('with %s', (planMode) => {
  test.each(Object.entries(CLOCKS))('%s: a batch of many reads no table whole, and few rows', async (_name, run) => {
    let taken = 0;
    const cost = await statementCost(
      async (tx) => {
        taken = await run(tx);
      },
      { sql, tables: largeTables, planMode },
    );
    expect({ ...cost, taken: taken > 0 }).toEqual({ readWhole: [], rows: expect.any(Number), taken: true });
    expect(cost.rows).toBeLessThan(MOST_ROWS);
  });
});
