/** Ends uploads over HTTP that nobody completed within a day, with their parts in landing, and deletes the rows of those that ended long ago. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { abortUploadRow, deleteEndedUploads, findExpiredUploads } from '#shared/uploads/uploads.ts';

export interface EndExpiredUploadsOptions {
  readonly sql: Sql;
  readonly store: Pick<ObjectStore, 'abortMultipartUpload'>;
  readonly signal: AbortSignal;
}

const ENDED_AT_ONCE = 100;
/** For as long as an Idempotency-Key is remembered. */
const KEPT_DAYS = 30;
const DELETED_AT_ONCE = 1_000;

/** Resolves to the number of uploads ended. */
export async function endExpiredUploads({ sql, store, signal }: EndExpiredUploadsOptions): Promise<number> {
  const expired = await findExpiredUploads(sql, ENDED_AT_ONCE);
  for (const upload of expired) {
    const { bucket, key, storeUploadId } = upload;
    // First in the store: a row that has ended would not be looked at again.
    if (storeUploadId !== null) await store.abortMultipartUpload({ bucket, key, uploadId: storeUploadId }, { signal });
    await abortUploadRow(sql, { ...upload, code: 'UPLOAD_ENDED', actor: 'retry-sweeper' });
  }
  await deleteEndedUploads(sql, KEPT_DAYS, DELETED_AT_ONCE);
  return expired.length;
}
