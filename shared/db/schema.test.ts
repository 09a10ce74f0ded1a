import { afterAll, beforeAll, expect, test } from 'vitest';
import { placeHold, releaseHold } from '#shared/retention/legal-holds.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { connectDatabase, type Sql } from './connect-database.ts';
import { pg } from './drizzle.ts';
import { migrate } from './migrate.ts';
import { dropExpiredPartitions, ensurePartitions, isLockTimeout } from './partitions.ts';
import * as schema from './schema.ts';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true });
  sql = connect(2);
  await Promise.all([migrate(database.url), migrate(database.url), migrate(database.url)]);
});

function connect(connections: number): Sql {
  return connectDatabase(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: connections,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 120_000,
    },
    'schema-test',
  );
}

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

test('migrations that run side by side on an empty database apply once', async () => {
  const [row] =
    await sql`SELECT count(*)::int AS migrations, count(DISTINCT hash)::int AS distinct FROM drizzle.__drizzle_migrations`;
  expect(row?.migrations).toBeGreaterThan(0);
  expect(row?.migrations).toBe(row?.distinct);
});

test('the migrated tables have the columns that the schema declares', async () => {
  const declared = Object.values(schema)
    .filter((value) => value instanceof pg.PgTable)
    .map((table) => pg.getTableConfig(table))
    .flatMap(({ name, columns }) =>
      columns.map((column) => `${name}.${column.name} ${column.getSQLType()}${column.notNull ? ' not null' : ''}`),
    );
  const rows = await sql<{ line: string }[]>`
    SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
      || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attnum > 0 AND NOT a.attisdropped`;
  const spelledAlike = (line: string) => line.replace('timestamp (6) with time zone', 'timestamp(6) with time zone');
  expect(declared.map(spelledAlike).sort()).toEqual(rows.map((row) => row.line).sort());
});

test('rows of this month go to its partition, and whole months are dropped when they expire', async () => {
  await ensurePartitions(sql, new Date('2020-03-05T00:00:00Z'), 1);
  await sql`INSERT INTO audit_events (at, type, tenant_id, actor, detail) VALUES ('2020-03-31T23:59:59Z', 'x', 't', 'a', '{}')`;
  const [row] = await sql`SELECT tableoid::regclass::text AS partition FROM audit_events WHERE type = 'x'`;
  expect(row?.partition).toBe('audit_events_2020_03');
  const { dropped, faults } = await dropExpiredPartitions(sql, new Date('2020-04-30T00:00:00Z'));
  expect(faults).toEqual([]);
  expect(dropped.sort()).toEqual([
    'attempts_2020_03',
    'audit_events_2020_03',
    'audit_seals_2020_03',
    'partner_minutes_2020_03',
    'record_attempts_2020_03',
    'records_2020_03',
    'sftp_actions_2020_03',
  ]);
  expect(await sql`SELECT 1 FROM audit_events WHERE type = 'x'`).toHaveLength(0);
});

test('a month with rows of a tenant under a legal hold is kept, without the rows of others where they are no chain', async () => {
  await seedTenant(sql, { tenantId: 'held' });
  await seedTenant(sql, { tenantId: 'other' });
  const holdId = await placeHold(sql, { tenantId: 'held', reason: 'a case', actor: 'test' });
  await ensurePartitions(sql, new Date('2021-01-05T00:00:00Z'), 2);
  const rows = (times: string[]) => ['held', 'other'].flatMap((tenant) => times.map((at) => ({ tenant, at })));
  for (const { tenant, at } of [...rows(['2021-01-10Z']), { tenant: 'other', at: '2021-02-10Z' }]) {
    await sql`INSERT INTO audit_events (at, type, tenant_id, actor, detail) VALUES (${at}, 'x', ${tenant}, 'a', '{}')`;
    await sql`
      INSERT INTO records (job_id, line, created_at, tenant_id, state) VALUES (gen_random_uuid(), 1, ${at}, ${tenant}, 'SUCCESS')`;
  }
  const before = new Date('2021-03-15T00:00:00Z');
  const first = await dropExpiredPartitions(sql, before);
  expect(first.faults).toEqual([]);
  // The chain of `other` has no gap: its February is kept with its January.
  expect(first.kept).toEqual(['audit_events_2021_01', 'audit_events_2021_02', 'records_2021_01']);
  expect(first.dropped).toContain('records_2021_02');
  const tenantsIn = async (table: string) =>
    (await sql<{ tenant: string }[]>`SELECT tenant_id AS tenant FROM ${sql(table)} ORDER BY 1`).map(
      ({ tenant }) => tenant,
    );
  expect(await tenantsIn('audit_events_2021_01')).toEqual(['held', 'other']);
  expect(await tenantsIn('records_2021_01')).toEqual(['held']);
  await releaseHold(sql, { holdId, reason: 'closed', actor: 'test' });
  const second = await dropExpiredPartitions(sql, before);
  expect(second).toMatchObject({ kept: [], faults: [] });
  expect(second.dropped).toEqual(['audit_events_2021_01', 'audit_events_2021_02', 'records_2021_01']);
});

