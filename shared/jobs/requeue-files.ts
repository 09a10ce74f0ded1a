/**
 * Operator action: files that the router set aside are routed again, by the routes as they are now.
 *
 * In:  files, who asked and why. Out: the files requeued, with their wake-ups; others were not quarantined by the router. An
 *      upload that was cut off, an object under no tenant, or a file that one of its jobs quarantined stays where it is.
 * Events: `file.queued`, with the reason.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from './record-events.ts';
import { noScope, type SetScope } from './set-scope.ts';

export interface RequeueFilesOptions {
  readonly fileIds: readonly string[];
  readonly actor: string;
  readonly reason: string;
  readonly scope?: SetScope | undefined;
}

export interface RequeuedFile {
  readonly id: string;
  readonly orderKey: string;
  readonly wake: number;
}

export async function requeueFiles(
  sql: Sql,
  { fileIds, actor, reason, scope = noScope(sql) }: RequeueFilesOptions,
): Promise<RequeuedFile[]> {
  return await sql<RequeuedFile[]>`
    WITH ${scope.before} locked AS (
      SELECT id FROM files
      WHERE id = ANY(${[...fileIds]}::uuid[]) AND status IN ('QUARANTINED', 'COMPANION', 'ELSEWHERE') AND routed_at IS NOT NULL AND job_count = 0 AND objects_removed_at IS NULL ${scope.only(sql`id`)}
      ORDER BY id FOR UPDATE),
    requeued AS (
      UPDATE files f SET status = 'QUEUED', routed_at = NULL, finished_at = NULL, updated_at = now(), error_code = NULL,
        error_cause = NULL, error_message = NULL, order_seq = nextval('file_order'), queue = 'ingest', woken_at = now(),
        wakes = f.wakes + 1
      WHERE f.id IN (SELECT id FROM locked) RETURNING f.*),
    ${scope.after(sql`SELECT id FROM requeued`)}
    event AS (
      SELECT 'file.queued' AS type, tenant_id, id AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('key', key, 'sizeBytes', size_bytes, 'reason', ${reason}::text) AS detail, '{events}'::text[] AS topics
      FROM requeued ${scope.events}),
    ${recordEvents(sql, actor)}
    SELECT id, order_key AS "orderKey", wakes AS wake FROM requeued ORDER BY uploaded_at, order_seq`;
}
