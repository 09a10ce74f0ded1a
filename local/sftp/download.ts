/**
 * One open file for reading: blocks of the version that was there at opening, fetched ahead of a sequential reader.
 *
 * 1. An overwrite during the read changes nothing: the version is fixed.
 * 2. Memory is flat: at most `MAX_BLOCKS` blocks a file. No body of the store is held open between reads.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { type ObjectId, readRange, type StoredObject } from './object-store.ts';

const BLOCK_BYTES = 1_024 * 1_024;
const MAX_BLOCKS = 3;
/** One reply must fit the 256 KiB that clients take. */
const MAX_READ_BYTES = 255 * 1_024;

export interface Download {
  readonly object: StoredObject;
  /** Highest byte sent so far, for the session log. */
  readonly sentBytes: number;
  /** Fewer bytes only at the end of the file, none behind it. */
  read(offset: number, length: number): Promise<Buffer>;
}

export function createDownload(client: S3Client, source: ObjectId, object: StoredObject): Download {
  const blocks = new Map<number, Promise<Buffer>>();
  let sentBytes = 0;

  function block(index: number): Promise<Buffer> {
    const known = blocks.get(index);
    if (known !== undefined) return known;
    for (const oldest of blocks.keys()) {
      if (blocks.size < MAX_BLOCKS) break;
      blocks.delete(oldest);
    }
    const start = index * BLOCK_BYTES;
    const fetched = readRange(client, source, object, { start, end: Math.min(start + BLOCK_BYTES, object.sizeBytes) });
    blocks.set(index, fetched);
    fetched.catch(() => blocks.delete(index));
    return fetched;
  }

  return {
    object,
    get sentBytes() {
      return sentBytes;
    },
    async read(offset, length) {
      const end = Math.min(offset + Math.min(length, MAX_READ_BYTES), object.sizeBytes);
      if (offset >= end) return Buffer.alloc(0);
      const first = Math.floor(offset / BLOCK_BYTES);
      const last = Math.floor((end - 1) / BLOCK_BYTES);
      const wanted = [];
      for (let index = first; index <= last; index += 1) wanted.push(block(index));
      const isSequential = blocks.has(first - 1) || first === 0;
      if (isSequential && (last + 1) * BLOCK_BYTES < object.sizeBytes) block(last + 1).catch(() => undefined);

      const bytes = Buffer.concat(await Promise.all(wanted));
      sentBytes = Math.max(sentBytes, end);
      return bytes.subarray(offset - first * BLOCK_BYTES, end - first * BLOCK_BYTES);
    },
  };
}
