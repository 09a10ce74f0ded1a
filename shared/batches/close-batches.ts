/**
 * Closing: an open batch whose count, time, pause or manifest is reached begins, and its jobs continue, so many at once as its route says.
 *
 * 1. A statement closes a batch only where `changes` is still what was read before it: each file that joins raises it, so every job that joined is
 *    in the statement's snapshot. Otherwise the batch stays due and is read again.
 * 2. What came beyond `count` opens the next batch in the same statement. Jobs are taken in the order in which they were made.
 * 3. Closed twice, by two clocks or after a lost reply, the second time changes nothing.
 * 4. What a manifest named and is not there is kept with the batch, which then fails, whatever becomes of its files.
 *
 * Out: the jobs to wake, and how many batches were looked at. Events: `batch.closed`; `batch.succeeded` or `batch.failed` of one without files.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { admit } from '#shared/jobs/admission.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { BATCH } from '#shared/steps/step-outcome.ts';
import { batchEndedEvents } from './batch-events.ts';

export interface CloseOptions {
  readonly actor: string;
  readonly window: number;
  /** Batches in one statement. */
  readonly limit: number;
}

interface DueBatch {
  readonly id: string;
  readonly changes: number;
}

export interface ClosedBatches {
  readonly jobs: readonly WokenJob[];
  readonly looked: number;
}

export async function closeDueBatches(sql: Sql, options: CloseOptions): Promise<ClosedBatches> {
  const due = await sql<DueBatch[]>`
    SELECT id, changes FROM batches WHERE state = 'OPEN' AND look_at <= now() ORDER BY look_at LIMIT ${options.limit}::int`;
  if (due.length === 0) return { jobs: [], looked: 0 };
  return { jobs: await closeSet(sql, due, { ...options, reason: null }), looked: due.length };
}

/** By an operator: it closes with what is there. Undefined: it is not open any more. */
export async function closeBatch(
  sql: Sql,
  { id, reason, ...options }: Omit<CloseOptions, 'limit'> & { readonly id: string; readonly reason: string },
): Promise<readonly WokenJob[] | undefined> {
  // Ends: each round waits for a file that joins, and loses to it.
  for (let rounds = 0; rounds < 20; rounds += 1) {
    const [open] = await sql<DueBatch[]>`SELECT id, changes FROM batches WHERE id = ${id} AND state = 'OPEN'`;
    if (open === undefined) return rounds === 0 ? undefined : [];
    const jobs = await closeSet(sql, [open], { ...options, reason });
    const [left] = await sql`SELECT FROM batches WHERE id = ${id} AND state = 'OPEN'`;
    if (left === undefined) return jobs;
  }
  return undefined;
}

interface Closing extends Omit<CloseOptions, 'limit'> {
  /** Null: by the rules alone. */
  readonly reason: string | null;
}

