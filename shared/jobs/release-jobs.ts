/**
 * An operator's word on a job that is held: it goes on, or it ends.
 *
 * `releaseJobs`: the job is woken and goes on from where it was held.
 * Rejecting is in `end-jobs.ts` (`rejectHeldJobs`).
 *
 * Out: the jobs released, with their wake-ups; others were not held. Events: `job.released`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { HELD } from '#shared/steps/wait-reasons.ts';
import { recordEvents } from './record-events.ts';
import type { OperatorWord } from './reopen-jobs.ts';
import type { WokenJob } from './route-files.ts';

export async function releaseJobs(sql: Sql, { jobIds, actor, reason }: OperatorWord): Promise<WokenJob[]> {
  return await sql<WokenJob[]>`
    WITH locked AS (
      SELECT id FROM jobs WHERE id = ANY(${[...jobIds]}::uuid[]) AND state = 'WAITING' AND wait_reason = ${HELD}
      ORDER BY id FOR UPDATE),
    released AS (
      UPDATE jobs SET state = 'PENDING', released_at = now(), next_action_at = NULL, wait_reason = NULL, updated_at = now(),
        woken_at = now(), wakes = wakes + 1
      WHERE id IN (SELECT id FROM locked) RETURNING *),
    event AS (
      SELECT 'job.released' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM released),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM released ORDER BY id`;
}

/** Whether an operator let the job go on with what was found in its file: a word from before that does not count. */
export async function isReleased(sql: Sql, jobId: string): Promise<boolean> {
  const rows = await sql`
    SELECT 1 FROM jobs j WHERE j.id = ${jobId} AND j.released_at IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM job_steps s WHERE s.job_id = j.id AND s.kind = 'parse' AND s.finished_at > j.released_at)`;
  return rows.length > 0;
}
