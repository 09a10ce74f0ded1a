/**
 * One part of a copy: made by the store itself, or read, held and sent.
 *
 * 1. A part that failed for a passing reason is tried again on its own: the others continue.
 * 2. What is read is the object that was meant (`ifMatch`), and so many bytes as the part has. A read that breaks continues where it was.
 * 3. A held part is sent from memory, as often as need be. Its request carries the checksum of its bytes, or is signed over them where the
 *    store keeps no checksums: the store takes no others.
 * 4. A part too large to be held flows through, with its checksum at its end, and is read again when it has to be sent again.
 */
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type S3Client,
  UploadPartCommand,
  type UploadPartCommandInput,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { storeCall } from '#shared/files/classify-store-error.ts';
import type { ObjectAddress, ReadOptions } from '#shared/files/object-store.ts';
import { abortable, freeMemory, nameOf } from '#shared/files/read-object.ts';
import { checksumsOf } from '#shared/files/store-checksums.ts';
import { hasFault, ObjectStoreError } from '#shared/files/store-error.ts';
import { copySourceOf } from './copy-object.ts';
import { type DescribedCopy, type UploadAddress, uploadAlgorithm } from './multipart-upload.ts';
import { partChecksum } from './part-checksum.ts';
import { bytesOf, type PlannedPart } from './plan-parts.ts';
import type { FinishedPart } from './transfer-log.ts';

export interface PartRequest {
  readonly client: S3Client;
  readonly request: DescribedCopy;
  readonly upload: UploadAddress;
  readonly part: PlannedPart;
  readonly signal: AbortSignal;
}

export type ReadStream = (address: ObjectAddress, options: ReadOptions) => AsyncIterable<Uint8Array>;

/** Over about 10 s; what lasts longer is for the step's next try, which continues here. */
const MOST_TRIES = 6;
const FIRST_PAUSE_MS = 200;

export async function copyPart({ client, request, upload, part, signal }: PartRequest): Promise<FinishedPart> {
  const { source } = request;
  const doing = `copy part ${part.number} of ${nameOf(source)} to ${nameOf(upload)}`;
  return await repeatPart(signal, async () => {
    const reply = await storeCall(doing, signal, () =>
      client.send(
        new UploadPartCopyCommand({
          Bucket: upload.bucket,
          Key: upload.key,
          UploadId: upload.uploadId,
          PartNumber: part.number,
          CopySource: copySourceOf(source),
          CopySourceIfMatch: source.etag,
          CopySourceRange: `bytes=${part.first}-${part.last}`,
        }),
        abortable(signal),
      ),
    );
    return finished(part, reply.CopyPartResult, doing);
  });
}

/** Reads the part's bytes into the beginning of `buffer`. */
export async function fillPart(
  read: ReadStream,
  { request: { source }, part, signal }: Omit<PartRequest, 'client' | 'upload'>,
  buffer: Buffer,
): Promise<Buffer> {
  const bytes = buffer.subarray(0, bytesOf(part));
  let count = 0;
  await repeatPart(signal, async () => {
    const range = { first: part.first + count, last: part.last };
    for await (const piece of read(source, { range, ifMatch: source.etag, signal })) {
      if (count + piece.length > bytes.length) throw wrongLength(part, source);
      bytes.set(piece, count);
      count += piece.length;
      freeMemory(piece);
    }
    if (count !== bytes.length) throw wrongLength(part, source);
  });
  return bytes;
}

export async function sendPart(partRequest: PartRequest, bytes: Buffer): Promise<FinishedPart> {
  const { request, signal } = partRequest;
  const algorithm = uploadAlgorithm(request.checksumAlgorithm);
  const checksum = request.hasChecksums && { [`Checksum${algorithm}`]: await partChecksum(algorithm, bytes) };
  return await repeatPart(signal, () => send(partRequest, { Body: bytes, ...checksum }));
}

export async function pipePart(read: ReadStream, partRequest: PartRequest): Promise<FinishedPart> {
  const { request, part, signal } = partRequest;
  const range = { first: part.first, last: part.last };
  return await repeatPart(signal, async () => {
    // The SDK wraps a body to count and check it, and nobody listens to the wrapper: a body that fails ends the process. So a source
    // that breaks ends the request instead, and the body ends as if it were whole.
    const broken = new AbortController();
    let failure: unknown;
    async function* pieces(): AsyncGenerator<Uint8Array> {
      try {
        yield* read(request.source, { range, ifMatch: request.source.etag, signal });
      } catch (error) {
        failure = error;
        broken.abort(error);
      }
    }
    const body = Readable.from(pieces(), { objectMode: false });
    const either = AbortSignal.any([signal, broken.signal]);
    try {
      const ChecksumAlgorithm = request.hasChecksums ? uploadAlgorithm(request.checksumAlgorithm) : undefined;
      const content = { Body: body, ContentLength: bytesOf(part), ChecksumAlgorithm };
      return await send({ ...partRequest, signal: either }, content);
    } catch (error) {
      // What broke the source is the cause, whatever became of the request because of it.
      throw failure ?? error;
    } finally {
      body.destroy();
    }
  });
}

async function send(
  { client, upload, part, signal }: PartRequest,
  content: Partial<UploadPartCommandInput>,
): Promise<FinishedPart> {
  const doing = `send part ${part.number} of ${nameOf(upload)}`;
  const reply = await storeCall(doing, signal, () =>
    client.send(
      new UploadPartCommand({
        Bucket: upload.bucket,
        Key: upload.key,
        UploadId: upload.uploadId,
        PartNumber: part.number,
        ...content,
      }),
      abortable(signal),
    ),
  );
  return finished(part, reply, doing);
}

function finished(part: PlannedPart, reply: { ETag?: string | undefined } | undefined, doing: string): FinishedPart {
  if (reply?.ETag === undefined) throw new ObjectStoreError('unavailable', `${doing}: the reply names no ETag`);
  return {
    number: part.number,
    etag: reply.ETag,
    checksum: checksumsOf(reply)[0]?.value,
    sizeBytes: bytesOf(part),
  };
}

export async function repeatPart<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      signal.throwIfAborted();
      return await work();
    } catch (error) {
      const isPassing = hasFault(error, 'unavailable') || hasFault(error, 'truncated');
      if (!isPassing || tries === MOST_TRIES || signal.aborted) throw error;
      await delay(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

function wrongLength(part: PlannedPart, source: ObjectAddress): ObjectStoreError {
  return new ObjectStoreError('truncated', `part ${part.number} of ${nameOf(source)} came with another length`);
}
