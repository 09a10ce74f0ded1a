/**
 * Operator action: records that failed, or whose effect is in doubt, are called again at the step where they stand.
 *
 * 1. A job that has ended goes back to its record steps as the next generation; one that is still at them takes the records up as it is. Steps
 *    after the records run again: what they do carries the same idempotency keys.
 * 2. Records in a chunk are left alone: a worker is at them. So are those whose business key a newer row holds. A key that stays is
 *    written again, so that a parse next to this statement sees that it was kept (`insert-records.ts`).
 * 3. `AMBIGUOUS` records are taken only when the operator names that state: the call may have been made.
 * 4. The key of the calls stays, unless the operator says `asNew`.
 * 5. With a rate, the records become due one after the other.
 * 6. A record is counted when it is taken, not when it is found: of two words at once the later one finds what the earlier one took.
 *
 * Out: how many records were taken. Events: `records.reopened`, and `job.reopened` for a job that had ended.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet } from '#shared/db/run-statements.ts';
import { hasObjects } from '#shared/jobs/has-objects.ts';
import { stepQueueIn } from '#shared/jobs/lanes.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { noScope, type SetScope } from '#shared/jobs/set-scope.ts';
import { RECORDS } from '#shared/steps/step-outcome.ts';

export interface RecordFilter {
  readonly jobId: string;
  /** FAILED alone when absent. */
  readonly states?: readonly ('FAILED' | 'AMBIGUOUS')[] | undefined;
  /** Any of them when absent. */
  readonly codes?: readonly string[] | undefined;
  readonly lines?: readonly number[] | undefined;
  /** Those whose calls have this generation of their key: whoever read them before finds none that were called again since. */
  readonly keyGeneration?: number | undefined;
}

export interface ReopenRecords extends RecordFilter {
  /** E.g. `operator:<key label>`. */
  readonly actor: string;
  readonly reason: string;
  /** All at once when absent. */
  readonly perSecond?: number | undefined;
  readonly asNew?: boolean | undefined;
  readonly scope?: SetScope | undefined;
}

