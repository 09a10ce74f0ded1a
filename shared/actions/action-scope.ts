/**
 * The part of a set that one statement takes: it locks the action, takes those of its items that are still open, lets the transition change
 * its rows, and settles items and counters, all or nothing.
 *
 * 1. An item is settled in the statement that changes its row: whatever is killed in between, none is lost or taken twice.
 * 2. Of several sweepers one at a time carries an action: the others skip it while it is locked, and take nothing that was settled since
 *    they read it.
 * 3. An action that was paused or aborted takes nothing more; `isSent` alone settles all the same, as what was sent is sent.
 * 4. Sets are compared as arrays: PostgreSQL expects one row of each part, and would join them row by row with all rows.
 * 5. The statement that settles the last item ends the action, and the one that reaches the canary pauses it. Both emit its event.
 */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import type { SetScope } from '#shared/jobs/set-scope.ts';

export interface ActionScopeOptions {
  readonly actionId: string;
  readonly subjects: readonly string[];
  /** Why an item whose row was not changed is refused; reads `t.id`. */
  readonly refusal: Fragment;
  /** The effect is done already: the action’s state and time do not matter. */
  readonly isSent?: boolean;
}

/** A sweeper that was late catches up with so much of the rate. */
const CATCH_UP_MS = 1_000;

export function actionScope(sql: Sql, { actionId, subjects, refusal, isSent = false }: ActionScopeOptions): SetScope {
  const isDue = isSent ? sql`` : sql`AND state = 'RUNNING' AND next_action_at <= now()`;
  const isChanged = sql`t.id = ANY(ARRAY(SELECT id FROM action_changed))`;
  const lock = isSent ? sql`FOR UPDATE` : sql`FOR UPDATE SKIP LOCKED`;
  return {
    before: sql`
      action_carried AS MATERIALIZED (SELECT id FROM actions WHERE id = ${actionId} ${isDue} ${lock}),
      action_taken AS MATERIALIZED (
        SELECT i.subject AS id FROM action_items i
        WHERE i.action_id = (SELECT id FROM action_carried) AND i.subject = ANY(${[...subjects]}::uuid[]) AND i.state = 'OPEN'
        ORDER BY i.subject FOR UPDATE),`,
    only: (id) => sql`AND ${id} = ANY(ARRAY(SELECT id FROM action_taken))`,
    after: (changed) => sql`
      action_changed AS (${changed}),
      action_settled AS (
        UPDATE action_items i SET state = CASE WHEN ${isChanged} THEN 'DONE' ELSE 'REFUSED' END,
          code = CASE WHEN NOT ${isChanged} THEN ${refusal} END
        FROM action_taken t
        WHERE i.action_id = ${actionId} AND i.subject = t.id RETURNING i.state),
      ${progressAction(sql, actionId)},`,
    events: sql`UNION ALL ${progressEvents(sql)}`,
  };
}

/** CTE that reads `action_settled(state)` and provides `action_moved`. */
export function progressAction(sql: Sql, actionId: string): Fragment {
  return sql`
    action_tally AS (
      SELECT count(*) FILTER (WHERE state = 'DONE')::int AS done, count(*) FILTER (WHERE state = 'REFUSED')::int AS refused
      FROM action_settled HAVING count(*) > 0),
    action_moved AS (
      UPDATE actions a SET done = a.done + t.done, refused = a.refused + t.refused, updated_at = now(),
        next_action_at = CASE WHEN a.rate_per_second IS NULL THEN now()
          ELSE greatest(a.next_action_at, now() - ${CATCH_UP_MS}::int * interval '1 ms')
            + (t.done + t.refused) / a.rate_per_second * interval '1 s' END,
        state = CASE WHEN a.done + a.refused + t.done + t.refused >= a.takes AND a.state <> 'ABORTED' THEN 'DONE'
          WHEN a.state = 'RUNNING' AND a.done < a.canary AND a.done + t.done >= a.canary THEN 'PAUSED' ELSE a.state END,
        pause_reason = CASE WHEN a.done + a.refused + t.done + t.refused >= a.takes AND a.state <> 'ABORTED' THEN NULL
          WHEN a.state = 'RUNNING' AND a.done < a.canary AND a.done + t.done >= a.canary THEN 'CANARY' ELSE a.pause_reason END,
        finished_at = CASE WHEN a.done + a.refused + t.done + t.refused >= a.takes THEN coalesce(a.finished_at, now())
          ELSE a.finished_at END
      FROM action_tally t WHERE a.id = ${actionId} RETURNING a.*)`;
}

/** Rows of `event` of an action that ended or paused in this statement. */
export function progressEvents(sql: Sql): Fragment {
  return sql`${actionEvent(sql, sql`lower(state)`)} FROM action_moved
    WHERE state = 'DONE' OR (pause_reason = 'CANARY' AND done >= canary)`;
}

/** Columns of `event` for a row of `actions`. */
export function actionEvent(sql: Sql, what: Fragment): Fragment {
  return sql`
    SELECT 'action.' || ${what} AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
      jsonb_strip_nulls(jsonb_build_object('actionId', id, 'verb', verb, 'filter', filter, 'takes', takes, 'done', done,
        'refused', refused, 'why', pause_reason, 'reason', reason, 'approvedBy', approved_by)) AS detail,
      '{events}'::text[] AS topics`;
}
