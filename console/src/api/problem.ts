/** What went wrong with a call, in the one form that the API has for it. */
import type { ErrorBody } from '#services/control-api/http/error-reply.ts';

/** Nothing answered, or something that is not the API. */
export const UNREACHABLE = 'API_UNREACHABLE';

export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** To find it in the API's log. */
  readonly requestId: string | undefined;

  constructor(status: number, { code, message, hint, details = {} }: ErrorBody, requestId?: string) {
    super(message);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.details = details;
    this.requestId = requestId;
  }

  /** Asking again may help. */
  get isPassing(): boolean {
    return this.code === UNREACHABLE || this.status === 429 || this.status >= 502;
  }
}

export function unreachable(): Problem {
  return new Problem(0, {
    code: UNREACHABLE,
    message: 'The API did not answer.',
    hint: 'It is asked again every few seconds. Nothing that you typed is lost.',
  });
}

export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Problem(0, { code: 'PAGE_FAULT', message, hint: 'Reload the page. If it comes back, report it.' });
}
