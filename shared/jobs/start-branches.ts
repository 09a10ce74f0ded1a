/**
 * Branches: jobs of one file below a job that waits for them, made by its step `parallel` or `run`.
 *
 * 1. A branch is made once for a step of its parent, whatever is repeated: the step finds its branches again.
 * 2. When its parent was reopened, a branch that failed or was cancelled is reopened with it, at its own failed step; others stay as they
 *    ended.
 * 3. Each is counted in the file's `open_jobs`, since it reads the file; it fails its parent and not the file.
 * 4. The parent waits without its own wake-up until `wakeParents` finds that they have ended.
 * 5. A new branch that the parent's worker runs begins claimed, as by its own claim: no wake-up brings it, and it counts its attempt.
 *    A repeat with the same token finds those again: its reply can have been lost.
 * 6. What an earlier try of the parent's step began may have ended without a row (`store-outcomes.ts`, 7): the branch then counts a try more.
 *
 * In:  claimed parents, and what is to stand below the step of each.
 * Out: of each whose epoch is not stale, every branch of the step as it is now, those claimed, and the wake-ups to send.
 * Events: `job.branched` of the parent, `job.reopened` of a branch.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { type RefusedRow, runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { JobState } from '#shared/db/schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import type { ClaimOptions } from './claim-jobs.ts';
import { recordEvents } from './record-events.ts';
import type { NewJob, WokenJob } from './route-files.ts';

export interface NewBranch extends Omit<NewJob, 'isOrdered' | 'headFailure'> {
  /** Its name in `parallel`; null for a route that `run` names. */
  readonly branch: string | null;
  /** Begins in the hands of its parent's worker, where `StartOptions` has a claim. */
  readonly isClaimed?: boolean;
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
  readonly jobId: string;
  readonly epoch: number;
  readonly branches: readonly BranchState[];
  readonly claimed: readonly ClaimedBranch[];
  /** Database time. */
  readonly claimedAt: Date;
  readonly woken: readonly WokenJob[];
}

interface ClaimedBranch {
  readonly id: string;
  readonly epoch: number;
}

export interface StartOptions {
  readonly actor: string;
  readonly window?: number;
  /** As of a claim (`claim-jobs.ts`); none begins claimed without it. */
  readonly claim?: Pick<ClaimOptions, 'token' | 'worker' | 'leaseMs'> | undefined;
}

export async function startBranches(
  sql: Sql,
  starts: readonly StartBranches[],
  { actor, window = ADMISSION_WINDOW, claim }: StartOptions,
): Promise<{ readonly started: readonly StartedBranches[]; readonly refused: readonly RefusedRow<StartBranches>[] }> {
  const { results, refused } = await runSet({
    rows: starts,
    keyOf: ({ jobId, epoch }) => `${jobId} ${epoch}`,
    run: (rows) => startSet(sql, rows, { actor, window, claim }),
  });
  return { started: results.flat(), refused };
}

