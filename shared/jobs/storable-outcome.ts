/**
 * What of a step's outcome goes into the database, and whether it can: one outcome that PostgreSQL cannot hold must not cost the
 * jobs whose outcomes are stored in the same statement.
 */
import type { StepOutcome } from '#shared/steps/step-outcome.ts';

/** Facts for later steps, not contents of files. */
const MAX_OUTPUT_BYTES = 65_536;
/** PostgreSQL's and V8's JSON readers recurse: deeper values end in a stack overflow, which refuses the whole statement. */
const MAX_OUTPUT_DEPTH = 50;
const MAX_MESSAGE_LENGTH = 2_000;
const MAX_NAME_LENGTH = 200;

export type StorableOutcome =
  | { readonly ok: true; readonly outcome: StepOutcome }
  | { readonly ok: false; readonly reason: string };

export function storableOutcome(outcome: StepOutcome): StorableOutcome {
  switch (outcome.type) {
    case 'succeeded': {
      const reason = outputFault(outcome.output);
      return reason === undefined ? { ok: true, outcome } : { ok: false, reason };
    }
    case 'wait':
      return { ok: true, outcome: { ...outcome, reason: outcome.reason.slice(0, MAX_NAME_LENGTH) } };
    default: {
      const reason = 'output' in outcome ? outputFault(outcome.output) : undefined;
      if (reason !== undefined) return { ok: false, reason };
      return {
        ok: true,
        outcome: {
          ...outcome,
          code: outcome.code.slice(0, MAX_NAME_LENGTH),
          cause: outcome.cause.slice(0, MAX_NAME_LENGTH),
          message: outcome.message.slice(0, MAX_MESSAGE_LENGTH),
        },
      };
    }
  }
}

function outputFault(output: unknown): string | undefined {
  if (output === undefined) return undefined;
  if (isDeeperThan(output, MAX_OUTPUT_DEPTH)) return `its output is nested deeper than ${MAX_OUTPUT_DEPTH} levels`;
  try {
    const sizeBytes = Buffer.byteLength(JSON.stringify(output));
    if (sizeBytes > MAX_OUTPUT_BYTES) return `its output has ${sizeBytes} bytes, more than ${MAX_OUTPUT_BYTES}`;
  } catch {
    return 'its output is not JSON';
  }
  return undefined;
}

/** True for a value that contains itself too. */
function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(item, levels - 1));
}
