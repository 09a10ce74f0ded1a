/**
 * The dates at which finished files expire, given again after a retention changed or a hold was released.
 *
 * 1. A file is dated by the statement that ends it (trigger `files_finished`). What changes later is brought to its rows by a clock, a page at
 *    a time, in the order of creation; the deletion judges by the rule as it is then, so that a longer retention holds at once.
 * 2. A change in the middle of a walk begins it again.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock } from '#shared/db/run-statements.ts';

/** A CTE. `tenants` selects `tenant_id`. */
export function dateFilesAgain(sql: Sql, tenants: ReturnType<Sql>) {
  return sql`redating AS (
      INSERT INTO retention_changes (tenant_id) SELECT DISTINCT tenant_id FROM (${tenants}) AS t ORDER BY tenant_id
      ON CONFLICT (tenant_id) DO UPDATE SET after_created_at = NULL, after_id = NULL, changed_at = now())`;
}

/** What holds where no definition says anything. The first time, and when it changed, the files of all tenants are dated. */
export async function setRetentionDefault(sql: Sql, filesMs: number): Promise<void> {
  await sql`
    WITH stored AS (
      INSERT INTO retention_defaults AS d (files_ms) VALUES (${filesMs})
      ON CONFLICT (is_only) DO UPDATE SET files_ms = excluded.files_ms WHERE d.files_ms <> excluded.files_ms RETURNING 1),
    ${dateFilesAgain(sql, sql`SELECT id AS tenant_id FROM tenants WHERE EXISTS (SELECT FROM stored)`)}
    SELECT 1`;
}

/** Resolves to whether there is more to do. */
export async function redateFiles(sql: Sql, limit: number): Promise<boolean> {
  const [row] = await repeatOnDeadlock(
    () => sql<{ isMore: boolean }[]>`
    WITH change AS MATERIALIZED (
      SELECT * FROM retention_changes ORDER BY changed_at LIMIT 1 FOR UPDATE SKIP LOCKED),
    page AS MATERIALIZED (
      SELECT f.* FROM change c CROSS JOIN LATERAL (
        SELECT id, tenant_id, created_at, finished_at FROM files
        WHERE tenant_id = c.tenant_id
          AND (created_at, id) > (coalesce(c.after_created_at, '-infinity'), coalesce(c.after_id, '00000000-0000-0000-0000-000000000000'))
        ORDER BY created_at, id LIMIT ${limit}) AS f),
    locked AS MATERIALIZED (
      SELECT id FROM files WHERE id IN (SELECT id FROM page WHERE finished_at IS NOT NULL) ORDER BY id FOR UPDATE),
    dated AS (
      UPDATE files f SET expire_at = e.expire_at, objects_expire_at = CASE WHEN f.objects_removed_at IS NULL THEN e.objects_expire_at END
      FROM locked l JOIN page p USING (id) CROSS JOIN LATERAL expiry_of(p.tenant_id, p.id, p.finished_at) AS e
      WHERE f.id = l.id AND f.finished_at = p.finished_at AND (f.expire_at IS DISTINCT FROM e.expire_at
        OR f.objects_expire_at IS DISTINCT FROM CASE WHEN f.objects_removed_at IS NULL THEN e.objects_expire_at END)),
    last AS (SELECT created_at, id FROM page ORDER BY created_at DESC, id DESC LIMIT 1),
    advanced AS (
      UPDATE retention_changes c SET after_created_at = l.created_at, after_id = l.id
      FROM last l WHERE c.tenant_id IN (SELECT tenant_id FROM change) AND (SELECT count(*) FROM page) = ${limit}),
    ended AS (
      DELETE FROM retention_changes
      WHERE tenant_id IN (SELECT tenant_id FROM change) AND (SELECT count(*) FROM page) < ${limit})
    SELECT EXISTS (SELECT FROM change) AS "isMore"`,
  );
  return row?.isMore === true;
}
