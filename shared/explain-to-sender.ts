/**
 * A failure for the person who sent the file: what is wrong with it and what that person can do, or that there is nothing to do. Pure.
 *
 * 1. Where the fault is not in the file, nothing is said of what is the operator's: servers, buckets, routes.
 * 2. What a message advises is for operators and left out: the remedy of its code, and what names an option of a route.
 */
import { ERROR_CODES, type ErrorCode, type ErrorCodeEntry, type WordsForSender } from './errors.ts';

export interface FailureToExplain {
  readonly code: string;
  readonly cause: string | null;
  readonly message: string | null;
}

/** From the first sentence on that names an option, as in: Correct `minSize` or `maxSize`. */
const ADVICE_TO_OPERATORS = / [A-Z][^.`]*`[a-zA-Z.]+(?:: [a-z]+)?`.*$/s;

export interface ExplainedToSender {
  readonly text: string;
  /** The fault is in what was sent. */
  readonly isToCorrect: boolean;
}

export function explainToSender({ code, cause, message }: FailureToExplain): ExplainedToSender {
  const words = wordsOf(code, cause);
  if ('instead' in words) return { text: words.instead, isToCorrect: false };
  const fact = factOf(message ?? '', [cause, code]);
  return { text: fact === '' ? words.correct : `${withStop(fact)} ${words.correct}`, isToCorrect: true };
}

function wordsOf(code: string, cause: string | null): WordsForSender {
  const ofCode = ofTable(code);
  // What no route takes has its own causes, of which some are called as those of steps.
  if (code === 'NO_ROUTE' && ofCode !== undefined) return ofCode;
  const ofCause = cause === null ? undefined : ofTable(/^HTTP_\d{3}$/.test(cause) ? 'HTTP_NNN' : cause);
  return ofCause ?? ofCode ?? ERROR_CODES.INTERNAL.sender;
}

function ofTable(code: string): WordsForSender | undefined {
  if (!Object.hasOwn(ERROR_CODES, code)) return undefined;
  const entry: ErrorCodeEntry = ERROR_CODES[code as ErrorCode];
  return entry.sender;
}

function factOf(message: string, codes: readonly (string | null)[]): string {
  const remedy = codes
    .flatMap((code) =>
      code !== null && Object.hasOwn(ERROR_CODES, code) ? [ERROR_CODES[code as ErrorCode].remedy] : [],
    )
    .find((each) => message.endsWith(each));
  const said = remedy === undefined ? message : message.slice(0, -remedy.length);
  return said.replace(ADVICE_TO_OPERATORS, '').trim();
}

function withStop(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}