function startSet(
  sql: Sql,
  starts: readonly StartBranches[],
  { actor, window, claim }: StartOptions & { readonly window: number },
): Promise<StartedBranches[]> {
  const token = claim?.token ?? null;
  return sql<StartedBranches[]>`
    WITH parent_input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(starts)}::text::jsonb) AS r(
        "jobId" uuid, epoch int, "stepSeq" int, branches jsonb, object jsonb, inputs jsonb)),
    parent AS MATERIALIZED (
      SELECT j.*, i.branches AS asked, i.object AS object_now, i.inputs AS inputs_now
      FROM parent_input i JOIN jobs j ON j.id = i."jobId" AND j.epoch = i.epoch AND j.step_seq = i."stepSeq"
      WHERE j.state = 'RUNNING' ORDER BY j.id FOR UPDATE OF j),
    input AS (
      SELECT p.id AS parent_id, r.* FROM parent p CROSS JOIN LATERAL jsonb_to_recordset(p.asked) AS r(
        id uuid, branch text, "routeId" uuid, "routeVersionId" uuid, queue text, "stepKind" text, "stepCount" int, "maxAttempts" int, "isClaimed" boolean)),
    existing AS MATERIALIZED (
      SELECT c.* FROM jobs c JOIN parent p ON c.parent_job_id = p.id AND c.parent_seq = p.step_seq ORDER BY c.id FOR UPDATE OF c),
    candidate AS MATERIALIZED (
      SELECT i.*, ${token}::uuid IS NOT NULL AND coalesce(i."isClaimed", false) AS is_claimed, p.shares_place, (p.step_tries > 1)::int AS tries_before, p.step_seq AS parent_seq, p.tenant_id, p.file_id, p.run, p.generation, p.is_large, p.lane, p.depth, p.time_zone, p.object_now,
        p.inputs_now
      FROM input i JOIN parent p ON p.id = i.parent_id
      WHERE NOT EXISTS (SELECT 1 FROM existing e WHERE e.parent_job_id = p.id AND e.branch IS NOT DISTINCT FROM i.branch)),
    again AS MATERIALIZED (
      SELECT e.id, e.tenant_id, e.queue, p.generation FROM existing e JOIN parent p ON p.id = e.parent_job_id
      WHERE e.state IN ('FAILED', 'CANCELLED') AND e.generation < p.generation),
    asking AS (
      SELECT id, tenant_id, queue, 0 AS place FROM candidate WHERE NOT is_claimed UNION ALL SELECT id, tenant_id, queue, 0 FROM again),
    ${admit(sql, window)},
    created AS (
      INSERT INTO jobs (
        id, tenant_id, file_id, route_id, route_version_id, run, generation, parent_job_id, parent_seq, branch, depth, inputs, object,
        state, is_large, lane, step_kind, step_count, max_attempts, queue, time_zone, woken_at, wakes,
        shares_place, epoch, step_attempts, step_tries, claim_token, lease_until, worker, processed_by, started_at)
      SELECT c.id, c.tenant_id, c.file_id, c."routeId", c."routeVersionId", c.run, c.generation, c.parent_id, c.parent_seq, c.branch,
        c.depth + 1, c.inputs_now, c.object_now, CASE WHEN c.is_claimed THEN 'RUNNING' ELSE 'PENDING' END, c.is_large, c.lane, c."stepKind", c."stepCount",
        c."maxAttempts", c.queue, c.time_zone, CASE WHEN a.id IS NOT NULL THEN now() END, (a.id IS NOT NULL)::int,
        c.is_claimed AND c.shares_place, c.is_claimed::int, c.is_claimed::int, c.is_claimed::int + c.tries_before,
        CASE WHEN c.is_claimed THEN ${token}::uuid END,
        CASE WHEN c.is_claimed THEN now() + ${claim?.leaseMs ?? 0}::int * interval '1 ms' END,
        CASE WHEN c.is_claimed THEN ${claim?.worker ?? null}::text END, CASE WHEN c.is_claimed THEN ${actor}::text END,
        CASE WHEN c.is_claimed THEN now() END
      FROM candidate c LEFT JOIN admitted a USING (id) ORDER BY c.id
      RETURNING *),
    reopened AS (
      UPDATE jobs j SET state = 'PENDING', generation = g.generation, step_attempts = 0, epoch = j.epoch + 1, updated_at = now(),
        finished_at = NULL, next_action_at = NULL, woken_at = CASE WHEN a.id IS NOT NULL THEN now() END,
        wakes = j.wakes + (a.id IS NOT NULL)::int, error_code = NULL, error_cause = NULL, error_message = NULL, wait_reason = NULL,
        open_records = NULL, record_summary = NULL
      FROM again g LEFT JOIN admitted a USING (id) WHERE j.id = g.id RETURNING j.*),
    started AS MATERIALIZED (SELECT * FROM created UNION ALL SELECT * FROM reopened),
    file_opened AS (
      UPDATE files f SET open_jobs = f.open_jobs + s.jobs, updated_at = now()
      FROM (SELECT file_id, count(*)::int AS jobs FROM started GROUP BY file_id ORDER BY file_id) AS s WHERE f.id = s.file_id),
    event AS (
      SELECT 'job.branched' AS type, p.tenant_id, p.file_id, p.id AS job_id,
        jsonb_build_object('step', p.step_kind, 'seq', p.step_seq, 'generation', p.generation, 'branches', c.branches) AS detail,
        '{events}'::text[] AS topics
      FROM parent p JOIN (
        SELECT parent_job_id, jsonb_agg(jsonb_strip_nulls(jsonb_build_object('job', id, 'branch', branch)) ORDER BY id) AS branches
        FROM created GROUP BY parent_job_id) AS c ON c.parent_job_id = p.id
      UNION ALL
      SELECT 'job.reopened', tenant_id, file_id, id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'reason', 'its parent was reopened'), '{events}'::text[]
      FROM reopened),
    ${recordEvents(sql, actor)},
    shown AS (
      SELECT * FROM started UNION ALL SELECT e.* FROM existing e WHERE e.id NOT IN (SELECT id FROM again)),
    described AS (
      SELECT s.parent_job_id, jsonb_agg(jsonb_build_object('jobId', s.id, 'branch', s.branch, 'state', s.state, 'code', s.error_code,
        'cause', s.error_cause, 'message', s.error_message,
        'quietMs', greatest(0, extract(epoch FROM clock_timestamp() - s.updated_at) * 1000), 'outputs', coalesce(CASE WHEN s.step_seq > 0 OR s.state = 'SUCCEEDED' THEN (
          SELECT jsonb_object_agg(t.kind, coalesce(t.output, '{}')) FROM job_steps t
          WHERE t.job_id = s.id AND t.state = 'SUCCEEDED') END, '{}')) ORDER BY s.id) AS branches
      FROM shown s GROUP BY s.parent_job_id),
    waking AS (
      SELECT parent_job_id,
        jsonb_agg(jsonb_build_object('id', id, 'fileId', file_id, 'tenantId', tenant_id, 'queue', queue, 'wake', wakes)) AS woken
      FROM started WHERE woken_at IS NOT NULL GROUP BY parent_job_id)
    SELECT p.id AS "jobId", p.epoch, coalesce(d.branches, '[]') AS branches, coalesce(w.woken, '[]') AS woken, now() AS "claimedAt",
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', s.id, 'epoch', s.epoch)) FROM shown s
        WHERE s.parent_job_id = p.id AND s.state = 'RUNNING' AND s.claim_token = ${token}::uuid), '[]') AS claimed
    FROM parent p LEFT JOIN described d ON d.parent_job_id = p.id LEFT JOIN waking w ON w.parent_job_id = p.id`;
}
