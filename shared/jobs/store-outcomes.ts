/**
 * Outcome: what one try of a step came to, and where the job goes from there, for many jobs in one statement.
 *
 * 1. A row counts only at its epoch, step and `RUNNING`: a stale outcome changes nothing and is absent from the answer. A job that left the
 *    step under its own epoch did so by this outcome, whose reply was lost: nobody else moves a job without raising its epoch. It is answered
 *    as it was stored, with its lease renewed.
 * 2. The last job of a file is found by `open_jobs`, a counter on the parent: statements side by side do not see each other's rows.
 * 3. Whoever ends the last job holds the file's archive lease from the same statement on, unless the copy is long work.
 * 4. The end of an ordered job frees its turn; the next in its line gets it in its own statement, or from the clock.
 * 5. A job that would wait for its records does not when the last one ended meanwhile.
 * 6. A branch that ended wakes its parent in its own statement (`wake-parents.ts`), unless its worker has the parent in hand.
 * 7. A branch in the hands of its parent's worker gets its row here, with its first outcome, as long as the worker has the parent; one that
 *    ends with it is never counted in the file's `open_jobs`.
 *
 * Out: the jobs moved (with their wake-ups), the files whose last job ended.
 * Events: `step.succeeded`, `step.skipped`, `step.retrying`, `step.waiting`, `job.held`, `job.succeeded`, `job.failed`, and `file.completed` or
 *         `file.failed` when the file was archived before (a later generation); `job.branched` of the parents of new branches.
 */
import { advanceBatches } from '#shared/batches/advance-batches.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { type RefusedRow, runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { FileStatus, JobState } from '#shared/db/schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { StoredHead } from '#shared/files/object-store.ts';
import type { WorkQueue } from '#shared/runtime/config/resource-names.ts';
import { ANY_BRANCH, BRANCHES, HELD, PARTNER_PAUSED, RECORDS } from '#shared/steps/step-outcome.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import { giveTurns } from './give-turns.ts';
import { type JobLine, leaveLines } from './job-lines.ts';
import { archiveQueueIn } from './lanes.ts';
import { isQuarantining } from './quarantine.ts';
import { recordEvents } from './record-events.ts';
import type { NewJob, WokenJob } from './route-files.ts';
import { wakeParents } from './wake-parents.ts';

/** Where a job goes after an outcome. */
export type NextMove =
  /** On with the next step in the same worker, under the same lease. */
  | { readonly type: 'next-step'; readonly stepSeq: number; readonly stepKind: string }
  /** The next step is of the other class: to its queue. */
  | { readonly type: 'hand-over'; readonly stepSeq: number; readonly stepKind: string; readonly queue: WorkQueue }
  | { readonly type: 'succeeded' }
  | { readonly type: 'failed' }
  /** The same step again after `delayMs`; `countsAttempt` is false for waiting. */
  | { readonly type: 'later'; readonly delayMs: number; readonly countsAttempt: boolean; readonly reason: string };

export interface StoredOutcome {
  readonly jobId: string;
  readonly epoch: number;
  readonly stepSeq: number;
  readonly stepKind: string;
  readonly attempt: number;
  readonly generation: number;
  readonly outcome: 'succeeded' | 'skipped' | 'retry' | 'wait' | 'failed' | 'ambiguous';
  readonly error?: { readonly code: string; readonly cause: string; readonly message: string };
  readonly output?: Readonly<Record<string, unknown>>;
  readonly object?: ObjectLocation;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly next: NextMove;
  /** Not stored: the wake-ups that follow carry it. */
  readonly traceparent?: string | undefined;
  /** Of a branch: its parent is in the hands of the same worker, which looks at it afterwards, and is not woken for it. */
  readonly isParentHere?: boolean | undefined;
  /** Of a branch that has no row: what that begins with. */
  readonly branch?: BranchRow | undefined;
}

/** The rest of a branch's row is its parent's, or its outcome's. */
export interface BranchRow extends Pick<NewJob, 'queue' | 'stepCount' | 'maxAttempts'> {
  readonly branch: string;
  readonly parent: BranchingJob;
}

