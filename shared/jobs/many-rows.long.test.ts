/**
 * What the statements of the hot path read from tables of 200,000 rows, as PostgreSQL counted it while they ran: no table is read whole, and
 * the number of rows does not follow the length of a backlog or of history.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { fileConditions, jobConditions } from '#shared/dead-letters/dead-letters.ts';
import { wakeChunks } from '#shared/records/wake-chunks.ts';
import { deleteExpiredFiles, expireObjects, findExpiryTurns } from '#shared/retention/delete-expired.ts';
import { claimExpiredObjects } from '#shared/retention/expired-objects.ts';
import { expiryOverdue } from '#shared/retention/expiry-overdue.ts';
import { redateFiles } from '#shared/retention/redate-files.ts';
import { PLAN_MODES, statementCost } from '#testkit/checks/statement-cost.ts';
import { arrivedObject, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { claimArchives, storeArchives } from './archive-files.ts';
import { claimJobs } from './claim-jobs.ts';
import { giveDueTurns } from './give-turns.ts';
import { deleteFromOutbox, leaseOutbox } from './outbox.ts';
import { registerFiles } from './register-files.ts';
import { renewLeases } from './renew-leases.ts';
import { routeFiles } from './route-files.ts';
import { storeOutcomes } from './store-outcomes.ts';
import { wakeFiles } from './wake-files.ts';
import { wakeJobs } from './wake-jobs.ts';

let database: TestDatabase;
let sql: Sql;

const MANY = 200_000;
/** A statement for 50 rows, or a tick of 500 wake-ups, with what it joins. */
const MOST_ROWS = 3_000;
const ROUTE = '00000000-0000-7000-8000-000000000001';
const LARGE_TABLES = ['files', 'jobs', 'job_steps', 'outbox', 'record_chunks', 'expired_objects'];

