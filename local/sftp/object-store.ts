/**
 * The few requests that the gateway makes of the object store, besides writing, listing and copying.
 *
 * A 404 is a value, anything else unexpected is thrown as `DEPENDENCY_UNAVAILABLE`, so that a client reads one sentence and
 * the log keeps the cause.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { SFTP_STATUS, SftpFault } from './sftp-fault.ts';

export interface ObjectId {
  readonly bucket: string;
  readonly key: string;
}

export interface StoredObject {
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  /** Absent in a bucket without versioning. */
  readonly versionId?: string;
}

export interface ObjectHead extends StoredObject {
  readonly modifiedAt: Date;
}

export async function headObject(client: S3Client, { bucket, key }: ObjectId): Promise<ObjectHead | undefined> {
  try {
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
    return {
      sizeBytes: head.ContentLength ?? 0,
      modifiedAt: head.LastModified ?? new Date(0),
      ...storedAs(head),
    };
  } catch (error) {
    if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return undefined;
    throw storeFault(error);
  }
}

/** Whether anything is below `prefix`, and whether it is more than the directory's own marker. */
export async function probePrefix(
  client: S3Client,
  { bucket, prefix }: { bucket: string; prefix: string },
): Promise<'nothing' | 'marker-only' | 'entries'> {
  try {
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 2 }));
    const keys = (page.Contents ?? []).map((object) => object.Key);
    if (keys.length === 0) return 'nothing';
    return keys.some((key) => key !== prefix) ? 'entries' : 'marker-only';
  } catch (error) {
    throw storeFault(error);
  }
}

export async function putObject(
  client: S3Client,
  { bucket, key }: ObjectId,
  body: Buffer,
  metadata: Record<string, string>,
): Promise<StoredObject> {
  try {
    const put = await client.send(
      new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentLength: body.length, Metadata: metadata }),
    );
    return { sizeBytes: body.length, ...storedAs(put) };
  } catch (error) {
    throw storeFault(error);
  }
}

/** Reads `[start, end)` of the very version that `object` names, also when the key was written again meanwhile. */
export async function readRange(
  client: S3Client,
  { bucket, key }: ObjectId,
  object: StoredObject,
  range: { start: number; end: number },
): Promise<Buffer> {
  try {
    const reply = await client.send(
      new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        Range: `bytes=${range.start}-${range.end - 1}`,
        ...(object.versionId === undefined ? { IfMatch: `"${object.etag}"` } : { VersionId: object.versionId }),
      }),
    );
    const bytes = Buffer.from((await reply.Body?.transformToByteArray()) ?? []);
    if (bytes.length !== range.end - range.start) throw new Error(`${bytes.length} bytes came instead of the range`);
    return bytes;
  } catch (error) {
    throw storeFault(error);
  }
}

/** With a version id that version is gone permanently; without one a versioned bucket gets a delete marker. */
export async function deleteObject(client: S3Client, { bucket, key }: ObjectId, versionId?: string): Promise<void> {
  try {
    await client.send(
      new DeleteObjectCommand({ Bucket: bucket, Key: key, ...(versionId !== undefined && { VersionId: versionId }) }),
    );
  } catch (error) {
    throw storeFault(error);
  }
}

/** `null` is the version id of a bucket that never was versioned. */
export function storedAs(reply: { ETag?: string | undefined; VersionId?: string | undefined }): {
  etag: string;
  versionId?: string;
} {
  const etag = (reply.ETag ?? '').replaceAll('"', '');
  return reply.VersionId === undefined || reply.VersionId === 'null' ? { etag } : { etag, versionId: reply.VersionId };
}

export function storeFault(error: unknown): SftpFault {
  return new SftpFault(
    SFTP_STATUS.failure,
    'DEPENDENCY_UNAVAILABLE',
    'the object store did not answer as it should; try again later.',
    { cause: error },
  );
}
