/** What the object store refused, as one of a few faults that callers decide by. */
import { type ErrorCode, LongshoreError } from '#shared/errors.ts';

/**
 * `not-found`: the object or version is not there. `precondition-failed`: it is no longer the one that was meant.
 * `upload-gone`: the multipart upload was completed or aborted by somebody. `corrupt`: what arrived is not what was sent.
 * `unavailable`: throttled, timed out or broken for now, worth another try. `truncated`: a stream ended before or after its size.
 * `cold`: it cannot be read before it is restored. `denied` and `invalid` stay so until somebody changes something, and so does `forbidden`: an address that may not be called.
 * `aborted`: the caller's own signal.
 */
export type StoreFault =
  | 'not-found'
  | 'precondition-failed'
  | 'denied'
  | 'cold'
  | 'unavailable'
  | 'invalid'
  | 'forbidden'
  | 'truncated'
  | 'upload-gone'
  | 'corrupt'
  | 'aborted';

const CODES: Readonly<Record<StoreFault, ErrorCode>> = {
  'not-found': 'SOURCE_GONE',
  'precondition-failed': 'SOURCE_CHANGED',
  denied: 'OBJECT_STORE_DENIED',
  cold: 'OBJECT_COLD',
  unavailable: 'OBJECT_STORE_UNAVAILABLE',
  invalid: 'OBJECT_STORE_REJECTED',
  forbidden: 'STORE_ADDRESS_REFUSED',
  truncated: 'SOURCE_TRUNCATED',
  'upload-gone': 'OBJECT_STORE_UNAVAILABLE',
  corrupt: 'CHECKSUM_MISMATCH',
  aborted: 'STEP_ABORTED',
};

export class ObjectStoreError extends LongshoreError {
  readonly fault: StoreFault;

  constructor(fault: StoreFault, message: string, cause?: unknown) {
    super(CODES[fault], message, cause === undefined ? {} : { cause });
    this.name = 'ObjectStoreError';
    this.fault = fault;
  }
}

export function hasFault(error: unknown, fault: StoreFault): boolean {
  return error instanceof ObjectStoreError && error.fault === fault;
}

const PASSING: readonly StoreFault[] = ['unavailable', 'truncated', 'upload-gone', 'corrupt', 'aborted'];

/** Another try may do. */
export function mayPass(error: unknown): boolean {
  return error instanceof ObjectStoreError && PASSING.includes(error.fault);
}

/** A write whose reply was lost or garbled; never leaves this folder. */
export class AmbiguousWriteError extends Error {
  /** Not `cause`: the SDK looks through causes, and would repeat the request after all. */
  readonly original: unknown;

  constructor(original: unknown) {
    super(`the store did not say whether the object was written: ${String(original)}`);
    this.name = 'AmbiguousWriteError';
    this.original = original;
  }
}
