/**
 * One try of one step: whatever it does, it comes to an outcome, or to nothing when the lease was lost.
 *
 * 1. A step that throws is a retry with a cause, logged once with its stack; the worker lives on.
 * 2. A step stopped with its process waits with no delay, which counts no attempt. What it had come to before is kept.
 * 3. Under a lost lease nothing is stored: somebody else may already be at work.
 */
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { StepContext, StepKind } from '#shared/steps/step-context.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import { type AbortableEnd, runAbortable } from './run-abortable.ts';
import { stepErrorCode } from './step-error-code.ts';

export interface RunStepOptions {
  readonly kind: StepKind<unknown>;
  readonly context: Omit<StepContext<unknown>, 'signal'>;
  readonly lease: AbortSignal;
  readonly stop: AbortSignal;
  readonly deadlineMs: number;
}

export async function runStep(options: RunStepOptions): Promise<StepOutcome | 'lease-lost'> {
  const { kind, context, lease, stop, deadlineMs } = options;
  const end = await runAbortable({
    run: (signal) => kind.run({ ...context, signal }),
    lease,
    stop,
    deadlineMs,
  });
  if (end.type === 'left-behind') context.logger.error({ aborted: end.aborted }, 'step ignored its signal');
  if (end.aborted === 'lease-lost') return 'lease-lost';
  if (end.type === 'returned' && (end.aborted === undefined || end.result.type !== 'retry')) return end.result;
  if (end.aborted === 'stopping') return { type: 'wait', afterMs: 0, reason: 'WORKER_STOPPING' };
  if (end.aborted === 'deadline') return deadlineExceeded(kind.kind, deadlineMs);
  return afterThrow(end, kind.kind, context.logger);
}

function deadlineExceeded(kind: string, deadlineMs: number): StepOutcome {
  return {
    type: 'retry',
    code: stepErrorCode(kind),
    cause: 'STEP_DEADLINE_EXCEEDED',
    message: `The step did not end within ${deadlineMs / 1_000} s; it is tried again.`,
  };
}

/** A LongshoreError was written for people; any other text can hold anything and stays in the log. */
function afterThrow(end: AbortableEnd<StepOutcome>, kind: string, logger: Logger): StepOutcome {
  const error = end.type === 'threw' ? end.error : undefined;
  logger.error({ err: error }, 'step threw');
  const code = stepErrorCode(kind);
  if (error instanceof LongshoreError) {
    return { type: 'retry', code, cause: error.code, message: `${error.message} ${error.hint}` };
  }
  return {
    type: 'retry',
    code,
    cause: 'INTERNAL',
    message: 'The step met an error that it was not written for; the log of that time has it, under the job id.',
  };
}
