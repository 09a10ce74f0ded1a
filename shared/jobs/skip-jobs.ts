/**
 * Operator action: a failed job of an ordered route holds its line no longer, and the files behind it continue without it.
 *
 * In:  jobs, who asked and why. Out: the ids of those that held a line; others did not. The job stays `FAILED`, and can be retried: it then
 *      takes its old place in the line again.
 * Events: `job.skipped`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { freeLines } from './job-lines.ts';
import { recordEvents } from './record-events.ts';
import type { OperatorAction } from './reopen-jobs.ts';
import { noScope } from './set-scope.ts';

export async function skipJobs(
  sql: Sql,
  { jobIds, actor, reason, scope = noScope(sql) }: OperatorAction,
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    WITH ${scope.before} locked AS (
      SELECT * FROM jobs WHERE id = ANY(${[...jobIds]}::uuid[]) AND is_ordered AND state = 'FAILED' ${scope.only(sql`id`)}
      ORDER BY id FOR UPDATE),
    ${freeLines(sql, sql`locked`)},
    ${scope.after(sql`SELECT job_id AS id FROM left_line`)}
    event AS (
      SELECT 'job.skipped' AS type, j.tenant_id, j.file_id, j.id AS job_id,
        jsonb_build_object('generation', j.generation, 'step', j.step_kind, 'code', j.error_code, 'cause', j.error_cause,
          'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM left_line f JOIN locked j ON j.id = f.job_id ${scope.events}),
    ${recordEvents(sql, actor)}
    SELECT job_id AS id FROM left_line`;
  return rows.map(({ id }) => id);
}
