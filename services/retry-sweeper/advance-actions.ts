/**
 * The clock of actions: applies one set of each that is due, and deletes those that have expired.
 *
 * 1. A set is one statement, which changes its rows and settles their items (`shared/actions/action-scope.ts`); wake-ups are sent after it.
 *    A sweeper that is killed loses and doubles nothing: what it did not wake, the clocks find.
 * 2. A letter is sent before it is settled, under a lease of its action. Killed in between, it is sent twice, which a wake-up bears; what
 *    its queue does not take stays open, for later.
 * 3. An action that cannot be advanced is put off, and delays no other.
 */
import { actionScope } from '#shared/actions/action-scope.ts';
import {
  type DueAction,
  expireActions,
  findDueActions,
  findOpenItems,
  leaseAction,
  pauseFailing,
  putOffAction,
  readResults,
  refuseItems,
  SAMPLE,
} from '#shared/actions/action-transitions.ts';
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
import type { Logger } from '#shared/runtime/logger.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface AdvanceActionsOptions {
  readonly sql: Sql;
  readonly routes: Pick<RouteCache, 'find'>;
  readonly senders: Pick<WakeUpSenders, 'sendJobs' | 'sendFiles'>;
  readonly sendLetters: SendLetters;
  /** Wake-ups of one tenant that may stand in one queue. */
  readonly admissionWindow: number;
  readonly retentionMs: number;
  readonly metrics: Pick<RetrySweeperMetrics, 'actionItems'>;
  readonly logger: Logger;
}

const ACTOR = 'retry-sweeper';
const ACTIONS_AT_ONCE = 20;
const ITEMS_AT_ONCE = 1_000;
/** A set of an action with a rate is for about so long. */
const SET_SECONDS = 0.5;
/** Fewer say nothing about a share. */
const LEAST_JUDGED = 20;
const PUT_OFF_MS = 5_000;
const RESULTS_AGAIN_MS = 1_000;
/** Longer than letters take to be sent to a queue that does not answer. */
const SENDING_MS = 60_000;

/** `again`: there may be more. */
export async function advanceActions(options: AdvanceActionsOptions): Promise<'again' | 'done'> {
  const { sql, retentionMs, logger } = options;
  const isMoreToDelete = await expireActions(sql, { retentionMs, actor: ACTOR });
  const due = await findDueActions(sql, ACTIONS_AT_ONCE);
  for (const action of due) {
    try {
      await advanceAction(options, action);
    } catch (error) {
      logger.error({ err: error, actionId: action.id, verb: action.verb }, 'action not advanced, it is put off');
      await putOffAction(sql, action.id, PUT_OFF_MS);
    }
  }
  return due.length > 0 || isMoreToDelete ? 'again' : 'done';
}

async function advanceAction(options: AdvanceActionsOptions, action: DueAction): Promise<void> {
  const { sql, metrics, logger } = options;
  if (!(await isGoingWell(options, action))) return;
  const subjects = await findOpenItems(sql, action.id, setSizeOf(action));
  if (subjects.length === 0) return await putOffAction(sql, action.id, PUT_OFF_MS);
  const done = await APPLY[action.verb](options, action, subjects);
  metrics.actionItems.inc({ verb: action.verb }, done);
  logger.info({ actionId: action.id, verb: action.verb, items: subjects.length, done }, 'action advanced');
}

function setSizeOf({ ratePerSecond, canary, done }: DueAction): number {
  const byRate = ratePerSecond === null ? ITEMS_AT_ONCE : Math.max(1, Math.floor(ratePerSecond * SET_SECONDS));
  const byCanary = canary !== null && done < canary ? canary - done : ITEMS_AT_ONCE;
  return Math.min(ITEMS_AT_ONCE, byRate, byCanary);
}

/** Without a rate, no more is set going than can be judged. */
async function isGoingWell({ sql, logger }: AdvanceActionsOptions, action: DueAction): Promise<boolean> {
  const { id, stopAtPercent, ratePerSecond } = action;
  if (stopAtPercent === null) return true;
  const results = await readResults(sql, action);
  if (results === null) return true;
  const { ended, failing, open } = results;
  if (ended >= LEAST_JUDGED && (failing / ended) * 100 > stopAtPercent) {
    await pauseFailing(sql, id, ACTOR);
    logger.warn({ actionId: id, ended, failing, stopAtPercent }, 'action paused, too many fail again');
    return false;
  }
  if (ratePerSecond !== null || open < SAMPLE) return true;
  await putOffAction(sql, id, RESULTS_AGAIN_MS);
  return false;
}

/** Each resolves to how many items were done. */
type Apply = (options: AdvanceActionsOptions, action: DueAction, subjects: readonly string[]) => Promise<number>;