test('of a kept month the rows of others are deleted in one pass, and it is not read again while the same holds are in force', async () => {
  await seedTenant(sql, { tenantId: 'held' });
  const holdId = await placeHold(sql, { tenantId: 'held', reason: 'a case', actor: 'test' });
  await ensurePartitions(sql, new Date('2021-01-05T00:00:00Z'), 0);
  // Several batches of pages, the rows of the held tenant all over them.
  await sql`
    INSERT INTO records (job_id, line, created_at, tenant_id, state, "values")
    SELECT gen_random_uuid(), line, '2021-01-10Z', CASE WHEN line % 50 = 0 THEN 'held' ELSE 'other' END, 'SUCCESS',
      jsonb_build_object('text', repeat('x', 300))
    FROM generate_series(1, 25000) line`;
  // One connection, so that its scans are counted when they are asked for.
  const one = connect(1);
  try {
    const wholeScans = async () => {
      await one`SELECT pg_stat_force_next_flush()`;
      const [row] = await one<{ scans: number; pages: number }[]>`
        SELECT seq_scan::int AS scans, (pg_relation_size(relid) / 8192)::int AS pages
        FROM pg_stat_user_tables WHERE relname = 'records_2021_01'`;
      return row!;
    };
    const cleared = new Map();
    const before = new Date('2021-03-15T00:00:00Z');
    const seeded = await wholeScans();
    expect(seeded.pages).toBeGreaterThan(2_000);
    await dropExpiredPartitions(one, before, { cleared });
    const first = await wholeScans();
    // The look for a row of the held tenant, which ends with the first.
    expect(first.scans - seeded.scans).toBe(1);
    expect(await dropExpiredPartitions(one, before, { cleared })).toMatchObject({ kept: ['records_2021_01'] });
    expect((await wholeScans()).scans).toBe(first.scans);
    const [left] = await one`
      SELECT count(*)::int AS rows, count(*) FILTER (WHERE tenant_id = 'held')::int AS held FROM records_2021_01`;
    expect(left).toEqual({ rows: 500, held: 500 });
    await releaseHold(one, { holdId, reason: 'closed', actor: 'test' });
    expect((await dropExpiredPartitions(one, before, { cleared })).dropped).toContain('records_2021_01');
  } finally {
    await one.end({ timeout: 5 });
  }
});

test('records that are updated together stay in their pages, so that no index has to know', async () => {
  await ensurePartitions(sql, new Date('2020-05-05T00:00:00Z'), 0);
  await sql`
    INSERT INTO records (job_id, line, created_at, tenant_id, state, "values")
    SELECT '00000000-0000-7000-8000-000000000001', line, '2020-05-10Z', 't', 'PENDING', jsonb_build_object('text', repeat('x', 300))
    FROM generate_series(1, 500) line`;
  const places = () => sql<{ page: number }[]>`
    SELECT (ctid::text::point)[0]::int AS page FROM records WHERE created_at = '2020-05-10Z' ORDER BY line`;
  const before = await places();
  await sql`UPDATE records SET state = 'RUNNING' WHERE created_at = '2020-05-10Z'`;
  expect(await places()).toEqual(before);
});

const ATTEMPT = {
  tenant_id: 't',
  generation: 1,
  step_seq: 0,
  step_kind: 'x',
  attempt: 1,
  outcome: 'x',
  worker: 'w',
  duration_ms: 1,
};
const insertAttempt = (at: string) =>
  sql`INSERT INTO attempts ${sql({ ...ATTEMPT, job_id: '0198c0de-0000-7000-8000-000000000001', started_at: at })}`;

test('a long reader at the turn of the month keeps no writer waiting: its partition is left for later', async () => {
  const reader = await sql.reserve();
  try {
    await reader`BEGIN`;
    await reader`SELECT count(*) FROM attempts`;
    const making = ensurePartitions(sql, new Date('2031-05-05T00:00:00Z'), 0);
    await insertAttempt('2026-01-01T00:00:00Z');
    const faults = await making;
    expect(faults.map(({ partition }) => partition)).toEqual(['attempts_2031_05']);
    expect(faults.every(isLockTimeout)).toBe(true);
    await insertAttempt('2026-01-01T00:00:01Z');
  } finally {
    await reader`ROLLBACK`;
    reader.release();
  }
  expect(await ensurePartitions(sql, new Date('2031-05-05T00:00:00Z'), 0)).toEqual([]);
});

test('rows of a coming month that are in the default partition move to their own', async () => {
  await insertAttempt('2032-07-04T00:00:00Z');
  expect(await ensurePartitions(sql, new Date('2032-07-01T00:00:00Z'), 0)).toEqual([]);
  const rows = await sql`SELECT tableoid::regclass::text AS partition FROM attempts WHERE started_at >= '2032-01-01'`;
  expect([...rows]).toEqual([{ partition: 'attempts_2032_07' }]);
});

test('a partition that cannot be made keeps no other from being made', async () => {
  await sql`CREATE TABLE records_2033_01 (unlike text)`;
  const faults = await ensurePartitions(sql, new Date('2033-01-01T00:00:00Z'), 0);
  expect(faults.map(({ partition }) => partition)).toEqual(['records_2033_01']);
  expect(isLockTimeout(faults[0] as (typeof faults)[number])).toBe(false);
  const made =
    await sql`SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhrelid::regclass::text LIKE '%_2033_01'`;
  expect(made).toHaveLength(6);
});

test('connections prune no partitions while a statement runs', async () => {
  expect(await sql`SHOW enable_partition_pruning`).toEqual([{ enable_partition_pruning: 'off' }]);
});

test('ids are UUIDs of version 7', async () => {
  const rows = await sql<{ id: string }[]>`SELECT uuid_v7() AS id FROM generate_series(1, 100)`;
  expect(rows.every(({ id }) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-/.test(id))).toBe(true);
});
