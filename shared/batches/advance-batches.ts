/**
 * A closed batch continues: as its files end, the next begin, and with the last one it has ended.
 *
 * 1. Whoever ends a job of a batch asks afterwards, in its own statement: of two that end side by side, the later one sees both. There is no
 *    counter that could drift from the rows. What nobody asks, after a kill or an operator's decision, the clock asks.
 * 2. Jobs begin in their order, and each only once, so that two statements side by side begin no more than there is room for: the one that read
 *    less begins the same ones.
 * 3. It succeeds when all of its files have and none was missing. One that a person retried is judged again at its end.
 *
 * Out: the jobs to wake. Events: `batch.succeeded`, `batch.failed`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock } from '#shared/db/run-statements.ts';
import { admit } from '#shared/jobs/admission.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { BATCH } from '#shared/steps/step-outcome.ts';
import { batchEndedEvents } from './batch-events.ts';

export interface AdvanceOptions {
  readonly actor: string;
  readonly window: number;
}

/** The clock: of those that were not looked at for a while. */
export async function advanceDueBatches(
  sql: Sql,
  { limit, ...options }: AdvanceOptions & { readonly limit: number },
): Promise<{ readonly jobs: readonly WokenJob[]; readonly looked: number }> {
  const due = await sql<{ id: string }[]>`
    SELECT id FROM batches WHERE state = 'RUNNING' AND look_at <= now() ORDER BY look_at LIMIT ${limit}::int`;
  if (due.length === 0) return { jobs: [], looked: 0 };
  return {
    jobs: await advanceBatches(
      sql,
      due.map(({ id }) => id),
      options,
    ),
    looked: due.length,
  };
}

export function advanceBatches(
  sql: Sql,
  ids: readonly string[],
  { actor, window }: AdvanceOptions,
): Promise<WokenJob[]> {
  return repeatOnDeadlock(
    () => sql<WokenJob[]>`
      WITH locked AS MATERIALIZED (
        SELECT b.* FROM batches b WHERE b.id = ANY(${[...new Set(ids)]}::uuid[]) AND b.state <> 'OPEN' ORDER BY b.id FOR UPDATE),
      seen AS MATERIALIZED (
        SELECT l.*, (SELECT count(*)::int FROM (
            SELECT 1 FROM jobs j WHERE j.batch_id = l.id AND j.finished_at IS NULL AND j.wait_reason IS DISTINCT FROM ${BATCH}
            LIMIT coalesce(l.max_concurrency, 1)) AS bounded) AS going
        FROM locked l),
      next AS MATERIALIZED (
        SELECT n.id, n.tenant_id, n.queue, n.batch_id FROM seen s CROSS JOIN LATERAL (
          SELECT j.id, j.tenant_id, j.queue, j.batch_id FROM jobs j
          WHERE j.batch_id = s.id AND j.state = 'WAITING' AND j.wait_reason = ${BATCH}
          ORDER BY j.id LIMIT CASE WHEN s.max_concurrency IS NOT NULL THEN greatest(0, s.max_concurrency - s.going) END) AS n),
      asking AS (SELECT id, tenant_id, queue, 0 AS place FROM next),
      ${admit(sql, window)},
      begun AS (
        UPDATE jobs j SET state = 'PENDING', wait_reason = NULL, next_action_at = NULL, updated_at = now(),
          woken_at = CASE WHEN a.id IS NOT NULL THEN now() END, wakes = j.wakes + (a.id IS NOT NULL)::int
        FROM next n LEFT JOIN admitted a USING (id)
        WHERE j.id = n.id AND j.state = 'WAITING' AND j.wait_reason = ${BATCH}
        RETURNING j.id, j.file_id, j.tenant_id, j.queue, j.wakes, j.woken_at),
      judged AS (
        SELECT s.id, count(*) FILTER (WHERE j.state = 'SUCCEEDED')::int AS succeeded, count(*) FILTER (WHERE j.state <> 'SUCCEEDED')::int AS failed,
          CASE WHEN count(*) FILTER (WHERE j.state <> 'SUCCEEDED') > 0 OR (array_agg(s.missing))[1] IS NOT NULL THEN 'FAILED' ELSE 'SUCCEEDED' END AS state
        FROM seen s JOIN jobs j ON j.batch_id = s.id
        WHERE s.going = 0 AND NOT EXISTS (SELECT FROM next n WHERE n.batch_id = s.id)
        GROUP BY s.id),
      ended AS (
        UPDATE batches b SET state = g.state, finished_at = now(), succeeded_files = g.succeeded, failed_files = g.failed
        FROM judged g WHERE b.id = g.id AND (b.state, b.succeeded_files, b.failed_files) IS DISTINCT FROM (g.state, g.succeeded, g.failed)
        RETURNING b.*),
      put_off AS (
        UPDATE batches b SET look_at = now() + interval '30 seconds'
        FROM seen s WHERE b.id = s.id AND b.id NOT IN (SELECT id FROM judged) AND s.look_at <= now()),
      event AS (
        SELECT type, tenant_id, file_id, job_id, detail, topics
        FROM (${batchEndedEvents(sql, sql`ended AS b`)}) AS e(type, tenant_id, file_id, job_id, detail, topics)),
      ${recordEvents(sql, actor)}
      SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM begun WHERE woken_at IS NOT NULL`,
  );
}
