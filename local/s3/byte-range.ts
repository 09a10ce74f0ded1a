/** One byte range, of a Range header (RFC 9110) or of `x-amz-copy-source-range`. */
import { S3Error } from '#local/s3/s3-error.ts';

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

const RANGE = /^bytes=(\d{0,16})-(\d{0,16})$/;

/** `undefined`: send it all. S3 ignores several ranges and whatever it cannot read. @throws S3Error `InvalidRange`. */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = RANGE.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, first, last] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    if (length === 0) throw invalidRange(sizeBytes);
    return { start: sizeBytes - length, end: sizeBytes };
  }
  if (last !== '' && Number(last) < Number(first)) return undefined;
  if (Number(first) >= sizeBytes) throw invalidRange(sizeBytes);
  return { start: Number(first), end: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}

/** Both ends are required, and must be in the source. @throws S3Error `InvalidArgument`, `InvalidRange`. */
export function parseCopyRange(header: string, sizeBytes: number): ByteRange {
  const match = /^bytes=(\d{1,16})-(\d{1,16})$/.exec(header.trim());
  const start = Number(match?.[1]);
  const end = Number(match?.[2]) + 1;
  if (match === null || start >= end)
    throw new S3Error('InvalidArgument', 'The x-amz-copy-source-range must have the form bytes=first-last.');
  if (end > sizeBytes)
    throw new S3Error('InvalidRange', `Range specified is not valid for source object of size: ${sizeBytes}`);
  return { start, end };
}

function invalidRange(sizeBytes: number): S3Error {
  return new S3Error('InvalidRange', 'The requested range is not satisfiable', {
    'content-range': `bytes */${sizeBytes}`,
  });
}
