/** Checksums as an object store names them, and the comparison of two objects that says whether a copy is true. */

/** Algorithms whose value over a whole object S3 keeps and returns (Amazon S3, "Checking object integrity"). */
export const CHECKSUM_ALGORITHMS = ['CRC64NVME', 'SHA256', 'CRC32C', 'CRC32', 'SHA1'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];

export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64, as the store gives it. */
  readonly value: string;
  /** A composite one is a checksum of parts' checksums: equal contents cut otherwise have another. */
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
}

/** What is known of one object's contents. */
export interface ContentFacts {
  readonly sizeBytes?: number | undefined;
  readonly etag?: string | undefined;
  readonly checksums?: readonly ObjectChecksum[] | undefined;
}

/** `unknown`: nothing that both carry can be compared; the bytes have to be read. */
export type ContentComparison =
  | { readonly type: 'same'; readonly by: 'checksum'; readonly algorithm: ChecksumAlgorithm }
  | { readonly type: 'same'; readonly by: 'etag' }
  | { readonly type: 'different'; readonly what: 'size' | 'checksum' }
  | { readonly type: 'unknown' };

export function fullObjectChecksum(
  checksums: readonly ObjectChecksum[] | undefined,
  algorithm?: ChecksumAlgorithm,
): ObjectChecksum | undefined {
  const whole = (checksums ?? []).filter((checksum) => checksum.type === 'FULL_OBJECT');
  return CHECKSUM_ALGORITHMS.filter((name) => algorithm === undefined || name === algorithm)
    .map((name) => whole.find((checksum) => checksum.algorithm === name))
    .find((checksum) => checksum !== undefined);
}

/**
 * Compares by size, then by full-object checksums of one algorithm, then by ETags. Equal MD5 ETags mean equal bytes; unequal
 * ones mean nothing, because encryption with a key service and multipart uploads give ETags that are not an MD5.
 */
export function compareContents(one: ContentFacts, other: ContentFacts): ContentComparison {
  if (one.sizeBytes !== undefined && other.sizeBytes !== undefined && one.sizeBytes !== other.sizeBytes) {
    return { type: 'different', what: 'size' };
  }
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const left = fullObjectChecksum(one.checksums, algorithm);
    const right = fullObjectChecksum(other.checksums, algorithm);
    if (left === undefined || right === undefined) continue;
    return left.value === right.value
      ? { type: 'same', by: 'checksum', algorithm }
      : { type: 'different', what: 'checksum' };
  }
  const md5 = md5OfEtag(one.etag);
  if (md5 !== undefined && md5 === md5OfEtag(other.etag)) return { type: 'same', by: 'etag' };
  return { type: 'unknown' };
}

/** Undefined for the ETag of a multipart object (`<hash>-<parts>`). */
function md5OfEtag(etag: string | undefined): string | undefined {
  return etag === undefined ? undefined : /^"?([0-9a-f]{32})"?$/.exec(etag)?.[1];
}

/** What showed that two contents are the same, in a word: the checksum's algorithm, `ETAG` or `BYTES`. */
export const PROOFS = [...CHECKSUM_ALGORITHMS, 'ETAG', 'BYTES'] as const;
export type Proof = (typeof PROOFS)[number];
