/**
 * A copy to an external store of what one part buffer holds: read, held, and put in one request.
 *
 * 1. The request carries a checksum of the whole: the source's own where it is known, so that the store refuses bytes that were damaged
 *    on either way; else the SHA-256 of what was read.
 * 2. It is sent again from memory, as often as need be. A put whose reply was lost is looked for, not made again.
 */
import { createHash } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { storeCall } from '#shared/files/classify-store-error.ts';
import { contentFields } from '#shared/files/content-headers.ts';
import { storeTime } from '#shared/files/correct-clock-skew.ts';
import { fullObjectChecksum, type ObjectChecksum } from '#shared/files/object-checksum.ts';
import type { MultipartCopyRequest, MultipartObject, WrittenObject } from '#shared/files/object-store.ts';
import { abortable, nameOf } from '#shared/files/read-object.ts';
import { stopOnAmbiguity } from '#shared/files/send-once.ts';
import { checksumsOf } from '#shared/files/store-checksums.ts';
import { AmbiguousWriteError, ObjectStoreError } from '#shared/files/store-error.ts';
import { assertSameSha256, type CopyParts, describeCopy } from './copy-multipart.ts';
import { findWritten } from './copy-object.ts';
import { fillPart, repeatPart } from './copy-part.ts';
import { type DescribedCopy, isNamed } from './multipart-upload.ts';

export async function copyInOnePut(parts: CopyParts, request: MultipartCopyRequest): Promise<MultipartObject> {
  const described = await describeCopy(parts, request);
  const { sizeBytes, signal = new AbortController().signal } = request;
  const buffer = await parts.buffers.take(signal);
  try {
    const whole = { number: 1, first: 0, last: sizeBytes - 1 };
    // There is no range of an empty object.
    const bytes =
      sizeBytes === 0
        ? buffer.subarray(0, 0)
        : await fillPart(parts.read, { request: described, part: whole, signal }, buffer);
    const sha256 = createHash('sha256').update(bytes).digest();
    assertSameSha256(request, sha256.toString('hex'));
    const checksum = described.hasChecksums ? checksumToSend(request, sha256) : undefined;
    const written = await repeatPart(signal, () => putOnce(parts, { request: described, bytes, checksum, signal }));
    parts.onPart?.('streamed', sizeBytes);
    return { ...written, plan: 'streamed', parts: 1, resumedParts: 0, sha256: sha256.toString('hex') };
  } finally {
    parts.buffers.give(buffer);
  }
}

function checksumToSend(
  { checksums }: MultipartCopyRequest,
  sha256: Buffer,
): Pick<ObjectChecksum, 'algorithm' | 'value'> {
  return fullObjectChecksum(checksums) ?? { algorithm: 'SHA256', value: sha256.toString('base64') };
}

interface OnePut {
  readonly request: DescribedCopy;
  readonly bytes: Buffer;
  readonly checksum: Pick<ObjectChecksum, 'algorithm' | 'value'> | undefined;
  readonly signal: AbortSignal;
}

async function putOnce(
  { client, partClient }: CopyParts,
  { request, bytes, checksum, signal }: OnePut,
): Promise<WrittenObject> {
  const { target, replace } = request;
  const doing = `write ${nameOf(target)}`;
  const startedAt = storeTime(client);
  try {
    const reply = await storeCall(doing, signal, () =>
      partClient.send(
        stopOnAmbiguity(
          new PutObjectCommand({
            Bucket: target.bucket,
            Key: target.key,
            Body: bytes,
            Metadata: { ...replace.metadata },
            ...contentFields(replace),
            ...(checksum !== undefined && { [`Checksum${checksum.algorithm}`]: checksum.value }),
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
    if (isNamed(error, 'BadDigest'))
      throw new ObjectStoreError('corrupt', `${doing}: what came is not the bytes of ${nameOf(request.source)}`, error);
    if (!(error instanceof AmbiguousWriteError)) throw error;
    return await findWritten(client, { doing, request, startedAt, cause: error });
  }
}
