/**
 * Receives a request's body: takes `aws-chunked` apart, and holds what came against every length, digest and signature that the
 * client gave.
 *
 * 1. It resolves only when the body was whole and everything agreed; until then the caller commits nothing.
 */

import {
  CHECKSUM_ALGORITHMS,
  type ChecksumAlgorithm,
  checksumHeader,
  createDigest,
  type Digest,
  isChecksumAlgorithm,
  isDigestOf,
} from '#local/s3/checksum.ts';
import { ChunkDecoder } from '#local/s3/chunk-decoder.ts';
import { header, type S3Call } from '#local/s3/handler.ts';
import { S3Error } from '#local/s3/s3-error.ts';

export interface ReceivedBody {
  readonly sizeBytes: number;
  /** Of the algorithms asked for, and the client's. */
  readonly digests: ReadonlyMap<ChecksumAlgorithm | 'MD5', Buffer>;
}

export interface ReceiveOptions {
  readonly maxBytes: number;
  readonly algorithms: readonly (ChecksumAlgorithm | 'MD5')[];
  readonly write: (chunk: Buffer) => Promise<void> | undefined;
  /** False where the client's checksum header speaks of something else, as at the completion of an upload. */
  readonly hasClientChecksum?: boolean;
}

/** The algorithm that the client gives a checksum of, in a header or a trailer. */
export function clientAlgorithm(call: S3Call): ChecksumAlgorithm | undefined {
  const trailer = header(call, 'x-amz-trailer')?.toLowerCase() ?? '';
  const given = CHECKSUM_ALGORITHMS.filter(
    (algorithm) => header(call, checksumHeader(algorithm)) !== undefined || trailer === checksumHeader(algorithm),
  );
  if (given.length > 1)
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  return given[0];
}

/** @throws S3Error where the body is not what the client declared. */
export async function receiveBody(call: S3Call, options: ReceiveOptions): Promise<ReceivedBody> {
  const expectedBytes = declaredSize(call);
  const mostBytes = expectedBytes ?? options.maxBytes;
  if (mostBytes > options.maxBytes) throw tooLarge();
  const decoder = createDecoder(call);
  const algorithm = options.hasClientChecksum === false ? undefined : clientAlgorithm(call);
  const payloadSha256 = /^[0-9a-f]{64}$/.test(call.auth.payloadHash) ? call.auth.payloadHash : undefined;
  const contentMd5 = header(call, 'content-md5');
  if (contentMd5 !== undefined && !isDigestOf('MD5', contentMd5))
    throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.');

  const digests = new Map<ChecksumAlgorithm | 'MD5', Digest>();
  for (const name of options.algorithms) digests.set(name, createDigest(name));
  if (algorithm !== undefined && !digests.has(algorithm)) digests.set(algorithm, createDigest(algorithm));
  if (payloadSha256 !== undefined && !digests.has('SHA256')) digests.set('SHA256', createDigest('SHA256'));
  if (contentMd5 !== undefined && !digests.has('MD5')) digests.set('MD5', createDigest('MD5'));
  const running = [...digests.values()];

  let sizeBytes = 0;
  call.acceptBody();
  for await (const chunk of call.request.message as AsyncIterable<Buffer>) {
    for (const piece of decoder === undefined ? [chunk] : decoder.push(chunk)) {
      sizeBytes += piece.length;
      if (sizeBytes > mostBytes) throw expectedBytes === undefined ? tooLarge() : incompleteBody();
      for (const digest of running) digest.update(piece);
      const written = options.write(piece);
      if (written !== undefined) await written;
    }
  }
  decoder?.finish();
  if (expectedBytes !== undefined && sizeBytes !== expectedBytes) throw incompleteBody();

  const results = new Map([...digests].map(([name, digest]) => [name, digest.digest()]));
  if (payloadSha256 !== undefined && results.get('SHA256')?.toString('hex') !== payloadSha256)
    throw new S3Error(
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  if (contentMd5 !== undefined && results.get('MD5')?.toString('base64') !== contentMd5)
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  if (algorithm !== undefined) checkChecksum(call, algorithm, decoder, results.get(algorithm)!);
  return { sizeBytes, digests: results };
}

/** A request document, bounded. */
export async function receiveText(
  call: S3Call,
  maxBytes: number,
  options: Pick<ReceiveOptions, 'hasClientChecksum'> = {},
): Promise<string> {
  const chunks: Buffer[] = [];
  const write = (chunk: Buffer) => void chunks.push(chunk);
  try {
    await receiveBody(call, { ...options, maxBytes, algorithms: [], write: write as () => undefined });
  } catch (error) {
    if (error instanceof S3Error && error.code === 'EntityTooLarge')
      throw new S3Error('MaxMessageLengthExceeded', 'Your request was too big.');
    throw error;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `x-amz-sdk-checksum-algorithm` or `x-amz-checksum-algorithm`, read strictly. */
export function algorithmHeader(call: S3Call, name: string): ChecksumAlgorithm | undefined {
  const value = header(call, name)?.toUpperCase();
  if (value === undefined) return undefined;
  if (!isChecksumAlgorithm(value)) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  return value;
}

/** `undefined` where HTTP's own chunks end the body. */
function declaredSize(call: S3Call): number | undefined {
  const isStreaming = call.auth.payloadHash.startsWith('STREAMING-');
  const length = header(call, isStreaming ? 'x-amz-decoded-content-length' : 'content-length');
  if (length === undefined) {
    // No length and no chunks: there is no body, as with PUT Bucket.
    if (!isStreaming) return header(call, 'transfer-encoding') === undefined ? 0 : undefined;
    throw new S3Error('MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
  if (!/^\d{1,15}$/.test(length)) throw new S3Error('InvalidArgument', 'The content length is not a number.');
  return Number(length);
}

function createDecoder({ auth }: S3Call): ChunkDecoder | undefined {
  switch (auth.payloadHash) {
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return new ChunkDecoder({ signing: auth.chunkSigning, hasTrailer: false });
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return new ChunkDecoder({ signing: auth.chunkSigning, hasTrailer: true });
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return new ChunkDecoder({ hasTrailer: true });
    default:
      if (auth.payloadHash === 'UNSIGNED-PAYLOAD' || /^[0-9a-f]{64}$/.test(auth.payloadHash)) return undefined;
      throw new S3Error('InvalidRequest', `The value ${auth.payloadHash} of x-amz-content-sha256 is not supported.`);
  }
}

function checkChecksum(
  call: S3Call,
  algorithm: ChecksumAlgorithm,
  decoder: ChunkDecoder | undefined,
  computed: Buffer,
): void {
  const name = checksumHeader(algorithm);
  const given = header(call, name) ?? decoder?.trailers.get(name);
  if (given === undefined) throw new S3Error('InvalidRequest', `The trailer ${name} was announced and did not come.`);
  if (!isDigestOf(algorithm, given)) throw new S3Error('BadDigest', `Value for ${name} header is invalid.`);
  if (computed.toString('base64') !== given)
    throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
}

function tooLarge(): S3Error {
  return new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size');
}

function incompleteBody(): S3Error {
  return new S3Error(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  );
}
