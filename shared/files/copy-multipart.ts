/**
 * Server-side copy in parts side by side, for what is too large for one request.
 *
 * 1. The final name appears only when all parts are there; an upload that fails is aborted, after its last part has ended.
 * 2. The upload carries the job's id, so that a completed object whose reply was lost is recognised, and a left-over upload too.
 * 3. Parts are planned from the size alone: whoever takes an upload over plans the same ones, and copies those that are missing.
 */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  type ChecksumAlgorithm as SdkChecksumAlgorithm,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { storeCall } from './classify-store-error.ts';
import { copySourceOf, findWritten } from './copy-object.ts';
import type { ChecksumAlgorithm } from './object-checksum.ts';
import type { MultipartCopyRequest, WrittenObject } from './object-store.ts';
import { abortable, headObject, nameOf } from './read-object.ts';
import { stopOnAmbiguity } from './send-once.ts';
import { checksumsOf } from './store-checksums.ts';
import { AmbiguousWriteError, hasFault, ObjectStoreError } from './store-error.ts';

interface CopyPart {
  readonly number: number;
  readonly first: number;
  readonly last: number;
}

export interface MultipartOptions {
  readonly partBytes: number;
  readonly concurrency: number;
}

const MOST_PARTS = 10_000;
/** The clean-up has a time of its own: the caller's signal may be what ended the copy. */
const ABORT_TIMEOUT_MS = 10_000;

export function planParts(sizeBytes: number, partBytes: number): CopyPart[] {
  const bytes = Math.max(partBytes, Math.ceil(sizeBytes / MOST_PARTS));
  return Array.from({ length: Math.ceil(sizeBytes / bytes) }, (_, index) => ({
    number: index + 1,
    first: index * bytes,
    last: Math.min(sizeBytes, (index + 1) * bytes) - 1,
  }));
}

export async function copyMultipart(
  client: S3Client,
  options: MultipartOptions,
  request: MultipartCopyRequest,
): Promise<WrittenObject> {
  const replace = request.replace ?? (await sourceDescription(client, request));
  const described = {
    ...request,
    replace: { ...replace, metadata: { ...replace.metadata, 'longshore-job': request.jobId } },
  };
  const startedAt = Date.now();
  const upload = { ...request.target, uploadId: await createUpload(client, described) };
  try {
    const parts = await copyParts(client, options, described, upload.uploadId);
    return await completeUpload(client, described, upload.uploadId, parts, startedAt);
  } catch (error) {
    // A failed clean-up must not hide why the copy failed; the store's lifecycle rule and the sweeper remove what is left.
    await abortUpload(client, upload, { signal: AbortSignal.timeout(ABORT_TIMEOUT_MS) }).catch(() => {});
    throw error;
  }
}

export async function abortUpload(
  client: S3Client,
  upload: { readonly bucket: string; readonly key: string; readonly uploadId: string },
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  try {
    await storeCall(`abort the upload to ${nameOf(upload)}`, signal, () =>
      client.send(
        new AbortMultipartUploadCommand({ Bucket: upload.bucket, Key: upload.key, UploadId: upload.uploadId }),
        abortable(signal),
      ),
    );
  } catch (error) {
    if (!hasFault(error, 'not-found')) throw error;
  }
}

type Described = MultipartCopyRequest & { readonly replace: NonNullable<MultipartCopyRequest['replace']> };

async function sourceDescription(
  client: S3Client,
  { source, signal }: MultipartCopyRequest,
): Promise<Described['replace']> {
  const head = await headObject(client, source, { signal });
  if (head === 'not-found') throw new ObjectStoreError('not-found', `${nameOf(source)} is not there`);
  return { metadata: head.metadata, contentType: head.contentType };
}

