/**
 * An operator's word: an open job ends as `CANCELLED`. Raising the epoch stops whoever runs it: its outcome will be stale.
 *
 * In:  jobs, who asked and why. Out: the jobs cancelled, and the files whose last open job that was (their archive is woken).
 * Events: `job.cancelled`, and `file.failed` for a file archived before.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from './record-events.ts';
import type { OperatorWord } from './reopen-jobs.ts';
import { type ClosedFile, closedFileEvents, closedFilesJson, closeFiles } from './store-outcomes.ts';

export interface CancelResult {
  readonly jobIds: string[];
  readonly files: ClosedFile[];
}

export async function cancelJobs(sql: Sql, { jobIds, actor, reason }: OperatorWord): Promise<CancelResult> {
  const [row] = await sql<CancelResult[]>`
    WITH locked AS (
      SELECT id FROM jobs WHERE id = ANY(${[...jobIds]}::uuid[]) AND state IN ('PENDING', 'RUNNING', 'WAITING')
      ORDER BY id FOR UPDATE),
    cancelled AS (
      UPDATE jobs SET state = 'CANCELLED', epoch = epoch + 1, lease_until = NULL, claim_token = NULL, woken_at = NULL,
        next_action_at = NULL, updated_at = now(), finished_at = now(), error_code = 'CANCELLED', error_cause = 'OPERATOR',
        error_message = ${reason}
      WHERE id IN (SELECT id FROM locked) RETURNING *),
    ended AS (SELECT file_id, count(*)::int AS jobs, count(*)::int AS failed FROM cancelled GROUP BY file_id),
    ${closeFiles(sql, { token: '00000000-0000-0000-0000-000000000000', leaseMs: 0, archivesLarge: true })},
    event AS (
      SELECT 'job.cancelled' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('generation', generation, 'step', step_kind, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM cancelled
      UNION ALL ${closedFileEvents(sql)}),
    ${recordEvents(sql, actor)}
    SELECT coalesce((SELECT jsonb_agg(id) FROM cancelled), '[]') AS "jobIds", ${closedFilesJson(sql)} AS files`;
  return row ?? { jobIds: [], files: [] };
}
