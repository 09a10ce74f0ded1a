/**
 * Runs work that has to end when its lease is lost, its process stops or its time is up.
 *
 * 1. The first cause aborts the work's signal; the work gets a moment to end on its own, so that it can close what it opened.
 * 2. Work that ignores its signal is left behind, not waited for: a slot must not be held for ever, and what the work still
 *    does cannot be stored any more under a lost lease.
 */
import { LongshoreError } from '#shared/errors.ts';

type AbortCause = 'lease-lost' | 'stopping' | 'deadline';

export type AbortableEnd<Result> =
  | { readonly type: 'returned'; readonly result: Result; readonly aborted: AbortCause | undefined }
  | { readonly type: 'threw'; readonly error: unknown; readonly aborted: AbortCause | undefined }
  | { readonly type: 'left-behind'; readonly aborted: AbortCause };

export interface RunAbortableOptions<Result> {
  readonly run: (signal: AbortSignal) => Promise<Result>;
  readonly lease: AbortSignal;
  readonly stop: AbortSignal;
  readonly deadlineMs: number;
  /** After the abort; shorter than what a stopping worker leaves its handlers. */
  readonly graceMs?: number;
}

export async function runAbortable<Result>(options: RunAbortableOptions<Result>): Promise<AbortableEnd<Result>> {
  const { lease, stop, deadlineMs, graceMs = 1_000 } = options;
  const controller = new AbortController();
  const leftBehind = Promise.withResolvers<AbortableEnd<Result>>();
  let aborted: AbortCause | undefined;
  let graceTimer: NodeJS.Timeout | undefined;

  const abort = (cause: AbortCause, reason: unknown): void => {
    if (aborted !== undefined) return;
    aborted = cause;
    controller.abort(reason);
    graceTimer = setTimeout(() => leftBehind.resolve({ type: 'left-behind', aborted: cause }), graceMs);
  };
  const onLeaseLost = () => abort('lease-lost', lease.reason);
  const onStop = () => abort('stopping', stop.reason);
  const deadlineTimer = setTimeout(() => {
    abort('deadline', new LongshoreError('STEP_DEADLINE_EXCEEDED', `The work did not end within ${deadlineMs} ms.`));
  }, deadlineMs);
  lease.addEventListener('abort', onLeaseLost, { once: true });
  stop.addEventListener('abort', onStop, { once: true });
  if (lease.aborted) onLeaseLost();
  else if (stop.aborted) onStop();

  async function run(): Promise<AbortableEnd<Result>> {
    try {
      controller.signal.throwIfAborted();
      const result = await options.run(controller.signal);
      return { type: 'returned', result, aborted };
    } catch (error) {
      return { type: 'threw', error, aborted };
    }
  }
  try {
    return await Promise.race([run(), leftBehind.promise]);
  } finally {
    clearTimeout(deadlineTimer);
    clearTimeout(graceTimer);
    lease.removeEventListener('abort', onLeaseLost);
    stop.removeEventListener('abort', onStop);
  }
}
