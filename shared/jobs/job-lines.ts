/**
 * Jobs of an ordered route leave their line in the statement that ends them, and the next job gets the turn in a statement after it
 * (`give-turns.ts`).
 */
import type { Sql } from '#shared/db/connect-database.ts';

/** A directory on an ordered route. */
export interface JobLine {
  readonly orderKey: string;
  readonly routeId: string;
}

/**
 * CTE that locks the lines of the jobs of another CTE and provides `line_locked(order_key, route_id, holder, job_id)`. The holder is read from
 * the locked row and compared afterwards: in the statement's snapshot it can be an earlier one.
 */
export function lockLines(sql: Sql, jobs: ReturnType<Sql>) {
  return sql`
    line_locked AS MATERIALIZED (
      SELECT l.order_key, l.route_id, l.holder, j.id AS job_id FROM job_lines l
      JOIN ${jobs} j ON j.order_key = l.order_key AND j.route_id = l.route_id
      WHERE j.is_ordered ORDER BY l.order_key, l.route_id FOR UPDATE OF l)`;
}

/**
 * CTEs that read `moved` (rows of `jobs`) and provide `left_line(order_key, route_id)`: the lines whose turn is free now. A failed job
 * keeps the turn where its route says `onHeadFailure: block`.
 */
export function leaveLines(sql: Sql) {
  return sql`
    leaving AS (
      SELECT * FROM moved WHERE state IN ('SUCCEEDED', 'CANCELLED') OR (state = 'FAILED' AND head_failure = 'skip')),
    ${freeLines(sql, sql`leaving`)}`;
}

/** CTEs that take the turn from the jobs of another CTE, and provide `left_line(order_key, route_id, job_id)`. */
export function freeLines(sql: Sql, jobs: ReturnType<Sql>) {
  return sql`
    ${lockLines(sql, jobs)},
    left_line AS (
      UPDATE job_lines l SET holder = NULL, changes = l.changes + 1, look_at = now()
      FROM line_locked k WHERE k.order_key = l.order_key AND k.route_id = l.route_id AND k.holder = k.job_id
      RETURNING l.order_key, l.route_id, k.job_id)`;
}

/** CTE that puts the rows of `joining(order_key, route_id, tenant_id)` at their lines; the clock looks at those without a holder. */
export function joinLines(sql: Sql) {
  return sql`
    joined AS (
      INSERT INTO job_lines AS l (order_key, route_id, tenant_id, look_at)
      SELECT DISTINCT order_key, route_id, tenant_id, now() FROM joining ORDER BY order_key, route_id
      ON CONFLICT (order_key, route_id) DO UPDATE SET changes = l.changes + 1,
        look_at = CASE WHEN l.holder IS NULL THEN now() ELSE l.look_at END)`;
}
