/**
 * An operator's word: a failed or cancelled job goes on from its failed step as the next generation, with new attempts.
 *
 * In:  jobs, who asked and why. Out: the jobs reopened, with their wake-ups; others were not failed or cancelled.
 * Events: `job.reopened`.
 *
 * Records that were in the middle are counted anew when the job comes to them (`shared/records/open-records.ts`).
 * An archive copy under way goes on undisturbed: its lease stays, and the job reads wherever the object is when it is claimed.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from './record-events.ts';
import type { WokenJob } from './route-files.ts';

export interface OperatorWord {
  readonly jobIds: readonly string[];
  /** E.g. `operator:<key label>`. */
  readonly actor: string;
  readonly reason: string;
}

export async function reopenJobs(sql: Sql, { jobIds, actor, reason }: OperatorWord): Promise<WokenJob[]> {
  return await sql<WokenJob[]>`
    WITH locked AS (
      SELECT id FROM jobs WHERE id = ANY(${[...jobIds]}::uuid[]) AND state IN ('FAILED', 'CANCELLED') ORDER BY id FOR UPDATE),
    reopened AS (
      UPDATE jobs SET state = 'PENDING', generation = generation + 1, step_attempts = 0, epoch = epoch + 1,
        updated_at = now(), finished_at = NULL, next_action_at = NULL, woken_at = now(), wakes = wakes + 1,
        error_code = NULL, error_cause = NULL, error_message = NULL, wait_reason = NULL, open_records = NULL, record_summary = NULL
      WHERE id IN (SELECT id FROM locked) RETURNING *),
    opened AS (SELECT file_id, count(*)::int AS jobs FROM reopened GROUP BY file_id),
    file_locked AS (SELECT id FROM files WHERE id IN (SELECT file_id FROM opened) ORDER BY id FOR UPDATE),
    file_opened AS (
      UPDATE files f SET status = 'PROCESSING', open_jobs = f.open_jobs + o.jobs, failed_jobs = f.failed_jobs - o.jobs,
        next_action_at = NULL, finished_at = NULL, updated_at = now(),
        error_code = CASE WHEN f.failed_jobs > o.jobs THEN f.error_code END,
        error_cause = CASE WHEN f.failed_jobs > o.jobs THEN f.error_cause END,
        error_message = CASE WHEN f.failed_jobs > o.jobs THEN f.error_message END
      FROM opened o WHERE f.id = o.file_id AND f.id IN (SELECT id FROM file_locked)),
    event AS (
      SELECT 'job.reopened' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM reopened),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM reopened ORDER BY id`;
}
