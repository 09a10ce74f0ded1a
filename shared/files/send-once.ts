/**
 * Sends a request that makes an object version, and does not repeat it while its effect is unknown.
 *
 * 1. The SDK would repeat a copy whose reply was lost, and so make a second version. Here that ends as `AmbiguousWriteError`; the
 *    caller looks with a HEAD. What surely had no effect (refused connection, 503) is still repeated by the SDK.
 */
import { httpStatusOf } from './classify-store-error.ts';
import { AmbiguousWriteError } from './store-error.ts';

interface Repeatable {
  readonly middlewareStack: {
    add(
      middleware: (next: (args: never) => Promise<never>) => (args: never) => Promise<never>,
      options: { name: string; step: 'finalizeRequest'; priority: 'low' },
    ): void;
  };
}

/** Call it on a command before it is sent. */
export function stopOnAmbiguity<Command>(command: Command): Command {
  (command as Repeatable).middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        throw isAmbiguous(error) ? new AmbiguousWriteError(error) : error;
      }
    },
    { name: 'stopOnAmbiguity', step: 'finalizeRequest', priority: 'low' },
  );
  return command;
}

/** CopyObject and CompleteMultipartUpload may answer 200 and then an error, which the SDK shows as a 500. */
function isAmbiguous(error: unknown): boolean {
  const { name, code } = error as NodeJS.ErrnoException;
  if (name === 'AbortError') return false;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') return false;
  const status = httpStatusOf(error);
  return status === undefined || status < 300 || (status >= 500 && status !== 503);
}
