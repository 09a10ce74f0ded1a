/**
 * Writes one object from bytes that come in order and of unknown number.
 *
 * 1. Memory is flat: one part collects while one is on its way; `append` waits when both are full.
 * 2. What fits in one part is one PutObject; a multipart upload begins only when a second part is sure to follow.
 * 3. Nothing is left behind: `abandon` aborts the multipart upload, and `openUploads` remembers it for the next start, should
 *    the process die before.
 */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { type ObjectId, putObject, type StoredObject, storedAs, storeFault } from './object-store.ts';
import { createPartBuffer } from './part-buffer.ts';
import type { OpenUploads } from './transfer-journal.ts';

export interface ObjectWriter {
  /** One call at a time. Resolves when the bytes are taken over. */
  append(chunk: Buffer): Promise<void>;
  /** Makes the object of what was appended. */
  finish(): Promise<StoredObject>;
  /** Leaves no trace. Never rejects. */
  abandon(): Promise<void>;
}

export interface ObjectWriterOptions {
  readonly client: S3Client;
  readonly target: ObjectId;
  readonly metadata: Record<string, string>;
  /** At least 5 MiB, Amazon S3's minimum. */
  readonly partSizeBytes: number;
  readonly openUploads: OpenUploads;
}

/** Parts double in size after so many, else 10,000 parts, Amazon S3's maximum, would end a large file. */
const PARTS_OF_ONE_SIZE = 2_000;

export function createObjectWriter(options: ObjectWriterOptions): ObjectWriter {
  const { client, target, metadata, openUploads } = options;
  const address = { Bucket: target.bucket, Key: target.key };
  const parts: CompletedPart[] = [];
  let buffer = createPartBuffer(options.partSizeBytes);
  let sizeBytes = 0;
  let uploadId: string | undefined;
  let inFlight: Promise<void> = Promise.resolve();
  let partNumber = 0;

  const capacityOf = (part: number): number => options.partSizeBytes * 2 ** Math.floor((part - 1) / PARTS_OF_ONE_SIZE);

  async function begin(): Promise<string> {
    const created = await client.send(
      new CreateMultipartUploadCommand({
        ...address,
        Metadata: metadata,
        ChecksumAlgorithm: 'CRC32',
        ChecksumType: 'FULL_OBJECT',
      }),
    );
    uploadId = created.UploadId!;
    openUploads.add({ ...target, uploadId });
    return uploadId;
  }

  async function uploadPart(number: number, body: Buffer): Promise<void> {
    const id = uploadId ?? (await begin());
    const sent = await client.send(
      new UploadPartCommand({
        ...address,
        UploadId: id,
        PartNumber: number,
        Body: body,
        ContentLength: body.length,
        ChecksumAlgorithm: 'CRC32',
      }),
    );
    parts.push({
      PartNumber: number,
      ETag: sent.ETag,
      ...(sent.ChecksumCRC32 !== undefined && { ChecksumCRC32: sent.ChecksumCRC32 }),
    });
  }

  /** Waits for the part on its way, then sends the collected one. */
  async function send(): Promise<void> {
    await inFlight;
    partNumber += 1;
    inFlight = uploadPart(partNumber, buffer.take(capacityOf(partNumber + 1)));
    inFlight.catch(() => undefined);
  }

  async function complete(): Promise<StoredObject> {
    if (buffer.length > 0) await send();
    await inFlight;
    const done = await client.send(
      new CompleteMultipartUploadCommand({ ...address, UploadId: uploadId, MultipartUpload: { Parts: parts } }),
    );
    openUploads.remove(uploadId!);
    uploadId = undefined;
    return { sizeBytes, ...storedAs(done) };
  }

  return {
    async append(chunk) {
      try {
        let rest = chunk;
        while (rest.length > 0) {
          const taken = buffer.fill(rest);
          sizeBytes += taken;
          rest = rest.subarray(taken);
          if (rest.length > 0) await send();
        }
      } catch (error) {
        throw storeFault(error);
      }
    },
    async finish() {
      if (partNumber === 0) return putObject(client, target, buffer.take(0), metadata);
      try {
        return await complete();
      } catch (error) {
        throw storeFault(error);
      }
    },
    async abandon() {
      buffer = createPartBuffer(0);
      await inFlight.catch(() => undefined);
      if (uploadId === undefined) return;
      const abort = new AbortMultipartUploadCommand({ ...address, UploadId: uploadId });
      // When it fails the note stays, and the next start tries again.
      await client.send(abort).then(
        () => openUploads.remove(uploadId!),
        () => undefined,
      );
    },
  };
}
