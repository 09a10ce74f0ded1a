/** Calls of partners for a whole file: what they are told of it, and what happens to a step whose call did not succeed. */
import type { ErrorCode } from '#shared/errors.ts';
import type { CallOutcome } from '#shared/partners/call-partner.ts';
import type { TemplateValues } from '#shared/partners/request-template.ts';
import type { StepContext } from './step-context.ts';
import { currentName } from './step-keys.ts';
import { PARTNER_BREAKER_OPEN, PARTNER_PAUSED } from './step-outcome.ts';

/** Nothing was done by it. */
export function notDone(code: ErrorCode, outcome: Exclude<CallOutcome, { type: 'success' | 'ambiguous' }>) {
  switch (outcome.type) {
    case 'failed':
      return { type: 'failed', code, cause: outcome.cause, message: outcome.message } as const;
    case 'wait':
      return { type: 'wait', afterMs: outcome.afterMs, reason: WAIT_REASONS[outcome.reason] } as const;
    case 'withdrawn':
      return {
        type: 'retry',
        code,
        cause: 'STEP_ABORTED',
        message: 'The call was given up before it was made.',
      } as const;
    case 'retryable': {
      const { cause, message, afterMs } = outcome;
      return { type: 'retry', code, cause, message, ...(afterMs !== undefined && { afterMs }) } as const;
    }
  }
}

const WAIT_REASONS = {
  'breaker-open': PARTNER_BREAKER_OPEN,
  concurrency: 'PARTNER_BUSY',
  paused: PARTNER_PAUSED,
  rate: 'PARTNER_RATE',
  token: 'PARTNER_TOKEN_UNAVAILABLE',
  secret: 'SECRET_UNAVAILABLE',
} as const;

/** Facts of the file, as `{{ meta.name }}`. */
export function metaOf(context: StepContext<unknown>): TemplateValues['meta'] {
  const { file, job, object, idempotencyKey } = context;
  return {
    name: currentName(context),
    path: file.key.slice(file.tenantId.length + 1),
    tenant: file.tenantId,
    route: job.routeName,
    file: file.id,
    job: job.id,
    key: idempotencyKey,
    sizeBytes: object.sizeBytes,
    receivedAt: file.receivedAt.toISOString(),
  };
}

/** The same for every try, so that the partner's log and ours meet. */
export function requestIdOf({ idempotencyKey }: StepContext<unknown>): string {
  return idempotencyKey.slice(0, 32);
}
