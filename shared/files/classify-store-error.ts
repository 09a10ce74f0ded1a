/** The one place that reads the SDK's errors. Codes: Amazon S3 API reference, "Error responses". */
import { LongshoreError } from '#shared/errors.ts';
import { ADDRESS_REFUSED } from '#shared/http/address-guard.ts';
import { AmbiguousWriteError, ObjectStoreError, type StoreFault } from './store-error.ts';

export const FAULTS_BY_NAME: Readonly<Record<string, StoreFault>> = {
  // A missing bucket is a fault of the configuration, not a file that went away.
  NoSuchBucket: 'invalid',
  NoSuchKey: 'not-found',
  NoSuchVersion: 'not-found',
  NoSuchUpload: 'upload-gone',
  NotFound: 'not-found',
  InvalidObjectState: 'cold',
  PreconditionFailed: 'precondition-failed',
  // Answered with 400, and over as soon as the credentials are renewed.
  ExpiredToken: 'unavailable',
  ExpiredTokenException: 'unavailable',
  RequestTimeout: 'unavailable',
  // Of a clock that jumped: the SDK signs the next request by the store's.
  RequestTimeTooSkewed: 'unavailable',
  // Damaged on the way, or a part that was sent again meanwhile: sent again, or listed again, it is right.
  BadDigest: 'unavailable',
  XAmzContentSHA256Mismatch: 'unavailable',
  IncompleteBody: 'unavailable',
  InvalidPart: 'unavailable',
  ConditionalRequestConflict: 'unavailable',
  OperationAborted: 'unavailable',
  InternalError: 'unavailable',
  SlowDown: 'unavailable',
  ServiceUnavailable: 'unavailable',
  TimeoutError: 'unavailable',
  CredentialsProviderError: 'unavailable',
  // Of S3-compatible servers without the operation: no other try would find it.
  NotImplemented: 'invalid',
  AbortError: 'aborted',
  // What `hide-replies.ts` calls a reply that no object store gives.
  UnexpectedReply: 'invalid',
};

/** The same error when it has its code already, or when it is not one of the store's (a bug): that is not to be hidden. */
export function classifyStoreError(error: unknown, doing: string, signal?: AbortSignal): unknown {
  if (!(error instanceof Error) || error instanceof LongshoreError || error instanceof AmbiguousWriteError)
    return error;
  const fault = signal?.aborted === true ? 'aborted' : faultOf(error);
  if (fault === undefined) return error;
  return new ObjectStoreError(fault, `${doing}: ${describe(error)}`, error);
}

/** Runs `work`; whatever the SDK throws comes out classified. `doing` says what was tried, e.g. `copy to bucket/key`. */
export async function storeCall<Result>(
  doing: string,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw classifyStoreError(error, doing, signal);
  }
}

function httpStatusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

function faultOf(error: Error): StoreFault | undefined {
  if ((error as NodeJS.ErrnoException).code === ADDRESS_REFUSED) return 'forbidden';
  const byName = FAULTS_BY_NAME[error.name];
  if (byName !== undefined) return byName;
  const status = httpStatusOf(error);
  if (status === undefined) return isOfTheNetwork(error) ? 'unavailable' : undefined;
  if (status === 404 || status === 405) return 'not-found';
  if (status === 412) return 'precondition-failed';
  if (status === 401 || status === 403) return 'denied';
  if (status === 429 || status >= 500 || status < 300) return 'unavailable';
  return 'invalid';
}

/** System errors have a code such as ECONNRESET; the SDK adds `$metadata` to all that failed on the way. */
function isOfTheNetwork(error: Error): boolean {
  return '$metadata' in error || typeof (error as NodeJS.ErrnoException).code === 'string';
}

function describe(error: Error): string {
  const status = httpStatusOf(error);
  const text = error.message === '' || error.message === error.name ? error.name : `${error.name}: ${error.message}`;
  return status === undefined ? text : `${text} (HTTP ${status})`;
}
