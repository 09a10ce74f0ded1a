/**
 * Legal holds: what must not be deleted, whatever its age: everything of a tenant, of one of its routes, or one file.
 *
 * 1. A hold that was answered holds: its statement changes the tenant's row, for which a deletion under way is waited for, and by which a
 *    later one sees that it does not know all holds.
 * 2. Objects that were listed for deletion before, and are still there, are kept too: their turn is put off until no hold names them.
 * 3. A released hold stays in the table. The files that it kept are dated again, and the objects have their turn.
 *
 * Events: `hold.placed`, `hold.released`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { dateFilesAgain } from './redate-files.ts';

/** A condition: the hold `h` names the listed object `o`. Of a row that is gone nobody knows the route, so a hold on any route names it. */
function namesObject(sql: Sql) {
  return sql`h.tenant_id = o.tenant_id AND (h.file_id = o.file_id OR h.file_id IS NULL AND (h.route_id IS NULL
      OR EXISTS (SELECT FROM jobs j WHERE j.file_id = o.file_id AND j.route_id = h.route_id)
      OR NOT EXISTS (SELECT FROM files f WHERE f.id = o.file_id)))`;
}

export interface PlaceHold {
  readonly tenantId: string;
  /** Neither of the two: everything of the tenant. */
  readonly routeId?: string | undefined;
  readonly fileId?: string | undefined;
  readonly reason: string;
  readonly actor: string;
}

/** Resolves to the hold's id. */
export async function placeHold(sql: Sql, { tenantId, routeId, fileId, reason, actor }: PlaceHold): Promise<string> {
  const [row] = await repeatOnDeadlock(
    () => sql<{ id: string }[]>`
    WITH tenant AS (UPDATE tenants SET hold_changes = hold_changes + 1 WHERE id = ${tenantId} RETURNING id),
    placed AS (
      INSERT INTO legal_holds (tenant_id, route_id, file_id, reason, placed_by)
      SELECT id, ${routeId ?? null}::uuid, ${fileId ?? null}::uuid, ${reason}, ${actor} FROM tenant RETURNING *),
    listed AS MATERIALIZED (
      SELECT o.bucket, o.key, o.version_id FROM placed h JOIN expired_objects o ON ${namesObject(sql)}
      ORDER BY o.bucket, o.key, o.version_id FOR UPDATE OF o),
    kept AS (
      UPDATE expired_objects o SET next_action_at = 'infinity'
      FROM listed l WHERE (o.bucket, o.key, o.version_id) = (l.bucket, l.key, l.version_id)),
    event AS (
      SELECT 'hold.placed' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('hold', id, 'routeId', route_id, 'reason', reason)) AS detail, '{events}'::text[] AS topics
      FROM placed),
    ${recordEvents(sql, actor)}
    SELECT id FROM placed`,
  );
  if (row === undefined) throw new Error(`the tenant ${tenantId} does not exist`);
  return row.id;
}

export interface ReleaseHold {
  readonly holdId: string;
  readonly reason: string;
  readonly actor: string;
}

/** False when it had been released already. */
export async function releaseHold(sql: Sql, { holdId, reason, actor }: ReleaseHold): Promise<boolean> {
  const rows = await repeatOnDeadlock(
    () => sql`
    WITH released AS (
      UPDATE legal_holds SET released_at = now(), released_by = ${actor}, release_reason = ${reason}
      WHERE id = ${holdId} AND released_at IS NULL RETURNING *),
    ${dateFilesAgain(sql, sql`SELECT tenant_id FROM released`)},
    listed AS MATERIALIZED (
      SELECT o.bucket, o.key, o.version_id FROM released r JOIN expired_objects o ON o.tenant_id = r.tenant_id
      WHERE o.next_action_at = 'infinity' AND NOT EXISTS (
        SELECT FROM legal_holds h WHERE h.id <> r.id AND h.released_at IS NULL AND ${namesObject(sql)})
      ORDER BY o.bucket, o.key, o.version_id FOR UPDATE OF o),
    due AS (
      UPDATE expired_objects o SET next_action_at = now()
      FROM listed l WHERE (o.bucket, o.key, o.version_id) = (l.bucket, l.key, l.version_id)),
    event AS (
      SELECT 'hold.released' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('hold', id, 'routeId', route_id, 'reason', release_reason)) AS detail,
        '{events}'::text[] AS topics
      FROM released),
    ${recordEvents(sql, actor)}
    SELECT id FROM released`,
  );
  return rows.length > 0;
}
