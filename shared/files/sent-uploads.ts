/**
 * Uploads whose bytes a sender puts into the store: by presigned URLs, each for one request.
 *
 * 1. A URL is for one key, one method and one part of a stated length, for 15 minutes at most. What was signed cannot be changed.
 * 2. What the store has decides what is there, never what a sender says of it.
 */
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { DOWNLOAD_URL_SECONDS, UPLOAD_URL_SECONDS } from '#shared/api/uploads.ts';
import { storeCall } from './classify-store-error.ts';
import { abortUpload, isNamed, listParts, type UploadAddress } from './copies/multipart-upload.ts';
import type { FinishedPart } from './copies/transfer-log.ts';
import type { CallOptions, ObjectAddress } from './object-store.ts';
import { abortable, nameOf } from './read-object.ts';
import { stopOnAmbiguity } from './send-once.ts';
import { AmbiguousWriteError, hasFault, ObjectStoreError } from './store-error.ts';

export interface SentObject extends CallOptions {
  readonly target: { readonly bucket: string; readonly key: string };
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType?: string | undefined;
}

export interface PresignedRequest {
  readonly url: string;
  /** To be sent as they are: the signature covers them. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface SentPart {
  readonly upload: UploadAddress;
  readonly number: number;
  readonly sizeBytes: number;
  /** Base64; the store refuses a part with another. */
  readonly crc64nvme?: string | undefined;
}

/** `unknown`: the reply was lost, or the upload had ended before; a HEAD tells. */
export type Completion =
  | { readonly type: 'completed'; readonly versionId: string | undefined }
  | { readonly type: 'mismatch' }
  | { readonly type: 'unknown' };

export interface SentUploads {
  begin(object: SentObject): Promise<UploadAddress>;
  parts(upload: UploadAddress, options?: CallOptions): Promise<readonly FinishedPart[] | 'gone'>;
  complete(
    upload: UploadAddress,
    content: {
      readonly parts: readonly FinishedPart[];
      readonly sizeBytes: number;
      readonly crc64nvme?: string | undefined;
    },
    options?: CallOptions,
  ): Promise<Completion>;
  abort(upload: UploadAddress, options?: CallOptions): Promise<void>;
  presignPart(part: SentPart): Promise<PresignedRequest>;
  /** Without a size, of any; whoever reads the object looks at it. */
  presignPut(
    object: SentObject & {
      readonly sizeBytes?: number | undefined;
      /** Base64; the store takes no other bytes. */
      readonly sha256?: string | undefined;
    },
  ): Promise<PresignedRequest>;
  /** As a file to be saved under `name`. */
  presignGet(address: ObjectAddress, name: string): Promise<string>;
}

/** `presigner`: with the endpoint that senders reach; `client` when that is the same. */
export function createSentUploads(client: S3Client, presigner: S3Client = client): SentUploads {
  return {
    async begin({ target, metadata, contentType, signal }) {
      const reply = await storeCall(`begin the upload to ${nameOf(target)}`, signal, () =>
        client.send(
          new CreateMultipartUploadCommand({
            Bucket: target.bucket,
            Key: target.key,
            Metadata: { ...metadata },
            ContentType: contentType,
            ChecksumAlgorithm: 'CRC64NVME',
            ChecksumType: 'FULL_OBJECT',
          }),
          abortable(signal),
        ),
      );
      if (reply.UploadId === undefined)
        throw new ObjectStoreError('unavailable', `the upload to ${nameOf(target)} got no id`);
      return { ...target, uploadId: reply.UploadId };
    },
    parts: (upload, options) => listParts(client, upload, options),
    complete: (upload, content, options) => complete(client, upload, content, options),
    abort: (upload, options) => abortUpload(client, upload, options),

    async presignPart({ upload, number, sizeBytes, crc64nvme }) {
      const command = new UploadPartCommand({
        Bucket: upload.bucket,
        Key: upload.key,
        UploadId: upload.uploadId,
        PartNumber: number,
        ContentLength: sizeBytes,
        ...(crc64nvme !== undefined && { ChecksumCRC64NVME: crc64nvme }),
      });
      const headers = crc64nvme === undefined ? {} : { 'x-amz-checksum-crc64nvme': crc64nvme };
      return { url: await presign(presigner, command, headers), headers };
    },

    async presignPut({ target, metadata, contentType = 'application/octet-stream', sizeBytes, sha256 }) {
      const command = new PutObjectCommand({
        Bucket: target.bucket,
        Key: target.key,
        Metadata: { ...metadata },
        ContentType: contentType,
        ContentLength: sizeBytes,
        ...(sha256 !== undefined && { ChecksumSHA256: sha256 }),
      });
      const headers = {
        'content-type': contentType,
        ...(sha256 !== undefined && { 'x-amz-checksum-sha256': sha256 }),
        ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
      };
      return { url: await presign(presigner, command, headers), headers };
    },

    presignGet: ({ bucket, key, versionId }, name) =>
      getSignedUrl(
        presigner,
        new GetObjectCommand({
          Bucket: bucket,
          Key: key,
          VersionId: versionId,
          ResponseContentDisposition: contentDisposition(name),
          // Whatever the sender called it, no browser is to show it.
          ResponseContentType: 'application/octet-stream',
        }),
        { expiresIn: DOWNLOAD_URL_SECONDS },
      ),
  };
}

async function presign(
  client: S3Client,
  command: UploadPartCommand | PutObjectCommand,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const names = new Set(Object.keys(headers));
  return await getSignedUrl(client, command as PutObjectCommand, {
    expiresIn: UPLOAD_URL_SECONDS,
    unhoistableHeaders: names,
    signableHeaders: new Set([...names, 'host', 'content-length']),
  });
}

async function complete(
  client: S3Client,
  upload: UploadAddress,
  { parts, sizeBytes, crc64nvme }: Parameters<SentUploads['complete']>[1],
  { signal }: CallOptions = {},
): Promise<Completion> {
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
            ChecksumType: 'FULL_OBJECT',
            MpuObjectSize: sizeBytes,
            ...(crc64nvme !== undefined && { ChecksumCRC64NVME: crc64nvme }),
          }),
        ),
        abortable(signal),
      ),
    );
    return { type: 'completed', versionId: reply.VersionId };
  } catch (error) {
    if (isNamed(error, 'BadDigest')) return { type: 'mismatch' };
    if (error instanceof AmbiguousWriteError || hasFault(error, 'upload-gone')) return { type: 'unknown' };
    throw error;
  }
}

/** RFC 6266: the name as it is for those who read `filename*`, and in ASCII for the others. */
function contentDisposition(name: string): string {
  const ascii = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
