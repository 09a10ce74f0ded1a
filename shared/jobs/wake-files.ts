/**
 * The clocks of files, as `wakeJobs` for jobs: uploads that stayed quiet long enough, files that wait for their routes, and
 * ended files whose archive copy is due, orphaned or was never begun.
 *
 * Out: the files to wake, each with the queue its wake-up belongs to. Events: `file.queued` (an upload settled by its quiet
 * period), `file.woken` (audit only).
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { WorkQueue } from '#shared/runtime/config/resource-names.ts';
import { archiveQueueIn } from './lanes.ts';
import { recordEvents } from './record-events.ts';
import { type ChosenRow, type OnRefused, wakeBound, wakeChosen } from './wake-chosen.ts';

export interface WokenFile {
  readonly id: string;
  readonly tenantId: string;
  readonly orderKey: string;
  readonly queue: 'ingest' | WorkQueue;
  readonly wake: number;
}

export interface WakeFilesOptions {
  readonly limit: number;
  /** How many more files wait in `ingest` than the queue itself counts messages. */
  readonly missing: number;
  readonly graceMs: number;
  readonly boundMs: number;
  readonly actor: string;
  readonly onRefused?: OnRefused;
}

interface ChosenFile extends ChosenRow {
  readonly status: string;
}

export async function wakeFiles(sql: Sql, options: WakeFilesOptions): Promise<WokenFile[]> {
  return await wakeChosen({
    chosen: await chooseFiles(sql, options),
    wake: (rows) => wakeSet(sql, rows, options.actor),
    putOff: (id) => sql`
      UPDATE files SET woken_at = CASE WHEN status = 'UPLOADED' THEN woken_at ELSE now() END,
        next_action_at = CASE WHEN status = 'QUEUED' THEN next_action_at ELSE now() + ${options.boundMs}::int * interval '1 ms' END
      WHERE id = ${id}`,
    onRefused: options.onRefused,
  });
}

async function chooseFiles(sql: Sql, options: WakeFilesOptions): Promise<ChosenFile[]> {
  const { limit, missing, graceMs, boundMs } = options;
  return await sql<ChosenFile[]>`
    WITH settled AS (
      SELECT id, 'quiet' AS why FROM files WHERE status = 'UPLOADED' AND next_action_at <= now()
      ORDER BY next_action_at LIMIT ${limit}::int),
    put_in_by_hand AS (
      (SELECT id, 'quiet' AS why FROM files WHERE status = 'UPLOADED' AND next_action_at IS NULL LIMIT ${limit}::int)
      UNION ALL
      (SELECT id, 'unrouted' FROM files WHERE status = 'QUEUED' AND woken_at IS NULL LIMIT ${limit}::int)),
    unrouted AS (
      SELECT id, 'unrouted' AS why FROM files
      WHERE status = 'QUEUED' AND woken_at < now() - ${boundMs}::int * interval '1 ms'
        AND woken_at < now() - ${wakeBound(sql, boundMs, sql`wakes`)}
      ORDER BY woken_at LIMIT ${limit}::int),
    missing AS (
      SELECT id, 'missing' AS why FROM files
      WHERE status = 'QUEUED' AND woken_at < now() - ${graceMs}::int * interval '1 ms'
      ORDER BY woken_at LIMIT least(${missing}::int, ${limit}::int)),
    unarchived AS (
      ${archivesWhere(sql, sql`next_action_at IS NULL`, options)}
      UNION ALL
      ${archivesWhere(sql, sql`next_action_at <= now()`, options)}),
    chosen AS (
      SELECT DISTINCT ON (id) id, why
      FROM (SELECT * FROM settled UNION ALL SELECT * FROM put_in_by_hand UNION ALL SELECT * FROM unrouted UNION ALL SELECT * FROM missing
        UNION ALL SELECT * FROM unarchived) AS any_of)
    SELECT c.id, c.why, f.status, f.epoch, f.wakes FROM chosen c JOIN files f USING (id)`;
}

/** Two ranges of one index: a condition with OR would read it whole. */
function archivesWhere(sql: Sql, isDue: ReturnType<Sql>, { limit, boundMs }: WakeFilesOptions) {
  return sql`(
      SELECT id, 'archive' AS why FROM files
      WHERE status = 'PROCESSING' AND open_jobs = 0 AND routed_at IS NOT NULL AND ${isDue}
        AND (lease_until IS NULL OR lease_until < now())
        AND (woken_at IS NULL OR woken_at < now() - ${wakeBound(sql, boundMs, sql`wakes`)})
      ORDER BY next_action_at LIMIT ${limit}::int)`;
}

async function wakeSet(sql: Sql, chosen: readonly ChosenFile[], actor: string): Promise<WokenFile[]> {
  return await sql<WokenFile[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(chosen)}::text::jsonb) AS r(id uuid, why text, status text, epoch int, wakes int)),
    locked AS (
      SELECT f.id, i.why FROM files f JOIN input i USING (id)
      WHERE f.status = i.status AND f.epoch = i.epoch AND f.wakes = i.wakes
        AND (f.status <> 'PROCESSING' OR (f.open_jobs = 0 AND (f.lease_until IS NULL OR f.lease_until < now())))
      ORDER BY f.id FOR UPDATE OF f SKIP LOCKED),
    woken AS (
      UPDATE files f SET woken_at = now(), wakes = f.wakes + 1, updated_at = now(), next_action_at = NULL,
        status = CASE WHEN f.status = 'UPLOADED' THEN 'QUEUED' ELSE f.status END,
        order_seq = CASE WHEN f.status = 'UPLOADED' THEN nextval('file_order') ELSE f.order_seq END,
        queue = CASE WHEN c.why <> 'archive' THEN 'ingest' ELSE ${archiveQueueIn(sql)} END
      FROM locked c WHERE f.id = c.id
      RETURNING f.id, f.tenant_id, f.key, f.size_bytes, f.order_key, f.queue, f.wakes, c.why),
    event AS (
      SELECT CASE WHEN why = 'quiet' THEN 'file.queued' ELSE 'file.woken' END AS type, tenant_id, id AS file_id,
        NULL::uuid AS job_id, jsonb_build_object('key', key, 'sizeBytes', size_bytes, 'why', why, 'wake', wakes) AS detail,
        CASE WHEN why = 'quiet' THEN '{events}'::text[] ELSE '{}'::text[] END AS topics
      FROM woken),
    ${recordEvents(sql, actor)}
    SELECT id, tenant_id AS "tenantId", order_key AS "orderKey", queue, wakes AS wake FROM woken`;
}

/** How many files have a wake-up that should still be in `ingest`. */
export async function countStandingFiles(sql: Sql): Promise<number> {
  const [row] = await sql<{ standing: number }[]>`
    SELECT count(*)::int AS standing FROM files WHERE status = 'QUEUED' AND woken_at IS NOT NULL`;
  return row?.standing ?? 0;
}