function closeSet(sql: Sql, due: readonly DueBatch[], { actor, window, reason }: Closing): Promise<WokenJob[]> {
  return sql<WokenJob[]>`
    WITH input AS (SELECT * FROM jsonb_to_recordset(${toJsonb(due)}::text::jsonb) AS r(id uuid, changes int)),
    locked AS MATERIALIZED (
      SELECT b.* FROM batches b JOIN input i ON i.id = b.id AND i.changes = b.changes
      WHERE b.state = 'OPEN' ORDER BY b.id FOR UPDATE OF b ${reason === null ? sql`SKIP LOCKED` : sql``}),
    lacking AS (
      SELECT l.id, jsonb_agg(e.path ORDER BY e.path) AS paths
      FROM locked l CROSS JOIN LATERAL (
        SELECT path FROM jsonb_array_elements_text(l.expected) AS path
        EXCEPT
        SELECT substr(f.key, length(l.tenant_id) + 2) FROM jobs j JOIN files f ON f.id = j.file_id WHERE j.batch_id = l.id) AS e
      WHERE l.expected IS NOT NULL GROUP BY l.id),
    gathering AS (
      SELECT l.id FROM locked l JOIN routes r ON r.id = l.route_id AND r.removed_at IS NULL
        JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version AND v.definition ? 'batch'),
    decided AS MATERIALIZED (
      SELECT l.*, k.paths AS lacks, CASE
          WHEN l.files >= l.full_at THEN 'count'
          WHEN l.expected IS NOT NULL AND k.paths IS NULL THEN 'manifest'
          WHEN ${reason}::text IS NOT NULL THEN 'operator'
          WHEN g.id IS NULL THEN 'route'
          WHEN l.close_at <= now() THEN 'time'
          WHEN l.last_joined_at + l.idle_ms * interval '1 ms' <= now() THEN 'idle' END AS why
      FROM locked l LEFT JOIN lacking k ON k.id = l.id LEFT JOIN gathering g ON g.id = l.id),
    put_off AS (
      UPDATE batches b SET look_at = least(d.close_at, d.last_joined_at + d.idle_ms * interval '1 ms', now() + interval '10 minutes')
      FROM decided d WHERE b.id = d.id AND d.why IS NULL),
    member AS MATERIALIZED (
      SELECT j.id, j.tenant_id, j.queue, j.batch_id, j.state = 'WAITING' AND j.wait_reason = ${BATCH} AS is_waiting, d.max_concurrency,
        row_number() OVER (PARTITION BY j.batch_id ORDER BY j.id) <= CASE d.why WHEN 'count' THEN d.full_at ELSE d.files END AS is_taken
      FROM decided d JOIN jobs j ON j.batch_id = d.id WHERE d.why IS NOT NULL),
    closed AS (
      UPDATE batches b SET closed_at = now(), closed_by = d.why, missing = d.lacks, changes = b.changes + 1,
        files = m.taken, look_at = now() + interval '30 seconds',
        state = CASE WHEN m.taken > 0 THEN 'RUNNING' WHEN d.lacks IS NULL THEN 'SUCCEEDED' ELSE 'FAILED' END,
        finished_at = CASE WHEN m.taken = 0 THEN now() END,
        succeeded_files = CASE WHEN m.taken = 0 THEN 0 END, failed_files = CASE WHEN m.taken = 0 THEN 0 END
      FROM decided d CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE is_taken)::int AS taken, count(*) FILTER (WHERE NOT is_taken)::int AS spilled
        FROM member WHERE batch_id = d.id) AS m
      WHERE b.id = d.id AND d.why IS NOT NULL
      RETURNING b.*, m.spilled),
    spilling AS (
      INSERT INTO batches (id, tenant_id, route_id, key, full_at, idle_ms, max_concurrency, files, close_at, look_at)
      SELECT uuid_v7(), tenant_id, route_id, key, full_at, idle_ms, max_concurrency, spilled, close_at, now()
      FROM closed WHERE spilled > 0 ORDER BY route_id, key
      RETURNING id, route_id, key),
    moved AS (
      UPDATE jobs j SET batch_id = s.id, updated_at = now()
      FROM member m JOIN closed c ON c.id = m.batch_id JOIN spilling s ON s.route_id = c.route_id AND s.key = c.key
      WHERE j.id = m.id AND NOT m.is_taken),
    beginning AS MATERIALIZED (
      SELECT * FROM (
        SELECT m.*, row_number() OVER (PARTITION BY batch_id ORDER BY id) AS place FROM member m WHERE is_taken AND is_waiting) AS each
      WHERE place <= coalesce(max_concurrency, place)),
    asking AS (SELECT id, tenant_id, queue, place FROM beginning),
    ${admit(sql, window)},
    begun AS (
      UPDATE jobs j SET state = 'PENDING', wait_reason = NULL, next_action_at = NULL, updated_at = now(),
        woken_at = CASE WHEN a.id IS NOT NULL THEN now() END, wakes = j.wakes + (a.id IS NOT NULL)::int
      FROM beginning n JOIN closed c ON c.id = n.batch_id LEFT JOIN admitted a ON a.id = n.id
      WHERE j.id = n.id AND j.state = 'WAITING' AND j.wait_reason = ${BATCH}
      RETURNING j.id, j.file_id, j.tenant_id, j.queue, j.wakes, j.woken_at),
    event AS (
      SELECT 'batch.closed' AS type, c.tenant_id, c.manifest_file_id AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('batch', c.id, 'route', r.name, 'key', nullif(c.key, ''), 'files', c.files, 'by', c.closed_by,
          'missing', c.missing, 'reason', ${reason}::text)) AS detail, '{events}'::text[] AS topics
      FROM closed c JOIN routes r ON r.id = c.route_id
      UNION ALL ${batchEndedEvents(sql, sql`(SELECT * FROM closed WHERE finished_at IS NOT NULL) AS b`)}),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM begun WHERE woken_at IS NOT NULL`;
}
