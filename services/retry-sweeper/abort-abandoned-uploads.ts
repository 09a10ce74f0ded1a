/**
 * Aborts multipart uploads that nobody will complete and that no transfer knows of: their worker was killed before it wrote them down.
 *
 * 1. Whatever holds a lease keeps its uploads: one is abandoned only when it began before the oldest row that is held now existed. Uploads
 *    are listed before the rows are looked at, so no upload of a row claimed meanwhile is among them.
 * 2. An upload of an open transfer is somebody's, however old it is: a copy that waits for its next try continues with it.
 * 3. In the landing bucket uploads belong to senders. Only those under the key of a pull are looked at, which began since the pull exists and
 *    no sender's upload knows.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { ListedUpload, ObjectStore, UploadCursor } from '#shared/files/object-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { findOwnedUploads, findPulledUploads } from '#shared/transfers/orphaned-transfers.ts';

export interface AbortAbandonedUploadsOptions {
  readonly sql: Sql;
  readonly store: Pick<ObjectStore, 'listMultipartUploads' | 'abortMultipartUpload'>;
  readonly buckets: readonly string[];
  readonly landingBucket: string;
  /** Younger uploads are left alone. */
  readonly youngestMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970, of the object store's clock as nearly as possible. */
  readonly now: () => number;
}

/** Between the clocks of the database and of the object store. */
const CLOCK_SKEW_MS = 60_000;
const MOST_PAGES = 100;

/** Resolves to the number of uploads aborted. */
export async function abortAbandonedUploads(options: AbortAbandonedUploadsOptions): Promise<number> {
  const { sql, store, buckets, landingBucket, logger, signal } = options;
  const youngest = options.now() - options.youngestMs;
  const listed = await Promise.all([...buckets, landingBucket].map((bucket) => listUploads(options, bucket)));
  const old = listed.flat().filter(({ initiated }) => initiated.getTime() <= youngest);
  if (old.length === 0) return 0;
  const pulled = await findPulledUploads(
    sql,
    old.filter(({ bucket }) => bucket === landingBucket),
    CLOCK_SKEW_MS,
  );
  const heldSince = await findOldestHeld(sql);
  const owned = await findOwnedUploads(
    sql,
    old.map(({ uploadId }) => uploadId),
  );
  const abandoned = old.filter(
    ({ bucket, uploadId, initiated }) =>
      (bucket !== landingBucket || pulled.has(uploadId)) &&
      !owned.has(uploadId) &&
      (heldSince === undefined || initiated.getTime() < heldSince.getTime() - CLOCK_SKEW_MS),
  );
  for (const { bucket, key, uploadId, initiated } of abandoned) {
    await store.abortMultipartUpload({ bucket, key, uploadId }, { signal });
    logger.warn({ bucket, key, initiated }, 'abandoned upload aborted');
  }
  return abandoned.length;
}

async function listUploads(
  { store, signal }: AbortAbandonedUploadsOptions,
  bucket: string,
): Promise<(ListedUpload & { readonly bucket: string })[]> {
  const uploads: (ListedUpload & { readonly bucket: string })[] = [];
  let after: UploadCursor | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { items, next } = await store.listMultipartUploads({ bucket, signal, ...(after !== undefined && { after }) });
    uploads.push(...items.map((upload) => ({ ...upload, bucket })));
    if (next === undefined) break;
    after = next;
  }
  return uploads;
}

/** When the oldest row that is held now came into being: nothing that it uploads began before. */
async function findOldestHeld(sql: Sql): Promise<Date | undefined> {
  const [row] = await sql<{ since: Date | null }[]>`
    SELECT least(
      (SELECT min(created_at) FROM jobs WHERE state = 'RUNNING' AND lease_until > now()),
      (SELECT min(started_at) FROM pulls WHERE status = 'RUNNING' AND lease_until > now()),
      (SELECT min(routed_at) FROM files WHERE status = 'PROCESSING' AND open_jobs = 0 AND lease_until > now())) AS since`;
  return row?.since ?? undefined;
}
