/**
 * Aborts the uploads of transfers that nobody goes on with: the job was cancelled, or failed with its attempts spent.
 *
 * 1. That it is aborted is written before; a job reopened meanwhile begins a new upload.
 * 2. An upload is over when the store no longer knows it: a part that was on its way at the abort can come after it.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { claimOrphans, endOrphan } from '#shared/transfers/orphaned-transfers.ts';

export interface EndOrphanedTransfersOptions {
  readonly sql: Sql;
  readonly store: Pick<ObjectStore, 'abortMultipartUpload' | 'hasMultipartUpload'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const MOST_AT_ONCE = 50;
/** Before an upload that the store still knows, or could not be asked about, is aborted again. */
const AGAIN_MS = 30_000;

/** Resolves to the number of transfers ended. */
export async function endOrphanedTransfers(options: EndOrphanedTransfersOptions): Promise<number> {
  const { sql, store, logger, signal } = options;
  let ended = 0;
  for (const orphan of await claimOrphans(sql, { limit: MOST_AT_ONCE, claimMs: AGAIN_MS })) {
    const { bucket, key, uploadId } = orphan;
    try {
      if (uploadId !== null) {
        const upload = { bucket, key, uploadId };
        await store.abortMultipartUpload(upload, { signal });
        if (await store.hasMultipartUpload(upload, { signal })) continue;
      }
      await endOrphan(sql, orphan);
      ended += 1;
    } catch (error) {
      logger.warn({ err: error, bucket, key }, 'upload not aborted yet');
    }
  }
  return ended;
}
