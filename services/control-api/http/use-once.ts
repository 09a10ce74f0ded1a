/**
 * What may be used once, or so many times in a while, over all processes: a signed request, a link. What has expired is deleted along the way.
 * However many ask at once: each use is its own row, and is taken by one of them.
 */
import { createHash } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';

const DELETED_AT_ONCE = 100;
/** Each time another request took the very use that was free when the statement began. */
const TAKE_TRIES = 20;

/** Resolves to whether this was the first use. `keepMs`: for as long as the same thing could come again. */
export async function useOnce(sql: Sql, thing: string, keepMs: number): Promise<boolean> {
  const digest = digestOf(thing);
  const rows = await sql`
    WITH ${deleteExpired(sql, [digest])}
    INSERT INTO used_once AS u (digest, expires_at) VALUES (${digest}, now() + ${keepMs}::int * interval '1 ms')
    ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at WHERE u.expires_at < now()
    RETURNING 1`;
  return rows.length > 0;
}

export interface LimitedUse {
  readonly thing: string;
  readonly most: number;
  readonly inMs: number;
}

/** Resolves to whether this is one of the first `most` uses in any `inMs`; others are not counted. */
export async function useAtMost(sql: Sql, { thing, most, inMs }: LimitedUse): Promise<boolean> {
  const digests = Array.from({ length: most }, (_, use) => digestOf(`${thing}\n${use}`));
  for (let tries = 1; ; tries++) {
    const [row] = await sql<{ isTaken: boolean; wasFree: boolean }[]>`
      WITH ${deleteExpired(sql, digests)},
      free AS MATERIALIZED (
        SELECT s.digest FROM unnest(${digests}::text[]) AS s(digest)
        WHERE NOT EXISTS (SELECT FROM used_once u WHERE u.digest = s.digest AND u.expires_at >= now()) ORDER BY random() LIMIT 1),
      taken AS (
        INSERT INTO used_once AS u (digest, expires_at) SELECT digest, now() + ${inMs}::int * interval '1 ms' FROM free
        ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at WHERE u.expires_at < now()
        RETURNING 1)
      SELECT EXISTS (SELECT FROM taken) AS "isTaken", EXISTS (SELECT FROM free) AS "wasFree"`;
    if (row === undefined || row.isTaken || !row.wasFree || tries === TAKE_TRIES) return row?.isTaken === true;
  }
}

/** CTEs. Of others than `digests`: a row cannot be deleted and written by one statement. */
function deleteExpired(sql: Sql, digests: readonly string[]) {
  return sql`
    expired AS (
      SELECT digest FROM used_once WHERE expires_at < now() AND digest <> ALL(${[...digests]}::text[])
      LIMIT ${DELETED_AT_ONCE} FOR UPDATE SKIP LOCKED),
    deleted AS (DELETE FROM used_once u USING expired e WHERE u.digest = e.digest)`;
}

function digestOf(thing: string): string {
  return createHash('sha256').update(thing).digest('hex');
}
