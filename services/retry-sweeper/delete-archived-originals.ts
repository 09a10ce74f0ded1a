/**
 * Deletes versions in landing whose original has been in the archive for an hour. After a failover and the way back a home still has what its
 * standby archived, for S3 replicates no deletion of a version; without this it would keep them after their retention has ended.
 *
 * 1. Only while the archive has the object, or its retention has deleted it: until it has been copied back, landing's is the last one here.
 * 2. By version: what a sender has put there since is another one.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { ListedVersion, ObjectStore } from '#shared/files/object-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface DeleteArchivedOptions {
  readonly sql: Sql;
  readonly store: Pick<ObjectStore, 'head' | 'deleteVersions'>;
  readonly landingBucket: string;
  readonly metrics: Pick<RetrySweeperMetrics, 'reconciled'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

interface ArchivedOriginal {
  readonly key: string;
  readonly versionId: string;
  readonly archiveBucket: string;
  readonly archiveKey: string;
  readonly archiveVersionId: string | null;
  readonly isExpired: boolean;
}

export async function deleteArchivedOriginals(
  versions: readonly ListedVersion[],
  { sql, store, landingBucket, metrics, logger, signal }: DeleteArchivedOptions,
): Promise<void> {
  const named = versions.filter(({ key }) => !key.includes('\0'));
  if (named.length === 0) return;
  const archived = await sql<ArchivedOriginal[]>`
    SELECT f.key, f.version_id AS "versionId", f.archive_bucket AS "archiveBucket", f.archive_key AS "archiveKey",
      f.archive_version_id AS "archiveVersionId", f.objects_removed_at IS NOT NULL AS "isExpired"
    FROM unnest(${named.map(({ key }) => key)}::text[], ${named.map(({ versionId }) => versionId)}::text[]) AS v(key, version_id)
    JOIN files f ON (f.bucket, f.key, f.version_id) = (${landingBucket}, v.key, v.version_id)
    WHERE f.archived_at < now() - interval '1 hour' AND f.archive_key IS NOT NULL AND (f.archive_bucket, f.archive_key) <> (f.bucket, f.key)`;
  const deletable: ArchivedOriginal[] = [];
  for (const original of archived) {
    const { archiveBucket: bucket, archiveKey: key, archiveVersionId: versionId } = original;
    const address = { bucket, key, ...(versionId !== null && { versionId }) };
    if (original.isExpired || (await store.head(address, { signal })) !== 'not-found') deletable.push(original);
  }
  if (deletable.length === 0) return;
  const refused = await store.deleteVersions(landingBucket, deletable, { signal });
  const deleted = deletable.length - refused.length;
  metrics.reconciled.inc({ outcome: 'archived original deleted' }, deleted);
  logger.info({ deleted, refused: refused.length }, 'originals deleted from landing that are in the archive');
}
