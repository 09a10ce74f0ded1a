/** For how long the oldest of what has expired has waited, in seconds; 0 when nothing does. */
import type { Sql } from '#shared/db/connect-database.ts';

/** One look into an index for each tenant, however much has expired. */
export async function expiryOverdue(sql: Sql): Promise<{ readonly files: number; readonly objects: number }> {
  const [row] = await sql<{ files: number; objects: number }[]>`
    SELECT
      coalesce(extract(epoch FROM now() - (
        SELECT min(due) FROM tenants t CROSS JOIN LATERAL (
          SELECT least(
            (SELECT expire_at FROM files WHERE tenant_id = t.id AND expire_at <= now() ORDER BY expire_at LIMIT 1),
            (SELECT objects_expire_at FROM files WHERE tenant_id = t.id AND objects_expire_at <= now() ORDER BY objects_expire_at LIMIT 1)) AS due
        ) AS f
        WHERE NOT EXISTS (
          SELECT FROM legal_holds h WHERE h.tenant_id = t.id AND h.released_at IS NULL AND h.route_id IS NULL AND h.file_id IS NULL)
      )), 0)::float8 AS files,
      coalesce(extract(epoch FROM now() - (SELECT min(created_at) FROM expired_objects WHERE isfinite(next_action_at))), 0)::float8 AS objects`;
  return row ?? { files: 0, objects: 0 };
}
