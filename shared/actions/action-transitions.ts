/**
 * What a person does with an action: run, approve, pause, resume, abort; and what its clock does.
 *
 * Each is one statement that compares the state, so that an action sent twice is done once. Out: whether it changed the action.
 * Events: `action.run`, `action.approved`, `action.resumed` (audit only), `action.paused`, `action.aborted`, `action.done`.
 */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { actionEvent, progressAction, progressEvents } from './action-scope.ts';
import { SUBJECTS } from './action-subjects.ts';

export interface ActionTarget {
  readonly id: string;
  /** Of the key that says it; null for an operator's, whose word counts for every action. */
  readonly tenantId: string | null;
  readonly actor: string;
}

export interface RunAction extends ActionTarget {
  readonly reason: string;
  readonly ratePerSecond?: number | undefined;
  readonly canary?: number | undefined;
  readonly stopAtPercent?: number | undefined;
  /** A second person approves it, unless its set is empty. */
  readonly needsApproval: boolean;
}

/** What an actor's name begins with: `operator:` and `tenant:` of keys, `person:` of sessions. */
const WHO_SAYS = '^(operator|tenant|person):';
/** For so long an action waits for a second person. */
const APPROVAL_MS = 86_400_000;

export function runAction(sql: Sql, run: RunAction): Promise<boolean> {
  const needsApproval = sql`(${run.needsApproval}::boolean AND takes > 0)`;
  return change(sql, run, {
    when: sql`state = 'PREVIEWED' AND expires_at > now()`,
    set: sql`
      state = CASE WHEN ${needsApproval} THEN 'AWAITING_APPROVAL' WHEN takes = 0 THEN 'DONE' ELSE 'RUNNING' END,
      expires_at = CASE WHEN ${needsApproval} THEN now() + ${APPROVAL_MS}::int * interval '1 ms' END,
      actor = ${run.actor}, reason = ${run.reason}, rate_per_second = coalesce(${run.ratePerSecond ?? null}::float8, rate_per_second),
      canary = ${run.canary ?? null}::int, stop_at_percent = ${run.stopAtPercent ?? null}::float8, started_at = now(),
      next_action_at = now(), finished_at = CASE WHEN takes = 0 THEN now() END`,
    event: 'run',
  });
}

export interface ApproveAction extends ActionTarget {
  /** Of the key that approves, or else of the session. */
  readonly keyId: string | null;
  readonly sessionId: string | null;
}

/**
 * Nobody approves what he asked for himself: neither under the name of the same key in a session, or of the same person with a key, nor with
 * a key or as a person that was made since.
 */
export function approveAction(sql: Sql, target: ApproveAction): Promise<boolean> {
  const { actor, keyId, sessionId } = target;
  return change(sql, target, {
    when: sql`
      state = 'AWAITING_APPROVAL' AND expires_at > now()
      AND regexp_replace(actor, ${WHO_SAYS}, '') <> regexp_replace(${actor}, ${WHO_SAYS}, '')
      AND NOT EXISTS (
        SELECT FROM api_keys k WHERE k.created_at > actions.started_at
          AND k.id IN (${keyId}::uuid, (SELECT s.key_id FROM sessions s WHERE s.id = ${sessionId}::uuid)))
      AND NOT EXISTS (
        SELECT FROM sessions s JOIN people p ON p.id = s.person_id
        WHERE s.id = ${sessionId}::uuid AND p.issuer IS NULL AND p.created_at > actions.started_at)`,
    set: sql`state = 'RUNNING', approved_by = ${target.actor}, expires_at = NULL, next_action_at = now()`,
    event: 'approved',
  });
}

export function pauseAction(sql: Sql, target: ActionTarget): Promise<boolean> {
  return change(sql, target, {
    when: sql`state = 'RUNNING'`,
    set: sql`state = 'PAUSED', pause_reason = 'PERSON'`,
    event: 'paused',
  });
}

/** What failed before says nothing of what comes. */
export function resumeAction(sql: Sql, target: ActionTarget): Promise<boolean> {
  return change(sql, target, {
    when: sql`state = 'PAUSED'`,
    set: sql`state = 'RUNNING', pause_reason = NULL, next_action_at = now(), judged_from = (
      SELECT i.subject FROM action_items i WHERE i.action_id = actions.id AND i.state = 'OPEN' ORDER BY i.subject LIMIT 1)`,
    event: 'resumed',
  });
}

