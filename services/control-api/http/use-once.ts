/**
 * What may be used once, over all processes: a signed request, a link. One statement each; what has expired is deleted along the way.
 */
import { createHash } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';

const DELETED_AT_ONCE = 100;

/** Resolves to whether this was the first use. `keepMs`: for as long as the same thing could come again. */
export async function useOnce(sql: Sql, thing: string, keepMs: number): Promise<boolean> {
  const digest = createHash('sha256').update(thing).digest('hex');
  const rows = await sql`
    WITH expired AS (
      SELECT digest FROM used_once WHERE expires_at < now() AND digest <> ${digest}
      LIMIT ${DELETED_AT_ONCE} FOR UPDATE SKIP LOCKED),
    forgotten AS (DELETE FROM used_once u USING expired e WHERE u.digest = e.digest)
    INSERT INTO used_once AS u (digest, expires_at) VALUES (${digest}, now() + ${keepMs}::int * interval '1 ms')
    ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at WHERE u.expires_at < now()
    RETURNING 1`;
  return rows.length > 0;
}
