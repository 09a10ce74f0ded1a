/** What the router needs to decide about files: the files as they are, and the active routes of their tenants. */
import type { Sql } from '#shared/db/connect-database.ts';

export interface RoutingInput {
  readonly fileId: string;
  readonly tenantId: string;
  readonly bucket: string;
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly orderKey: string;
  readonly orderSeq: number;
  readonly routes: readonly { readonly routeId: string; readonly routeVersionId: string; readonly name: string }[];
}

/** Files that are routed already, or unknown, are absent: there is nothing to decide. */
export async function loadRoutingInput(sql: Sql, fileIds: readonly string[]): Promise<RoutingInput[]> {
  return await sql<RoutingInput[]>`
    SELECT f.id AS "fileId", f.tenant_id AS "tenantId", f.bucket, f.key, f.name, f.size_bytes::float8 AS "sizeBytes",
      f.order_key AS "orderKey", f.order_seq::float8 AS "orderSeq",
      coalesce((
        SELECT jsonb_agg(jsonb_build_object('routeId', r.id, 'routeVersionId', v.id, 'name', r.name) ORDER BY r.name)
        FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
        WHERE r.tenant_id = f.tenant_id AND r.disabled_at IS NULL), '[]') AS routes
    FROM files f
    WHERE f.id = ANY(${[...fileIds]}::uuid[]) AND f.status = 'QUEUED' AND f.routed_at IS NULL
    ORDER BY f.order_seq`;
}

/** Definitions by route version id; a version never changes, so callers keep what they read. */
export async function loadRouteDefinitions(
  sql: Sql,
  routeVersionIds: readonly string[],
): Promise<Map<string, { readonly name: string; readonly definition: unknown }>> {
  const rows = await sql<{ id: string; name: string; definition: unknown }[]>`
    SELECT v.id, r.name, v.definition FROM route_versions v JOIN routes r ON r.id = v.route_id
    WHERE v.id = ANY(${[...routeVersionIds]}::uuid[])`;
  return new Map(rows.map(({ id, name, definition }) => [id, { name, definition }]));
}