/** Of the file of the number `n`. */
const FILE_ID = (of: Sql) => of`('00000000-0000-7000-8001-' || lpad(to_hex(n), 12, '0'))::uuid`;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectDatabase(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: 1,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 120_000,
    },
    'many-rows-test',
  );
  await seedTenant(sql);
  await seedTenant(sql, { tenantId: 'flood' });
  // Jobs of files that are not routed yet have none here: what is counted is how they are found.
  await sql`SET session_replication_role = replica`;
  await sql`SET synchronous_commit = off`;
  await sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, order_key, order_seq,
      status, routed_at, woken_at, wakes, finished_at, archived_at, error_code, error_message, created_at, job_count, open_jobs)
    SELECT ${FILE_ID(sql)}, 'acme', 'test-landing', 'acme/inbound/' || n, 'v', 'file-' || n, 100, '"same"', 's3', now(), 'acme/inbound', n,
      CASE WHEN n % 1000 = 0 THEN 'FAILED' WHEN n % 4 = 0 THEN 'QUEUED' ELSE 'COMPLETED' END,
      CASE WHEN n % 4 > 0 OR n % 1000 = 0 THEN now() END, now(), 1, now(), now(), 'X', 'X', now() - n * interval '1 second', (n % 4 > 0)::int, (n % 4 > 0)::int
    FROM generate_series(1, ${MANY}::int) AS n`;
  await sql`
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue,
      is_ordered, order_key, order_at, order_seq, awaits_turn, woken_at, wakes, next_action_at, finished_at)
    SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'acme' ELSE 'flood' END,
      CASE WHEN n % 4 = 0 THEN gen_random_uuid() ELSE ${FILE_ID(sql)} END, ${ROUTE}, ${ROUTE},
      CASE WHEN n % 8 = 7 THEN 'WAITING' WHEN n % 8 = 5 THEN 'SUCCEEDED' ELSE 'PENDING' END, 'deliver', 1, 3, 'partner-steps',
      n % 2 = 0, CASE WHEN n % 2 = 0 THEN 'line' END, now() + n * interval '1 ms', n, n % 2 = 0, NULL, 0,
      CASE WHEN n % 8 = 7 THEN now() - interval '1 second' END, CASE WHEN n % 8 = 5 THEN now() END
    FROM generate_series(1, ${MANY}::int) AS n`;
  await sql`
    INSERT INTO job_steps (job_id, seq, kind, state, attempts, started_at, finished_at)
    SELECT id, 0, 'deliver', 'WAITING', 1, now(), now() FROM jobs`;
  await sql`
    INSERT INTO outbox (event_id, topic, body, created_at)
    SELECT gen_random_uuid(), 'events', '{}', now() - n * interval '1 second' FROM generate_series(1, ${MANY}::int) AS n`;
  await sql`INSERT INTO job_lines (order_key, route_id, tenant_id, look_at) VALUES ('line', ${ROUTE}, 'acme', now())`;
  await sql`
    WITH job AS (
      INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue,
        open_records, wait_reason, next_action_at)
      VALUES (gen_random_uuid(), 'acme', gen_random_uuid(), ${ROUTE}, ${ROUTE}, 'WAITING', 'call', 1, 3, 'partner-steps', 9, 'RECORDS',
        now() + interval '1 day')
      RETURNING id)
    INSERT INTO record_chunks (id, tenant_id, job_id, lines)
    SELECT gen_random_uuid(), 'acme', job.id, '{1}' FROM job, generate_series(1, 50000)`;
  await sql`
    INSERT INTO expired_objects (bucket, key, version_id, tenant_id, file_id, certificate_id)
    SELECT 'test-archive', n, 'v', 'acme', gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 50000) AS n`;
  await sql`SET session_replication_role = origin`;
  await sql`ANALYZE`;
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

const costOf = (
  run: (tx: Sql) => Promise<unknown>,
  planMode: string,
  prepare: (tx: Sql) => Promise<unknown> = async () => {},
) => statementCost(run, { sql, tables: LARGE_TABLES, planMode, prepare });

const clock = { queue: 'partner-steps', limit: 500, missing: 500, graceMs: 0, boundMs: 90_000, actor: 'test' } as const;
const store = { worker: 'test/1', service: 'partner-worker', leaseMs: 60_000, archivesLarge: false };

const someJobs = async (tx: Sql, condition: string, limit = 50) =>
  (await tx.unsafe<{ id: string }[]>(`SELECT id FROM jobs WHERE ${condition} LIMIT ${limit}`)).map(({ id }) => id);
const someFiles = (tx: Sql) =>
  tx<{ id: string }[]>`SELECT id FROM files WHERE status = 'QUEUED' AND routed_at IS NULL LIMIT 50`;

async function endedFiles(limit = 50): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`SELECT file_id AS id FROM jobs WHERE state = 'SUCCEEDED' LIMIT ${limit}`;
  return rows.map(({ id }) => id);
}

async function expire(tx: Sql, files: readonly string[], { withObjects = false } = {}): Promise<void> {
  await tx`INSERT INTO retention_defaults (files_ms) VALUES (86400000)`;
  await tx`
    UPDATE files SET finished_at = now() - interval '2 days', expire_at = now() - interval '1 day',
      objects_expire_at = CASE WHEN ${withObjects} THEN now() - interval '1 day' END
    WHERE id = ANY(${[...files]}::uuid[])`;
}

/** Each prepares what it needs, and gives the statement to be counted. */
const STATEMENTS: Record<string, () => Promise<(tx: Sql) => Promise<unknown>>> = {
  'claiming jobs': async () => {
    const jobIds = await someJobs(sql, `state = 'PENDING' AND NOT awaits_turn`);
    const who = { worker: 'test/1', service: 'partner-worker', queue: 'partner-steps', kinds: ['deliver'] } as const;
    return (tx) => claimJobs(tx, { ...who, jobIds, token: randomUUID(), leaseMs: 60_000 });
  },
  'storing outcomes': async () => {
    const ids = await someJobs(sql, `state = 'PENDING' AND NOT awaits_turn`);
    const outcomes = ids.map((jobId) => ({
      jobId,
      epoch: 0,
      stepSeq: 0,
      stepKind: 'deliver',
      attempt: 1,
      generation: 1,
      outcome: 'succeeded' as const,
      startedAt: new Date(),
      durationMs: 1,
      next: { type: 'succeeded' as const },
    }));
    return async (tx) => {
      await tx`UPDATE jobs SET state = 'RUNNING' WHERE id = ANY(${ids}::uuid[])`;
      return await storeOutcomes(tx, outcomes, { ...store, token: randomUUID() });
    };
  },
  'waking jobs with room in the window': async () => (tx) => wakeJobs(tx, { ...clock, window: 1_000 }),
  'giving turns': async () => (tx) => giveDueTurns(tx, { limit: 500, window: 1_000, actor: 'test' }),
  'waking files': async () => (tx) => wakeFiles(tx, clock),
  'waking chunks': async () => (tx) => wakeChunks(tx, { ...clock, window: 8 }),
  'registering files of one content': async () => {
    const objects = Array.from({ length: 50 }, () => arrivedObject({ etag: '"same"', sizeBytes: 100 }));
    return (tx) => registerFiles(tx, objects, 'test');
  },
  'routing files of a tenant that has many wake-ups in the queue': async () => {
    const files = await someFiles(sql);
    const standing = await someJobs(sql, `state = 'PENDING' AND tenant_id = 'acme'`, 500);
    const job = {
      routeId: ROUTE,
      routeVersionId: ROUTE,
      lane: 'standard',
      queue: 'partner-steps',
      stepKind: 'deliver',
    } as const;
    const rest = { stepCount: 1, maxAttempts: 3, headFailure: 'block' } as const;
    const decisions = files.map(({ id }, index) => ({
      fileId: id,
      isLarge: false,
      jobs: [{ id: randomUUID(), ...job, ...rest, isOrdered: index % 2 === 0 }],
    }));
    return async (tx) => {
      await tx`UPDATE jobs SET woken_at = now() WHERE id = ANY(${standing}::uuid[])`;
      return await routeFiles(tx, decisions, 'test');
    };
  },
  'renewing leases': async () => {
    const held = (ids: readonly string[]) => ids.map((id) => ({ id, epoch: 0 }));
    const jobs = held(await someJobs(sql, `state = 'PENDING'`));
    const files = held((await someFiles(sql)).map(({ id }) => id));
    return (tx) => renewLeases(tx, { jobs, files, chunks: [], leaseMs: 60_000 });
  },
  'archiving files': async () => {
    const fileIds = (await sql<{ id: string }[]>`SELECT id FROM files WHERE status = 'COMPLETED' LIMIT 50`).map(
      ({ id }) => id,
    );
    return async (tx) => {
      await tx`UPDATE files SET status = 'PROCESSING', archived_at = NULL, open_jobs = 0 WHERE id = ANY(${fileIds}::uuid[])`;
      const claimed = await claimArchives(tx, {
        fileIds,
        token: randomUUID(),
        service: 'partner-worker',
        leaseMs: 60_000,
      });
      const place = { type: 'archived', bucket: 'test-archive', versionId: 'v' } as const;
      const outcomes = claimed.map(({ id, epoch, key }) => ({ ...place, fileId: id, epoch, key }));
      expect((await storeArchives(tx, outcomes, 'partner-worker')).finished).toHaveLength(50);
    };
  },
  'deleting expired files': async () => {
    const files = await endedFiles();
    return async (tx) => {
      await expire(tx, files);
      const [turn] = await findExpiryTurns(tx);
      const options = { ...turn!, limit: 50, buckets: ['test-archive'], actor: 'test' };
      expect((await deleteExpiredFiles(tx, options)).files).toBe(50);
    };
  },
  'deleting the objects of files that stay': async () => {
    const files = await endedFiles();
    return async (tx) => {
      await expire(tx, files);
      await tx`UPDATE files SET objects_expire_at = expire_at WHERE id = ANY(${files}::uuid[])`;
      const [turn] = await findExpiryTurns(tx);
      const options = { ...turn!, limit: 50, buckets: ['test-archive'], actor: 'test' };
      expect((await expireObjects(tx, options)).files).toBe(50);
    };
  },
  'dating files again': async () => async (tx) => {
    await tx`INSERT INTO retention_changes (tenant_id) VALUES ('acme')`;
    await redateFiles(tx, 500);
  },
  'looking for what is overdue': async () => {
    const files = await endedFiles();
    return async (tx) => {
      await expire(tx, files);
      expect((await expiryOverdue(tx)).files).toBeGreaterThan(80_000);
    };
  },
  'looking up dead letters': async () => {
    const jobIds = await someJobs(sql, `state = 'SUCCEEDED'`);
    const fileIds = (await someFiles(sql)).map(({ id }) => id);
    return (tx) => Promise.all([jobConditions(tx, jobIds), fileConditions(tx, fileIds)]);
  },
};

describe.each(PLAN_MODES)('with %s', (planMode) => {
  test.each(Object.entries(STATEMENTS))('%s reads no table whole, and few rows', async (_name, prepare) => {
    const cost = await costOf(await prepare(), planMode);
    expect(cost.readWhole).toEqual([]);
    expect(cost.rows).toBeLessThan(MOST_ROWS);
  });

  // All are known to be due: a plan for a tenth of them reads whole tables for each batch.
  test('batches of many expired files and objects read no table whole, and few rows', async () => {
    const expired = await endedFiles(MANY);
    const cost = await costOf(
      async (tx) => {
        const [turn] = await findExpiryTurns(tx);
        const options = { ...turn!, limit: 50, buckets: ['test-archive'], actor: 'test' };
        for (const deleteBatch of [expireObjects, deleteExpiredFiles])
          expect((await deleteBatch(tx, options)).files).toBe(50);
        expect(await claimExpiredObjects(tx, 50)).toHaveLength(50);
      },
      planMode,
      async (tx) => {
        await expire(tx, expired, { withObjects: true });
        await tx`ANALYZE files`;
      },
    );
    expect(cost.readWhole).toEqual([]);
    expect(cost.rows).toBeLessThan(2 * MOST_ROWS);
  });

  test('the wake clock reads next to nothing of a backlog that cannot be let in', async () => {
    const cost = await costOf(async (tx) => {
      await tx`
        UPDATE jobs SET woken_at = now(), state = 'PENDING' WHERE id IN (
          SELECT id FROM jobs WHERE state = 'PENDING' AND NOT awaits_turn AND tenant_id = 'flood' LIMIT 10)`;
      return await wakeJobs(tx, { ...clock, missing: 0, window: 10 });
    }, planMode);
    expect(cost.rows).toBeLessThan(200);
  });
});

// PostgreSQL keeps planning this one with the limit at hand: a plan for any limit costs more.
test('publishing events reads few rows of a long outbox', async () => {
  const cost = await costOf(async (tx) => {
    const rows = await leaseOutbox(tx, { limit: 50, leaseMs: 60_000 });
    expect(rows).toHaveLength(50);
    await deleteFromOutbox(tx, rows);
  }, 'auto');
  expect(cost.readWhole).toEqual([]);
  expect(cost.rows).toBeLessThan(MOST_ROWS);
});
