/**
 * Pulls that somebody asks for.
 *
 * `requestPull`:  a row `TRIGGERED`; the one that is there when the same file is being fetched already, whoever asked in the same moment.
 * `retriggerPull`: one that has ended runs again, as its next generation; one that is open stays as it is.
 *
 * Out: the pull with its wake-up, when it is to be woken. Event: `pull.triggered`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { WokenPull } from './wake-pulls.ts';

export interface PullRequest {
  readonly tenantId: string;
  readonly project: string;
  readonly pipeline: string;
  readonly remote: string;
  readonly remotePath: string;
  readonly maxAttempts?: number | undefined;
}

export interface RequestedPull extends WokenPull {
  readonly isNew: boolean;
}

/** Each time somebody else changed the remote's row. */
const REQUEST_TRIES = 100;

/** The remote is there. */
export async function requestPull(sql: Sql, request: PullRequest, actor: string): Promise<RequestedPull> {
  for (let tries = 1; tries <= REQUEST_TRIES; tries++) {
    const row = await tryToRequestPull(sql, request, actor);
    if (row !== undefined) return row;
  }
  throw new LongshoreError('OVERLOADED', `Too many pulls of the remote ${request.remote} are being asked for.`);
}

/** Undefined: the remote's row was changed while this waited for it, so that the snapshot may lack a pull that was made meanwhile. */
async function tryToRequestPull(sql: Sql, request: PullRequest, actor: string): Promise<RequestedPull | undefined> {
  const { tenantId, project, pipeline, remote, remotePath, maxAttempts = null } = request;
  const isRemote = sql`tenant_id = ${tenantId} AND name = ${remote}`;
  const [row] = await sql<RequestedPull[]>`
    WITH seen AS MATERIALIZED (SELECT xmin AS version FROM remotes WHERE ${isRemote}),
    held AS MATERIALIZED (SELECT xmin AS version FROM remotes WHERE ${isRemote} FOR UPDATE),
    open AS (
      SELECT id, tenant_id, wakes FROM pulls
      WHERE tenant_id = ${tenantId} AND remote = ${remote} AND remote_path = ${remotePath} AND project = ${project}
        AND status IN ('TRIGGERED', 'RUNNING')
      ORDER BY created_at LIMIT 1),
    made AS (
      INSERT INTO pulls (tenant_id, project, pipeline, remote, remote_path, max_attempts, woken_at, wakes)
      SELECT ${tenantId}, ${project}, ${pipeline}, ${remote}, ${remotePath}, coalesce(${maxAttempts}::int, 5), now(), 1
      FROM held JOIN seen USING (version) WHERE NOT EXISTS (SELECT 1 FROM open) RETURNING *),
    touched AS (UPDATE remotes SET name = name WHERE ${isRemote} AND EXISTS (SELECT FROM made)),
    event AS (
      SELECT 'pull.triggered' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path, 'project', project) AS detail,
        '{events}'::text[] AS topics
      FROM made),
    ${recordEvents(sql, actor)}
    SELECT id, tenant_id AS "tenantId", wakes AS wake, true AS "isNew" FROM made
    UNION ALL SELECT id, tenant_id, wakes, false FROM open`;
  return row;
}

/** Undefined: there is none. `isNew: false`: it is open already. */
export async function retriggerPull(
  sql: Sql,
  { id, tenantId, reason }: { readonly id: string; readonly tenantId: string | null; readonly reason: string },
  actor: string,
): Promise<RequestedPull | undefined> {
  const [row] = await sql<RequestedPull[]>`
    WITH found AS (
      SELECT id, tenant_id, wakes, status FROM pulls
      WHERE id = ${id} AND tenant_id = coalesce(${tenantId}::text, tenant_id) FOR UPDATE),
    triggered AS (
      UPDATE pulls p SET status = 'TRIGGERED', next_action_at = NULL, woken_at = now(), wakes = p.wakes + 1, updated_at = now()
      FROM found f WHERE p.id = f.id AND f.status IN ('COMPLETED', 'ERROR', 'SKIPPED') RETURNING p.*),
    event AS (
      SELECT 'pull.triggered' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path, 'project', project, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM triggered),
    ${recordEvents(sql, actor)}
    SELECT f.id, f.tenant_id AS "tenantId", coalesce(t.wakes, f.wakes) AS wake, t.id IS NOT NULL AS "isNew"
    FROM found f LEFT JOIN triggered t USING (id)`;
  return row;
}
