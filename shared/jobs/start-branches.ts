/**
 * Branches: jobs of one file below a job that waits for them, made by its step `parallel` or `run`.
 *
 * 1. A branch is made once for a step of its parent, whatever is repeated: the step finds its branches again.
 * 2. When its parent was reopened, a branch that failed or was cancelled is reopened with it, at its own failed step; others stay as they
 *    ended.
 * 3. Each is counted in the file's `open_jobs`, since it reads the file; it fails its parent and not the file.
 * 4. The parent waits without a wake-up of its own until `wakeParents` finds that they have ended.
 *
 * In:  the claimed parent and what is to stand below its step.
 * Out: every branch of the step as it is now, and the wake-ups to send; undefined when the parent's epoch is stale.
 * Events: `job.branched` of the parent, `job.reopened` of a branch.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock, toJsonb } from '#shared/db/run-statements.ts';
import type { JobState } from '#shared/db/schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import { recordEvents } from './record-events.ts';
import type { NewJob, WokenJob } from './route-files.ts';

export interface NewBranch extends Omit<NewJob, 'isOrdered' | 'headFailure'> {
  /** Its name in `parallel`; null for a route that `run` names. */
  readonly branch: string | null;
}

export interface StartBranches {
  readonly jobId: string;
  readonly epoch: number;
  readonly stepSeq: number;
  readonly branches: readonly NewBranch[];
  /** The parent's bytes as they are now. */
  readonly object: ObjectLocation;
  /** Outputs of the steps before it, by kind. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

export interface BranchState {
  readonly jobId: string;
  readonly branch: string | null;
  readonly state: JobState;
  readonly code: string | null;
  readonly cause: string | null;
  readonly message: string | null;
  /** Since it last changed. */
  readonly quietMs: number;
  /** Of its succeeded steps, by kind. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface StartedBranches {
  readonly branches: readonly BranchState[];
  readonly woken: readonly WokenJob[];
}

export interface StartOptions {
  readonly actor: string;
  readonly window?: number;
}

export function startBranches(
  sql: Sql,
  start: StartBranches,
  { actor, window = ADMISSION_WINDOW }: StartOptions,
): Promise<StartedBranches | undefined> {
  const { jobId, epoch, stepSeq, branches, object, inputs } = start;
  return repeatOnDeadlock(async () => {
    const [row] = await sql<(StartedBranches & { readonly isHeld: boolean })[]>`
      WITH parent AS MATERIALIZED (
        SELECT * FROM jobs
        WHERE id = ${jobId} AND epoch = ${epoch} AND step_seq = ${stepSeq} AND state = 'RUNNING' FOR UPDATE),
      input AS (
        SELECT * FROM jsonb_to_recordset(${toJsonb(branches)}::text::jsonb) AS r(
          id uuid, branch text, "routeId" uuid, "routeVersionId" uuid, queue text, "stepKind" text, "stepCount" int, "maxAttempts" int)),
      existing AS MATERIALIZED (
        SELECT c.* FROM jobs c JOIN parent p ON c.parent_job_id = p.id AND c.parent_seq = p.step_seq ORDER BY c.id FOR UPDATE OF c),
      candidate AS MATERIALIZED (
        SELECT i.*, p.id AS parent_id, p.tenant_id, p.file_id, p.run, p.generation, p.is_large, p.depth, p.time_zone
        FROM input i CROSS JOIN parent p
        WHERE NOT EXISTS (SELECT 1 FROM existing e WHERE e.branch IS NOT DISTINCT FROM i.branch)),
      again AS MATERIALIZED (
        SELECT e.id, e.tenant_id, e.queue, p.generation FROM existing e CROSS JOIN parent p
        WHERE e.state IN ('FAILED', 'CANCELLED') AND e.generation < p.generation),
      asking AS (
        SELECT id, tenant_id, queue, 0 AS place FROM candidate UNION ALL SELECT id, tenant_id, queue, 0 FROM again),
      ${admit(sql, window)},
      created AS (
        INSERT INTO jobs (
          id, tenant_id, file_id, route_id, route_version_id, run, generation, parent_job_id, parent_seq, branch, depth, inputs, object,
          state, is_large, step_kind, step_count, max_attempts, queue, time_zone, woken_at, wakes)
        SELECT c.id, c.tenant_id, c.file_id, c."routeId", c."routeVersionId", c.run, c.generation, c.parent_id, ${stepSeq}, c.branch,
          c.depth + 1, ${toJsonb(inputs)}::text::jsonb, ${toJsonb(object)}::text::jsonb, 'PENDING', c.is_large, c."stepKind", c."stepCount",
          c."maxAttempts", c.queue, c.time_zone, CASE WHEN a.id IS NOT NULL THEN now() END, (a.id IS NOT NULL)::int
        FROM candidate c LEFT JOIN admitted a USING (id) ORDER BY c.id
        RETURNING *),
      reopened AS (
        UPDATE jobs j SET state = 'PENDING', generation = g.generation, step_attempts = 0, epoch = j.epoch + 1, updated_at = now(),
          finished_at = NULL, next_action_at = NULL, woken_at = CASE WHEN a.id IS NOT NULL THEN now() END,
          wakes = j.wakes + (a.id IS NOT NULL)::int, error_code = NULL, error_cause = NULL, error_message = NULL, wait_reason = NULL,
          open_records = NULL, record_summary = NULL
        FROM again g LEFT JOIN admitted a USING (id) WHERE j.id = g.id RETURNING j.*),
      started AS (SELECT * FROM created UNION ALL SELECT * FROM reopened),
      file_opened AS (
        UPDATE files f SET open_jobs = f.open_jobs + s.jobs, updated_at = now()
        FROM (SELECT file_id, count(*)::int AS jobs FROM started GROUP BY file_id) AS s WHERE f.id = s.file_id),
      event AS (
        SELECT 'job.branched' AS type, p.tenant_id, p.file_id, p.id AS job_id,
          jsonb_build_object('step', p.step_kind, 'seq', p.step_seq, 'generation', p.generation,
            'branches', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('job', c.id, 'branch', c.branch)) ORDER BY c.id) FROM created c)) AS detail,
          '{events}'::text[] AS topics
        FROM parent p WHERE EXISTS (SELECT 1 FROM created)
        UNION ALL
        SELECT 'job.reopened', tenant_id, file_id, id,
          jsonb_build_object('generation', generation, 'step', step_kind, 'reason', 'its parent was reopened'), '{events}'::text[]
        FROM reopened),
      ${recordEvents(sql, actor)},
      shown AS (
        SELECT * FROM started UNION ALL SELECT e.* FROM existing e WHERE e.id NOT IN (SELECT id FROM again))
      SELECT EXISTS (SELECT 1 FROM parent) AS "isHeld",
        coalesce((
          SELECT jsonb_agg(jsonb_build_object('jobId', s.id, 'branch', s.branch, 'state', s.state, 'code', s.error_code, 'cause', s.error_cause,
            'message', s.error_message, 'quietMs', greatest(0, extract(epoch FROM clock_timestamp() - s.updated_at) * 1000), 'outputs', coalesce((
              SELECT jsonb_object_agg(t.kind, coalesce(t.output, '{}')) FROM job_steps t
              WHERE t.job_id = s.id AND t.state = 'SUCCEEDED'), '{}')) ORDER BY s.id)
          FROM shown s), '[]') AS branches,
        coalesce((
          SELECT jsonb_agg(jsonb_build_object('id', id, 'fileId', file_id, 'tenantId', tenant_id, 'queue', queue, 'wake', wakes))
          FROM started WHERE woken_at IS NOT NULL), '[]') AS woken`;
    return row?.isHeld === true ? { branches: row.branches, woken: row.woken } : undefined;
  });
}
