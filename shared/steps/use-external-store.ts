/**
 * What a step does at an external store, and what happens to the step when that store cannot be used.
 *
 * 1. A store that is down or refuses is tried again: its owner may have changed something by then. The message names it, and holds
 *    nothing that it said.
 */
import { type ErrorCode, LongshoreError } from '#shared/errors.ts';
import { hasFault, ObjectStoreError, type StoreFault } from '#shared/files/store-error.ts';
import type { OpenStore } from '#shared/stores/open-store.ts';
import type { StepContext } from './step-context.ts';
import { retry } from './step-failure.ts';
import type { StepOutcome } from './step-outcome.ts';

const REFUSALS: readonly StoreFault[] = ['denied', 'invalid', 'forbidden', 'unavailable'];

export async function useExternalStore(
  { useStore }: StepContext<unknown>,
  { name, code }: { readonly name: string; readonly code: ErrorCode },
  work: (open: Pick<OpenStore, 'definition' | 'store'>) => Promise<StepOutcome>,
): Promise<StepOutcome> {
  try {
    const used = await useStore?.(name, work);
    if (used?.ok) return used.result;
    const message = used?.message ?? `This service does not have a store ${name}`;
    return retry(code, 'STORE_UNKNOWN', `${message}; apply its definition.`);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return retry(code, error.code, `With the store ${name}: ${error.message.replace(/\.$/, '')}.`);
  }
}

function isRefusal(error: unknown): error is LongshoreError {
  if (error instanceof LongshoreError && error.code === 'SECRET_UNAVAILABLE') return true;
  return error instanceof ObjectStoreError && REFUSALS.some((fault) => hasFault(error, fault));
}
