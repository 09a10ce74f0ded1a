/** What is said of a batch that has ended: of its files, and of what was missing. */
import type { Sql } from '#shared/db/connect-database.ts';

/** Rows of `event`, of a set `b` of ended batches. */
export function batchEndedEvents(sql: Sql, batches: ReturnType<Sql>) {
  return sql`
    SELECT 'batch.' || lower(b.state), b.tenant_id, b.manifest_file_id, NULL::uuid, jsonb_strip_nulls(jsonb_build_object(
      'batch', b.id, 'route', r.name, 'key', nullif(b.key, ''), 'files', b.files, 'succeeded', b.succeeded_files, 'failed', b.failed_files,
      'missing', b.missing)),
      CASE b.state WHEN 'SUCCEEDED' THEN '{events,success}'::text[] ELSE '{events,failure}'::text[] END
    FROM ${batches} JOIN routes r ON r.id = b.route_id`;
}
