/**
 * What each verb of an action does with a set of its items.
 *
 * 1. A set is one statement, which changes its rows and settles their items (`shared/actions/action-scope.ts`); wake-ups are sent after it.
 * 2. A letter is sent before it is settled, under a lease of its action; what its queue does not take stays open, for later.
 */
import { actionScope } from '#shared/actions/action-scope.ts';
import { type DueAction, leaseAction, putOffAction, refuseItems } from '#shared/actions/action-transitions.ts';
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import { runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { settleParkedLetters } from '#shared/dead-letters/dead-letters.ts';
import { faultOfLetter, type ReturnedLetter, type SendLetters } from '#shared/dead-letters/return-letters.ts';
import type { RouteCache } from '#shared/definitions/route-cache.ts';
import { cancelJobs, cancelOrderedJobs, rejectHeldJobs } from '#shared/jobs/end-jobs.ts';
import { planRuns } from '#shared/jobs/plan-runs.ts';
import { releaseJobs } from '#shared/jobs/release-jobs.ts';
import { type OperatorAction, type ReopenedJob, reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import { requeueFiles } from '#shared/jobs/requeue-files.ts';
import { resendJobs } from '#shared/jobs/resend-jobs.ts';
import type { SetScope } from '#shared/jobs/set-scope.ts';
import { skipJobs } from '#shared/jobs/skip-jobs.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { reopenRecords } from '#shared/records/reopen-records.ts';

export interface ApplyVerbOptions {
  readonly sql: Sql;
  readonly routes: Pick<RouteCache, 'find'>;
  readonly senders: Pick<WakeUpSenders, 'sendJobs' | 'sendFiles'>;
  readonly sendLetters: SendLetters;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly admissionWindow: number;
}

/** After letters that their queue did not take. */
const LETTERS_AGAIN_MS = 5_000;
/** Longer than letters take to be sent to a queue that does not answer. */
const SENDING_MS = 60_000;

/** Each resolves to how many items were done. */
type Apply = (options: ApplyVerbOptions, action: DueAction, subjects: readonly string[]) => Promise<number>;

export const APPLY_VERB: Readonly<Record<ActionVerb, Apply>> = {
  retry: applyRetry,
  cancel: (options, action, subjects) =>
    applyEnding(options, action, { subjects, end: cancelJobs, code: 'JOB_NOT_OPEN' }),
  reject: (options, action, subjects) =>
    applyEnding(options, action, { subjects, end: rejectHeldJobs, code: 'JOB_NOT_HELD' }),
  release: (options, action, subjects) =>
    applyWaking(options, action, { subjects, wake: releaseJobs, code: 'JOB_NOT_HELD' }),
  skip: applySkip,
  resend: applyResend,
  reroute: applyReroute,
  redrive: applyRedrive,
  discard: applyDiscard,
};

/** Jobs that failed for their records are taken up at those, one after the other: each may have many. */
async function applyRetry(options: ApplyVerbOptions, action: DueAction, subjects: readonly string[]): Promise<number> {
  const { sql } = options;
  const rows = await sql<{ id: string }[]>`
    SELECT id FROM jobs WHERE id = ANY(${[...subjects]}::uuid[]) AND state = 'FAILED' AND error_cause = 'RECORDS_FAILED' ORDER BY id`;
  const ofRecords = new Set(rows.map(({ id }) => id));
  const whole = subjects.filter((id) => !ofRecords.has(id));
  const done = await applyWaking(options, action, { subjects: whole, wake: reopenJobs, code: 'JOB_NOT_RETRYABLE' });
  if (action.ratePerSecond !== null && whole.length > 0) return done;
  // At a rate the first of them makes the others wait.
  const some = action.ratePerSecond === null ? [...ofRecords] : [...ofRecords].slice(0, 1);
  const ofRecordsRefusal: Fragment = sql`CASE WHEN EXISTS (
        SELECT 1 FROM jobs j JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
        WHERE j.id = t.id AND r.state = 'AMBIGUOUS') THEN 'RECORDS_AMBIGUOUS' ELSE 'RECORDS_NOT_RETRYABLE' END`;
  let taken = 0;
  for (const jobId of some) {
    const [records = 0] = await applySet(options, action, {
      subjects: [jobId],
      refusal: ofRecordsRefusal,
      run: ({ actor, reason, scope }) => reopenRecords(sql, { jobId, actor, reason, scope }),
    });
    if (records > 0) taken += 1;
  }
  return done + taken;
}

async function applySkip(options: ApplyVerbOptions, action: DueAction, subjects: readonly string[]): Promise<number> {
  const { sql } = options;
  const failed = await sql<{ id: string }[]>`
    SELECT id FROM jobs WHERE id = ANY(${[...subjects]}::uuid[]) AND state = 'FAILED' ORDER BY id`;
  const failedIds = failed.map(({ id }) => id);
  const skipped = await applySet(options, action, {
    subjects: failedIds,
    refusal: refusalOfJob(sql, 'JOB_NOT_IN_LINE'),
    run: (operation) => skipJobs(sql, operation),
  });
  const open = subjects.filter((id) => !failedIds.includes(id));
  const ended = await applyEnding(options, action, { subjects: open, end: cancelOrderedJobs, code: 'JOB_NOT_IN_LINE' });
  return skipped.flat().length + ended;
}

interface Waking {
  readonly subjects: readonly string[];
  readonly wake: (sql: Sql, operation: OperatorAction, window: number) => Promise<ReopenedJob[]>;
  readonly code: string;
}

async function applyWaking(
  options: ApplyVerbOptions,
  action: DueAction,
  { subjects, wake, code }: Waking,
): Promise<number> {
  const { sql, admissionWindow } = options;
  const woken = await applySet(options, action, {
    subjects,
    refusal: refusalOfJob(sql, code),
    run: (operation) => wake(sql, operation, admissionWindow),
  });
  return await sendWoken(options, woken.flat());
}

async function sendWoken({ senders }: ApplyVerbOptions, jobs: readonly ReopenedJob[]): Promise<number> {
  await senders.sendJobs(jobs.filter(({ isWoken }) => isWoken));
  return jobs.length;
}

interface EndingJobs {
  readonly subjects: readonly string[];
  readonly end: (sql: Sql, operation: OperatorAction) => Promise<{ readonly jobIds: readonly string[] }>;
  readonly code: string;
}

async function applyEnding(
  options: ApplyVerbOptions,
  action: DueAction,
  { subjects, end, code }: EndingJobs,
): Promise<number> {
  const { sql } = options;
  const ended = await applySet(options, action, {
    subjects,
    refusal: refusalOfJob(sql, code),
    run: (operation) => end(sql, operation),
  });
  return ended.flatMap(({ jobIds }) => jobIds).length;
}

async function applyResend(options: ApplyVerbOptions, action: DueAction, subjects: readonly string[]): Promise<number> {
  const { sql, routes, admissionWindow } = options;
  const { runs, refused } = await planRuns(sql, routes, subjects);
  const refusal: Fragment = sql`coalesce(${toJsonb(refused)}::text::jsonb ->> t.id::text, ${refusalOfJob(sql, 'JOB_NOT_ENDED')})`;
  const resent = await applySet(options, action, {
    subjects,
    refusal,
    run: ({ jobIds, ...operation }) =>
      resendJobs(
        sql,
        { ...operation, runs: runs.filter(({ after }) => after !== null && jobIds.includes(after)) },
        admissionWindow,
      ),
  });
  return await sendWoken(options, resent.flat());
}

async function applyReroute(
  options: ApplyVerbOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
  const { sql, senders } = options;
  const refusal: Fragment = sql`CASE WHEN EXISTS (SELECT 1 FROM files f WHERE f.id = t.id) THEN 'FILE_NOT_QUARANTINED' ELSE 'NOT_FOUND' END`;
  const requeued = await applySet(options, action, {
    subjects,
    refusal,
    run: ({ jobIds, ...operation }) => requeueFiles(sql, { ...operation, fileIds: jobIds }),
  });
  await senders.sendFiles(requeued.flat());
  return requeued.flat().length;
}

async function applyDiscard(
  options: ApplyVerbOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
  return await settleLetters(options, action, { subjects, state: 'DISCARDED', isSent: false });
}

async function applyRedrive(
  options: ApplyVerbOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
  const { sql, sendLetters } = options;
  const { id: actionId, actor } = action;
  if (!(await leaseAction(sql, actionId, SENDING_MS))) return 0;
  const letters = await findParkedLetters(sql, subjects);
  const unreadable = letters.filter((letter) => faultOfLetter(letter) !== undefined);
  const readable = letters.filter((letter) => !unreadable.includes(letter));
  const results = await sendLetters(readable);
  const idsOf = (sent: 'taken' | 'later' | 'refused') =>
    readable.flatMap(({ id }, index) => {
      const result = results[index];
      const outcome = result?.ok ? 'taken' : result?.retryable === false ? 'refused' : 'later';
      return outcome === sent ? [id] : [];
    });
  const parked = new Set(letters.map(({ id }) => id));
  const refuse = (ids: readonly string[], code: string) => refuseItems(sql, { actionId, subjects: ids, code, actor });
  const done = await settleLetters(options, action, { subjects: idsOf('taken'), state: 'REDRIVEN', isSent: true });
  await refuse(
    unreadable.map(({ id }) => id),
    'MESSAGE_INVALID',
  );
  await refuse(idsOf('refused'), 'LETTER_REFUSED');
  await refuse(
    subjects.filter((id) => !parked.has(id)),
    'LETTER_NOT_PARKED',
  );
  const isRefusedForNow = idsOf('later').length > 0;
  await putOffAction(
    sql,
    actionId,
    isRefusedForNow ? LETTERS_AGAIN_MS : (subjects.length / (action.ratePerSecond ?? Infinity)) * 1_000,
  );
  return done;
}

interface SettledSet {
  readonly subjects: readonly string[];
  readonly state: 'REDRIVEN' | 'DISCARDED';
  readonly isSent: boolean;
}

async function settleLetters(
  options: ApplyVerbOptions,
  action: DueAction,
  { subjects, state, isSent }: SettledSet,
): Promise<number> {
  const { sql } = options;
  const settled = await applySet(options, action, {
    subjects,
    refusal: sql`'LETTER_NOT_PARKED'`,
    isSent,
    run: ({ jobIds, ...operation }) => settleParkedLetters(sql, { ...operation, ids: jobIds, state }),
  });
  return settled.flat().length;
}

async function findParkedLetters(sql: Sql, ids: readonly string[]): Promise<ReturnedLetter[]> {
  return await sql<ReturnedLetter[]>`
    SELECT d.id, d.queue, d.body, coalesce(d.job_id, d.file_id)::text AS "subjectId",
      coalesce(d.attributes ->> 'MessageGroupId', CASE WHEN d.queue = 'ingest' THEN f.order_key END) AS "group"
    FROM dead_letters d LEFT JOIN files f ON f.id = d.file_id
    WHERE d.id = ANY(${[...ids]}::uuid[]) AND d.state = 'PARKED' ORDER BY d.id`;
}

interface AppliedSet<Result> {
  readonly subjects: readonly string[];
  readonly refusal: Fragment;
  readonly isSent?: boolean;
  readonly run: (operation: OperatorAction & { readonly scope: SetScope }) => Promise<Result>;
}

/** Rows that the database refuses to change are refused, the others are not held up. */
async function applySet<Result>(
  { sql }: ApplyVerbOptions,
  { id: actionId, actor, reason }: DueAction,
  { subjects, refusal, isSent = false, run }: AppliedSet<Result>,
): Promise<Result[]> {
  const { results, refused } = await runSet({
    rows: subjects,
    keyOf: (id) => id,
    run: (ids) =>
      run({ jobIds: ids, actor, reason, scope: actionScope(sql, { actionId, subjects: ids, refusal, isSent }) }),
  });
  const refusedIds = refused.map(({ row }) => row);
  await refuseItems(sql, { actionId, subjects: refusedIds, code: 'ROW_REFUSED', actor });
  return results;
}

function refusalOfJob(sql: Sql, code: string) {
  return sql`coalesce((
    SELECT CASE WHEN j.superseded_by IS NOT NULL THEN 'JOB_SUPERSEDED' WHEN j.parent_job_id IS NOT NULL THEN 'JOB_IS_BRANCH' ELSE ${code}::text END FROM jobs j WHERE j.id = t.id), 'NOT_FOUND')`;
}
