/**
 * The admission window: at most so many wake-ups of one tenant are in one queue. New jobs, due retries, jobs that change queues and
 * those an operator set going again all pass through it; the rest wait as `PENDING` without a wake-up until the clock lets them in.
 */
import type { Sql } from '#shared/db/connect-database.ts';

/** A flood then waits in the table, not before everyone else's messages. */
export const ADMISSION_WINDOW = 1_000;

/** How many more wake-ups of a tenant may be in a queue. Reads no more rows than the window is wide. */
export function roomOf(sql: Sql, window: number, of: { tenant: ReturnType<Sql>; queue: ReturnType<Sql> }) {
  return sql`(${window}::int - (
    SELECT count(*)::int FROM (
      SELECT 1 FROM jobs s
      WHERE s.state = 'PENDING' AND s.woken_at IS NOT NULL AND s.queue = ${of.queue} AND s.tenant_id = ${of.tenant}
      LIMIT ${window}::int) AS bounded))`;
}

/**
 * CTEs that read `asking(id, tenant_id, queue, place)` and provide `admitted(id)`: those that get their wake-up now, by `place`.
 * Materialized: PostgreSQL expects one row of each, and would count a tenant's room again for every pair of rows that ask.
 */
export function admit(sql: Sql, window: number) {
  return sql`
    room AS MATERIALIZED (
      SELECT tenant_id, queue, ${roomOf(sql, window, { tenant: sql`a.tenant_id`, queue: sql`a.queue` })} AS jobs
      FROM (SELECT DISTINCT tenant_id, queue FROM asking) AS a),
    admitted AS MATERIALIZED (
      SELECT id FROM (
        SELECT a.id, r.jobs, row_number() OVER (PARTITION BY a.tenant_id, a.queue ORDER BY a.place, a.id) AS nth
        FROM asking a JOIN room r USING (tenant_id, queue)) AS numbered
      WHERE nth <= jobs)`;
}
