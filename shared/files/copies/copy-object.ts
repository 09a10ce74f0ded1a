/**
 * Server-side copy in one request.
 *
 * 1. The source is named by version, and by ETag where it is known: another object is never copied in its place.
 * 2. A copy whose reply was lost is looked for, not made again.
 */
import { CopyObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { storeCall } from '#shared/files/classify-store-error.ts';
import { contentFields } from '#shared/files/content-headers.ts';
import { storeTime } from '#shared/files/correct-clock-skew.ts';
import type { CopyRequest, ObjectAddress, ObjectHead, WrittenObject } from '#shared/files/object-store.ts';
import { abortable, headObject, nameOf } from '#shared/files/read-object.ts';
import { stopOnAmbiguity } from '#shared/files/send-once.ts';
import { checksumsOf } from '#shared/files/store-checksums.ts';
import { AmbiguousWriteError, ObjectStoreError } from '#shared/files/store-error.ts';

export async function copyObject(client: S3Client, request: CopyRequest): Promise<WrittenObject> {
  const { source, target, replace, checksumAlgorithm, storageClass, signal } = request;
  const doing = `copy ${nameOf(source)} to ${nameOf(target)}`;
  const startedAt = storeTime(client);
  try {
    const reply = await storeCall(doing, signal, () =>
      client.send(
        stopOnAmbiguity(
          new CopyObjectCommand({
            Bucket: target.bucket,
            Key: target.key,
            CopySource: copySourceOf(source),
            CopySourceIfMatch: source.etag,
            ChecksumAlgorithm: checksumAlgorithm,
            StorageClass: storageClass,
            ...(replace !== undefined && {
              MetadataDirective: 'REPLACE',
              Metadata: { ...replace.metadata },
              ...contentFields(replace),
            }),
          }),
        ),
        abortable(signal),
      ),
    );
    return {
      etag: reply.CopyObjectResult?.ETag ?? '',
      ...(reply.VersionId !== undefined && { versionId: reply.VersionId }),
      checksums: checksumsOf(reply.CopyObjectResult),
    };
  } catch (error) {
    if (!(error instanceof AmbiguousWriteError)) throw error;
    return await findWritten(client, { doing, request, startedAt, cause: error });
  }
}

/** Bucket and key as the header wants them: encoded, the slashes kept. */
export function copySourceOf({ bucket, key, versionId }: ObjectAddress): string {
  const path = `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
  return versionId === undefined ? path : `${path}?versionId=${encodeURIComponent(versionId)}`;
}

export interface LostReply {
  readonly doing: string;
  readonly request: CopyRequest;
  /** By the store's clock, in milliseconds since 1970, before the write was sent. */
  readonly startedAt: number;
  readonly cause: unknown;
}

/** Clocks of store and worker may differ by so much. */
const CLOCK_TOLERANCE_MS = 60_000;

/** What a write of unknown outcome left at its target. @throws `unavailable` when it left nothing. */
export async function findWritten(
  client: S3Client,
  { doing, request, startedAt, cause }: LostReply,
): Promise<WrittenObject> {
  const head = await headObject(client, request.target, { signal: request.signal });
  if (head !== 'not-found' && isOurs(head, request, startedAt)) {
    return {
      etag: head.etag,
      ...(head.versionId !== undefined && { versionId: head.versionId }),
      checksums: head.checksums,
    };
  }
  throw new ObjectStoreError('unavailable', `${doing}: the reply was lost and nothing was written`, cause);
}

/** Metadata that was asked for tells it; without any, a copy that appeared just now. */
function isOurs(head: ObjectHead, { replace }: CopyRequest, startedAt: number): boolean {
  if (replace !== undefined) {
    return Object.entries(replace.metadata).every(([name, value]) => head.metadata[name.toLowerCase()] === value);
  }
  return head.lastModified !== undefined && head.lastModified.getTime() >= startedAt - CLOCK_TOLERANCE_MS;
}