/** The same for all branches of a step. */
export interface BranchingJob {
  readonly id: string;
  readonly epoch: number;
  readonly stepSeq: number;
  /** Its bytes as they are now. */
  readonly object: ObjectLocation;
  /** Outputs of its steps, by kind. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** Of a branch whose row is written with its first outcome. */
export const FIRST_EPOCH = 1;

export interface StoreOptions {
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  /** Token for the archive leases that this statement may take; the same when it is repeated. */
  readonly token: string;
  /** Whether this worker may archive large files itself. */
  readonly archivesLarge: boolean;
  /** Wake-ups of one tenant that may be in one queue: for jobs that change queues, and for those that get the turn. */
  readonly window?: number;
}

export interface MovedJob {
  readonly id: string;
  readonly fileId: string;
  readonly tenantId: string;
  readonly state: JobState;
  readonly epoch: number;
  readonly wake: WokenJob | null;
  /** Of a branch. */
  readonly parentId: string | null;
  readonly batchId: string | null;
}

export interface ClosedFile {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly key: string;
  readonly bucket: string;
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly uploadedAt: string;
  readonly head: StoredHead | null;
  readonly status: FileStatus;
  readonly epoch: number;
  /** `held`: archive it now under `epoch`; `woken`: send `wake` to `queue`; `done`: already archived. */
  readonly archive: 'held' | 'woken' | 'done';
  readonly queue: WorkQueue;
  readonly wake: number;
}

export interface StoreResult {
  readonly jobs: MovedJob[];
  readonly files: ClosedFile[];
  /** To be woken: whose turn it is after an ordered job that ended, parents whose branches have ended, and the next of a batch. */
  readonly successors: WokenJob[];
}

type StoredSet = Omit<StoreResult, 'successors'> & { readonly lines: JobLine[] };

/** Rows that the database refuses (class 22/23) come back in `refused`; the others are stored. */
export async function storeOutcomes(
  sql: Sql,
  outcomes: readonly StoredOutcome[],
  options: StoreOptions,
): Promise<StoreResult & { readonly refused: RefusedRow<StoredOutcome>[] }> {
  const { results, refused } = await runSet({
    rows: outcomes,
    keyOf: (outcome) => outcome.jobId,
    run: (rows) => storeSet(sql, rows, options),
  });
  const lines = results.flatMap((result) => result.lines);
  const jobs = results.flatMap((result) => result.jobs);
  const parents = parentsIn(outcomes, jobs);
  const batches = jobs.flatMap(({ state, batchId }) => (batchId !== null && ENDED.has(state) ? [batchId] : []));
  return {
    jobs,
    files: results.flatMap((result) => result.files),
    successors: [
      ...(lines.length === 0 ? [] : await passOn(sql, lines, options)),
      ...(parents.length === 0 ? [] : await joinBranches(sql, parents, options)),
      ...(batches.length === 0 ? [] : await goOn(sql, batches, options)),
    ],
    refused,
  };
}

/** Of branches that ended, and those that wait for theirs from now on. */
function parentsIn(outcomes: readonly StoredOutcome[], jobs: readonly MovedJob[]): string[] {
  const waiting = outcomes.filter(({ next }) => next.type === 'later' && WAITS_FOR_BRANCHES.has(next.reason));
  const here = new Set(outcomes.filter(({ isParentHere }) => isParentHere).map(({ jobId }) => jobId));
  const above = jobs.filter(({ id, state }) => ENDED.has(state) && !here.has(id)).map(({ parentId }) => parentId);
  return [...waiting.map(({ jobId }) => jobId), ...above.filter((id) => id !== null)];
}

const WAITS_FOR_BRANCHES: ReadonlySet<string> = new Set([BRANCHES, ANY_BRANCH]);

const ENDED: ReadonlySet<JobState> = new Set(['SUCCEEDED', 'FAILED']);

/** As `passOn`: the clock looks at batches. */
function goOn(sql: Sql, ids: string[], { window = ADMISSION_WINDOW, service }: StoreOptions): Promise<WokenJob[]> {
  return advanceBatches(sql, ids, { actor: service, window }).catch(() => []);
}

/** As `passOn`: a parent looks again on its own. */
function joinBranches(sql: Sql, parents: string[], { window, service }: StoreOptions): Promise<WokenJob[]> {
  return wakeParents(sql, parents, { actor: service, ...(window !== undefined && { window }) }).catch(() => []);
}

/** The outcomes are stored already: whatever prevents this, the clock gives the turns. */
function passOn(sql: Sql, lines: JobLine[], { window = ADMISSION_WINDOW, service }: StoreOptions): Promise<WokenJob[]> {
  return giveTurns(sql, lines, { window, actor: service }).catch(() => []);
}

function toRow({
  traceparent: _traceparent,
  isParentHere: _isParentHere,
  next,
  error,
  branch,
  ...outcome
}: StoredOutcome) {
  const { parent, ...row } = branch ?? {};
  return {
    ...outcome,
    ...row,
    parentId: parent?.id,
    parentEpoch: parent?.epoch,
    code: error?.code,
    cause: error?.cause,
    message: error?.message,
    move: next.type,
    nextSeq: 'stepSeq' in next ? next.stepSeq : undefined,
    nextKind: 'stepKind' in next ? next.stepKind : undefined,
    nextQueue: 'queue' in next ? next.queue : undefined,
    delayMs: next.type === 'later' ? Math.ceil(next.delayMs) : undefined,
    countsAttempt: next.type === 'later' ? next.countsAttempt : undefined,
    reason: next.type === 'later' ? next.reason : undefined,
  };
}

async function storeSet(sql: Sql, outcomes: StoredOutcome[], options: StoreOptions): Promise<StoredSet> {
  const parents = outcomes.flatMap(({ branch }) => branch?.parent ?? []);
  const fresh = parents.length === 0 ? undefined : freshBranches(sql, parents, options);
  const [row] = await sql<StoredSet[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(outcomes.map(toRow))}::text::jsonb) AS r(
        "jobId" uuid, epoch int, "stepSeq" int, "stepKind" text, attempt int, generation int, outcome text,
        code text, cause text, message text, output jsonb, object jsonb, "startedAt" timestamptz, "durationMs" int,
        move text, "nextSeq" int, "nextKind" text, "nextQueue" text, "delayMs" int, "countsAttempt" boolean, reason text ${fresh?.inputColumns ?? sql``})),
    ${fresh?.parents ?? sql``}
    found AS (
      SELECT j.id, j.tenant_id, j.file_id, i.move, i."nextQueue", j.state = 'RUNNING' AND j.step_seq = i."stepSeq" AS is_open ${fresh?.foundColumns ?? sql``}
      FROM jobs j JOIN ${fresh?.sought ?? sql`input`} i ON j.id = i."jobId" WHERE j.epoch = i.epoch ORDER BY j.id FOR UPDATE OF j),
    locked AS (SELECT * FROM found WHERE is_open ${fresh?.isNoParent ?? sql``}),
    stored AS (
      UPDATE jobs j SET lease_until = CASE WHEN j.state = 'RUNNING' THEN now() + ${options.leaseMs}::int * interval '1 ms' END
      FROM found f WHERE j.id = f.id AND NOT f.is_open ${fresh?.isNoParent ?? sql``} RETURNING j.*, f.move),
    ${fresh?.planned ?? sql``}
    asking AS (
      SELECT id, tenant_id, "nextQueue" AS queue, 0 AS place FROM locked WHERE move = 'hand-over' ${fresh?.asking ?? sql``}),
    ${admit(sql, options.window ?? ADMISSION_WINDOW)},
    ${fresh?.updated ?? sql`moved`} AS (
      UPDATE jobs j SET (${MOVED.columns(sql)}) = ROW(${MOVED.values(sql, options)})
      FROM input i LEFT JOIN admitted a ON a.id = i."jobId" WHERE j.id = i."jobId" AND j.id IN (SELECT id FROM locked)
      RETURNING j.*, false AS is_new, ${outcomeColumns(sql)}),
    ${fresh?.moved ?? sql``}
    steps AS (
      INSERT INTO job_steps AS s (job_id, seq, kind, state, attempts, output, error_code, error_cause, error_message,
        started_at, finished_at)
      SELECT id, done_seq, done_kind,
        CASE outcome WHEN 'succeeded' THEN 'SUCCEEDED' WHEN 'skipped' THEN 'SKIPPED' WHEN 'retry' THEN CASE WHEN move = 'failed' THEN 'FAILED' ELSE 'RETRYING' END
          WHEN 'wait' THEN 'WAITING' ELSE 'FAILED' END,
        attempt, output, code, cause, message, try_started_at, now()
      FROM moved ORDER BY id
      ON CONFLICT (job_id, seq) DO UPDATE SET kind = excluded.kind, state = excluded.state, attempts = excluded.attempts,
        output = excluded.output, error_code = excluded.error_code, error_cause = excluded.error_cause,
        error_message = excluded.error_message, finished_at = excluded.finished_at),
    tries AS (
      INSERT INTO attempts (tenant_id, job_id, generation, step_seq, step_kind, attempt, outcome, code, cause, message, worker,
        started_at, duration_ms)
      SELECT tenant_id, id, generation, done_seq, done_kind, attempt, outcome, code, cause, message, ${options.worker},
        try_started_at, duration_ms
      FROM moved),
    ended AS (
      SELECT file_id, ${fresh?.counted ?? sql`count(*)`}::int AS jobs, ${countFailed(sql)} AS failed, ${whyFailed(sql)}
      FROM moved WHERE (state IN ('SUCCEEDED', 'FAILED')) <> is_new GROUP BY file_id),
    ${closeFiles(sql, options)},
    kept AS (
      UPDATE files f SET lease_until = CASE WHEN f.claim_token = ${options.token}::uuid
        THEN now() + ${options.leaseMs}::int * interval '1 ms' ELSE f.lease_until END
      FROM (SELECT id FROM files WHERE id IN (SELECT file_id FROM stored WHERE finished_at IS NOT NULL) ORDER BY id FOR UPDATE) AS k
      WHERE f.id = k.id RETURNING f.*),
    ${leaveLines(sql)},
    event AS (
      ${fresh?.branched ?? sql``}
      SELECT CASE WHEN state = 'SUCCEEDED' THEN 'job.succeeded' WHEN state = 'FAILED' THEN 'job.failed'
          WHEN outcome = 'succeeded' THEN 'step.succeeded' WHEN outcome = 'skipped' THEN 'step.skipped' WHEN outcome = 'wait' AND wait_reason = ${HELD} THEN 'job.held'
          WHEN outcome = 'wait' THEN 'step.waiting'
          ELSE 'step.retrying' END AS type,
        tenant_id, file_id, id AS job_id,
        jsonb_strip_nulls(jsonb_build_object('step', done_kind, 'seq', done_seq, 'attempt', attempt, 'generation', generation,
          'durationMs', duration_ms, 'code', code, 'cause', cause, 'message', message, 'nextActionAt', next_action_at,
          'waitsFor', CASE WHEN outcome = 'wait' THEN wait_reason END,
          'records', CASE WHEN state IN ('SUCCEEDED', 'FAILED') THEN record_summary END)) AS detail,
        '{events}'::text[] AS topics
      FROM moved
      UNION ALL ${closedFileEvents(sql)}),
    ${recordEvents(sql, options.service)}
    SELECT
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'fileId', file_id, 'tenantId', tenant_id, 'state', state,
        'epoch', epoch, 'parentId', parent_job_id, 'batchId', batch_id, 'wake', CASE WHEN move = 'hand-over' AND woken_at IS NOT NULL THEN jsonb_build_object('id', id, 'fileId', file_id,
          'tenantId', tenant_id, 'queue', queue, 'wake', wakes) END))
        FROM (SELECT id, file_id, tenant_id, state, epoch, parent_job_id, batch_id, move, queue, woken_at, wakes FROM moved
          UNION ALL SELECT id, file_id, tenant_id, state, epoch, parent_job_id, batch_id, move, queue, woken_at, wakes FROM stored) AS done), '[]') AS jobs,
      ${closedFilesJson(sql, sql`(SELECT * FROM closed UNION ALL SELECT * FROM kept WHERE claim_token = ${options.token}::uuid) AS ended_files`)}
        AS files,
      coalesce((SELECT jsonb_agg(jsonb_build_object('orderKey', order_key, 'routeId', route_id)) FROM left_line), '[]') AS lines`;
  return row ?? { jobs: [], files: [], lines: [] };
}

/**
 * What an outcome makes of the columns of its job. Reads the job as `j`, its outcome as `i`, and `a`, whose `id` is null without a wake-up.
 */
const MOVED = {
  columns: (sql: Sql) => sql`
    updated_at, state, step_seq, step_kind, step_attempts, step_tries, progress_epoch, retry_count, object, queue, lease_until, claim_token,
    woken_at, wakes, next_action_at, record_summary, wait_reason, error_code, error_cause, error_message, finished_at`,
  values: (sql: Sql, { leaseMs }: Pick<StoreOptions, 'leaseMs'>) => sql`
    now(),
    CASE i.move WHEN 'next-step' THEN 'RUNNING' WHEN 'hand-over' THEN 'PENDING' WHEN 'later' THEN 'WAITING'
      WHEN 'succeeded' THEN 'SUCCEEDED' ELSE 'FAILED' END,
    coalesce(i."nextSeq", j.step_seq),
    coalesce(i."nextKind", j.step_kind),
    CASE WHEN i.move = 'next-step' THEN 1 WHEN i.move = 'hand-over' THEN 0
      WHEN i.move = 'later' AND NOT i."countsAttempt" THEN greatest(j.step_attempts - 1, 0) ELSE j.step_attempts END,
    CASE WHEN i.move = 'next-step' THEN 1 WHEN i.move = 'hand-over' THEN 0 ELSE j.step_tries END,
    NULL,
    j.retry_count + (i.outcome = 'retry')::int,
    coalesce(i.object, j.object),
    coalesce(i."nextQueue", j.queue),
    CASE WHEN i.move = 'next-step' THEN now() + ${leaseMs}::int * interval '1 ms' END,
    CASE WHEN i.move = 'next-step' THEN j.claim_token END,
    CASE WHEN a.id IS NOT NULL THEN now() END,
    j.wakes + (a.id IS NOT NULL)::int,
    CASE WHEN i.move = 'later' THEN now()
      + CASE WHEN (i.reason = ${RECORDS} OR i.reason = ${PARTNER_PAUSED} AND i."stepKind" = 'call') AND j.open_records = 0 THEN 0 ELSE i."delayMs" END * interval '1 ms' END,
    CASE WHEN i."stepKind" = 'call' THEN coalesce(i.output -> 'records', j.record_summary) ELSE j.record_summary END,
    i.reason,
    CASE WHEN i.outcome IN ('succeeded', 'skipped') THEN NULL WHEN i.outcome = 'wait' THEN j.error_code ELSE i.code END,
    CASE WHEN i.outcome IN ('succeeded', 'skipped') THEN NULL WHEN i.outcome = 'wait' THEN j.error_cause ELSE i.cause END,
    CASE WHEN i.outcome IN ('succeeded', 'skipped') THEN NULL WHEN i.outcome = 'wait' THEN j.error_message ELSE i.message END,
    CASE WHEN i.move IN ('succeeded', 'failed') THEN now() END`,
};

/** What is told of the outcome itself. */
function outcomeColumns(sql: Sql) {
  return sql`i.move, i.outcome, i."stepSeq" AS done_seq, i."stepKind" AS done_kind, i.attempt, i.output, i.code, i.cause, i.message,
    i."startedAt" AS try_started_at, i."durationMs" AS duration_ms`;
}

/**
 * What a set with branches that have no row (7) has more than another. Their parents are locked together with the jobs that have one, in the
 * order of ids; a branch whose parent is no longer the worker's is absent from the answer like any stale outcome.
 */
function freshBranches(sql: Sql, parents: readonly BranchingJob[], options: StoreOptions) {
  const distinct = new Map(parents.map((parent) => [`${parent.id} ${parent.epoch}`, parent]));
  return {
    inputColumns: sql`, "parentId" uuid, "parentEpoch" int, branch text, queue text, "stepCount" int, "maxAttempts" int`,
    parents: sql`
      parent_input AS (
        SELECT * FROM jsonb_to_recordset(${toJsonb([...distinct.values()])}::text::jsonb) AS r(
          id uuid, epoch int, "stepSeq" int, object jsonb, inputs jsonb)),`,
    sought: sql`(
      SELECT "jobId", epoch, "stepSeq", move, "nextQueue", false AS is_parent FROM input
      UNION ALL SELECT id, epoch, "stepSeq", NULL, NULL, true FROM parent_input)`,
    foundColumns: sql`, i.is_parent, j.step_seq = i."stepSeq" AS is_at_step, j.epoch, j.route_id, j.route_version_id, j.state, j.step_seq, j.step_kind,
      j.run, j.generation, j.is_large, j.lane, j.depth, j.time_zone, j.shares_place`,
    isNoParent: sql`AND NOT is_parent`,
    planned: sql`
      planned AS MATERIALIZED (
        SELECT i."jobId" AS id, p.tenant_id, p.file_id, p.route_id, p.route_version_id, p.run, p.generation, p.id AS parent_job_id,
          p.step_seq AS parent_seq, i.branch, p.depth + 1 AS depth, n.inputs, p.is_large, p.lane, i."stepCount" AS step_count,
          i."maxAttempts" AS max_attempts, p.time_zone, p.shares_place, now() - i."durationMs" * interval '1 ms' AS begun_at, i.move,
          i."nextQueue", i."stepSeq" AS step_seq, i."stepKind" AS step_kind, 1 AS step_attempts, 1 AS step_tries, 0 AS retry_count, n.object,
          i.queue, ${options.token}::uuid AS claim_token, 0 AS wakes, NULL::int AS open_records, NULL::jsonb AS record_summary,
          NULL AS error_code, NULL AS error_cause, NULL AS error_message
        FROM found p JOIN parent_input n ON n.id = p.id AND n.epoch = p.epoch
        JOIN input i ON i."parentId" = p.id AND i."parentEpoch" = p.epoch
        WHERE p.is_parent AND p.is_at_step AND p.state IN ('RUNNING', 'WAITING') AND i.epoch = ${FIRST_EPOCH}::int
          AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = i."jobId")),`,
    asking: sql`UNION ALL SELECT id, tenant_id, "nextQueue", 0 FROM planned WHERE move = 'hand-over'`,
    updated: sql`updated`,
    moved: sql`
      created AS (
        INSERT INTO jobs (
          id, tenant_id, file_id, route_id, route_version_id, run, generation, parent_job_id, parent_seq, branch, depth, inputs, is_large,
          lane, step_count, max_attempts, time_zone, shares_place, epoch, worker, processed_by, created_at, started_at, ${MOVED.columns(sql)})
        SELECT j.id, j.tenant_id, j.file_id, j.route_id, j.route_version_id, j.run, j.generation, j.parent_job_id, j.parent_seq, j.branch,
          j.depth, j.inputs, j.is_large, j.lane, j.step_count, j.max_attempts, j.time_zone, j.shares_place, ${FIRST_EPOCH}::int,
          ${options.worker}, ${options.service}, j.begun_at, j.begun_at, ${MOVED.values(sql, options)}
        FROM planned j JOIN input i ON i."jobId" = j.id LEFT JOIN admitted a ON a.id = j.id ORDER BY j.id
        ON CONFLICT DO NOTHING RETURNING *),
      created_by_parent AS MATERIALIZED (
        SELECT parent_job_id, jsonb_agg(jsonb_strip_nulls(jsonb_build_object('job', id, 'branch', branch)) ORDER BY id) AS branches
        FROM created GROUP BY parent_job_id),
      moved AS MATERIALIZED (
        SELECT * FROM updated UNION ALL SELECT j.*, true, ${outcomeColumns(sql)} FROM created j JOIN input i ON i."jobId" = j.id),`,
    /** Of a file in one statement: branches that ended, less those that begin and continue. */
    counted: sql`(count(*) FILTER (WHERE NOT is_new) - count(*) FILTER (WHERE is_new))`,
    branched: sql`
      SELECT 'job.branched' AS type, p.tenant_id, p.file_id, p.id AS job_id,
        jsonb_build_object('step', p.step_kind, 'seq', p.step_seq, 'generation', p.generation, 'branches', c.branches) AS detail,
        '{events}'::text[] AS topics
      FROM created_by_parent c JOIN found p ON p.is_parent AND p.id = c.parent_job_id
      UNION ALL`,
  };
}

/**
 * CTEs that count ended jobs off their files and close the files whose last one it was. Reads a CTE
 * `ended(file_id, jobs, failed, code, cause, message)`; provides `closed`. A file says why one of its jobs failed.
 */
export function closeFiles(sql: Sql, options: Pick<StoreOptions, 'token' | 'leaseMs' | 'archivesLarge'>) {
  const staysQuarantined = isQuarantining(sql, sql`f.error_cause`);
  return sql`
    file_locked AS (SELECT id FROM files WHERE id IN (SELECT file_id FROM ended) ORDER BY id FOR UPDATE),
    counted AS (
      UPDATE files f SET
        updated_at = now(), open_jobs = f.open_jobs - e.jobs, failed_jobs = f.failed_jobs + e.failed,
        error_code = CASE WHEN e.code IS NULL OR ${staysQuarantined} THEN f.error_code ELSE e.code END,
        error_cause = CASE WHEN e.code IS NULL OR ${staysQuarantined} THEN f.error_cause ELSE e.cause END,
        error_message = CASE WHEN e.code IS NULL OR ${staysQuarantined} THEN f.error_message ELSE e.message END,
        status = CASE WHEN f.open_jobs > e.jobs OR f.archived_at IS NULL THEN f.status
          WHEN ${staysQuarantined} OR ${isQuarantining(sql, sql`e.cause`)} THEN 'QUARANTINED'
          WHEN f.failed_jobs + e.failed > 0 THEN 'FAILED' ELSE 'COMPLETED' END,
        finished_at = CASE WHEN f.open_jobs = e.jobs AND f.archived_at IS NOT NULL THEN now() END,
        epoch = f.epoch + (f.open_jobs = e.jobs)::int,
        queue = ${archiveQueueIn(sql)},
        claim_token = CASE WHEN f.open_jobs = e.jobs AND f.archived_at IS NULL AND (NOT f.is_large OR ${options.archivesLarge}::boolean)
          THEN ${options.token}::uuid END,
        lease_until = CASE WHEN f.open_jobs = e.jobs AND f.archived_at IS NULL AND (NOT f.is_large OR ${options.archivesLarge}::boolean)
          THEN now() + ${options.leaseMs}::int * interval '1 ms' END,
        archive_attempts = f.archive_attempts + (f.open_jobs = e.jobs AND f.archived_at IS NULL
          AND (NOT f.is_large OR ${options.archivesLarge}::boolean))::int,
        woken_at = CASE WHEN f.open_jobs = e.jobs AND f.archived_at IS NULL AND f.is_large AND NOT ${options.archivesLarge}::boolean
          THEN now() END,
        wakes = f.wakes + (f.open_jobs = e.jobs AND f.archived_at IS NULL AND f.is_large AND NOT ${options.archivesLarge}::boolean)::int
      FROM ended e WHERE f.id = e.file_id AND f.id IN (SELECT id FROM file_locked)
      RETURNING f.*),
    closed AS (SELECT * FROM counted WHERE open_jobs = 0)`;
}

/** Of jobs grouped by file: how many fail it. A branch fails its parent. */
export function countFailed(sql: Sql) {
  return sql`count(*) FILTER (WHERE state <> 'SUCCEEDED' AND parent_job_id IS NULL)::int`;
}

/** Of jobs grouped by file: what the file says of them when it fails. */
export function whyFailed(sql: Sql) {
  const order = sql`${isQuarantining(sql, sql`error_cause`)} DESC, id`;
  return sql`
    (array_agg(error_code ORDER BY ${order}) FILTER (WHERE state <> 'SUCCEEDED' AND parent_job_id IS NULL))[1] AS code,
    (array_agg(error_cause ORDER BY ${order}) FILTER (WHERE state <> 'SUCCEEDED' AND parent_job_id IS NULL))[1] AS cause,
    (array_agg(error_message ORDER BY ${order}) FILTER (WHERE state <> 'SUCCEEDED' AND parent_job_id IS NULL))[1] AS message`;
}

/** Events of closed files that were archived in an earlier generation; the others get theirs when they are archived. */
export function closedFileEvents(sql: Sql) {
  return sql`
    SELECT 'file.' || lower(status), tenant_id, id, NULL::uuid, jsonb_strip_nulls(jsonb_build_object('key', key, 'jobs', job_count,
      'failedJobs', failed_jobs, 'code', error_code, 'cause', error_cause, 'message', error_message)),
      CASE WHEN status = 'COMPLETED' THEN '{events,success}'::text[] ELSE '{events,failure}'::text[] END
    FROM closed WHERE status IN ('COMPLETED', 'FAILED', 'QUARANTINED')`;
}

/** `closed`, or another set of files, as a JSON array of `ClosedFile`. */
export function closedFilesJson(sql: Sql, from = sql`closed`) {
  return sql`
    coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'tenantId', tenant_id, 'name', name, 'key', key, 'bucket', bucket,
      'versionId', version_id, 'sizeBytes', size_bytes, 'etag', etag, 'uploadedAt', uploaded_at, 'head', head, 'status', status,
      'epoch', epoch, 'queue', queue, 'wake', wakes,
      'archive', CASE WHEN archived_at IS NOT NULL THEN 'done' WHEN lease_until IS NOT NULL THEN 'held' ELSE 'woken' END
    )) FROM ${from}), '[]')`;
}
