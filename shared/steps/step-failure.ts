/** Turns what the object store refused into a step's outcome: retry what may pass, fail what will not. */

import type { ErrorCode } from '#shared/errors.ts';
import { mayPass, ObjectStoreError } from '#shared/files/store-error.ts';
import type { StepOutcome } from './step-outcome.ts';

export function failed(code: ErrorCode, cause: ErrorCode, message: string): Extract<StepOutcome, { type: 'failed' }> {
  return { type: 'failed', code, cause, message };
}

export function retry(code: ErrorCode, cause: ErrorCode, message: string): StepOutcome {
  return { type: 'retry', code, cause, message };
}

/** Runs a step's work; refusals of the store become outcomes of `code`, anything else is a bug and continues as thrown. */
export async function withStoreFailures(code: ErrorCode, work: () => Promise<StepOutcome>): Promise<StepOutcome> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    return mayPass(error)
      ? retry(code, error.code, error.message)
      : failed(code, error.code, `${error.message}. ${error.hint}`);
  }
}