/** How many records an operator's decision would take up now. */
export async function countReopenable(sql: Sql, filter: RecordFilter): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    SELECT count(*)::int AS count FROM jobs j JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
    WHERE ${isReopenable(sql, filter)}`;
  return row?.count ?? 0;
}

export async function reopenRecords(sql: Sql, reopen: ReopenRecords): Promise<number> {
  const { results, refused } = await runSet({
    rows: [reopen],
    keyOf: ({ jobId }) => jobId,
    run: () => reopenSet(sql, reopen),
  });
  if (refused[0] !== undefined) throw refused[0].error;
  return results[0] ?? 0;
}

async function reopenSet(sql: Sql, reopen: ReopenRecords): Promise<number> {
  const { actor, reason, asNew = false, scope = noScope(sql) } = reopen;
  const [row] = await sql<{ records: number }[]>`
    WITH ${scope.before} job AS MATERIALIZED (
      SELECT j.*, (SELECT max(s.seq) FROM job_steps s WHERE s.job_id = j.id AND s.kind = 'call') AS call_seq
      FROM jobs j WHERE id = ${reopen.jobId} AND ${hasObjects(sql)} ${scope.only(sql`id`)} FOR UPDATE),
    -- Its objects may have expired while this waited.
    file_locked AS MATERIALIZED (
      SELECT id FROM files WHERE id IN (SELECT file_id FROM job) AND objects_removed_at IS NULL FOR UPDATE),
    candidate AS MATERIALIZED (
      SELECT r.job_id, r.line, r.created_at, r.business_key, j.tenant_id, j.route_id
      FROM job j JOIN file_locked f ON f.id = j.file_id JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
      WHERE ${isReopenable(sql, reopen)}),
    key_locked AS MATERIALIZED (
      SELECT k.tenant_id, k.route_id, k.business_key, k.line FROM candidate c JOIN record_keys k USING (tenant_id, route_id, business_key)
      WHERE k.job_id = c.job_id AND k.line = c.line ORDER BY k.business_key FOR UPDATE OF k),
    key_kept AS (
      UPDATE record_keys k SET created_at = k.created_at FROM key_locked l
      WHERE k.tenant_id = l.tenant_id AND k.route_id = l.route_id AND k.business_key = l.business_key RETURNING k.line),
    taken AS MATERIALIZED (
      SELECT job_id, line, created_at, row_number() OVER (ORDER BY line) - 1 AS place FROM candidate
      WHERE business_key IS NULL OR line IN (SELECT line FROM key_kept)),
    reopened AS (
      UPDATE records r SET state = 'PENDING', tries = 0, has_intent = false, chunk_id = NULL, updated_at = now(),
        key_generation = r.key_generation + ${asNew}::boolean::int, error_code = NULL, error_cause = NULL, error_message = NULL,
        next_attempt_at = now() + t.place * ${reopen.perSecond === undefined ? 0 : 1 / reopen.perSecond}::float8 * interval '1 s'
      FROM taken t WHERE r.job_id = t.job_id AND r.line = t.line AND r.created_at = t.created_at AND ${isFinal(sql, reopen)}
      RETURNING r.line),
    counted AS (SELECT count(*)::int AS records FROM reopened HAVING count(*) > 0),
    moved AS (
      UPDATE jobs j SET updated_at = now(), open_records = coalesce(j.open_records, 0) + c.records,
        state = CASE WHEN j.finished_at IS NULL THEN j.state ELSE 'WAITING' END,
        wait_reason = CASE WHEN j.finished_at IS NULL THEN j.wait_reason ELSE ${RECORDS} END,
        next_action_at = CASE WHEN j.finished_at IS NULL THEN j.next_action_at ELSE now() + interval '5 minutes' END,
        generation = j.generation + (j.finished_at IS NOT NULL)::int, epoch = j.epoch + (j.finished_at IS NOT NULL)::int,
        step_seq = job.call_seq, step_kind = 'call', queue = ${stepQueueIn(sql, sql`j.lane`)},
        step_attempts = CASE WHEN j.finished_at IS NULL THEN j.step_attempts ELSE 0 END,
        woken_at = CASE WHEN j.finished_at IS NULL THEN j.woken_at END,
        error_code = NULL, error_cause = NULL, error_message = NULL, record_summary = NULL, finished_at = NULL
      FROM counted c, job WHERE j.id = job.id
      RETURNING j.*, c.records),
    file_opened AS (
      UPDATE files f SET status = 'PROCESSING', open_jobs = f.open_jobs + 1,
        failed_jobs = f.failed_jobs - (job.state <> 'SUCCEEDED' AND job.parent_job_id IS NULL)::int, next_action_at = NULL, finished_at = NULL, updated_at = now(),
        error_code = CASE WHEN f.failed_jobs > (job.state <> 'SUCCEEDED' AND job.parent_job_id IS NULL)::int THEN f.error_code END,
        error_cause = CASE WHEN f.failed_jobs > (job.state <> 'SUCCEEDED' AND job.parent_job_id IS NULL)::int THEN f.error_cause END,
        error_message = CASE WHEN f.failed_jobs > (job.state <> 'SUCCEEDED' AND job.parent_job_id IS NULL)::int THEN f.error_message END
      FROM job CROSS JOIN moved WHERE f.id = job.file_id AND job.finished_at IS NOT NULL),
    ${scope.after(sql`SELECT id FROM moved`)}
    event AS (
      SELECT e.type, m.tenant_id, m.file_id, m.id AS job_id,
        jsonb_build_object('generation', m.generation, 'step', 'call', 'records', m.records, 'asNew', ${asNew}::boolean,
          'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM moved m CROSS JOIN job CROSS JOIN LATERAL (
        SELECT 'records.reopened' AS type UNION ALL SELECT 'job.reopened' WHERE job.finished_at IS NOT NULL) AS e ${scope.events}),
    ${recordEvents(sql, actor)}
    SELECT records FROM counted`;
  return row?.records ?? 0;
}

/** A cancelled job is reopened as a whole first: its records may be in the middle. */
function isReopenable(sql: Sql, { jobId, states, codes, lines, keyGeneration }: RecordFilter) {
  return sql`j.id = ${jobId} AND j.superseded_by IS NULL AND (j.state IN ('SUCCEEDED', 'FAILED') OR (j.step_kind = 'call' AND j.open_records IS NOT NULL
      AND j.state = 'WAITING'))
    AND EXISTS (SELECT 1 FROM job_steps s WHERE s.job_id = j.id AND s.kind = 'call')
    AND ${isFinal(sql, { states })}
    AND (${codes === undefined}::boolean OR r.error_code = ANY(${[...(codes ?? [])]}::text[]))
    AND (${lines === undefined}::boolean OR r.line = ANY(${[...(lines ?? [])]}::bigint[]))
    AND r.key_generation = coalesce(${keyGeneration ?? null}::int, r.key_generation)
    AND NOT EXISTS (SELECT 1 FROM record_chunks c WHERE c.id = r.chunk_id)
    AND (r.business_key IS NULL OR EXISTS (
      SELECT 1 FROM record_keys k
      WHERE k.tenant_id = j.tenant_id AND k.route_id = j.route_id AND k.business_key = r.business_key
        AND k.job_id = r.job_id AND k.line = r.line))`;
}

function isFinal(sql: Sql, { states = ['FAILED'] }: Pick<RecordFilter, 'states'>) {
  return sql`(r.state = ANY(${[...states]}::text[]) AND r.next_attempt_at IS NULL)`;
}
