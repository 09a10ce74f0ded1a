/**
 * How an object is cut into parts. Pure: from the size and the part size alone, so that the worker that takes an upload over plans the same
 * parts and copies those that are missing.
 *
 * Bounds: Amazon S3, "Amazon S3 multipart upload limits".
 */
import { ObjectStoreError } from '#shared/files/store-error.ts';

export interface PlannedPart {
  readonly number: number;
  /** First and last byte, both included. */
  readonly first: number;
  readonly last: number;
}

const MIB = 1024 ** 2;
export const MOST_PARTS = 10_000;
export const SMALLEST_PART_BYTES = 5 * MIB;
const LARGEST_OBJECT_BYTES = 5 * 1024 ** 4;

/** The preferred size, or the next whole MiB with which 10,000 parts do. @throws `invalid` for what no store can keep. */
export function choosePartBytes(
  sizeBytes: number,
  preferredBytes: number,
  smallestBytes: number = SMALLEST_PART_BYTES,
): number {
  if (sizeBytes > LARGEST_OBJECT_BYTES) {
    throw new ObjectStoreError('invalid', `an object of ${sizeBytes} bytes is larger than the 5 TiB that S3 keeps`);
  }
  const fewestBytes = Math.ceil(sizeBytes / MOST_PARTS / MIB) * MIB;
  return Math.max(preferredBytes, fewestBytes, smallestBytes);
}

export function planParts(sizeBytes: number, partBytes: number): PlannedPart[] {
  return Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, index) => ({
    number: index + 1,
    first: index * partBytes,
    last: Math.min(sizeBytes, (index + 1) * partBytes) - 1,
  }));
}

export function bytesOf({ first, last }: PlannedPart): number {
  return last - first + 1;
}
