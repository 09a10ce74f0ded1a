/**
 * The clocks of jobs: which open rows need a wake-up now. Several sweepers run side by side (`wake-chosen.ts`).
 *
 * In:  one queue, and how many standing wake-ups its own count proves lost.
 * Out: the jobs to wake, marked as woken. Events: `job.woken` (audit only).
 *
 * Woken are jobs that are
 *   due:      `WAITING` and their `next_action_at` has come, while the tenant's admission window has room;
 *   let in:   `PENDING` without a wake-up and not awaiting their turn (`give-turns.ts`), likewise;
 *   orphaned: `RUNNING` under a lease that ran out;
 *   lost:     `PENDING` with a wake-up that is no longer in the queue, or is older than a bound that doubles with each wake-up.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { WorkQueue } from '#shared/runtime/config/resource-names.ts';
import { roomOf } from './admission.ts';
import { recordEvents } from './record-events.ts';
import type { WokenJob } from './route-files.ts';
import { type ChosenRow, type OnRefused, wakeBound, wakeChosen } from './wake-chosen.ts';

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

type Fragment = ReturnType<Sql>;

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

/**
 * A tenant's due jobs and those that wait to be let in share its window; each tenant gets its first place before anyone gets a second. Tenants
 * are found by skipping through the index, so that a backlog of any length costs one probe.
 */
async function chooseJobs(sql: Sql, options: WakeJobsOptions): Promise<ChosenJob[]> {
  const { queue, window, limit, missing, graceMs, boundMs } = options;
  const isOfQueue: Fragment = sql`j.queue = ${queue}`;
  const isDue: Fragment = sql`j.state = 'WAITING' AND ${isOfQueue}`;
  const isOutside: Fragment = sql`j.state = 'PENDING' AND j.woken_at IS NULL AND NOT j.awaits_turn AND ${isOfQueue}`;
  const isStanding: Fragment = sql`j.state = 'PENDING' AND j.woken_at IS NOT NULL AND ${isOfQueue}`;
  return await sql<ChosenJob[]>`
    WITH RECURSIVE ${tenantsWhere(sql, sql`waiting_tenant`, isDue)}, ${tenantsWhere(sql, sql`outside_tenant`, isOutside)},
    ${tenantsWhere(sql, sql`standing_tenant`, isStanding)},
    room AS MATERIALIZED (
      SELECT tenant_id, ${roomOf(sql, window, { tenant: sql`t.tenant_id`, queue: sql`${queue}` })} AS jobs
      FROM (SELECT tenant_id FROM waiting_tenant UNION SELECT tenant_id FROM outside_tenant) AS t WHERE tenant_id IS NOT NULL),
    entering AS (
      SELECT e.id, e.why FROM room CROSS JOIN LATERAL (
        SELECT id, why, row_number() OVER (ORDER BY rank, since) AS place FROM (
          (SELECT j.id, 'due' AS why, 0 AS rank, j.next_action_at AS since FROM jobs j
           WHERE ${isDue} AND j.tenant_id = room.tenant_id AND j.next_action_at <= now()
           ORDER BY j.next_action_at LIMIT least(room.jobs, ${limit}::int))
          UNION ALL
          (SELECT j.id, 'let in', 1, j.created_at FROM jobs j
           WHERE ${isOutside} AND j.tenant_id = room.tenant_id AND coalesce(j.next_action_at <= now(), true)
           ORDER BY j.created_at LIMIT least(room.jobs, ${limit}::int))) AS either) AS e
      WHERE room.jobs > 0 AND e.place <= room.jobs ORDER BY e.place LIMIT ${limit}::int),
    orphaned AS (
      SELECT j.id, 'orphaned' AS why FROM jobs j
      WHERE j.state = 'RUNNING' AND ${isOfQueue} AND j.lease_until < now()
        AND (j.woken_at IS NULL OR j.woken_at < now() - ${boundMs}::int * interval '1 ms')
      ORDER BY j.lease_until LIMIT ${limit}::int),
    overdue AS (
      SELECT o.id, 'overdue' AS why FROM standing_tenant t CROSS JOIN LATERAL (
        SELECT j.id, j.woken_at FROM jobs j
        WHERE ${isStanding} AND j.tenant_id = t.tenant_id AND j.woken_at < now() - ${boundMs}::int * interval '1 ms'
          AND j.woken_at < now() - ${wakeBound(sql, boundMs, sql`j.wakes`)}
        ORDER BY j.woken_at LIMIT ${limit}::int) AS o
      ORDER BY o.woken_at LIMIT ${limit}::int),
    missing AS (
      SELECT m.id, 'missing' AS why FROM standing_tenant t CROSS JOIN LATERAL (
        SELECT j.id, j.woken_at FROM jobs j
        WHERE ${isStanding} AND j.tenant_id = t.tenant_id AND j.woken_at < now() - ${graceMs}::int * interval '1 ms'
        ORDER BY j.woken_at LIMIT least(${missing}::int, ${limit}::int)) AS m
      ORDER BY m.woken_at LIMIT least(${missing}::int, ${limit}::int)),
    chosen AS (
      SELECT DISTINCT ON (id) id, why
      FROM (SELECT * FROM entering UNION ALL SELECT * FROM orphaned UNION ALL SELECT * FROM overdue UNION ALL SELECT * FROM missing) AS any_of)
    SELECT c.id, c.why, j.state, j.epoch, j.wakes FROM chosen c JOIN jobs j USING (id)`;
}

/** A CTE of the tenants that have a job `j` for which the condition holds, and one null: a loose scan of an index that begins with the tenant. */
function tenantsWhere(sql: Sql, name: Fragment, condition: Fragment) {
  return sql`
    ${name}(tenant_id) AS (
      (SELECT j.tenant_id FROM jobs j WHERE ${condition} ORDER BY j.tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT j.tenant_id FROM jobs j WHERE ${condition} AND j.tenant_id > t.tenant_id ORDER BY j.tenant_id LIMIT 1)
      FROM ${name} t WHERE t.tenant_id IS NOT NULL)`;
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

/** How many jobs of `queue` have a wake-up that should still be in it, and how many are being run. */
export async function countStandingJobs(sql: Sql, queue: WorkQueue): Promise<{ standing: number; running: number }> {
  const [row] = await sql<{ standing: number; running: number }[]>`
    SELECT
      (SELECT count(*)::int FROM jobs WHERE state = 'PENDING' AND woken_at IS NOT NULL AND queue = ${queue}) AS standing,
      (SELECT count(*)::int FROM jobs WHERE state = 'RUNNING' AND lease_until > now() AND queue = ${queue}) AS running`;
  return row ?? { standing: 0, running: 0 };
}
