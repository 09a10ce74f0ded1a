/** Deletes the objects of rows that have expired, by version; an output without a noted version only where the newest one is its job's. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import {
  claimExpiredObjects,
  type ExpiredObject,
  type RefusedObject,
  settleExpiredObjects,
  withoutHeld,
} from '#shared/retention/expired-objects.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { JOB_METADATA } from '#shared/steps/job-metadata.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

/** Of one DeleteObjects. */
const AT_ONCE = 1_000;

export interface DeleteExpiredObjectsOptions {
  readonly sql: Sql;
  readonly store: ObjectStore;
  readonly metrics: Pick<RetrySweeperMetrics, 'expiredObjects'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export async function deleteExpiredObjects(options: DeleteExpiredObjectsOptions): Promise<'again' | 'done'> {
  const { sql, store, metrics, logger, signal } = options;
  const claimed = await claimExpiredObjects(sql, AT_ONCE);
  const refused: RefusedObject[] = [];
  const versions = new Map<ExpiredObject, string>();
  for (const object of claimed) {
    const versionId = object.versionId === '' ? await findOwnVersion(store, object, signal) : object.versionId;
    if (versionId !== undefined) versions.set(object, versionId);
  }
  const free = await withoutHeld(sql, claimed);
  const own = free.flatMap((object) => {
    const versionId = versions.get(object);
    return versionId === undefined ? [] : [{ ...object, versionId }];
  });
  for (const [bucket, inBucket] of Map.groupBy(own, (object) => object.bucket)) {
    refused.push(...(await deleteIn(store, bucket, { objects: inBucket, signal })));
  }
  const isRefused = new Set(refused.map(({ bucket, key }) => `${bucket}\n${key}`));
  const gone = free.filter(({ bucket, key }) => !isRefused.has(`${bucket}\n${key}`));
  const kept = free.flatMap((object) => {
    const refusal = refused.find(({ bucket, key }) => bucket === object.bucket && key === object.key);
    return refusal === undefined ? [] : [{ ...object, message: refusal.message }];
  });
  await settleExpiredObjects(sql, { gone, refused: kept }, 'retry-sweeper');
  metrics.expiredObjects.inc({ outcome: 'deleted' }, gone.length);
  metrics.expiredObjects.inc({ outcome: 'refused' }, kept.length);
  if (kept[0] !== undefined)
    logger.warn(
      { objects: kept.length, bucket: kept[0].bucket, reason: kept[0].message },
      'expired objects are not deleted yet',
    );
  return claimed.length === AT_ONCE ? 'again' : 'done';
}

async function findOwnVersion(
  store: ObjectStore,
  { bucket, key, jobId }: ExpiredObject,
  signal: AbortSignal,
): Promise<string | undefined> {
  const head = await store.head({ bucket, key }, { signal });
  return head !== 'not-found' && head.metadata[JOB_METADATA] === jobId ? head.versionId : undefined;
}

async function deleteIn(
  store: ObjectStore,
  bucket: string,
  { objects, signal }: { readonly objects: readonly ExpiredObject[]; readonly signal: AbortSignal },
): Promise<RefusedObject[]> {
  try {
    const refused = await store.deleteVersions(bucket, objects, { signal });
    const messages = new Map(refused.map(({ key, message }) => [key, message]));
    return objects.flatMap((object) => {
      const message = messages.get(object.key);
      return message === undefined ? [] : [{ ...object, message }];
    });
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    return objects.map((object) => ({ ...object, message: error.message }));
  }
}
