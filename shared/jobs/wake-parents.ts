/**
 * Joins: a parent continues once the branches that it waits for have ended.
 *
 * 1. Whoever ends a branch, and whoever lets a parent wait, asks afterwards, in its own statement: of two that end side by side the
 *    later one sees both. There is no counter that could drift from the rows. What is asked by nobody, after a kill, is found when the
 *    parent's wait ends on its own.
 * 2. It can be asked any number of times: a parent that was woken waits no longer.
 *
 * In:  parents. Out: those woken, with their wake-ups; others wait as `PENDING` for room in their tenant's admission window.
 * Events: `job.woken` (audit only).
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock } from '#shared/db/run-statements.ts';
import { ANY_BRANCH, BRANCHES } from '#shared/steps/step-outcome.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import { recordEvents } from './record-events.ts';
import type { WokenJob } from './route-files.ts';

export interface WakeParentsOptions {
  readonly actor: string;
  /** 0 leaves the wake-ups to the clock. */
  readonly window?: number;
}

export function wakeParents(
  sql: Sql,
  parentIds: readonly string[],
  { actor, window = ADMISSION_WINDOW }: WakeParentsOptions,
): Promise<WokenJob[]> {
  return repeatOnDeadlock(
    () => sql<WokenJob[]>`
      WITH joined AS MATERIALIZED (
        SELECT p.id, p.tenant_id, p.queue FROM jobs p
        WHERE p.id = ANY(${[...new Set(parentIds)]}::uuid[]) AND p.state = 'WAITING' AND (
          (p.wait_reason IN (${BRANCHES}, ${ANY_BRANCH}) AND NOT EXISTS (
            SELECT 1 FROM jobs c
            WHERE c.parent_job_id = p.id AND c.parent_seq = p.step_seq AND c.state IN ('PENDING', 'RUNNING', 'WAITING')))
          OR (p.wait_reason = ${ANY_BRANCH} AND EXISTS (
            SELECT 1 FROM jobs c WHERE c.parent_job_id = p.id AND c.parent_seq = p.step_seq AND c.state = 'SUCCEEDED')))
        ORDER BY p.id FOR UPDATE OF p),
      asking AS (SELECT id, tenant_id, queue, 0 AS place FROM joined),
      ${admit(sql, window)},
      woken AS (
        UPDATE jobs j SET state = 'PENDING', wait_reason = NULL, next_action_at = NULL, updated_at = now(),
          woken_at = CASE WHEN a.id IS NOT NULL THEN now() END, wakes = j.wakes + (a.id IS NOT NULL)::int
        FROM joined p LEFT JOIN admitted a USING (id) WHERE j.id = p.id
        RETURNING j.id, j.file_id, j.tenant_id, j.queue, j.wakes, j.woken_at),
      event AS (
        SELECT 'job.woken' AS type, tenant_id, file_id, id AS job_id, jsonb_build_object('why', 'branches ended', 'wake', wakes) AS detail,
          '{}'::text[] AS topics
        FROM woken),
      ${recordEvents(sql, actor)}
      SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM woken WHERE woken_at IS NOT NULL`,
  );
}
