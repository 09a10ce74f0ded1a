/**
 * The copy that `stage` and `deliver` share: of the very version that the job is about, marked with the job and the idempotency key,
 * and verified before anybody hears of it.
 *
 * Which plan: one request for what is small; parts made by the store for what is large; parts read and sent where the route says
 * `copy: streamed`, whatever the size; and all that goes to an external store is read and sent, what one part holds by one request.
 */
import { onlyContentHeaders } from '#shared/files/content-headers.ts';
import type { CopyPlan } from '#shared/files/copies/transfer-log.ts';
import { verifyCopy } from '#shared/files/copies/verify-copy.ts';
import { fullObjectChecksum, type ObjectChecksum, type Proof } from '#shared/files/object-checksum.ts';
import {
  type CopyRequest,
  type MultipartObject,
  type ObjectHead,
  type ObjectStore,
  SINGLE_COPY_LIMIT_BYTES,
  type StorageClass,
  type StoredHead,
  type WrittenObject,
} from '#shared/files/object-store.ts';
import { hasFault, ObjectStoreError } from '#shared/files/store-error.ts';
import { JOB_METADATA, KEY_METADATA } from './job-metadata.ts';
import type { StepContext } from './step-context.ts';
import type { CopyWish } from './step-options.ts';

export type JobCopy =
  | {
      readonly type: 'copied';
      readonly written: WrittenObject;
      readonly sizeBytes: number;
      /** Of the source, and so of the copy, where the store keeps one. */
      readonly checksum: ObjectChecksum | undefined;
      readonly verifiedBy: 'checksum' | 'etag' | 'bytes';
      readonly receipt: CopyReceipt;
    }
  | { readonly type: 'different'; readonly what: 'size' | 'checksum' };

/** How it was copied, and what showed it to be true to its source. */
export interface CopyReceipt {
  readonly plan: CopyPlan | 'one-request';
  readonly proof: Proof;
  /** Of a copy in parts; those of an earlier try too. */
  readonly parts?: number;
  readonly resumedParts?: number;
  /** Hex, of content that was streamed in one go. */
  readonly sha256?: string;
}

export interface CopyTarget {
  readonly bucket: string;
  readonly key: string;
  /** Where the bucket is, when not with the source. */
  readonly external?: ObjectStore | undefined;
}

/** @throws ObjectStoreError when the source is gone or changed, or the store refuses. */
export async function copyJobObject(
  context: StepContext<unknown>,
  { external, ...target }: CopyTarget,
  wanted: CopyWish = 'auto',
  storageClass?: StorageClass,
): Promise<JobCopy> {
  const { store, object, job, signal } = context;
  const head = await headSource(context);
  const checksum = fullObjectChecksum(head.checksums);
  const request = {
    source: { ...object, etag: head.etag },
    target,
    replace: {
      ...onlyContentHeaders(head),
      metadata: { ...head.metadata, [JOB_METADATA]: job.id, [KEY_METADATA]: context.idempotencyKey },
    },
    checksumAlgorithm: checksum?.algorithm,
    storageClass,
    signal,
  };
  const targetStore = external ?? store;
  const isInParts =
    external !== undefined || wanted === 'streamed' || job.isLarge || head.sizeBytes > SINGLE_COPY_LIMIT_BYTES;
  const plan = wanted === 'streamed' ? 'streamed' : 'server-side';
  let written: WrittenObject | MultipartObject;
  try {
    written = isInParts
      ? await copyInParts(context, targetStore, { request, head, plan })
      : await targetStore.copy(request);
  } catch (error) {
    if (hasFault(error, 'corrupt')) return { type: 'different', what: 'checksum' };
    throw error;
  }
  const verdict = await verifyCopy({
    store,
    targetStore,
    source: { ...object, ...head },
    sourceSha256: (written as Partial<MultipartObject>).sha256,
    target: { ...target, ...written },
    signal,
  });
  if (verdict.type === 'same') {
    const kept = checksum ?? fullObjectChecksum(written.checksums);
    const receipt = { ...receiptOf(written), proof: verdict.proof };
    return { type: 'copied', written, sizeBytes: head.sizeBytes, checksum: kept, verifiedBy: verdict.by, receipt };
  }
  await targetStore.deleteVersion({ ...target, versionId: written.versionId }, { signal });
  return verdict;
}

function copyInParts(
  { job, transferLog }: StepContext<unknown>,
  store: ObjectStore,
  copy: { readonly request: CopyRequest; readonly head: SourceHead; readonly plan: CopyPlan },
): Promise<MultipartObject> {
  const { sizeBytes, checksums } = copy.head;
  return store.copyMultipart({
    ...copy.request,
    sizeBytes,
    checksums,
    jobId: job.id,
    plan: copy.plan,
    log: transferLog,
  });
}

function receiptOf(written: WrittenObject | MultipartObject): Omit<CopyReceipt, 'proof'> {
  if (!('plan' in written)) return { plan: 'one-request' };
  const { plan, parts, resumedParts, sha256 } = written;
  return { plan, parts, resumedParts, ...(sha256 !== undefined && { sha256 }) };
}

type SourceHead = StoredHead & Pick<ObjectHead, 'etag' | 'sizeBytes'>;

/** What was seen of an original when it arrived holds: a version never changes, and the copy asks for this very one. */
async function headSource({ store, object, head: known, signal }: StepContext<unknown>): Promise<SourceHead> {
  const { etag, sizeBytes } = object;
  if (known !== undefined && etag !== undefined) return { ...known, etag, sizeBytes };
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