/** What was taken stays as it is; the rest is left alone. */
export function abortAction(sql: Sql, target: ActionTarget): Promise<boolean> {
  return change(sql, target, {
    when: sql`state IN ('PREVIEWED', 'AWAITING_APPROVAL', 'RUNNING', 'PAUSED')`,
    set: sql`state = 'ABORTED', pause_reason = NULL, expires_at = NULL, finished_at = now()`,
    event: 'aborted',
  });
}

/** By the clock: too many of those that were set going have failed again. */
export function pauseFailing(sql: Sql, id: string, actor: string): Promise<boolean> {
  return change(
    sql,
    { id, tenantId: null, actor },
    { when: sql`state = 'RUNNING'`, set: sql`state = 'PAUSED', pause_reason = 'FAILING'`, event: 'paused' },
  );
}

/** By the clock: its turn did not come about; later ones of others go first. */
export async function putOffAction(sql: Sql, id: string, delayMs: number): Promise<void> {
  await sql`
    UPDATE actions SET next_action_at = now() + ${delayMs}::int * interval '1 ms' WHERE id = ${id} AND state = 'RUNNING'`;
}

interface Change {
  readonly when: Fragment;
  readonly set: Fragment;
  readonly event: string;
}

async function change(sql: Sql, { id, tenantId, actor }: ActionTarget, { when, set, event }: Change): Promise<boolean> {
  const topics = event === 'run' || event === 'approved' || event === 'resumed' ? sql`'{}'` : sql`'{events}'`;
  const rows = await sql`
    WITH moved AS (
      UPDATE actions SET ${set}, updated_at = now()
      WHERE id = ${id} AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId}) AND ${when} RETURNING *),
    said AS (${actionEvent(sql, sql`${event}::text`)} FROM moved),
    event AS (
      SELECT type, tenant_id, file_id, job_id, detail, ${topics}::text[] AS topics FROM said
      UNION ALL ${actionEvent(sql, sql`'done'`)} FROM moved WHERE state = 'DONE'),
    ${recordEvents(sql, actor)}
    SELECT id FROM moved`;
  return rows.length > 0;
}

export interface DueAction {
  readonly id: string;
  readonly verb: ActionVerb;
  readonly actor: string;
  readonly reason: string;
  readonly ratePerSecond: number | null;
  readonly canary: number | null;
  readonly stopAtPercent: number | null;
  readonly judgedFrom: string | null;
  readonly done: number;
}

/** Of those that are due, those that have waited longest. */
export async function findDueActions(sql: Sql, limit: number): Promise<DueAction[]> {
  return await sql<DueAction[]>`
    SELECT id, verb, actor, reason, rate_per_second AS "ratePerSecond", canary, stop_at_percent AS "stopAtPercent",
      judged_from AS "judgedFrom", done
    FROM actions WHERE state = 'RUNNING' AND next_action_at <= now() ORDER BY next_action_at LIMIT ${limit}::int`;
}

/** In the order in which they are taken. */
export async function findOpenItems(sql: Sql, actionId: string, limit: number): Promise<string[]> {
  const rows = await sql<{ subject: string }[]>`
    SELECT subject FROM action_items WHERE action_id = ${actionId} AND state = 'OPEN' ORDER BY subject LIMIT ${limit}::int`;
  return rows.map(({ subject }) => subject);
}

/** For a while nobody else carries the action. Resolves to whether it was free. */
export async function leaseAction(sql: Sql, id: string, leaseMs: number): Promise<boolean> {
  const rows = await sql`
    UPDATE actions SET next_action_at = now() + ${leaseMs}::int * interval '1 ms'
    WHERE id = ${id} AND state = 'RUNNING' AND next_action_at <= now() RETURNING id`;
  return rows.length > 0;
}

export interface RefuseItems {
  readonly actionId: string;
  readonly subjects: readonly string[];
  readonly code: string;
  readonly actor: string;
}

