/**
 * Writes bytes whose number is not known beforehand.
 *
 * 1. The bytes are counted and hashed as they go by, and a source that ended early fails before anything is completed:
 *    lib-storage's `Upload` would complete what it got.
 * 2. To stop, the body is broken off and not the `Upload` aborted: so its own clean-up is awaited, and no upload stays open. A part that
 *    fails breaks it off too: `Upload` would first read the source to its end.
 * 3. With a log an upload in parts is watched, and what a lost worker left of it is aborted by whoever writes the object next.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type CompleteMultipartUploadCommandOutput, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { classifyStoreError, storeCall } from '#shared/files/classify-store-error.ts';
import type { PutRequest, UploadedObject, UploadRequest, WrittenObject } from '#shared/files/object-store.ts';
import { abortable, nameOf } from '#shared/files/read-object.ts';
import { checksumsOf } from '#shared/files/store-checksums.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import { logUpload } from './logged-upload.ts';

export interface UploadOptions {
  /** For parts. */
  readonly partClient: S3Client;
  /** What a request is given to move a byte. */
  readonly stallMs: number;
  readonly partBytes: number;
  readonly concurrency: number;
  /** Of one object. */
  readonly mostParts: number;
  readonly onPart?: ((bytes: number) => void) | undefined;
}

export async function uploadStream(
  client: S3Client,
  options: UploadOptions,
  request: UploadRequest,
): Promise<UploadedObject> {
  const { target, signal, metadata, contentType, log, sourceEtag = '' } = request;
  const doing = `upload to ${nameOf(target)}`;
  const measured = measure(request, options.partBytes * options.mostParts);
  // Byte mode: an empty piece in object mode would end nothing, but be counted as one.
  const body = Readable.from(measured.pieces(), { objectMode: false });
  let failure: { readonly error: unknown } | undefined;
  const logged = logUpload(client, {
    log,
    facts: { plan: 'unknown-length', target, sourceEtag, sizeBytes: null, partBytes: options.partBytes },
    onFailure: (error) => {
      // Only what came first is the cause: each breaks off the other.
      if (measured.failure() === undefined) failure ??= { error };
      body.destroy();
    },
    partClient: options.partClient,
    stallMs: options.stallMs,
    onPart: options.onPart,
    signal,
  });
  const stop = (): void => void body.destroy(new ObjectStoreError('aborted', `${doing}: stopped`));
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();
  try {
    const upload = new Upload({
      client: logged.client,
      partSize: options.partBytes,
      queueSize: options.concurrency,
      params: {
        Bucket: target.bucket,
        Key: target.key,
        Body: body,
        Metadata: { ...metadata },
        ContentType: contentType,
        ChecksumAlgorithm: 'CRC64NVME',
        ...({ ChecksumType: 'FULL_OBJECT' } as object),
      },
    });
    const reply = (await upload.done()) as CompleteMultipartUploadCommandOutput;
    await logged.done();
    return {
      etag: reply.ETag ?? '',
      ...(reply.VersionId !== undefined && { versionId: reply.VersionId }),
      checksums: checksumsOf(reply),
      sizeBytes: measured.sizeBytes(),
      sha256: measured.sha256(),
    };
  } catch (error) {
    const cause = failure?.error ?? measured.failure() ?? error;
    throw cause === measured.failure() ? cause : classifyStoreError(cause, doing, signal);
  } finally {
    signal?.removeEventListener('abort', stop);
    body.destroy();
    await logged.end();
  }
}

export async function putObject(client: S3Client, request: PutRequest): Promise<WrittenObject> {
  const { target, body, metadata, contentType, onlyIfAbsent = false, signal } = request;
  const reply = await storeCall(`write ${nameOf(target)}`, signal, () =>
    client.send(
      new PutObjectCommand({
        Bucket: target.bucket,
        Key: target.key,
        // The SDK takes an empty text for a stream and warns.
        Body: typeof body === 'string' ? Buffer.from(body) : body,
        Metadata: { ...metadata },
        ContentType: contentType,
        ChecksumAlgorithm: 'CRC64NVME',
        ...(onlyIfAbsent && { IfNoneMatch: '*' }),
      }),
      abortable(signal),
    ),
  );
  return {
    etag: reply.ETag ?? '',
    ...(reply.VersionId !== undefined && { versionId: reply.VersionId }),
    checksums: checksumsOf(reply),
  };
}

function measure({ body, expectedBytes, target }: UploadRequest, mostBytes: number) {
  const hash = createHash('sha256');
  let count = 0;
  let failure: unknown;
  let digest: string | undefined;
  return {
    async *pieces(): AsyncGenerator<Uint8Array> {
      try {
        for await (const piece of body) {
          count += piece.length;
          if (count > mostBytes) {
            throw new ObjectStoreError(
              'invalid',
              `what is written to ${nameOf(target)} is larger than ${mostBytes} bytes, the most that is sent of unknown length`,
            );
          }
          hash.update(piece);
          yield piece;
        }
        if (expectedBytes !== undefined && count !== expectedBytes) {
          throw new ObjectStoreError(
            'truncated',
            `the source of ${nameOf(target)} has ${count} of ${expectedBytes} bytes`,
          );
        }
      } catch (error) {
        failure = error;
        throw error;
      }
    },
    sizeBytes: () => count,
    sha256: () => {
      digest ??= hash.digest('hex');
      return digest;
    },
    failure: () => failure,
  };
}
