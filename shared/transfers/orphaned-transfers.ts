/**
 * Transfers that nobody continues with: their job or file has ended, was cancelled, or was failed while its worker was away.
 *
 * `claimOrphans`: writes that their uploads are aborted, before they are. Whoever reopens the job then begins again. A claim lasts for
 *                 `claimMs`, at an external store longer the longer it is not reached, up to an hour; rows locked by another
 *                 sweeper are left to it.
 * `endOrphan`:    once the store no longer knows the upload.
 * `findPulledUploads`: of the uploads named, those that pulls began and could not write down any more.
 * `findOwnedUploads`: of the uploads named, those of a transfer that is still open.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';

export interface OrphanedTransfer {
  readonly ownerId: string;
  readonly seq: number;
  readonly epoch: number;
  readonly tenantId: string;
  /** Of an upload to an external store, its name. */
  readonly store: string | null;
  readonly bucket: string;
  readonly key: string;
  /** Null when the upload was not begun. */
  readonly uploadId: string | null;
}

export async function claimOrphans(
  sql: Sql,
  options: { readonly limit: number; readonly claimMs: number },
): Promise<OrphanedTransfer[]> {
  return await sql<OrphanedTransfer[]>`
    WITH orphan AS (
      SELECT t.owner_id, t.seq FROM transfers t
      WHERE t.state IN ('COPYING', 'COMPLETING', 'ABORTING') AND coalesce(t.next_action_at <= now(), true)
        -- Whoever has just taken it over is seen here, where the job's row may be older.
        AND t.updated_at < now() - interval '1 second'
        -- Each by its key, or jobs would be read whole to find those of many transfers.
        AND CASE t.owner
          WHEN 'job' THEN NOT EXISTS (
            SELECT 1 FROM jobs j WHERE j.id = t.owner_id AND j.state IN ('PENDING', 'RUNNING', 'WAITING') AND j.step_seq = t.seq OFFSET 0)
          WHEN 'pull' THEN NOT EXISTS (
            SELECT 1 FROM pulls p WHERE p.id = t.owner_id AND p.generation = t.seq AND p.status IN ('TRIGGERED', 'RUNNING') OFFSET 0)
          ELSE NOT EXISTS (
            SELECT 1 FROM files f WHERE f.id = t.owner_id AND f.status = 'PROCESSING' AND f.archived_at IS NULL OFFSET 0) END
      ORDER BY t.owner_id, t.seq LIMIT ${literalLimit(sql, options.limit)} FOR UPDATE SKIP LOCKED)
    UPDATE transfers t SET state = 'ABORTING', updated_at = now(),
      next_action_at = now() + CASE WHEN t.store IS NULL THEN ${options.claimMs}::int * interval '1 ms'
        ELSE greatest(${options.claimMs}::int * interval '1 ms', least(interval '1 hour', (now() - t.started_at) / 10)) END
    FROM orphan o WHERE t.owner_id = o.owner_id AND t.seq = o.seq
    RETURNING t.owner_id AS "ownerId", t.seq, t.epoch, t.tenant_id AS "tenantId", t.store, t.bucket, t.key,
      t.upload_id AS "uploadId"`;
}

/** Nothing when a worker took the transfer over meanwhile. */
export async function endOrphan(sql: Sql, { ownerId, seq, epoch }: OrphanedTransfer): Promise<void> {
  await sql`
    WITH ended AS (
      UPDATE transfers SET state = 'ABORTED', next_action_at = NULL, finished_at = now(), updated_at = now()
      WHERE owner_id = ${ownerId} AND seq = ${seq} AND epoch = ${epoch} AND state = 'ABORTING' RETURNING owner_id, seq)
    DELETE FROM transfer_parts p USING ended e WHERE p.owner_id = e.owner_id AND p.seq = e.seq`;
}

export interface UploadOfUnknown {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly initiated: Date;
}

/** By their key: a pull writes where its upload goes before it begins one. `skewMs`: between the clocks. */
export async function findPulledUploads(
  sql: Sql,
  uploads: readonly UploadOfUnknown[],
  skewMs: number,
): Promise<Set<string>> {
  if (uploads.length === 0) return new Set();
  const rows = await sql<{ uploadId: string }[]>`
    SELECT u.id AS "uploadId" FROM unnest(${uploads.map(({ uploadId }) => uploadId)}::text[],
      ${uploads.map(({ bucket }) => bucket)}::text[], ${uploads.map(({ key }) => key)}::text[],
      ${uploads.map(({ initiated }) => initiated.toISOString())}::timestamptz[]) AS u(id, bucket, key, initiated)
    WHERE EXISTS (
        SELECT 1 FROM transfers t JOIN pulls p ON p.id = t.owner_id WHERE t.owner = 'pull' AND t.bucket = u.bucket AND t.key = u.key
          AND p.created_at < u.initiated + ${skewMs}::int * interval '1 ms')
      AND NOT EXISTS (SELECT 1 FROM uploads s WHERE s.store_upload_id = u.id)`;
  return new Set(rows.map(({ uploadId }) => uploadId));
}

export async function findOwnedUploads(sql: Sql, uploadIds: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ uploadId: string }[]>`
    SELECT upload_id AS "uploadId" FROM transfers
    WHERE upload_id = ANY(${[...uploadIds]}::text[]) AND state IN ('COPYING', 'COMPLETING', 'ABORTING')`;
  return new Set(rows.map(({ uploadId }) => uploadId));
}
