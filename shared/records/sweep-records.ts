/**
 * The clock of records: those whose time has come go back to the call at which they stand, in new chunks of one job each.
 *
 * 1. Only records of a job that is at its record steps are gathered. When the job was ended meanwhile, the record loses its time and waits with its
 *    job: whoever reopens the job takes it up.
 * 2. Tries are kept: a sweep continues counting where the last one ended.
 * 3. The job is held while its chunks are made, so that none is made for a job that is being ended; one that is held by another statement is
 *    left to the next sweep.
 *
 * Out: the chunks made, marked as woken. Events: `records.swept` (audit only).
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { coarseLimit } from '#shared/db/literal-limit.ts';
import { isRefusal, runSet } from '#shared/db/run-statements.ts';
import { stepQueueIn } from '#shared/jobs/lanes.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { OnRefused } from '#shared/jobs/wake-chosen.ts';
import { CHUNK_RECORDS, isCarried } from './claim-chunks.ts';
import type { WokenChunk } from './open-records.ts';

export interface SweepRecords {
  /** Records in one statement. */
  readonly limit: number;
  readonly actor: string;
  readonly onRefused?: OnRefused;
}

/** For how long the records of a job are put off when the database refuses to sweep them. */
const PUT_OFF_MS = 60_000;

export async function sweepRecords(sql: Sql, options: SweepRecords): Promise<WokenChunk[]> {
  try {
    return await sweepDue(sql, options);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return await sweepEachJob(sql, options);
  }
}

/** The same by halves of the jobs that are due: a refused record keeps only its own job back. */
async function sweepEachJob(sql: Sql, options: SweepRecords): Promise<WokenChunk[]> {
  const jobs = await sql<{ id: string }[]>`
    SELECT DISTINCT job_id AS id FROM (
      SELECT job_id FROM records WHERE next_attempt_at <= now() ORDER BY next_attempt_at LIMIT ${coarseLimit(sql, options.limit)}) AS due`;
  const { results, refused } = await runSet({
    rows: jobs.map(({ id }) => id),
    keyOf: (id) => id,
    run: (jobIds) => sweepDue(sql, { ...options, jobIds }),
  });
  for (const { row: jobId, error } of refused) {
    options.onRefused?.(jobId, error);
    await sql`
      UPDATE records SET next_attempt_at = now() + ${PUT_OFF_MS}::int * interval '1 ms'
      WHERE job_id = ${jobId} AND next_attempt_at <= now()`.catch(() => undefined);
  }
  return results.flat();
}

async function sweepDue(
  sql: Sql,
  { limit, actor, jobIds }: SweepRecords & { readonly jobIds?: readonly string[] },
): Promise<WokenChunk[]> {
  const ofJobs = jobIds === undefined ? sql`` : sql`AND r.job_id = ANY(${[...jobIds]}::uuid[])`;
  return await sql<WokenChunk[]>`
    WITH due AS MATERIALIZED (
      SELECT r.job_id, r.line, r.created_at, ${isCarried(sql)} AS is_carried
      FROM records r JOIN jobs j ON j.id = r.job_id
      WHERE r.next_attempt_at <= now() ${ofJobs}
        AND NOT (j.state IN ('PENDING', 'RUNNING', 'WAITING') AND NOT ${isCarried(sql)})
      ORDER BY r.next_attempt_at LIMIT ${coarseLimit(sql, limit)} FOR UPDATE OF r SKIP LOCKED FOR SHARE OF j SKIP LOCKED),
    placed AS (
      SELECT job_id, line, created_at,
        (row_number() OVER (PARTITION BY job_id ORDER BY line) - 1) / ${CHUNK_RECORDS}::int AS part
      FROM due WHERE is_carried),
    chunk AS MATERIALIZED (
      SELECT job_id, part, uuid_v7() AS id, array_agg(line ORDER BY line) AS lines FROM placed GROUP BY job_id, part),
    made AS (
      INSERT INTO record_chunks (id, tenant_id, job_id, lines, woken_at, wakes)
      SELECT c.id, j.tenant_id, c.job_id, c.lines, now(), 1 FROM chunk c JOIN jobs j ON j.id = c.job_id
      RETURNING id, tenant_id, job_id, wakes, cardinality(lines) AS records),
    moved AS (
      UPDATE records r SET state = 'PENDING', next_attempt_at = NULL, chunk_id = p.chunk_id
      FROM (
        SELECT d.job_id, d.line, d.created_at, c.id AS chunk_id
        FROM due d LEFT JOIN placed p USING (job_id, line) LEFT JOIN chunk c ON c.job_id = p.job_id AND c.part = p.part) AS p
      WHERE r.job_id = p.job_id AND r.line = p.line AND r.created_at = p.created_at),
    event AS (
      SELECT 'records.swept' AS type, m.tenant_id, j.file_id, m.job_id,
        jsonb_build_object('records', sum(m.records)) AS detail, '{}'::text[] AS topics
      FROM made m JOIN jobs j ON j.id = m.job_id GROUP BY m.tenant_id, j.file_id, m.job_id),
    ${recordEvents(sql, actor)}
    SELECT m.id, m.tenant_id AS "tenantId", m.job_id AS "jobId", ${stepQueueIn(sql, sql`j.lane`)} AS queue, m.wakes AS wake
    FROM made m JOIN jobs j ON j.id = m.job_id`;
}