async function createUpload(
  client: S3Client,
  { target, replace, checksumAlgorithm, signal }: Described,
): Promise<string> {
  const reply = await storeCall(`begin the upload to ${nameOf(target)}`, signal, () =>
    client.send(
      new CreateMultipartUploadCommand({
        Bucket: target.bucket,
        Key: target.key,
        Metadata: { ...replace.metadata },
        ContentType: replace.contentType,
        ChecksumAlgorithm: wholeObjectAlgorithm(checksumAlgorithm),
        ChecksumType: 'FULL_OBJECT',
      }),
      abortable(signal),
    ),
  );
  if (reply.UploadId === undefined)
    throw new ObjectStoreError('unavailable', `the upload to ${nameOf(target)} got no id`);
  return reply.UploadId;
}

/** Over parts only CRCs add up to a checksum of the whole (Amazon S3, "Checking object integrity for multipart uploads"). */
function wholeObjectAlgorithm(wanted: ChecksumAlgorithm | undefined): SdkChecksumAlgorithm {
  return wanted === 'CRC32' || wanted === 'CRC32C' ? wanted : 'CRC64NVME';
}

async function copyParts(
  client: S3Client,
  { partBytes, concurrency }: MultipartOptions,
  request: Described,
  uploadId: string,
): Promise<CompletedPart[]> {
  const firstFailure = new AbortController();
  const signal =
    request.signal === undefined ? firstFailure.signal : AbortSignal.any([request.signal, firstFailure.signal]);
  const limit = pLimit(concurrency);
  const tasks = planParts(request.sizeBytes, partBytes).map((part) =>
    limit(async () => {
      signal.throwIfAborted();
      return await copyPart(client, { ...request, signal }, uploadId, part);
    }).catch((error: unknown) => {
      firstFailure.abort(error);
      throw error;
    }),
  );
  const settled = await Promise.allSettled(tasks);
  if (request.signal?.aborted === true)
    throw new ObjectStoreError('aborted', `the copy to ${nameOf(request.target)} was told to stop`);
  if (firstFailure.signal.aborted) throw firstFailure.signal.reason;
  return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

async function copyPart(
  client: S3Client,
  request: Described,
  uploadId: string,
  part: CopyPart,
): Promise<CompletedPart> {
  const { source, target, signal } = request;
  const doing = `copy part ${part.number} of ${nameOf(source)} to ${nameOf(target)}`;
  const reply = await storeCall(doing, signal, () =>
    client.send(
      new UploadPartCopyCommand({
        Bucket: target.bucket,
        Key: target.key,
        UploadId: uploadId,
        PartNumber: part.number,
        CopySource: copySourceOf(source),
        CopySourceIfMatch: source.etag,
        CopySourceRange: `bytes=${part.first}-${part.last}`,
      }),
      abortable(signal),
    ),
  );
  const etag = reply.CopyPartResult?.ETag;
  if (etag === undefined) throw new ObjectStoreError('unavailable', `${doing}: the reply names no ETag`);
  return { PartNumber: part.number, ETag: etag };
}

async function completeUpload(
  client: S3Client,
  request: Described,
  uploadId: string,
  parts: CompletedPart[],
  startedAt: number,
): Promise<WrittenObject> {
  const { target, signal } = request;
  const doing = `complete the upload to ${nameOf(target)}`;
  try {
    const reply = await storeCall(doing, signal, () =>
      client.send(
        stopOnAmbiguity(
          new CompleteMultipartUploadCommand({
            Bucket: target.bucket,
            Key: target.key,
            UploadId: uploadId,
            MultipartUpload: { Parts: parts },
            ChecksumType: 'FULL_OBJECT',
          }),
        ),
        abortable(signal),
      ),
    );
    return {
      etag: reply.ETag ?? '',
      ...(reply.VersionId !== undefined && { versionId: reply.VersionId }),
      checksums: checksumsOf(reply),
    };
  } catch (error) {
    if (!(error instanceof AmbiguousWriteError)) throw error;
    return await findWritten(client, { doing, request, startedAt, cause: error });
  }
}
