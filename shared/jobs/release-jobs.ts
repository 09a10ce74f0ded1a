/**
 * Operator action: on a job that is held: it continues, or it ends.
 *
 * `releaseJobs`: the job is woken and continues from where it was held.
 * Rejecting is in `end-jobs.ts` (`rejectHeldJobs`).
 *
 * Out: the jobs released, with their wake-ups; others were not held. Events: `job.released`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import { recordEvents } from './record-events.ts';
import type { OperatorAction, ReopenedJob } from './reopen-jobs.ts';
import { noScope } from './set-scope.ts';

export async function releaseJobs(
  sql: Sql,
  { jobIds, actor, reason, scope = noScope(sql) }: OperatorAction,
  window = ADMISSION_WINDOW,
): Promise<ReopenedJob[]> {
  return await sql<ReopenedJob[]>`
    WITH ${scope.before} locked AS (
      SELECT id, tenant_id, queue FROM jobs
      WHERE id = ANY(${[...jobIds]}::uuid[]) AND state = 'WAITING' AND wait_reason = ${HELD} ${scope.only(sql`id`)}
      ORDER BY id FOR UPDATE),
    asking AS (SELECT id, tenant_id, queue, 0 AS place FROM locked),
    ${admit(sql, window)},
    released AS (
      UPDATE jobs j SET state = 'PENDING', released_at = now(), next_action_at = NULL, wait_reason = NULL, updated_at = now(),
        woken_at = CASE WHEN a.id IS NOT NULL THEN now() END, wakes = j.wakes + (a.id IS NOT NULL)::int
      FROM locked l LEFT JOIN admitted a USING (id) WHERE j.id = l.id RETURNING j.*),
    ${scope.after(sql`SELECT id FROM released`)}
    event AS (
      SELECT 'job.released' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM released ${scope.events}),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake, woken_at IS NOT NULL AS "isWoken"
    FROM released ORDER BY id`;
}

/** Whether an operator let the job continue with what was found in its file: a release from before that does not count. */
export async function isReleased(sql: Sql, jobId: string): Promise<boolean> {
  const rows = await sql`
    SELECT 1 FROM jobs j WHERE j.id = ${jobId} AND j.released_at IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM job_steps s WHERE s.job_id = j.id AND s.kind = 'parse' AND s.finished_at > j.released_at)`;
  return rows.length > 0;
}
