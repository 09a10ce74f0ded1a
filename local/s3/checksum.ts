/** The checksum algorithms of S3 ("Checking object integrity"): running digests, header names, and what a multipart object carries. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc64Nvme, combineCrcs, crc32c } from '#local/s3/crc.ts';

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

/** What S3 computes when the client names no algorithm. */
export const DEFAULT_ALGORITHM: ChecksumAlgorithm = 'CRC64NVME';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; a composite one ends in `-<parts>`. */
  readonly value: string;
  readonly type: ChecksumType;
}

export interface Digest {
  update(chunk: Uint8Array): unknown;
  digest(): Buffer;
}

export function createDigest(algorithm: ChecksumAlgorithm | 'MD5'): Digest {
  switch (algorithm) {
    case 'CRC32':
      return crc32Digest((chunk, crc) => crc32(chunk, crc));
    case 'CRC32C':
      return crc32Digest(crc32c);
    case 'CRC64NVME':
      return new Crc64Nvme();
    default:
      return createHash(algorithm.toLowerCase());
  }
}

function crc32Digest(next: (chunk: Uint8Array, crc: number) => number): Digest {
  let crc = 0;
  return {
    update(chunk) {
      crc = next(chunk, crc);
    },
    digest() {
      const digest = Buffer.alloc(4);
      digest.writeUInt32BE(crc);
      return digest;
    },
  };
}

const DIGEST_BYTES = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32, MD5: 16 } as const;

/** Whether `value` is base64 of a digest of that algorithm. */
export function isDigestOf(algorithm: ChecksumAlgorithm | 'MD5', value: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === DIGEST_BYTES[algorithm] && bytes.toString('base64') === value;
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The element of replies, e.g. `ChecksumCRC32`. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm}`;
}

export function isChecksumAlgorithm(name: string): name is ChecksumAlgorithm {
  return (CHECKSUM_ALGORITHMS as readonly string[]).includes(name);
}

/** CRC64NVME exists only over the whole object, the SHA family only as a composite; `undefined` when the wish is neither. */
export function multipartChecksumType(
  algorithm: ChecksumAlgorithm,
  wish: string | undefined,
): ChecksumType | undefined {
  const allowed: readonly ChecksumType[] =
    algorithm === 'CRC64NVME'
      ? ['FULL_OBJECT']
      : algorithm === 'SHA1' || algorithm === 'SHA256'
        ? ['COMPOSITE']
        : ['COMPOSITE', 'FULL_OBJECT'];
  return wish === undefined ? allowed[0] : allowed.find((type) => type === wish);
}

/** The checksum of an object made of parts, from theirs: no byte is read again. */
export function multipartChecksum(
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly { readonly value: string; readonly sizeBytes: number }[],
): Checksum {
  const pieces = parts.map(({ value, sizeBytes }) => ({ crc: Buffer.from(value, 'base64'), sizeBytes }));
  if (type === 'FULL_OBJECT' && algorithm !== 'SHA1' && algorithm !== 'SHA256')
    return { algorithm, type, value: combineCrcs(algorithm, pieces).toString('base64') };
  const digest = createDigest(algorithm);
  for (const { crc } of pieces) digest.update(crc);
  return { algorithm, type: 'COMPOSITE', value: `${digest.digest().toString('base64')}-${parts.length}` };
}
