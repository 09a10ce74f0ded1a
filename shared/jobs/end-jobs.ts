/**
 * Ends open jobs from outside their worker. Raising the epoch stops whoever runs one: its outcome will be stale.
 *
 * `cancelJobs`:    an operator's decision; the job ends as `CANCELLED`.
 * `rejectHeldJobs`: an operator's decision on a held job; it ends as `FAILED`.
 * `failSpentJobs`: the sweeper's, for a dead letter's job that nobody holds and that has no attempt left; it ends as `FAILED`.
 *
 * What is cancelled takes the branches below it along; a branch that ends wakes its parent.
 *
 * Chunks of records go with their job; their records wait for it to be reopened.
 *
 * A job of an ordered route that ends here frees its turn; the clock gives it to the next. One that fails keeps it where the route says
 * `onHeadFailure: block` (`skip-jobs.ts`).
 *
 * Out: the jobs ended, and the files whose last open job that was; the sweeper wakes their archive copy.
 * Events: `job.cancelled`, `job.failed`, and `file.failed` for a file archived before.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock } from '#shared/db/run-statements.ts';
import type { JobState } from '#shared/db/schema.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { leaveLines } from './job-lines.ts';
import { keepsAttempt } from './note-progress.ts';
import { recordEvents } from './record-events.ts';
import type { OperatorAction } from './reopen-jobs.ts';
import { noScope, type SetScope } from './set-scope.ts';
import {
  type ClosedFile,
  closedFileEvents,
  closedFilesJson,
  closeFiles,
  countFailed,
  whyFailed,
} from './store-outcomes.ts';
import { wakeParents } from './wake-parents.ts';

export interface EndResult {
  readonly jobIds: string[];
  readonly files: ClosedFile[];
}

/** No claim carries this token, and the lease it is given with has ended already: the next sweep wakes the archive copy. */
const NOBODY = { token: '00000000-0000-0000-0000-000000000000', leaseMs: 0, archivesLarge: true };

export function cancelJobs(sql: Sql, operation: OperatorAction): Promise<EndResult> {
  return cancelWhere(sql, operation, sql`state IN ('PENDING', 'RUNNING', 'WAITING')`);
}

/** As `cancelJobs`, of ordered routes only: for `skip`. */
export function cancelOrderedJobs(sql: Sql, operation: OperatorAction): Promise<EndResult> {
  return cancelWhere(sql, operation, sql`is_ordered AND state IN ('PENDING', 'RUNNING', 'WAITING')`);
}

async function cancelWhere(
  sql: Sql,
  { jobIds, actor, reason, scope }: OperatorAction,
  condition: ReturnType<Sql>,
): Promise<EndResult> {
  const error = { code: 'CANCELLED', cause: 'OPERATOR', message: reason };
  // A worker may be at the chunks of the records that go with their job.
  const cancel = (ids: readonly string[], of: SetScope | undefined, when: ReturnType<Sql>) =>
    repeatOnDeadlock(() => endJobs(sql, { jobIds: ids, actor, scope: of, state: 'CANCELLED', error, condition: when }));
  const ended = await cancel(jobIds, scope, condition);
  const files = [...ended.files];
  // Ends: each round is one level further down, and levels are bounded. A branch that is made meanwhile is made under a stale epoch.
  for (let above = ended.jobIds; above.length > 0; ) {
    const branches = await sql<{ id: string }[]>`
      SELECT id FROM jobs WHERE parent_job_id = ANY(${above}::uuid[]) AND finished_at IS NULL`;
    if (branches.length === 0) break;
    const below = await cancel(
      branches.map(({ id }) => id),
      undefined,
      sql`finished_at IS NULL`,
    );
    files.push(...below.files);
    above = below.jobIds;
  }
  return { jobIds: ended.jobIds, files };
}

