/**
 * Reads of objects: what is known of one, a small piece, or all as a stream.
 *
 * 1. A body is read to its end or destroyed: an unread one would hold one of the client's few sockets.
 * 2. Only time spent waiting for the store counts as idle; a slow consumer is not the store's fault.
 * 3. Fewer bytes than announced are a fault, not an end. So are others than those of the checksum that the store keeps of the whole, which
 *    shows at the end of a whole read.
 */
import type { Readable } from 'node:stream';
import { GetObjectCommand, GetObjectTaggingCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { classifyStoreError, storeCall } from './classify-store-error.ts';
import { contentHeadersOf } from './content-headers.ts';
import type { CallOptions, ObjectAddress, ObjectHead, ReadOptions } from './object-store.ts';
import { coldTierOf } from './restore-object.ts';
import { checksumsOf } from './store-checksums.ts';
import { hasFault, ObjectStoreError } from './store-error.ts';

const LARGEST_RANGE_BYTES = 16 * 1024 ** 2;

export async function headObject(
  client: S3Client,
  address: ObjectAddress,
  { signal }: CallOptions = {},
): Promise<ObjectHead | 'not-found'> {
  try {
    const reply = await storeCall(`look at ${nameOf(address)}`, signal, () =>
      client.send(
        new HeadObjectCommand({
          Bucket: address.bucket,
          Key: address.key,
          VersionId: address.versionId,
          ChecksumMode: 'ENABLED',
        }),
        abortable(signal),
      ),
    );
    const tier = coldTierOf(reply);
    return {
      ...(tier !== undefined && { tier }),
      sizeBytes: reply.ContentLength ?? 0,
      etag: reply.ETag ?? '',
      ...(reply.VersionId !== undefined && { versionId: reply.VersionId }),
      ...contentHeadersOf(reply),
      hasDigestEtag: !isKeyServices(reply.ServerSideEncryption) && !/-\d+"?$/.test(reply.ETag ?? ''),
      ...(reply.LastModified !== undefined && { lastModified: reply.LastModified }),
      metadata: reply.Metadata ?? {},
      checksums: checksumsOf(reply),
    };
  } catch (error) {
    if (hasFault(error, 'not-found')) return 'not-found';
    throw error;
  }
}

export async function objectTags(
  client: S3Client,
  { bucket, key, versionId }: ObjectAddress,
  { signal }: CallOptions = {},
): Promise<Readonly<Record<string, string>>> {
  const reply = await storeCall(`read the tags of ${nameOf({ bucket, key })}`, signal, () =>
    client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: key, VersionId: versionId }), abortable(signal)),
  );
  return Object.fromEntries((reply.TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

function isKeyServices(encryption: string | undefined): boolean {
  return encryption?.startsWith('aws:kms') === true;
}

export async function readRange(
  stream: (address: ObjectAddress, options: ReadOptions) => AsyncIterable<Uint8Array>,
  address: ObjectAddress,
  range: { readonly first: number; readonly last: number },
  options: CallOptions & { readonly ifMatch?: string | undefined } = {},
): Promise<Buffer> {
  if (range.last - range.first >= LARGEST_RANGE_BYTES) {
    throw new ObjectStoreError('invalid', `a range of ${nameOf(address)} is larger than ${LARGEST_RANGE_BYTES} bytes`);
  }
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of stream(address, { ...options, range })) pieces.push(piece);
  } catch (error) {
    if (isBeyondTheEnd(error)) return Buffer.alloc(0);
    throw error;
  }
  return Buffer.concat(pieces);
}

export async function* readStream(
  client: S3Client,
  idleTimeoutMs: number,
  address: ObjectAddress,
  { range, ifMatch, signal }: ReadOptions = {},
): AsyncGenerator<Uint8Array> {
  const doing = `read ${nameOf(address)}`;
  const reply = await storeCall(doing, signal, () =>
    client.send(
      new GetObjectCommand({
        Bucket: address.bucket,
        Key: address.key,
        VersionId: address.versionId,
        IfMatch: ifMatch,
        ...(range !== undefined && { Range: `bytes=${range.first}-${range.last}` }),
      }),
      abortable(signal),
    ),
  );
  const body = reply.Body as Readable;
  const stop = (): void => void body.destroy(new ObjectStoreError('aborted', `${doing}: stopped`));
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();
  let count = 0;
  try {
    const pieces = body[Symbol.asyncIterator]();
    while (true) {
      const idle = setTimeout(() => {
        body.destroy(new ObjectStoreError('unavailable', `${doing}: nothing came for ${idleTimeoutMs} ms`));
      }, idleTimeoutMs);
      const piece: IteratorResult<Uint8Array> = await pieces.next().finally(() => clearTimeout(idle));
      if (piece.done === true) break;
      count += piece.value.length;
      yield piece.value;
    }
  } catch (error) {
    if (isDamaged(error)) throw new ObjectStoreError('corrupt', `${doing}: what came is not what the store has`, error);
    // Whatever else breaks a body on its way may be well another time.
    const known = classifyStoreError(error, doing, signal);
    throw known instanceof ObjectStoreError
      ? known
      : new ObjectStoreError('unavailable', `${doing}: ${String(error)}`, error);
  } finally {
    signal?.removeEventListener('abort', stop);
    // A late error of a destroyed body has nobody else to go to.
    body.on('error', () => {});
    body.destroy();
  }
  if (reply.ContentLength !== undefined && count !== reply.ContentLength) {
    throw new ObjectStoreError('truncated', `${doing}: ${count} of ${reply.ContentLength} bytes came`);
  }
}

/**
 * Gives back at once what garbage collection would find tens of megabytes later (measured: half of the processor's time for a read
 * goes with it). `piece` is nobody else's, and is empty from then on. One that does not fill its memory shares it: a piece out of
 * Node's pool is never longer than half of that.
 */
export function freeMemory({ buffer, byteLength }: Uint8Array): void {
  if (byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

export function nameOf({ bucket, key, versionId }: ObjectAddress): string {
  return versionId === undefined ? `${bucket}/${key}` : `${bucket}/${key} (version ${versionId})`;
}

export function abortable(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** The SDK compares a whole body with its checksum, and has no other name for what it finds. */
function isDamaged(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Checksum mismatch');
}

function isBeyondTheEnd(error: unknown): boolean {
  return error instanceof ObjectStoreError && (error.cause as Error | undefined)?.name === 'InvalidRange';
}
