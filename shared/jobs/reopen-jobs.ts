/**
 * Operator action: a failed or cancelled job continues from its failed step as the next generation, with new attempts.
 *
 * In:  jobs, who asked and why. Out: the jobs reopened, with their wake-ups; others were not failed or cancelled, were sent again as
 *      new (`resend-jobs.ts`), or are a branch, which its parent opens again (`start-branches.ts`).
 * Events: `job.reopened`.
 *
 * On an ordered route a job that kept the turn of its line continues at once; one that had left its line comes back to its old place and waits
 * until the job that has the turn now has ended.
 *
 * Records that were in the middle are counted again when the job comes to them (`shared/records/open-records.ts`).
 * An archive copy under way continues undisturbed: its lease stays, and the job reads wherever the object is when it is claimed.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { TURN } from '#shared/steps/step-outcome.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import { hasObjects } from './has-objects.ts';
import { joinLines, lockLines } from './job-lines.ts';
import { recordEvents } from './record-events.ts';
import type { WokenJob } from './route-files.ts';
import { noScope, type SetScope } from './set-scope.ts';

export interface OperatorAction {
  readonly jobIds: readonly string[];
  /** E.g. `operator:<key label>`. */
  readonly actor: string;
  readonly reason: string;
  /** Of an action, whose items are settled along. */
  readonly scope?: SetScope | undefined;
}

export interface ReopenedJob extends WokenJob {
  /** Otherwise the job waits for its turn, or for room in the tenant's admission window. */
  readonly isWoken: boolean;
}

export async function reopenJobs(
  sql: Sql,
  { jobIds, actor, reason, scope = noScope(sql) }: OperatorAction,
  window = ADMISSION_WINDOW,
): Promise<ReopenedJob[]> {
  return await sql<ReopenedJob[]>`
    WITH ${scope.before} locked AS (
      SELECT * FROM jobs
      WHERE id = ANY(${[...jobIds]}::uuid[]) AND state IN ('FAILED', 'CANCELLED') AND superseded_by IS NULL
        AND parent_job_id IS NULL AND ${hasObjects(sql)} ${scope.only(sql`id`)}
      ORDER BY id FOR UPDATE),
    -- Their objects may have expired while this waited.
    file_locked AS MATERIALIZED (
      SELECT id FROM files WHERE id IN (SELECT file_id FROM locked) AND objects_removed_at IS NULL ORDER BY id FOR UPDATE),
    openable AS MATERIALIZED (SELECT * FROM locked WHERE file_id IN (SELECT id FROM file_locked)),
    ${lockLines(sql, sql`openable`)},
    keeping AS (SELECT job_id AS id FROM line_locked WHERE holder = job_id),
    placed AS (
      SELECT j.*, j.is_ordered AND j.order_at IS NOT NULL AND k.id IS NULL AS must_wait FROM openable j LEFT JOIN keeping k USING (id)),
    asking AS (SELECT id, tenant_id, queue, 0 AS place FROM placed WHERE NOT must_wait),
    ${admit(sql, window)},
    reopened AS (
      UPDATE jobs j SET state = 'PENDING', generation = j.generation + 1, step_attempts = 0, epoch = j.epoch + 1,
        updated_at = now(), finished_at = NULL, next_action_at = NULL, awaits_turn = p.must_wait,
        woken_at = CASE WHEN a.id IS NOT NULL THEN now() END, wakes = j.wakes + (a.id IS NOT NULL)::int,
        error_code = NULL, error_cause = NULL, error_message = NULL, wait_reason = CASE WHEN p.must_wait THEN ${TURN} END,
        open_records = NULL, record_summary = NULL
      FROM placed p LEFT JOIN admitted a USING (id) WHERE j.id = p.id RETURNING j.*),
    joining AS (SELECT order_key, route_id, tenant_id FROM placed WHERE must_wait),
    ${joinLines(sql)},
    opened AS (SELECT file_id, count(*)::int AS jobs FROM reopened GROUP BY file_id),
    file_opened AS (
      UPDATE files f SET status = 'PROCESSING', open_jobs = f.open_jobs + o.jobs, failed_jobs = f.failed_jobs - o.jobs,
        next_action_at = NULL, finished_at = NULL, updated_at = now(),
        error_code = CASE WHEN f.failed_jobs > o.jobs THEN f.error_code END,
        error_cause = CASE WHEN f.failed_jobs > o.jobs THEN f.error_cause END,
        error_message = CASE WHEN f.failed_jobs > o.jobs THEN f.error_message END
      FROM opened o WHERE f.id = o.file_id),
    ${scope.after(sql`SELECT id FROM reopened`)}
    event AS (
      SELECT 'job.reopened' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM reopened ${scope.events}),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake, woken_at IS NOT NULL AS "isWoken"
    FROM reopened ORDER BY id`;
}
