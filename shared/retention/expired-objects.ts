/**
 * The objects of deleted rows: listed by the statement that deletes the rows, deleted by a clock, then struck off.
 *
 * 1. Under a lease, so that several clocks share the work; a repeated deletion of a version changes nothing.
 * 2. What the store refuses (an object lock that has not ended) is asked again, ever more rarely, and never forgotten.
 * 3. What a hold came to name meanwhile stays: its turn is `infinity` until the hold is released (`legal-holds.ts`).
 * 4. A certificate is complete when the last of its objects is gone. Event: `retention.objects-deleted`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { repeatOnDeadlock, toJsonb } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface ExpiredObject {
  readonly bucket: string;
  readonly key: string;
  /** Empty where none was noted. */
  readonly versionId: string;
  readonly jobId: string | null;
}

export interface RefusedObject extends ExpiredObject {
  readonly message: string;
}

const LEASE = '5 minutes';

export async function claimExpiredObjects(sql: Sql, limit: number): Promise<ExpiredObject[]> {
  return await sql<ExpiredObject[]>`
    WITH due AS MATERIALIZED (
      SELECT bucket, key, version_id FROM expired_objects WHERE next_action_at <= now()
      ORDER BY next_action_at LIMIT ${literalLimit(sql, limit)} FOR UPDATE SKIP LOCKED)
    UPDATE expired_objects o SET tries = o.tries + 1, next_action_at = now() + ${LEASE}::interval
    FROM due d WHERE (o.bucket, o.key, o.version_id) = (d.bucket, d.key, d.version_id)
    RETURNING o.bucket, o.key, o.version_id AS "versionId", o.job_id AS "jobId"`;
}

/** Those of the claimed that no hold came to name since: asked right before they are deleted, as a claim may be minutes old by then. */
export async function withoutHeld<Claimed extends ExpiredObject>(
  sql: Sql,
  claimed: readonly Claimed[],
): Promise<Claimed[]> {
  const rows = claimed.map(({ bucket, key, versionId }, place) => ({ bucket, key, versionId, place }));
  const held = await sql<{ place: number }[]>`
    SELECT i.place FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS i(bucket text, key text, "versionId" text, place int)
    JOIN expired_objects o ON (o.bucket, o.key, o.version_id) = (i.bucket, i.key, i."versionId")
    WHERE NOT isfinite(o.next_action_at)`;
  const places = new Set(held.map(({ place }) => place));
  return claimed.filter((_, place) => !places.has(place));
}

export async function settleExpiredObjects(
  sql: Sql,
  { gone, refused }: { readonly gone: readonly ExpiredObject[]; readonly refused: readonly RefusedObject[] },
  actor: string,
): Promise<void> {
  const rows = [...gone, ...refused].map(({ bucket, key, versionId, ...rest }) => ({
    ...{ bucket, key, versionId },
    message: 'message' in rest ? rest.message : null,
  }));
  if (rows.length === 0) return;
  await repeatOnDeadlock(
    () => sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS r(bucket text, key text, "versionId" text, message text)),
    locked AS MATERIALIZED (
      SELECT o.bucket, o.key, o.version_id, o.certificate_id, i.message
      FROM input i JOIN expired_objects o ON (o.bucket, o.key, o.version_id) = (i.bucket, i.key, i."versionId")
      ORDER BY o.bucket, o.key, o.version_id FOR UPDATE OF o),
    put_off AS (
      UPDATE expired_objects o SET error_message = l.message,
        next_action_at = CASE WHEN isfinite(o.next_action_at)
          THEN now() + least(interval '1 day', interval '1 minute' * power(2, least(o.tries, 12))) ELSE o.next_action_at END
      FROM locked l WHERE l.message IS NOT NULL AND (o.bucket, o.key, o.version_id) = (l.bucket, l.key, l.version_id)),
    struck_off AS (
      DELETE FROM expired_objects o USING locked l
      WHERE l.message IS NULL AND (o.bucket, o.key, o.version_id) = (l.bucket, l.key, l.version_id) RETURNING l.certificate_id),
    counted AS (SELECT certificate_id, count(*)::int AS objects FROM struck_off GROUP BY certificate_id),
    certificate_locked AS MATERIALIZED (
      SELECT id FROM deletion_certificates WHERE id IN (SELECT certificate_id FROM counted) ORDER BY id FOR UPDATE),
    certificate AS (
      UPDATE deletion_certificates c SET objects_left = c.objects_left - n.objects,
        completed_at = CASE WHEN c.objects_left = n.objects THEN now() END
      FROM counted n JOIN certificate_locked l ON l.id = n.certificate_id WHERE c.id = n.certificate_id RETURNING c.*),
    event AS (
      SELECT 'retention.objects-deleted' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('certificate', id, 'objects', objects) AS detail, '{events}'::text[] AS topics
      FROM certificate WHERE completed_at IS NOT NULL),
    ${recordEvents(sql, actor)}
    SELECT 1`,
  );
}
