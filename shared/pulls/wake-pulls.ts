/**
 * The clock of pulls: which rows need a wake-up now. Several sweepers run side by side; a locked row is left to whoever locked it.
 *
 * Woken are pulls that are
 *   let in:   `TRIGGERED` without a wake-up and due, while fewer than the window of their remote stand or run;
 *   due:      `RUNNING` without a lease, and their time has come (they wait for their file to be processed);
 *   orphaned: under a lease that ran out;
 *   lost:     `TRIGGERED` with a wake-up that is older than a bound that doubles with each.
 *
 * Out: the pulls, marked as woken. No event: what happens to them has its own.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { coarseLimit } from '#shared/db/literal-limit.ts';
import { wakeBound } from '#shared/jobs/wake-chosen.ts';

export interface WokenPull {
  readonly id: string;
  readonly tenantId: string;
  readonly wake: number;
}

export interface WakePullsOptions {
  readonly limit: number;
  readonly boundMs: number;
}

/** Of one remote that are in the queue or run: more than it has connections, so that none is idle between two of them. */
const WINDOW = 64;

export async function wakePulls(sql: Sql, { limit, boundMs }: WakePullsOptions): Promise<WokenPull[]> {
  return await sql<WokenPull[]>`
    WITH RECURSIVE remote_with AS (
      (SELECT tenant_id, remote FROM pulls WHERE status = 'TRIGGERED' AND woken_at IS NULL ORDER BY 1, 2 LIMIT 1)
      UNION ALL
      SELECT n.tenant_id, n.remote FROM remote_with w CROSS JOIN LATERAL (
        SELECT p.tenant_id, p.remote FROM pulls p
        WHERE p.status = 'TRIGGERED' AND p.woken_at IS NULL AND (p.tenant_id, p.remote) > (w.tenant_id, w.remote)
        ORDER BY 1, 2 LIMIT 1) AS n),
    room AS MATERIALIZED (
      SELECT w.tenant_id, w.remote, ${WINDOW}::int
        - (SELECT count(*) FROM pulls p WHERE p.tenant_id = w.tenant_id AND p.remote = w.remote AND p.status = 'TRIGGERED'
            AND p.woken_at IS NOT NULL)
        - (SELECT count(*) FROM pulls p WHERE p.tenant_id = w.tenant_id AND p.remote = w.remote AND p.status = 'RUNNING'
            AND p.lease_until > now()) AS pulls
      FROM remote_with w),
    entering AS (
      SELECT e.id, e.wakes FROM room r CROSS JOIN LATERAL (
        SELECT p.id, p.wakes FROM pulls p
        WHERE p.tenant_id = r.tenant_id AND p.remote = r.remote AND p.status = 'TRIGGERED' AND p.woken_at IS NULL
          AND coalesce(p.next_action_at <= now(), true) AND coalesce(p.lease_until < now(), true)
        ORDER BY p.created_at LIMIT least(r.pulls, ${limit}::int)) AS e
      WHERE r.pulls > 0 LIMIT ${coarseLimit(sql, limit)}),
    due AS (
      SELECT id, wakes FROM pulls
      WHERE status = 'RUNNING' AND coalesce(lease_until < now(), true) AND coalesce(next_action_at <= now(), true)
        AND (woken_at IS NULL OR woken_at < now() - ${wakeBound(sql, boundMs, sql`wakes`)})
      LIMIT ${coarseLimit(sql, limit)}),
    overdue AS (
      SELECT id, wakes FROM pulls
      WHERE status = 'TRIGGERED' AND woken_at < now() - ${wakeBound(sql, boundMs, sql`wakes`)} AND coalesce(lease_until < now(), true)
      LIMIT ${coarseLimit(sql, limit)}),
    chosen AS (SELECT * FROM entering UNION SELECT * FROM due UNION SELECT * FROM overdue),
    locked AS (
      SELECT p.id FROM pulls p JOIN chosen c USING (id)
      -- Another clock may have woken it since this statement began.
      WHERE p.wakes = c.wakes AND p.status IN ('TRIGGERED', 'RUNNING') AND coalesce(p.lease_until < now(), true)
      ORDER BY p.id FOR UPDATE OF p SKIP LOCKED)
    UPDATE pulls p SET woken_at = now(), wakes = p.wakes + 1 FROM locked l WHERE p.id = l.id
    RETURNING p.id, p.tenant_id AS "tenantId", p.wakes AS wake`;
}
