/**
 * Legal holds: what must not be deleted, whatever its age: everything of a tenant, of one of its routes, or one file.
 *
 * 1. A hold that was answered holds: its statement changes the tenant's row, for which a deletion under way is waited for, and by which a
 *    later one sees that it does not know all holds.
 * 2. A released hold stays in the table. The files that it kept are dated again.
 *
 * Events: `hold.placed`, `hold.released`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { dateFilesAgain } from './redate-files.ts';

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
  const [row] = await sql<{ id: string }[]>`
    WITH tenant AS (UPDATE tenants SET hold_changes = hold_changes + 1 WHERE id = ${tenantId} RETURNING id),
    placed AS (
      INSERT INTO legal_holds (tenant_id, route_id, file_id, reason, placed_by)
      SELECT id, ${routeId ?? null}::uuid, ${fileId ?? null}::uuid, ${reason}, ${actor} FROM tenant RETURNING *),
    event AS (
      SELECT 'hold.placed' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('hold', id, 'routeId', route_id, 'reason', reason)) AS detail, '{events}'::text[] AS topics
      FROM placed),
    ${recordEvents(sql, actor)}
    SELECT id FROM placed`;
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
  const rows = await sql`
    WITH released AS (
      UPDATE legal_holds SET released_at = now(), released_by = ${actor}, release_reason = ${reason}
      WHERE id = ${holdId} AND released_at IS NULL RETURNING *),
    ${dateFilesAgain(sql, sql`SELECT tenant_id FROM released`)},
    event AS (
      SELECT 'hold.released' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('hold', id, 'routeId', route_id, 'reason', release_reason)) AS detail,
        '{events}'::text[] AS topics
      FROM released),
    ${recordEvents(sql, actor)}
    SELECT id FROM released`;
  return rows.length > 0;
}
