/**
 * After a failover rows may name objects that had not been copied when the other region was lost. They come when it is back, so whoever
 * misses one waits for it, a day from the arrival of the file: then it is gone.
 */
import type { ReplicaConfig } from '#shared/files/replica-buckets.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';

export interface LateReplicas {
  /** Between looks. */
  readonly afterMs: number;
  /** Whether objects of a file that arrived then may still come. */
  mayCome(receivedAt: Date): boolean;
}

export const REPLICA_AWAITED = 'REPLICA_AWAITED';

const LATEST_MS = 86_400_000;
/** What a step says of an object that is not there. */
const MISSING: ReadonlySet<string> = new Set(['SOURCE_GONE', 'DESTINATION_GONE']);

/** Undefined where buckets are those that rows name: there, what is missing is gone. */
export function createLateReplicas(
  { LONGSHORE_PREFIX: prefix, LONGSHORE_RECORDED_PREFIX: recorded = prefix }: ReplicaConfig,
  { afterMs, now }: { readonly afterMs: number; readonly now: () => number },
): LateReplicas | undefined {
  if (recorded === prefix) return undefined;
  return { afterMs, mayCome: (receivedAt) => now() - receivedAt.getTime() < LATEST_MS };
}

/** The outcome as it is, or a wait in place of a failure. */
export function awaitReplica(outcome: StepOutcome, replicas: LateReplicas | undefined, receivedAt: Date): StepOutcome {
  if (outcome.type !== 'failed' || !MISSING.has(outcome.cause) || replicas?.mayCome(receivedAt) !== true)
    return outcome;
  return { type: 'wait', afterMs: replicas.afterMs, reason: REPLICA_AWAITED };
}
