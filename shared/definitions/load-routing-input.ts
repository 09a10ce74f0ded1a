/** What the router needs to decide about files: the files as they are, and the active routes of their tenants. */

import type { Sql } from '#shared/db/connect-database.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import { uploadIdIn } from '#shared/uploads/upload-metadata.ts';

export interface RoutingInput {
  readonly fileId: string;
  readonly tenantId: string;
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly source: string;
  readonly uploadedBy: string | null;
  readonly uploadedAt: Date;
  /** Of the tenant. */
  readonly timeZone: string;
  /** Of the tenant; null: any. */
  readonly homeRegion: string | null;
  /** Of the tenant. */
  readonly priority: Lane;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where its bytes are. */
  readonly object: { readonly bucket: string; readonly key: string; readonly versionId: string };
  /** The file that the same upload brought before, with the same content: a client sent its PUT again. */
  readonly repeatOf: string | null;
  readonly orderKey: string;
  readonly orderSeq: number;
  readonly routes: readonly { readonly routeId: string; readonly routeVersionId: string; readonly name: string }[];
}

/** Files that are routed already, or unknown, are absent: there is nothing to decide. */
export async function loadRoutingInput(sql: Sql, fileIds: readonly string[]): Promise<RoutingInput[]> {
  return await sql<RoutingInput[]>`
    SELECT f.id AS "fileId", f.tenant_id AS "tenantId", f.key, f.name, f.size_bytes::float8 AS "sizeBytes",
      f.source, f.uploaded_by AS "uploadedBy", f.uploaded_at AS "uploadedAt", t.time_zone AS "timeZone",
      t.home_region AS "homeRegion", t.priority,
      coalesce(f.head -> 'metadata', '{}') AS metadata, ${objectOf(sql)} AS object,
      (SELECT first.id FROM uploads u
        JOIN files first ON (first.bucket, first.key, first.version_id) = (u.bucket, u.key, u.version_id)
        WHERE u.id = ${uploadIdIn(sql, sql`f.head`)} AND (u.bucket, u.key) = (f.bucket, f.key) AND u.version_id <> f.version_id
          AND (first.content_hash, first.size_bytes) = (f.content_hash, f.size_bytes)) AS "repeatOf",
      f.order_key AS "orderKey", f.order_seq::float8 AS "orderSeq",
      coalesce((
        SELECT jsonb_agg(jsonb_build_object('routeId', r.id, 'routeVersionId', v.id, 'name', r.name) ORDER BY r.name)
        FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
        WHERE r.tenant_id = f.tenant_id AND r.disabled_at IS NULL), '[]') AS routes
    FROM files f JOIN tenants t ON t.id = f.tenant_id
    WHERE f.id = ANY(${[...fileIds]}::uuid[]) AND f.status = 'QUEUED' AND f.routed_at IS NULL
    ORDER BY f.order_seq`;
}

/** In landing, or where it was put since. */
export function objectOf(sql: Sql) {
  return sql`CASE WHEN f.archived_at IS NULL
    THEN jsonb_build_object('bucket', f.bucket, 'key', f.key, 'versionId', f.version_id)
    ELSE jsonb_build_object('bucket', f.archive_bucket, 'key', f.archive_key, 'versionId', f.archive_version_id) END`;
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
