/**
 * Originals that are brought back from a cold tier of the archive.
 *
 * `askRestore`.   In: a file whose original is in the archive. Out: its restore; one that is under way keeps its tier and days, and gains the wish to
 *                 send again: from a deep archive it takes days, in which somebody else may ask.
 * `claimRestores`, `noteRestore`: the clock's, which asks the store and looks whether the original can be read.
 *
 * Events: `file.restore-asked`, `file.restored`, `file.restore-failed`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import type { RESTORE_STATES } from '#shared/db/schema.ts';
import type { RestoreTier } from '#shared/files/object-store.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export type RestoreState = (typeof RESTORE_STATES)[number];

export interface RestoreWish {
  readonly fileId: string;
  readonly days: number;
  readonly tier: RestoreTier;
  /** Its jobs are sent again as new afterwards, when a second person approves it. */
  readonly resends: boolean;
  readonly reason: string;
  readonly actor: string;
}

/** False where the original is not in the archive. */
export async function askRestore(
  sql: Sql,
  { fileId, days, tier, resends, reason, actor }: RestoreWish,
): Promise<boolean> {
  const unlessUnderWay = (column: string) =>
    sql`CASE WHEN r.next_action_at IS NULL THEN excluded.${sql(column)} ELSE r.${sql(column)} END`;
  const [row] = await sql<{ isArchived: boolean }[]>`
    WITH file AS MATERIALIZED (
      SELECT id, tenant_id FROM files
      WHERE id = ${fileId} AND archived_at IS NOT NULL AND archive_key IS NOT NULL AND objects_removed_at IS NULL FOR UPDATE),
    asked AS (
      INSERT INTO restores AS r (file_id, tenant_id, state, days, tier, resends, reason, actor, next_action_at)
      SELECT id, tenant_id, 'ASKED', ${days}, ${tier}, ${resends}, ${reason}, ${actor}, now() FROM file
      -- As the row is now: who else asks in the same moment is not in the statement's snapshot.
      ON CONFLICT (file_id) DO UPDATE SET state = ${unlessUnderWay('state')}, days = ${unlessUnderWay('days')}, tier = ${unlessUnderWay('tier')},
        created_at = ${unlessUnderWay('created_at')}, next_action_at = coalesce(r.next_action_at, now()), resends = excluded.resends,
        reason = excluded.reason, actor = excluded.actor, error_code = NULL, error_message = NULL, readable_until = NULL, updated_at = now()
      WHERE r.next_action_at IS NULL OR (excluded.resends AND NOT r.resends) RETURNING *),
    event AS (
      SELECT 'file.restore-asked' AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_build_object('tier', tier, 'days', days, 'resend', resends, 'reason', reason) AS detail, '{events}'::text[] AS topics
      FROM asked),
    ${recordEvents(sql, actor)}
    SELECT EXISTS (SELECT FROM file) AS "isArchived"`;
  return row?.isArchived === true;
}

export interface DueRestore {
  readonly fileId: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | null;
  readonly state: RestoreState;
  readonly days: number;
  readonly tier: RestoreTier;
  readonly resends: boolean;
  readonly reason: string;
  readonly actor: string;
  readonly ageSeconds: number;
}

/** For so long nobody else looks at it. */
const LEASE = '2 minutes';

export async function claimRestores(sql: Sql, limit: number): Promise<DueRestore[]> {
  return await sql<DueRestore[]>`
    WITH due AS MATERIALIZED (
      SELECT file_id FROM restores WHERE next_action_at <= now() ORDER BY next_action_at LIMIT ${literalLimit(sql, limit)} FOR UPDATE SKIP LOCKED)
    UPDATE restores r SET next_action_at = now() + ${LEASE}::interval
    FROM due d JOIN files f ON f.id = d.file_id WHERE r.file_id = d.file_id
    RETURNING r.file_id AS "fileId", f.archive_bucket AS bucket, f.archive_key AS key, f.archive_version_id AS "versionId", r.state, r.days,
      r.tier, r.resends, r.reason, r.actor, extract(epoch FROM now() - r.created_at)::float8 AS "ageSeconds"`;
}

export type RestoreNews =
  | { readonly state: 'ASKED' | 'THAWING'; readonly againInMs: number }
  /** `until` is null where it stays readable. */
  | { readonly state: 'READY'; readonly until: Date | null; readonly resent: string | null }
  | { readonly state: 'FAILED'; readonly code: string; readonly message: string };

/** A restore that was to be sent again since it was claimed is not ready: it is looked at once more. */
export async function noteRestore(
  sql: Sql,
  { fileId, resends }: Pick<DueRestore, 'fileId' | 'resends'>,
  news: RestoreNews,
  actor: string,
): Promise<void> {
  const againInMs = 'againInMs' in news ? news.againInMs : null;
  const until = 'until' in news ? (news.until?.toISOString() ?? null) : null;
  const { code = null, message = null } = 'code' in news ? news : {};
  await sql`
    WITH noted AS (
      UPDATE restores SET state = ${news.state}, updated_at = now(), next_action_at = now() + ${againInMs}::float8 * interval '1 ms',
        readable_until = ${until}::timestamptz, error_code = ${code}::text, error_message = ${message}::text
      WHERE file_id = ${fileId} AND next_action_at IS NOT NULL AND (${news.state}::text <> 'READY' OR resends = ${resends}) RETURNING *),
    event AS (
      SELECT CASE state WHEN 'READY' THEN 'file.restored' ELSE 'file.restore-failed' END AS type, tenant_id, file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('readableUntil', readable_until, 'resent', ${'resent' in news ? news.resent : null}::text,
          'code', error_code, 'message', error_message)) AS detail, '{events}'::text[] AS topics
      FROM noted WHERE state IN ('READY', 'FAILED')),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}
