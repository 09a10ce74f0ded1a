/**
 * Sends a request that makes an object version, and does not repeat it while its effect is unknown.
 *
 * 1. The SDK would repeat a copy whose reply was lost, and so make a second version. Here that ends as `AmbiguousWriteError`; the
 *    caller looks with a HEAD. What surely had no effect (refused connection, 503) is still repeated by the SDK.
 */
import { AmbiguousWriteError } from './store-error.ts';

interface Stack {
  add(
    middleware: (next: (args: never) => Promise<Answer>) => (args: never) => Promise<Answer>,
    options: { name: string; step: 'finalizeRequest' | 'deserialize'; priority: 'low' },
  ): void;
}

interface Answer {
  readonly response: unknown;
}

/** Call it on a command before it is sent. */
export function stopOnAmbiguity<Command>(command: Command): Command {
  const stack = (command as { middlewareStack: Stack }).middlewareStack;
  let status: number | undefined;
  stack.add(
    (next) => async (args) => {
      status = undefined;
      const answer = await next(args);
      status = (answer.response as { statusCode?: number }).statusCode;
      return answer;
    },
    { name: 'noteStatus', step: 'deserialize', priority: 'low' },
  );
  stack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        throw isAmbiguous(error, status) ? new AmbiguousWriteError(error) : error;
      }
    },
    { name: 'stopOnAmbiguity', step: 'finalizeRequest', priority: 'low' },
  );
  return command;
}

/**
 * `status`: as it came. CopyObject and CompleteMultipartUpload may answer 200 and then an error, which the SDK shows as a 503.
 */
function isAmbiguous(error: unknown, status: number | undefined): boolean {
  const { name, code } = error as NodeJS.ErrnoException;
  if (name === 'AbortError') return false;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') return false;
  return status === undefined || status < 300 || (status >= 500 && status !== 503);
}
