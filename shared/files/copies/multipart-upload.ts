/** The life of one multipart upload: begun, listed, completed or aborted. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { storeCall } from '#shared/files/classify-store-error.ts';
import { contentFields } from '#shared/files/content-headers.ts';
import type { ChecksumAlgorithm, ObjectChecksum } from '#shared/files/object-checksum.ts';
import type { CallOptions, MultipartCopyRequest, WrittenObject } from '#shared/files/object-store.ts';
import { abortable, nameOf } from '#shared/files/read-object.ts';
import { stopOnAmbiguity } from '#shared/files/send-once.ts';
import { checksumsOf } from '#shared/files/store-checksums.ts';
import { AmbiguousWriteError, hasFault, ObjectStoreError } from '#shared/files/store-error.ts';
import { findWritten } from './copy-object.ts';
import type { FinishedPart } from './transfer-log.ts';

export interface UploadAddress {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

/** A request whose metadata is settled: by it a completed object is recognised. */
export type DescribedCopy = MultipartCopyRequest & {
  readonly replace: NonNullable<MultipartCopyRequest['replace']>;
  /** The target's store keeps checksums of whole objects. */
  readonly hasChecksums: boolean;
};

export async function createUpload(
  client: S3Client,
  { target, replace, checksumAlgorithm, storageClass, hasChecksums, signal }: DescribedCopy,
): Promise<UploadAddress> {
  const reply = await storeCall(`begin the upload to ${nameOf(target)}`, signal, () =>
    client.send(
      new CreateMultipartUploadCommand({
        Bucket: target.bucket,
        Key: target.key,
        Metadata: { ...replace.metadata },
        StorageClass: storageClass,
        ...contentFields(replace),
        ...(hasChecksums && { ChecksumAlgorithm: uploadAlgorithm(checksumAlgorithm), ChecksumType: 'FULL_OBJECT' }),
      }),
      abortable(signal),
    ),
  );
  if (reply.UploadId === undefined)
    throw new ObjectStoreError('unavailable', `the upload to ${nameOf(target)} got no id`);
  return { ...target, uploadId: reply.UploadId };
}

/** Over parts only CRCs add up to a checksum of the whole (Amazon S3, "Checking object integrity for multipart uploads"). */
export type UploadAlgorithm = 'CRC64NVME' | 'CRC32' | 'CRC32C';

export function uploadAlgorithm(wanted: ChecksumAlgorithm | undefined): UploadAlgorithm {
  return wanted === 'CRC32' || wanted === 'CRC32C' ? wanted : 'CRC64NVME';
}

/** What the store has of an upload; `gone` when it was completed or aborted. */
export async function listParts(
  client: S3Client,
  { bucket, key, uploadId }: UploadAddress,
  { signal }: CallOptions = {},
): Promise<readonly FinishedPart[] | 'gone'> {
  const parts: FinishedPart[] = [];
  let after: string | undefined;
  try {
    do {
      const reply = await storeCall(`list the parts of ${bucket}/${key}`, signal, () =>
        client.send(
          new ListPartsCommand({ Bucket: bucket, Key: key, UploadId: uploadId, PartNumberMarker: after }),
          abortable(signal),
        ),
      );
      for (const part of reply.Parts ?? []) {
        const { PartNumber: number = 0, ETag: etag = '', Size: sizeBytes = 0 } = part;
        parts.push({ number, etag, sizeBytes, checksum: checksumsOf(part)[0]?.value });
      }
      after = reply.IsTruncated === true ? reply.NextPartNumberMarker : undefined;
    } while (after !== undefined);
  } catch (error) {
    if (hasFault(error, 'upload-gone')) return 'gone';
    throw error;
  }
  return parts;
}

export interface UploadToComplete {
  readonly request: DescribedCopy;
  readonly upload: UploadAddress;
  /** By number. */
  readonly parts: readonly FinishedPart[];
  /** Of the source's whole content: the store refuses an object with another, so that none ever shows. */
  readonly expected: ObjectChecksum | undefined;
  /** Milliseconds since the epoch, before the copy began. */
  readonly startedAt: number;
}

/** @throws ObjectStoreError `corrupt` when the parts are not the source's bytes; nothing was made then. */
export async function completeUpload(client: S3Client, toComplete: UploadToComplete): Promise<WrittenObject> {
  const { request, upload, parts, expected, startedAt } = toComplete;
  const { signal, sizeBytes } = request;
  const doing = `complete the upload to ${nameOf(upload)}`;
  try {
    const reply = await storeCall(doing, signal, () =>
      client.send(
        stopOnAmbiguity(
          new CompleteMultipartUploadCommand({
            Bucket: upload.bucket,
            Key: upload.key,
            UploadId: upload.uploadId,
            MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })) },
            ...(request.hasChecksums && { ChecksumType: 'FULL_OBJECT' as const }),
            MpuObjectSize: sizeBytes,
            ...(expected !== undefined && { [`Checksum${expected.algorithm}`]: expected.value }),
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
    if (isNamed(error, 'BadDigest')) {
      throw new ObjectStoreError(
        'corrupt',
        `${doing}: the parts are not the bytes of ${nameOf(request.source)}`,
        error,
      );
    }
    if (!(error instanceof AmbiguousWriteError) && !hasFault(error, 'upload-gone')) throw error;
    return await findWritten(client, { doing, request, startedAt, cause: error });
  }
}

export async function abortUpload(
  client: S3Client,
  upload: UploadAddress,
  { signal }: CallOptions = {},
): Promise<void> {
  try {
    await storeCall(`abort the upload to ${upload.bucket}/${upload.key}`, signal, () =>
      client.send(
        new AbortMultipartUploadCommand({ Bucket: upload.bucket, Key: upload.key, UploadId: upload.uploadId }),
        abortable(signal),
      ),
    );
  } catch (error) {
    if (!hasFault(error, 'upload-gone')) throw error;
  }
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof ObjectStoreError && (error.cause as Error | undefined)?.name === name;
}
