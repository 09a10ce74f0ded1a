/**
 * Runs one handler call under its deadline.
 *
 * The deadline aborts the signal; it does not free the slot. A handler that does not listen goes on running, and counting it as
 * ended would let ever more of them run side by side.
 */
import { LongshoreError } from '#shared/errors.ts';

export type HandlerOutcome<Result> =
  | { readonly type: 'returned'; readonly result: Result }
  | { readonly type: 'failed'; readonly error: unknown };

export interface RunHandlerOptions<Result> {
  readonly deadlineMs: number;
  readonly controller: AbortController;
  readonly run: (signal: AbortSignal) => Promise<Result>;
}

export async function runHandler<Result>({
  deadlineMs,
  controller,
  run,
}: RunHandlerOptions<Result>): Promise<HandlerOutcome<Result>> {
  const timer = setTimeout(() => {
    controller.abort(
      new LongshoreError('HANDLER_DEADLINE_EXCEEDED', `The handler did not end within ${deadlineMs} ms.`),
    );
  }, deadlineMs);
  try {
    return { type: 'returned', result: await run(controller.signal) };
  } catch (error) {
    return { type: 'failed', error };
  } finally {
    clearTimeout(timer);
  }
}