const APPLY: Readonly<Record<ActionVerb, Apply>> = {
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
async function applyRetry(
  options: AdvanceActionsOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
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

async function applySkip(
  options: AdvanceActionsOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
  const { sql } = options;
  const failed = await sql<{ id: string }[]>`
    SELECT id FROM jobs WHERE id = ANY(${[...subjects]}::uuid[]) AND state = 'FAILED' ORDER BY id`;
  const failedIds = failed.map(({ id }) => id);
  const skipped = await applySet(options, action, {
    subjects: failedIds,
    refusal: refusalOfJob(sql, 'JOB_NOT_IN_LINE'),
    run: (word) => skipJobs(sql, word),
  });
  const open = subjects.filter((id) => !failedIds.includes(id));
  const ended = await applyEnding(options, action, { subjects: open, end: cancelOrderedJobs, code: 'JOB_NOT_IN_LINE' });
  return skipped.flat().length + ended;
}

interface Waking {
  readonly subjects: readonly string[];
  readonly wake: (sql: Sql, word: OperatorAction, window: number) => Promise<ReopenedJob[]>;
  readonly code: string;
}

async function applyWaking(
  options: AdvanceActionsOptions,
  action: DueAction,
  { subjects, wake, code }: Waking,
): Promise<number> {
  const { sql, admissionWindow } = options;
  const woken = await applySet(options, action, {
    subjects,
    refusal: refusalOfJob(sql, code),
    run: (word) => wake(sql, word, admissionWindow),
  });
  return await sendWoken(options, woken.flat());
}

async function sendWoken({ senders }: AdvanceActionsOptions, jobs: readonly ReopenedJob[]): Promise<number> {
  await senders.sendJobs(jobs.filter(({ isWoken }) => isWoken));
  return jobs.length;
}

interface EndingJobs {
  readonly subjects: readonly string[];
  readonly end: (sql: Sql, word: OperatorAction) => Promise<{ readonly jobIds: readonly string[] }>;
  readonly code: string;
}

async function applyEnding(
  options: AdvanceActionsOptions,
  action: DueAction,
  { subjects, end, code }: EndingJobs,
): Promise<number> {
  const { sql } = options;
  const ended = await applySet(options, action, {
    subjects,
    refusal: refusalOfJob(sql, code),
    run: (word) => end(sql, word),
  });
  return ended.flatMap(({ jobIds }) => jobIds).length;
}

async function applyResend(
  options: AdvanceActionsOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
  const { sql, routes, admissionWindow } = options;
  const { runs, refused } = await planRuns(sql, routes, subjects);
  const refusal: Fragment = sql`coalesce(${toJsonb(refused)}::text::jsonb ->> t.id::text, ${refusalOfJob(sql, 'JOB_NOT_ENDED')})`;
  const resent = await applySet(options, action, {
    subjects,
    refusal,
    run: ({ jobIds, ...word }) =>
      resendJobs(
        sql,
        { ...word, runs: runs.filter(({ after }) => after !== null && jobIds.includes(after)) },
        admissionWindow,
      ),
  });
  return await sendWoken(options, resent.flat());
}

async function applyReroute(
  options: AdvanceActionsOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
  const { sql, senders } = options;
  const refusal: Fragment = sql`CASE WHEN EXISTS (SELECT 1 FROM files f WHERE f.id = t.id) THEN 'FILE_NOT_QUARANTINED' ELSE 'NOT_FOUND' END`;
  const requeued = await applySet(options, action, {
    subjects,
    refusal,
    run: ({ jobIds, ...word }) => requeueFiles(sql, { ...word, fileIds: jobIds }),
  });
  await senders.sendFiles(requeued.flat());
  return requeued.flat().length;
}

async function applyDiscard(
  options: AdvanceActionsOptions,
  action: DueAction,
  subjects: readonly string[],
): Promise<number> {
  return await settleLetters(options, action, { subjects, state: 'DISCARDED', isSent: false });
}

async function applyRedrive(
  options: AdvanceActionsOptions,
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
    isRefusedForNow ? PUT_OFF_MS : (subjects.length / (action.ratePerSecond ?? Infinity)) * 1_000,
  );
  return done;
}

interface SettledSet {
  readonly subjects: readonly string[];
  readonly state: 'REDRIVEN' | 'DISCARDED';
  readonly isSent: boolean;
}

async function settleLetters(
  options: AdvanceActionsOptions,
  action: DueAction,
  { subjects, state, isSent }: SettledSet,
): Promise<number> {
  const { sql } = options;
  const settled = await applySet(options, action, {
    subjects,
    refusal: sql`'LETTER_NOT_PARKED'`,
    isSent,
    run: ({ jobIds, ...word }) => settleParkedLetters(sql, { ...word, ids: jobIds, state }),
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
  readonly run: (word: OperatorAction & { readonly scope: SetScope }) => Promise<Result>;
}

/** Rows that the database refuses to change are refused, the others are not held up. */
async function applySet<Result>(
  { sql }: AdvanceActionsOptions,
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
