/**
 * Objects of any size, made without sending or writing their bytes: the store copies each part from a small object.
 *
 * Each part is another range of it, so that parts in a wrong order, or missing, or twice, show in the hash.
 */
import { createHash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';

export interface Slice {
  readonly offset: number;
  /** At least 5 MiB but for the last one. */
  readonly length: number;
}

export interface ObjectToCompose {
  readonly s3: S3Client;
  readonly target: { readonly bucket: string; readonly key: string };
  /** Where `bytes` stand while it is made. */
  readonly workBucket: string;
  readonly bytes: Buffer;
  readonly slices: readonly Slice[];
}

const SLICE_BYTES = 48 * 1024 ** 2;
/** Prime, and so a different range each time. */
const STEP_BYTES = 524_287;

/** Which pieces of `bytes` make an object of this size. */
export function slicesOf(bytes: Buffer, sizeBytes: number): Slice[] {
  const slices: Slice[] = [];
  for (let at = 0; at < sizeBytes; at += SLICE_BYTES) {
    const offset = (slices.length * STEP_BYTES) % (bytes.length - SLICE_BYTES);
    slices.push({ offset, length: Math.min(SLICE_BYTES, sizeBytes - at) });
  }
  return slices;
}

export function hashSlices(bytes: Buffer, slices: readonly Slice[]): string {
  const hash = createHash('sha256');
  for (const { offset, length } of slices) hash.update(bytes.subarray(offset, offset + length));
  return hash.digest('hex');
}

export async function composeObject({ s3, target, workBucket, bytes, slices }: ObjectToCompose): Promise<void> {
  const work = { Bucket: workBucket, Key: `work/${target.key}` };
  const { VersionId } = await s3.send(new PutObjectCommand({ ...work, Body: bytes, ChecksumAlgorithm: 'CRC64NVME' }));
  const place = { Bucket: target.bucket, Key: target.key };
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({ ...place, ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'FULL_OBJECT' }),
  );
  const parts: { PartNumber: number; ETag: string | undefined }[] = [];
  for (const [index, { offset, length }] of slices.entries()) {
    const { CopyPartResult } = await s3.send(
      new UploadPartCopyCommand({
        ...place,
        UploadId,
        PartNumber: index + 1,
        CopySource: `${work.Bucket}/${encodeURI(work.Key)}`,
        CopySourceRange: `bytes=${offset}-${offset + length - 1}`,
      }),
    );
    parts.push({ PartNumber: index + 1, ETag: CopyPartResult?.ETag });
  }
  await s3.send(
    new CompleteMultipartUploadCommand({
      ...place,
      UploadId,
      MultipartUpload: { Parts: parts },
      ChecksumType: 'FULL_OBJECT',
    }),
  );
  await s3.send(new DeleteObjectCommand({ ...work, VersionId }));
}
