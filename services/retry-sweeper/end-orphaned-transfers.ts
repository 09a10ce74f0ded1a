/**
 * Aborts the uploads of transfers that nobody continues with: the job was cancelled, or failed with its attempts spent.
 *
 * 1. That it is aborted is written before; a job reopened meanwhile begins a new upload.
 * 2. One at an external store is aborted there; a store that is down holds up no other.
 * 3. An upload is over when the store no longer knows it: a part that was on its way at the abort can come after it.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { StoreDirectory } from '#shared/stores/store-directory.ts';
import { claimOrphans, endOrphan, type OrphanedTransfer } from '#shared/transfers/orphaned-transfers.ts';

export interface EndOrphanedTransfersOptions {
  readonly sql: Sql;
  readonly store: Aborting;
  /** At an external store. */
  readonly stores: StoreDirectory;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

type Aborting = Pick<ObjectStore, 'abortMultipartUpload' | 'hasMultipartUpload'>;

const MOST_AT_ONCE = 50;
/** For one upload, with the repeats of its requests. */
const DEADLINE_MS = 20_000;
/** Before an upload that the store still knows, or could not be asked about, is aborted again. */
const AGAIN_MS = 30_000;

/** Resolves to the number of transfers ended. */
export async function endOrphanedTransfers(options: EndOrphanedTransfersOptions): Promise<number> {
  const orphans = await claimOrphans(options.sql, { limit: MOST_AT_ONCE, claimMs: AGAIN_MS });
  const ended = await Promise.all(orphans.map((orphan) => end(options, orphan)));
  return ended.filter(Boolean).length;
}

async function end(options: EndOrphanedTransfersOptions, orphan: OrphanedTransfer): Promise<boolean> {
  const { sql, logger } = options;
  const { tenantId: tenant, store, bucket, key } = orphan;
  try {
    if (!(await abort(options, orphan))) return false;
    await endOrphan(sql, orphan);
    return true;
  } catch (error) {
    logger.warn({ err: error, tenant, store, bucket, key }, 'upload not aborted yet');
    return false;
  }
}

/** False while the store still knows the upload. */
async function abort(options: EndOrphanedTransfersOptions, orphan: OrphanedTransfer): Promise<boolean> {
  const { tenantId, store: name, uploadId } = orphan;
  if (uploadId === null) return true;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(DEADLINE_MS)]);
  const upload = { ...orphan, uploadId };
  if (name === null) return await abortAt(options.store, upload, signal);
  const used = await options.stores.use({ tenantId, name }, ({ store }) => abortAt(store, upload, signal));
  if (!used.ok) throw new LongshoreError('STORE_UNKNOWN', `${used.message}.`);
  return used.result;
}

async function abortAt(
  store: Aborting,
  { bucket, key, uploadId }: Parameters<Aborting['abortMultipartUpload']>[0],
  signal: AbortSignal,
): Promise<boolean> {
  const upload = { bucket, key, uploadId };
  await store.abortMultipartUpload(upload, { signal });
  return !(await store.hasMultipartUpload(upload, { signal }));
}
