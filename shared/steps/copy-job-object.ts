/**
 * The server-side copy that `stage` and `deliver` share: of the very version that the job is about, marked with the job and the
 * idempotency key, and verified before anybody hears of it.
 */
import { fullObjectChecksum, type ObjectChecksum } from '#shared/files/object-checksum.ts';
import { type ObjectHead, SINGLE_COPY_LIMIT_BYTES, type WrittenObject } from '#shared/files/object-store.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import { verifyCopy } from '#shared/files/verify-copy.ts';
import type { StepContext } from './step-context.ts';

/** Metadata by which a repeated try recognises what an earlier one wrote. */
export const KEY_METADATA = 'longshore-key';
export const JOB_METADATA = 'longshore-job';

export type JobCopy =
  | {
      readonly type: 'copied';
      readonly written: WrittenObject;
      readonly sizeBytes: number;
      /** Of the source, and so of the copy, where the store keeps one. */
      readonly checksum: ObjectChecksum | undefined;
      readonly verifiedBy: 'checksum' | 'etag' | 'bytes';
    }
  | { readonly type: 'different'; readonly what: 'size' | 'checksum' };

/** @throws ObjectStoreError when the source is gone or changed, or the store refuses. */
export async function copyJobObject(
  context: StepContext<unknown>,
  target: { readonly bucket: string; readonly key: string },
): Promise<JobCopy> {
  const { store, object, job, signal } = context;
  const head = await headSource(context);
  const checksum = fullObjectChecksum(head.checksums);
  const request = {
    source: { ...object, etag: head.etag },
    target,
    replace: {
      metadata: { ...head.metadata, [JOB_METADATA]: job.id, [KEY_METADATA]: context.idempotencyKey },
      contentType: head.contentType,
    },
    checksumAlgorithm: checksum?.algorithm,
    signal,
  };
  const written =
    job.isLarge || head.sizeBytes > SINGLE_COPY_LIMIT_BYTES
      ? await store.copyMultipart({ ...request, sizeBytes: head.sizeBytes, jobId: job.id })
      : await store.copy(request);
  const verdict = await verifyCopy({
    store,
    source: { ...object, ...head },
    target: { ...target, ...written },
    signal,
  });
  if (verdict.type === 'same') {
    const kept = checksum ?? fullObjectChecksum(written.checksums);
    return { type: 'copied', written, sizeBytes: head.sizeBytes, checksum: kept, verifiedBy: verdict.by };
  }
  await store.deleteVersion({ ...target, versionId: written.versionId }, { signal });
  return verdict;
}

async function headSource({ store, object, signal }: StepContext<unknown>): Promise<ObjectHead> {
  const head = await store.head(object, { signal });
  const name = `${object.bucket}/${object.key}`;
  if (head === 'not-found') throw new ObjectStoreError('not-found', `${name} is no longer there`);
  const isSame = head.sizeBytes === object.sizeBytes && (object.etag === undefined || sameEtag(head.etag, object.etag));
  if (!isSame) throw new ObjectStoreError('precondition-failed', `${name} is another object than the one registered`);
  return head;
}

/** Events carry ETags without the quotes that headers have. */
function sameEtag(one: string, other: string): boolean {
  return one.replaceAll('"', '') === other.replaceAll('"', '');
}
