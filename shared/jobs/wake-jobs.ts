/**
 * The clocks of jobs: which open rows need a wake-up now. Several sweepers run side by side (`wake-chosen.ts`).
 *
 * In:  one queue, and how many standing wake-ups its own count proves lost.
 * Out: the jobs to wake, marked as woken. Events: `job.woken` (audit only).
 *
 * Woken are jobs that are
 *   due:      `WAITING` and their `next_action_at` has come;
 *   orphaned: `RUNNING` under a lease that ran out;
 *   let in:   `PENDING` without a wake-up, while the tenant's admission window has room and it is their turn;
 *   lost:     `PENDING` with a wake-up that no longer stands in the queue, or is older than a bound that doubles with each wake-up.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { isBlocked } from './claim-jobs.ts';
import { recordEvents } from './record-events.ts';
import type { WokenJob, WorkQueue } from './route-files.ts';
import { toJsonb } from './to-jsonb.ts';
import { wakeBound } from './wake-bound.ts';
import { type ChosenRow, type OnRefused, wakeChosen } from './wake-chosen.ts';

export interface WakeJobsOptions {
  readonly queue: WorkQueue;
  readonly window: number;
  /** Most wake-ups in one call. */
  readonly limit: number;
  /** How many more rows wait in the queue than the queue itself counts messages. */
  readonly missing: number;
  /** A wake-up younger than this is never taken for lost: counts of a queue are approximate. */
  readonly graceMs: number;
  /** A wake-up older than this, doubled with each, is sent again whatever the queue counts. */
  readonly boundMs: number;
  readonly actor: string;
  readonly onRefused?: OnRefused;
}

interface ChosenJob extends ChosenRow {
  readonly state: string;
}

export async function wakeJobs(sql: Sql, options: WakeJobsOptions): Promise<WokenJob[]> {
  return await wakeChosen({
    chosen: await chooseJobs(sql, options),
    wake: (rows) => wakeSet(sql, rows, options.actor),
    putOff: (id) => sql`
      UPDATE jobs SET woken_at = CASE WHEN state = 'WAITING' THEN woken_at ELSE now() END,
        next_action_at = CASE WHEN state = 'WAITING' THEN now() + ${options.boundMs}::int * interval '1 ms' ELSE next_action_at END
      WHERE id = ${id}`,
    onRefused: options.onRefused,
  });
}

async function chooseJobs(sql: Sql, options: WakeJobsOptions): Promise<ChosenJob[]> {
  const { queue, window, limit, missing, graceMs, boundMs } = options;
  return await sql<ChosenJob[]>`
    WITH due AS (
      SELECT id, 'due' AS why FROM jobs WHERE state = 'WAITING' AND queue = ${queue} AND next_action_at <= now()
      ORDER BY next_action_at LIMIT ${limit}::int),
    orphaned AS (
      SELECT id, 'orphaned' AS why FROM jobs
      WHERE state = 'RUNNING' AND queue = ${queue} AND lease_until < now()
        AND (woken_at IS NULL OR woken_at < now() - ${boundMs}::int * interval '1 ms')
      ORDER BY lease_until LIMIT ${limit}::int),
    tenant AS (
      SELECT DISTINCT tenant_id FROM jobs WHERE state = 'PENDING' AND woken_at IS NULL AND queue = ${queue}),
    room AS (
      SELECT tenant_id, ${window}::int - (
        SELECT count(*) FROM (
          SELECT 1 FROM jobs s
          WHERE s.state = 'PENDING' AND s.woken_at IS NOT NULL AND s.queue = ${queue} AND s.tenant_id = tenant.tenant_id
          LIMIT ${window}::int) AS bounded) AS jobs
      FROM tenant),
    let_in AS (
      SELECT l.id, 'let in' AS why FROM room CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE j.state = 'PENDING' AND j.woken_at IS NULL AND j.queue = ${queue} AND j.tenant_id = room.tenant_id
          AND coalesce(j.next_action_at <= now(), true) AND NOT ${isBlocked(sql)}
        ORDER BY j.created_at LIMIT least(room.jobs, ${limit}::int)) AS l
      WHERE room.jobs > 0),
    overdue AS (
      SELECT id, 'overdue' AS why FROM jobs
      WHERE state = 'PENDING' AND queue = ${queue}
        AND woken_at < now() - ${wakeBound(sql, boundMs, sql`wakes`)}
      ORDER BY woken_at LIMIT ${limit}::int),
    missing AS (
      SELECT id, 'missing' AS why FROM jobs
      WHERE state = 'PENDING' AND queue = ${queue} AND woken_at < now() - ${graceMs}::int * interval '1 ms'
      ORDER BY woken_at LIMIT least(${missing}::int, ${limit}::int)),
    chosen AS (
      SELECT DISTINCT ON (id) id, why
      FROM (SELECT * FROM due UNION ALL SELECT * FROM orphaned UNION ALL SELECT * FROM let_in UNION ALL SELECT * FROM overdue
        UNION ALL SELECT * FROM missing) AS any_of)
    SELECT c.id, c.why, j.state, j.epoch, j.wakes FROM chosen c JOIN jobs j USING (id)`;
}

async function wakeSet(sql: Sql, chosen: readonly ChosenJob[], actor: string): Promise<WokenJob[]> {
  return await sql<WokenJob[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(chosen)}::text::jsonb) AS r(id uuid, why text, state text, epoch int, wakes int)),
    locked AS (
      SELECT j.id, i.why FROM jobs j JOIN input i USING (id)
      WHERE j.state = i.state AND j.epoch = i.epoch AND j.wakes = i.wakes
        AND (j.state <> 'WAITING' OR j.next_action_at <= now())
      ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),
    woken AS (
      UPDATE jobs j SET woken_at = now(), wakes = j.wakes + 1, updated_at = now(),
        state = CASE WHEN j.state = 'WAITING' THEN 'PENDING' ELSE j.state END,
        next_action_at = CASE WHEN j.state = 'WAITING' THEN NULL ELSE j.next_action_at END
      FROM locked c WHERE j.id = c.id
      RETURNING j.id, j.file_id, j.tenant_id, j.queue, j.wakes, c.why),
    event AS (
      SELECT 'job.woken' AS type, tenant_id, file_id, id AS job_id, jsonb_build_object('why', why, 'wake', wakes) AS detail,
        '{}'::text[] AS topics
      FROM woken),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM woken`;
}

/** How many jobs of `queue` have a wake-up that should still stand in it, and how many are being run. */
export async function countStandingJobs(sql: Sql, queue: WorkQueue): Promise<{ standing: number; running: number }> {
  const [row] = await sql<{ standing: number; running: number }[]>`
    SELECT
      (SELECT count(*)::int FROM jobs WHERE state = 'PENDING' AND woken_at IS NOT NULL AND queue = ${queue}) AS standing,
      (SELECT count(*)::int FROM jobs WHERE state = 'RUNNING' AND lease_until > now() AND queue = ${queue}) AS running`;
  return row ?? { standing: 0, running: 0 };
}
