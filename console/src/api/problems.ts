/** What happened and what to do, in sentences, from the codes of a failure. */
import { useQuery } from '@tanstack/react-query';

export type ErrorCodes = typeof import('virtual:error-codes').default;

export interface Failure {
  readonly code: string;
  readonly cause: string | null;
  readonly message: string | null;
}

export interface Explanation {
  readonly happened: string;
  readonly remedy: string;
}

/** The codes are their own file, which only pages of failures fetch. */
export function useErrorCodes(): ErrorCodes {
  const { data = {} } = useQuery({
    queryKey: ['error-codes'],
    queryFn: async () => (await import('virtual:error-codes')).default,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data;
}

/** The cause says more than the step that failed; the message, which names the thing, more than both. */
export function explainFailure(codes: ErrorCodes, { code, cause, message }: Failure): Explanation {
  // What no route takes has its own causes, of which some are called as those of steps.
  const known = (cause === null || code === 'NO_ROUTE' ? undefined : codes[cause]) ?? codes[code];
  const status = /^HTTP_(\d{3})$/.exec(cause ?? '')?.[1];
  const meaning = status === undefined ? known?.meaning : `The partner answered HTTP ${status}.`;
  // Steps put the remedy behind what happened, for lists and logs.
  const said =
    known !== undefined && message?.endsWith(known.remedy) ? message.slice(0, -known.remedy.length).trim() : message;
  return {
    happened: withStop(said || meaning || `${code}${cause === null ? '' : ` ${cause}`}`),
    remedy: known?.remedy ?? 'Look at the timeline for what was tried.',
  };
}

export interface RecordCounts {
  readonly by_state: Readonly<Record<string, number>>;
  readonly by_code: Readonly<Record<string, number>>;
}

/** `10 of 1,000 records failed (VALIDATION_ERROR HTTP_503 7, …), 6 were rejected.`; undefined when all went well, or none were read. */
export function explainRecords({ by_state: byState, by_code: byCode }: RecordCounts): string | undefined {
  const number = new Intl.NumberFormat('en');
  const total = Object.values(byState).reduce((sum, count) => sum + count, 0);
  const { FAILED: failed = 0, AMBIGUOUS: ambiguous = 0, REJECTED: rejected = 0 } = byState;
  const parts = [
    failed > 0 && `${number.format(failed)} failed`,
    ambiguous > 0 && `of ${number.format(ambiguous)} it is not known whether the partner has them`,
    rejected > 0 && `${number.format(rejected)} were rejected`,
  ].filter((part) => part !== false);
  if (parts.length === 0) return undefined;
  const [first] = Object.entries(byCode).sort(([, a], [, b]) => b - a);
  const most = first === undefined ? '' : ` Most often: ${first[0]}, ${number.format(first[1])} times.`;
  return `Of ${number.format(total)} records ${parts.join(', ')}.${most}`;
}

function withStop(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}
