/**
 * Operator action: a file is processed on a route once more, by a new job. Its effects have new idempotency keys, so a partner may have
 * them twice: that is the purpose.
 *
 * In:  jobs to create, each for a job that has ended, or for a file that was never on the route; who asked and why.
 * Out: the jobs created, with their wake-ups, each with the job whose place it takes. Nothing is created for a job that has not ended or
 *      was sent again already, or for a file that has a job on the route or was not routed.
 * Events: `job.resent`.
 *
 * The job of the earlier run stays as it ended, and is not reopened any more: its file counts the newest run of each route. On an ordered
 * route the new job has the old one's place in the line, and an old one that held the line frees it.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { TURN } from '#shared/steps/step-outcome.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import { recordEvents } from './record-events.ts';
import type { ReopenedJob } from './reopen-jobs.ts';
import type { NewJob } from './route-files.ts';
import { noScope, type SetScope } from './set-scope.ts';

export interface NewRun extends NewJob {
  readonly fileId: string;
  /** The job that has ended; null for a file that was never on the route. */
  readonly after: string | null;
}

export interface ResendJobs {
  readonly runs: readonly NewRun[];
  readonly actor: string;
  readonly reason: string;
  readonly scope?: SetScope | undefined;
}

export async function resendJobs(sql: Sql, resend: ResendJobs, window = ADMISSION_WINDOW): Promise<ReopenedJob[]> {
  const { runs, actor, reason, scope = noScope(sql) } = resend;
  return await sql<ReopenedJob[]>`
    WITH ${scope.before} input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(runs)}::text::jsonb) AS r(
        id uuid, "fileId" uuid, after uuid, "routeId" uuid, "routeVersionId" uuid, lane text, queue text, "stepKind" text, "stepCount" int,
        "maxAttempts" int, "isOrdered" boolean, "headFailure" text)),
    locked AS (
      SELECT j.* FROM jobs j JOIN input i ON i.after = j.id
      WHERE j.finished_at IS NOT NULL AND j.superseded_by IS NULL AND j.parent_job_id IS NULL ${scope.only(sql`j.id`)} ORDER BY j.id FOR UPDATE OF j),
    file_locked AS MATERIALIZED (
      SELECT f.* FROM files f
      WHERE f.id IN (SELECT "fileId" FROM input) AND f.routed_at IS NOT NULL AND f.objects_removed_at IS NULL AND (SELECT count(*) FROM locked) >= 0
      ORDER BY f.id FOR UPDATE),
    candidate AS MATERIALIZED (
      SELECT i.*, f.tenant_id, f.is_large, f.order_key, f.uploaded_at AS order_at, f.order_seq, t.time_zone,
        coalesce(l.run + 1, 1) AS run, coalesce(l.state <> 'SUCCEEDED', false) AS has_failed
      FROM input i JOIN file_locked f ON f.id = i."fileId" JOIN tenants t ON t.id = f.tenant_id LEFT JOIN locked l ON l.id = i.after
      WHERE i.after IS NULL OR l.id IS NOT NULL),
    asking AS (SELECT id, tenant_id, queue, 0 AS place FROM candidate WHERE NOT "isOrdered"),
    ${admit(sql, window)},
    created AS (
      INSERT INTO jobs (
        id, tenant_id, file_id, route_id, route_version_id, run, state, is_large, lane, step_kind, step_count, max_attempts, queue,
        is_ordered, head_failure, order_key, order_at, order_seq, awaits_turn, wait_reason, time_zone, woken_at, wakes)
      SELECT c.id, c.tenant_id, c."fileId", c."routeId", c."routeVersionId", c.run, 'PENDING', c.is_large, c.lane, c."stepKind", c."stepCount",
        c."maxAttempts", c.queue, c."isOrdered", c."headFailure", c.order_key, c.order_at, c.order_seq, c."isOrdered",
        CASE WHEN c."isOrdered" THEN ${TURN} END, c.time_zone, CASE WHEN a.id IS NOT NULL THEN now() END, (a.id IS NOT NULL)::int
      FROM candidate c LEFT JOIN admitted a USING (id) ORDER BY c."fileId"
      ON CONFLICT (file_id, route_id, run, parent_job_id, parent_seq, branch) DO NOTHING
      RETURNING *),
    superseded AS (
      UPDATE jobs j SET superseded_by = c.id, updated_at = now()
      FROM candidate c JOIN created n USING (id) WHERE j.id = c.after RETURNING j.id),
    joined AS (
      INSERT INTO job_lines AS l (order_key, route_id, tenant_id, look_at)
      SELECT DISTINCT order_key, route_id, tenant_id, now() FROM created WHERE is_ordered ORDER BY order_key, route_id
      ON CONFLICT (order_key, route_id) DO UPDATE SET changes = l.changes + 1, look_at = now(),
        holder = CASE WHEN l.holder IN (SELECT after FROM candidate) THEN NULL ELSE l.holder END),
    opened AS (
      SELECT n.file_id, count(*)::int AS jobs, count(*) FILTER (WHERE c.has_failed)::int AS failed, count(*) FILTER (WHERE c.after IS NULL)::int AS added
      FROM created n JOIN candidate c USING (id) GROUP BY n.file_id),
    file_opened AS (
      UPDATE files f SET status = 'PROCESSING', open_jobs = f.open_jobs + o.jobs, job_count = f.job_count + o.added,
        failed_jobs = f.failed_jobs - o.failed, next_action_at = NULL, finished_at = NULL, updated_at = now(),
        error_code = CASE WHEN f.failed_jobs > o.failed THEN f.error_code END,
        error_cause = CASE WHEN f.failed_jobs > o.failed THEN f.error_cause END,
        error_message = CASE WHEN f.failed_jobs > o.failed THEN f.error_message END
      FROM opened o WHERE f.id = o.file_id),
    ${scope.after(sql`SELECT id FROM superseded`)}
    event AS (
      SELECT 'job.resent' AS type, n.tenant_id, n.file_id, n.id AS job_id,
        jsonb_strip_nulls(jsonb_build_object('run', n.run, 'supersedes', c.after, 'step', n.step_kind, 'reason', ${reason}::text)) AS detail,
        '{events}'::text[] AS topics
      FROM created n JOIN candidate c USING (id) ${scope.events}),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake, woken_at IS NOT NULL AS "isWoken"
    FROM created ORDER BY id`;
}