export function rejectHeldJobs(sql: Sql, { jobIds, actor, reason, scope }: OperatorAction): Promise<EndResult> {
  return endJobs(sql, {
    jobIds,
    actor,
    scope,
    state: 'FAILED',
    error: { code: 'REJECTED', cause: 'OPERATOR', message: reason },
    condition: sql`state = 'WAITING' AND wait_reason = ${HELD}`,
  });
}

export function failSpentJobs(sql: Sql, { jobIds, actor }: Omit<OperatorAction, 'reason'>): Promise<EndResult> {
  return endJobs(sql, {
    jobIds,
    actor,
    state: 'FAILED',
    error: {
      code: 'DEAD_LETTER',
      cause: 'ATTEMPTS_SPENT',
      message:
        'The job’s message could not be handled and no attempt of its step is left; look at the dead letter, then retry the job.',
    },
    condition: sql`(state = 'PENDING' OR (state = 'RUNNING' AND lease_until < now())) AND step_attempts >= max_attempts
      AND NOT ${keepsAttempt(sql)}`,
  });
}

interface Ending {
  readonly jobIds: readonly string[];
  readonly actor: string;
  readonly state: Extract<JobState, 'CANCELLED' | 'FAILED'>;
  readonly error: { readonly code: string; readonly cause: string; readonly message: string };
  readonly condition: ReturnType<Sql>;
  readonly scope?: SetScope | undefined;
}

async function endJobs(
  sql: Sql,
  { jobIds, actor, state, error, condition, scope = noScope(sql) }: Ending,
): Promise<EndResult> {
  const [row] = await sql<(EndResult & { readonly parentIds: string[] })[]>`
    WITH ${scope.before} locked AS (
      SELECT id FROM jobs j WHERE id = ANY(${[...jobIds]}::uuid[]) AND ${condition} ${scope.only(sql`id`)} ORDER BY id FOR UPDATE),
    moved AS (
      UPDATE jobs SET state = ${state}, epoch = epoch + 1, lease_until = NULL, claim_token = NULL, woken_at = NULL,
        awaits_turn = false, next_action_at = NULL, updated_at = now(), finished_at = now(), error_code = ${error.code},
        error_cause = ${error.cause}, error_message = ${error.message}
      WHERE id IN (SELECT id FROM locked) RETURNING *),
    unchunked AS (DELETE FROM record_chunks WHERE job_id IN (SELECT id FROM locked)),
    ended AS (SELECT file_id, count(*)::int AS jobs, ${countFailed(sql)} AS failed, ${whyFailed(sql)} FROM moved GROUP BY file_id),
    ${closeFiles(sql, NOBODY)},
    ${leaveLines(sql)},
    ${scope.after(sql`SELECT id FROM moved`)}
    event AS (
      SELECT 'job.' || lower(state) AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'code', error_code, 'cause', error_cause,
          'message', error_message) AS detail,
        '{events}'::text[] AS topics
      FROM moved
      UNION ALL ${closedFileEvents(sql)} ${scope.events}),
    ${recordEvents(sql, actor)}
    SELECT coalesce((SELECT jsonb_agg(id) FROM moved), '[]') AS "jobIds", ${closedFilesJson(sql)} AS files,
      coalesce((SELECT jsonb_agg(DISTINCT parent_job_id) FROM moved WHERE parent_job_id IS NOT NULL), '[]') AS "parentIds"`;
  if (row === undefined) return { jobIds: [], files: [] };
  const { jobIds: endedIds, files, parentIds } = row;
  await removeLateChunks(sql, endedIds);
  if (parentIds.length > 0) await wakeParents(sql, parentIds, { actor, window: 0 });
  return { jobIds: endedIds, files };
}

/** Those made while the statement above waited for its jobs, which it cannot see. One that is left over nobody takes. */
async function removeLateChunks(sql: Sql, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  await sql`
    DELETE FROM record_chunks c USING jobs j
    WHERE j.id = ANY(${[...jobIds]}::uuid[]) AND c.job_id = j.id AND j.finished_at IS NOT NULL`;
}
