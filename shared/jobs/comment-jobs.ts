/**
 * A comment on a held job: who looks at it, and what is known so far. The job stays as it is.
 *
 * Out: whether the job is held. Events: `job.commented`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { recordEvents } from './record-events.ts';

export async function commentHeldJob(
  sql: Sql,
  { jobId, actor, comment }: { readonly jobId: string; readonly actor: string; readonly comment: string },
): Promise<boolean> {
  const rows = await sql`
    WITH held AS (
      SELECT id, tenant_id, file_id, generation, step_kind FROM jobs
      WHERE id = ${jobId} AND state = 'WAITING' AND wait_reason = ${HELD}),
    event AS (
      SELECT 'job.commented' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'comment', ${comment}::text) AS detail, '{events}'::text[] AS topics
      FROM held),
    ${recordEvents(sql, actor)}
    SELECT 1 FROM held`;
  return rows.length > 0;
}
