/**
 * Ordered routes: the jobs of one directory on one route are a line, and one of them at a time has the turn.
 *
 * 1. The order is that of `files.uploaded_at`, then that of registration. A job gets the turn no sooner than its settling time
 *    (`next_action_at`, given by the router), and never before a file of its directory that came earlier and is not routed yet.
 * 2. A job that awaits its turn has no wake-up and cannot be claimed. The first statement that gives it the turn also admits it, or
 *    leaves it to the clock while the tenant's admission window is full.
 * 3. Every statement that adds a job to a line or takes the turn from one raises `job_lines.changes` in the same transaction. This one reads
 *    lines and jobs in one snapshot and gives a turn only where `changes` is still what it read, so what it did not see cannot be passed over:
 *    the line stays due and is read again.
 * 4. It waits for no lock: rows that others hold are left to the next call.
 * 5. The cost of a line does not depend on its length: its first job is one probe of an index.
 *
 * In:  lines, or whichever are due. Out: the jobs that got the turn and a wake-up. Events: `job.woken` (audit only).
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet, toJsonb } from '#shared/db/run-statements.ts';
import { admit } from './admission.ts';
import type { JobLine } from './job-lines.ts';
import { recordEvents } from './record-events.ts';
import type { WokenJob } from './route-files.ts';
import type { OnRefused } from './wake-chosen.ts';

export interface GiveTurnsOptions {
  readonly window: number;
  readonly actor: string;
}

/** A line whose holder was ended by hand is found by looking again. */
const LOOK_AGAIN_MS = 60_000;

/** Of lines named by the statement that freed their turn. */
export async function giveTurns(sql: Sql, lines: readonly JobLine[], options: GiveTurnsOptions): Promise<WokenJob[]> {
  return (await giveEach(sql, lines, options)).results.flat();
}

function giveEach(sql: Sql, lines: readonly JobLine[], options: GiveTurnsOptions) {
  return runSet({
    rows: lines,
    keyOf: ({ orderKey, routeId }) => `${orderKey}\n${routeId}`,
    run: (rows) => giveSet(sql, rows, options),
  });
}

/** The clock: at most `limit` lines that are due. */
export async function giveDueTurns(
  sql: Sql,
  { limit, onRefused, ...options }: GiveTurnsOptions & { readonly limit: number; readonly onRefused?: OnRefused },
): Promise<WokenJob[]> {
  const due = await sql<JobLine[]>`
    SELECT order_key AS "orderKey", route_id AS "routeId" FROM job_lines WHERE look_at <= now() ORDER BY look_at LIMIT ${limit}::int`;
  const { results, refused } = await giveEach(sql, due, options);
  for (const { row, error } of refused) {
    onRefused?.(`${row.routeId} ${row.orderKey}`, error);
    await sql`
      UPDATE job_lines SET look_at = now() + ${LOOK_AGAIN_MS}::int * interval '1 ms'
      WHERE order_key = ${row.orderKey} AND route_id = ${row.routeId}`.catch(() => undefined);
  }
  return results.flat();
}

function giveSet(sql: Sql, lines: readonly JobLine[], { window, actor }: GiveTurnsOptions): Promise<WokenJob[]> {
  return sql<WokenJob[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(lines)}::text::jsonb) AS r("orderKey" text, "routeId" uuid)),
    seen AS MATERIALIZED (
      SELECT l.order_key, l.route_id, l.changes, held.id IS NOT NULL AS is_held, next.id AS next_id, next.next_action_at,
        coalesce(next.next_action_at <= now(), true) AND before.id IS NULL AS is_ready
      FROM input i JOIN job_lines l ON l.order_key = i."orderKey" AND l.route_id = i."routeId"
      LEFT JOIN LATERAL (
        SELECT h.id FROM jobs h
        WHERE h.id = l.holder
          AND (h.state IN ('PENDING', 'RUNNING', 'WAITING') OR (h.state = 'FAILED' AND h.head_failure = 'block'))) AS held ON true
      LEFT JOIN LATERAL (
        SELECT n.id, n.order_at, n.order_seq, n.next_action_at FROM jobs n
        WHERE n.order_key = l.order_key AND n.route_id = l.route_id AND n.awaits_turn AND n.state = 'PENDING'
        ORDER BY n.order_at, n.order_seq LIMIT 1) AS next ON held.id IS NULL
      LEFT JOIN LATERAL (
        SELECT f.id FROM files f
        WHERE f.order_key = l.order_key AND f.routed_at IS NULL AND f.status IN ('UPLOADED', 'QUEUED')
          AND f.uploaded_at <= next.order_at
          AND (f.uploaded_at < next.order_at OR coalesce(f.order_seq, 0) < next.order_seq)
        LIMIT 1) AS before ON next.id IS NOT NULL),
    job_locked AS MATERIALIZED (
      SELECT j.id, j.tenant_id, j.queue FROM jobs j JOIN seen s ON s.next_id = j.id AND s.is_ready
      WHERE j.awaits_turn AND j.state = 'PENDING' ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),
    line_locked AS MATERIALIZED (
      SELECT s.*, j.id AS turn_id FROM seen s JOIN job_lines l USING (order_key, route_id) LEFT JOIN job_locked j ON j.id = s.next_id
      WHERE l.changes = s.changes ORDER BY l.order_key, l.route_id FOR UPDATE OF l SKIP LOCKED),
    line_moved AS (
      UPDATE job_lines l SET
        changes = l.changes + (k.turn_id IS NOT NULL)::int,
        holder = CASE WHEN k.is_held THEN l.holder ELSE k.turn_id END,
        look_at = CASE WHEN k.is_held OR k.turn_id IS NOT NULL THEN now() + ${LOOK_AGAIN_MS}::int * interval '1 ms'
          ELSE greatest(k.next_action_at, now()) END
      FROM line_locked k
      WHERE k.order_key = l.order_key AND k.route_id = l.route_id AND (k.is_held OR k.next_id IS NOT NULL)),
    line_emptied AS (
      DELETE FROM job_lines l USING line_locked k
      WHERE k.order_key = l.order_key AND k.route_id = l.route_id AND NOT k.is_held AND k.next_id IS NULL),
    asking AS (
      SELECT j.id, j.tenant_id, j.queue, 0 AS place FROM job_locked j WHERE j.id IN (SELECT turn_id FROM line_locked)),
    ${admit(sql, window)},
    given AS (
      UPDATE jobs j SET awaits_turn = false, next_action_at = NULL, wait_reason = NULL, updated_at = now(),
        woken_at = CASE WHEN d.id IS NOT NULL THEN now() END, wakes = j.wakes + (d.id IS NOT NULL)::int
      FROM asking a LEFT JOIN admitted d USING (id) WHERE j.id = a.id
      RETURNING j.id, j.file_id, j.tenant_id, j.queue, j.wakes, j.woken_at),
    event AS (
      SELECT 'job.woken' AS type, tenant_id, file_id, id AS job_id, jsonb_build_object('why', 'turn', 'wake', wakes) AS detail,
        '{}'::text[] AS topics
      FROM given WHERE woken_at IS NOT NULL),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM given WHERE woken_at IS NOT NULL`;
}
