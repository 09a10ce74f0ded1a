/** Files that ended, with their jobs, steps, attempts and audit events, so that the tables have the size of a fleet in use. */
import { availableParallelism } from 'node:os';
import type { Sql } from '#shared/db/connect-database.ts';

const ROWS_AT_ONCE = 50_000;
/** One file in so many has failed, when the caller does not say. */
const FAILED_EVERY = 1_000;

/** The tenant has one route. */
export async function insertFinishedFiles(
  sql: Sql,
  tenantId: string,
  count: number,
  failedEvery = FAILED_EVERY,
): Promise<void> {
  if (count === 0) return;
  await insertRanges(sql, tenantId, { from: 1, to: count, failedEvery, history: 'all', endedDaysAgo: 0 });
  await sql`VACUUM ANALYZE`;
}

/**
 * Files with their jobs, and with their steps if `history` says so, without attempts and audit: for tables of many millions. Numbers continue
 * after `from`. Indexes are made afterwards, as the rows of years are not put in one by one; meanwhile nothing else may use the tables.
 */
export async function insertFilesWithoutHistory(
  sql: Sql,
  tenantId: string,
  { from, to, history = 'none', endedDaysAgo = 0 }: BulkNumbers,
): Promise<void> {
  if (to < from) return;
  const indexes = await sql<{ name: string; definition: string }[]>`
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
    WHERE i.indrelid IN ('files'::regclass, 'jobs'::regclass) AND NOT i.indisprimary AND NOT EXISTS (
      SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
    ORDER BY i.indrelid, i.indnatts DESC`;
  const tables = ['files', 'jobs', ...(history === 'none' ? [] : ['job_steps'])];
  for (const { name } of indexes) await sql`DROP INDEX ${sql.unsafe(name)}`;
  // What is vacuumed meanwhile is vacuumed again below.
  for (const table of tables) await sql`ALTER TABLE ${sql(table)} SET (autovacuum_enabled = off)`;
  await insertRanges(sql, tenantId, { from, to, failedEvery: FAILED_EVERY, history, endedDaysAgo });
  const definitions = indexes.map(({ definition }) => definition);
  await onConnections(sql, async (connection) => {
    for (let next = definitions.shift(); next !== undefined; next = definitions.shift()) await connection.unsafe(next);
  });
  for (const table of tables) await sql`ALTER TABLE ${sql(table)} RESET (autovacuum_enabled)`;
  await onConnections(sql, async (connection) => {
    for (let next = tables.shift(); next !== undefined; next = tables.shift())
      await connection.unsafe(`VACUUM ANALYZE ${next}`);
  });
}

async function insertRanges(sql: Sql, tenantId: string, { from, to, ...rest }: Numbers): Promise<void> {
  let next = from;
  await onConnections(sql, async (connection) => {
    while (next <= to) {
      const first = next;
      next += ROWS_AT_ONCE;
      await insertRows(connection, tenantId, { from: first, to: Math.min(to, next - 1), ...rest });
    }
  });
}

/** These rows are true by construction, and need not survive a crash of the benchmark. */
async function onConnections(sql: Sql, work: (connection: Sql) => Promise<void>): Promise<void> {
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      const connection = await sql.reserve();
      try {
        await connection`SET session_replication_role = replica`;
        await connection`SET synchronous_commit = off`;
        // What one statement makes goes through memory from table to table.
        await connection`SET work_mem = '256MB'`;
        await connection`SET maintenance_work_mem = '512MB'`;
        await work(connection);
        await connection`RESET ALL`;
      } finally {
        connection.release();
      }
    }),
  );
}

interface BulkNumbers {
  readonly from: number;
  readonly to: number;
  readonly history?: 'none' | 'steps';
  readonly endedDaysAgo?: number;
}

interface Numbers {
  readonly from: number;
  readonly to: number;
  readonly failedEvery: number;
  /** What is put in next to files and jobs: their steps, or attempts and audit events as well. */
  readonly history: 'none' | 'steps' | 'all';
  readonly endedDaysAgo: number;
}

async function insertRows(sql: Sql, tenantId: string, numbers: Numbers): Promise<void> {
  const { from, to, failedEvery, history, endedDaysAgo } = numbers;
  await sql`
    WITH route AS (
      SELECT r.id, v.id AS version FROM routes r JOIN route_versions v ON v.route_id = r.id WHERE r.tenant_id = ${tenantId}),
    old AS (
      INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, status, order_key,
        order_seq, routed_at, job_count, failed_jobs, archived_at, archive_bucket, archive_key, archive_version_id, finished_at, expire_at, wakes,
        error_code, error_cause, error_message)
      SELECT uuid_v7(), ${tenantId}, 'old', ${tenantId} || '/old/' || n, n::text, n::text, 4096, md5(n::text), 's3',
        now() - interval '1 hour', CASE WHEN is_failed THEN 'FAILED' ELSE 'COMPLETED' END, 'old', nextval('file_order'), now(), 1,
        is_failed::int, now(), 'old', n::text, 'v', now() - ${endedDaysAgo}::int * interval '1 day', now() + (400 - ${endedDaysAgo}::int) * interval '1 day', 1, CASE WHEN is_failed THEN 'DELIVERY_ERROR' END,
        CASE WHEN is_failed THEN 'CHECKSUM_MISMATCH' END, CASE WHEN is_failed THEN 'Not as it was sent.' END
      FROM (SELECT n, n % ${failedEvery}::int = 0 AS is_failed FROM generate_series(${from}::int, ${to}::int) AS n) AS numbered
      RETURNING id, status, error_code, error_cause, error_message),
    done AS (
      INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_seq, step_count, max_attempts,
        queue, wakes, epoch, processed_by, worker, started_at, finished_at, error_code, error_cause, error_message)
      SELECT uuid_v7(), ${tenantId}, old.id, route.id, route.version, CASE old.status WHEN 'COMPLETED' THEN 'SUCCEEDED' ELSE 'FAILED' END,
        'confirm', 2, 3, 3, 'partner-steps', 1, 1, 'partner-worker', 'partner-worker/old/1', now(), now(),
        old.error_code, old.error_cause, old.error_message
      FROM old, route RETURNING id, file_id, state),
    step AS (
      SELECT done.*, seq, kind FROM done, (VALUES (0, 'validate'), (1, 'deliver'), (2, 'confirm')) AS of_route(seq, kind) WHERE ${history !== 'none'}),
    steps AS (
      INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
      SELECT id, seq, kind, 'SUCCEEDED', 1, '{"sizeBytes": 4096}', now(), now() FROM step),
    tries AS (
      INSERT INTO attempts (tenant_id, job_id, generation, step_seq, step_kind, attempt, outcome, worker, started_at, duration_ms)
      SELECT ${tenantId}, id, 1, seq, kind, 1, 'succeeded', 'partner-worker/old/1', now(), 5 FROM step WHERE ${history === 'all'})
    INSERT INTO audit_events (type, tenant_id, file_id, job_id, actor, detail)
    SELECT type, ${tenantId}, file_id, CASE WHEN type LIKE 'file.%' THEN NULL ELSE id END, 'old', '{"key": "old", "sizeBytes": 4096}'
    FROM done, unnest('{file.registered,file.routed,job.claimed,step.succeeded,step.succeeded,job.succeeded,file.completed}'::text[]) AS type
    WHERE ${history === 'all'}`;
}