/** Items whose rows cannot be taken at all. */
export async function refuseItems(sql: Sql, { actionId, subjects, code, actor }: RefuseItems): Promise<void> {
  if (subjects.length === 0) return;
  await sql`
    WITH locked AS MATERIALIZED (SELECT id FROM actions WHERE id = ${actionId} FOR UPDATE),
    action_settled AS (
      UPDATE action_items SET state = 'REFUSED', code = ${code}
      WHERE action_id = (SELECT id FROM locked) AND subject = ANY(${[...subjects]}::uuid[]) AND state = 'OPEN' RETURNING state),
    ${progressAction(sql, actionId)},
    event AS (${progressEvents(sql)}),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

export interface Results {
  readonly ended: number;
  readonly failing: number;
  readonly open: number;
}

/** Of so many that were set going last, what happened to them. */
export const SAMPLE = 1_000;

/** Null for verbs after which nothing continues. */
export async function readResults(
  sql: Sql,
  { id, verb, judgedFrom }: Pick<DueAction, 'id' | 'verb' | 'judgedFrom'>,
): Promise<Results | null> {
  if (!canFail(verb)) return null;
  const [row] = await sql<Results[]>`
    WITH newest AS (
      SELECT subject FROM action_items WHERE action_id = ${id} AND state = 'DONE'
        AND subject < coalesce((
          SELECT i.subject FROM action_items i WHERE i.action_id = ${id} AND i.state = 'OPEN' ORDER BY i.subject LIMIT 1),
          'ffffffff-ffff-ffff-ffff-ffffffffffff')
        AND subject >= coalesce(${judgedFrom}::uuid, '00000000-0000-0000-0000-000000000000')
      ORDER BY subject DESC LIMIT ${SAMPLE})
    SELECT count(*) FILTER (WHERE has_ended)::int AS ended, count(*) FILTER (WHERE has_failed)::int AS failing,
      count(*) FILTER (WHERE NOT has_ended)::int AS open
    FROM newest JOIN LATERAL (${verdictOf(sql, verb)}) AS verdict ON true`;
  return row ?? { ended: 0, failing: 0, open: 0 };
}

/** Whether what the verb sets going can fail again. */
export function canFail(verb: ActionVerb): boolean {
  return verb === 'retry' || verb === 'release' || verb === 'resend' || verb === 'reroute';
}

function verdictOf(sql: Sql, verb: ActionVerb): Fragment {
  if (SUBJECTS[verb] === 'file')
    return sql`
      SELECT f.finished_at IS NOT NULL AS has_ended, f.finished_at IS NOT NULL AND f.status <> 'COMPLETED' AS has_failed
      FROM files f WHERE f.id = subject`;
  const job = verb === 'resend' ? sql`(SELECT superseded_by FROM jobs WHERE id = subject)` : sql`subject`;
  return sql`
    SELECT j.finished_at IS NOT NULL AS has_ended, j.state = 'FAILED' AS has_failed FROM jobs j WHERE j.id = ${job}`;
}

/** Items in one statement: few enough to be soon done. */
const DELETED_AT_ONCE = 10_000;

/**
 * Forgets previews that nobody ran (a minute late, as a run may be under way) and actions past retention, with their items, and ends what nobody approved. Resolves to whether
 * there may be more.
 */
export async function expireActions(
  sql: Sql,
  { retentionMs, actor }: { readonly retentionMs: number; readonly actor: string },
): Promise<boolean> {
  const waited = await sql<{ id: string }[]>`
    SELECT id FROM actions WHERE state = 'AWAITING_APPROVAL' AND expires_at <= now() LIMIT 100`;
  for (const { id } of waited)
    await change(
      sql,
      { id, tenantId: null, actor },
      {
        when: sql`state = 'AWAITING_APPROVAL' AND expires_at <= now()`,
        set: sql`state = 'ABORTED', pause_reason = 'NOT_APPROVED', expires_at = NULL, finished_at = now()`,
        event: 'aborted',
      },
    );
  const [expired] = await sql<{ id: string }[]>`
    (SELECT id FROM actions WHERE state = 'PREVIEWED' AND expires_at < now() - interval '1 minute' LIMIT 1)
    UNION ALL (SELECT id FROM actions WHERE finished_at < now() - ${retentionMs}::float8 * interval '1 ms' LIMIT 1) LIMIT 1`;
  if (expired === undefined) return false;
  const { count } = await sql`
    DELETE FROM action_items WHERE action_id = ${expired.id} AND subject IN (
      SELECT subject FROM action_items WHERE action_id = ${expired.id} LIMIT ${literalLimit(sql, DELETED_AT_ONCE)})`;
  if (count < DELETED_AT_ONCE)
    await sql`
      DELETE FROM actions WHERE id = ${expired.id} AND NOT EXISTS (SELECT 1 FROM action_items WHERE action_id = ${expired.id})`;
  return true;
}

/** By state, also those that none is in. */
export async function countOpenActions(sql: Sql): Promise<{ state: string; count: number }[]> {
  return await sql<{ state: string; count: number }[]>`
    SELECT lower(state) AS state, (SELECT count(*)::int FROM actions a WHERE a.state = s.state AND a.finished_at IS NULL) AS count
    FROM (VALUES ('RUNNING'), ('PAUSED'), ('AWAITING_APPROVAL')) AS s(state)`;
}
