/**
 * Joining: a file that is routed to a route with `batch` joins the open batch of its route, or opens it, in the statement that makes its job.
 * The job waits (`BATCH`) until the batch closes and has room for it.
 */
import type { Sql } from '#shared/db/connect-database.ts';

/** Of a new job whose route takes files together. */
export interface JoinedBatch {
  /** The directory whose files are taken together; empty for all of the route. */
  readonly key: string;
  readonly fullAt: number | undefined;
  readonly idleMs: number | undefined;
  readonly maxConcurrency: number | undefined;
  /** Of a batch that this opens. */
  readonly closeAt: Date | undefined;
}

/** A file that names what a batch consists of. */
export interface ManifestOfBatch extends JoinedBatch {
  readonly routeId: string;
  readonly expected: readonly string[];
}

/**
 * CTEs that read `joining_batch(tenant_id, route_id, batch, files, manifest_file_id, expected)`, of which `batch` is a `JoinedBatch` as JSON, and
 * provide `batch_joined(id, route_id, key)`.
 */
export function joinBatches(sql: Sql) {
  return sql`
    batch_asked AS (
      SELECT tenant_id, route_id, batch ->> 'key' AS key, max((batch ->> 'fullAt')::int) AS full_at, max((batch ->> 'idleMs')::int) AS idle_ms,
        max((batch ->> 'maxConcurrency')::int) AS max_concurrency, min((batch ->> 'closeAt')::timestamptz) AS close_at, sum(files)::int AS files,
        (array_agg(manifest_file_id) FILTER (WHERE manifest_file_id IS NOT NULL))[1] AS manifest_file_id,
        (jsonb_agg(expected) FILTER (WHERE expected IS NOT NULL)) -> 0 AS expected
      FROM joining_batch GROUP BY tenant_id, route_id, batch ->> 'key'),
    batch_joined AS (
      INSERT INTO batches AS b (id, tenant_id, route_id, key, full_at, idle_ms, max_concurrency, close_at, files, manifest_file_id, expected, look_at)
      SELECT uuid_v7(), tenant_id, route_id, key, full_at, idle_ms, max_concurrency, close_at, files, manifest_file_id, expected, now()
      FROM batch_asked ORDER BY route_id, key
      ON CONFLICT (route_id, key) WHERE state = 'OPEN' DO UPDATE SET files = b.files + excluded.files, changes = b.changes + 1,
        full_at = excluded.full_at, idle_ms = excluded.idle_ms, max_concurrency = excluded.max_concurrency,
        close_at = least(b.close_at, excluded.close_at), manifest_file_id = coalesce(excluded.manifest_file_id, b.manifest_file_id),
        expected = coalesce(excluded.expected, b.expected), last_joined_at = now(), look_at = now()
      RETURNING b.id, b.route_id, b.key)`;
}
