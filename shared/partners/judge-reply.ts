/**
 * What an HTTP reply, or the lack of one, means for the record that was sent. Pure.
 *
 * 1. The partner's rules come first, in their order; for what they do not name, the status speaks.
 * 2. Where it is not certain that nothing was done, an operation that must not be repeated is ambiguous, never retryable. What was not sent
 *    was not done.
 * 3. A body counts only where a rule or an output asks for it: one that cannot be read never outweighs a status that speaks.
 * 4. What of a reply gets into a message is short, printable and without the secrets that were sent. Replies are a partner's words, not ours.
 */

import type { JudgingRule, PartnerOperation } from '#shared/definitions/partner-schema.ts';
import type { HttpOutcome, HttpReply, NoReply } from '#shared/http/http-client.ts';
import { printableWords } from '#shared/text/visible-text.ts';
import { ExactNumber } from './exact-json.ts';
import type { ReplyValues } from './reply-reader.ts';
import { parseRetryAfterMs } from './retry-after.ts';
import { isScalar, type Scalar } from './value-path.ts';

interface Failure {
  /** `HTTP_503`, `PARTNER_TIMEOUT`, `BUSINESS_REJECTION` ... */
  readonly cause: string;
  readonly message: string;
}

export type PartnerOutcome =
  | {
      readonly type: 'success';
      readonly output: Readonly<Record<string, Scalar>>;
      readonly reference?: string;
    }
  /** The partner said no. Sweeps take it up again unless it is final. */
  | ({ readonly type: 'failed'; readonly isFinal: boolean; readonly partnerCode?: string } & Failure)
  /** `afterMs` is the partner's own wish. */
  | ({ readonly type: 'retryable'; readonly afterMs?: number; readonly partnerCode?: string } & Failure)
  /** It may have been done: never blindly repeated. */
  | ({ readonly type: 'ambiguous'; readonly partnerCode?: string } & Failure);

export interface JudgeReplyOptions {
  readonly reply: HttpOutcome;
  /** What its body says; undefined where it is not JSON, or half of it. */
  readonly body: ReplyValues | undefined;
  readonly operation: PartnerOperation;
  /** Whether this call carried an idempotency key. */
  readonly hasKey: boolean;
  readonly now: number;
  /** Takes the secrets that were sent out of a partner's words. */
  readonly redact?: (text: string) => string;
}

/** Repeating changes nothing: it is a check, or the partner knows the key that was sent. */
export function isRepeatable(operation: PartnerOperation, hasKey: boolean): boolean {
  return operation.idempotent || (operation.idempotencyHeader !== 'none' && hasKey);
}

export function judgeReply({
  reply,
  body,
  operation,
  hasKey,
  now,
  redact = String,
}: JudgeReplyOptions): PartnerOutcome {
  const uncertain = (cause: string, message: string): PartnerOutcome =>
    isRepeatable(operation, hasKey) ? { type: 'retryable', cause, message } : { type: 'ambiguous', cause, message };
  return reply.type === 'no-reply'
    ? judgeSilence(reply, uncertain)
    : judgeStatus({ reply, body, operation, now, uncertain, redact });
}

type Uncertain = (cause: string, message: string) => PartnerOutcome;

function judgeSilence({ cause, message, wasSent }: NoReply, uncertain: Uncertain): PartnerOutcome {
  const unsent = (name: string, words: string): PartnerOutcome => ({ type: 'retryable', cause: name, message: words });
  const judged = wasSent ? uncertain : unsent;
  switch (cause) {
    case 'unreachable':
      return unsent('PARTNER_UNREACHABLE', printableWords(message));
    case 'untrusted':
      return unsent('PARTNER_UNTRUSTED', printableWords(message));
    case 'forbidden':
      return { type: 'failed', isFinal: true, cause: 'PARTNER_ADDRESS_REFUSED', message: printableWords(message) };
    case 'invalid':
      return { type: 'failed', isFinal: true, cause: 'PARTNER_REQUEST_INVALID', message: printableWords(message) };
    case 'timeout':
      return wasSent
        ? uncertain('PARTNER_TIMEOUT', 'The partner did not answer in time.')
        : unsent('PARTNER_UNREACHABLE', 'There was no connection to the partner in time.');
    case 'lost':
      return judged('PARTNER_CONNECTION_LOST', 'The connection was lost before the reply was whole.');
    case 'unreadable':
      return judged('PARTNER_REPLY_INVALID', `The reply could not be read: ${printableWords(message)}`);
    case 'aborted':
      return judged('STEP_ABORTED', 'The call was given up before the partner answered.');
  }
}

interface StatusOptions {
  readonly reply: HttpReply;
  readonly body: ReplyValues | undefined;
  readonly operation: PartnerOperation;
  readonly now: number;
  readonly uncertain: Uncertain;
  readonly redact: (text: string) => string;
}

function judgeStatus({ reply, body, operation, now, uncertain, redact }: StatusOptions): PartnerOutcome {
  const { status } = reply;
  const rule = operation.judge.find(({ when }) => isFitting(when, status, body));
  const afterMs = parseRetryAfterMs(reply.headers, now);
  const wish = afterMs === undefined ? {} : { afterMs };
  if (rule?.is === 'success' && isOutputLost(reply, body, operation)) {
    // Its later calls could not be made. What must not be repeated has succeeded all the same.
    const unread = uncertain(...whyUnread(reply));
    if (unread.type === 'retryable') return unread;
  }
  if (rule !== undefined) return applyRule({ rule, reply, body, operation, wish, redact });

  const cause = `HTTP_${status}`;
  const message = `The partner answered HTTP ${status}.`;
  if (status >= 200 && status < 300) {
    if (asksForBody(operation) && body === undefined) return uncertain(...whyUnread(reply));
    if (operation.judge.some(({ is }) => is === 'success')) {
      return uncertain('PARTNER_REPLY_UNEXPECTED', `No rule fits the reply with HTTP ${status}.`);
    }
    return succeed(operation, body, redact);
  }
  if (status >= 300 && status < 400) {
    const redirect = ['PARTNER_REDIRECT', `${message} Redirects are not followed.`] as const;
    const outcome = uncertain(...redirect);
    if (AFTER_THE_DEED.includes(status) && outcome.type === 'ambiguous') return outcome;
    return { type: 'failed', isFinal: false, cause: redirect[0], message: redirect[1] };
  }
  // Asked to come again, or not known to it: nothing was done.
  if ([401, 425, 429].includes(status)) return { type: 'retryable', cause, message, ...wish };
  if ([408, 499].includes(status) || (status >= 500 && ![501, 505].includes(status))) {
    const outcome = uncertain(cause, message);
    return outcome.type === 'retryable' ? { ...outcome, ...wish } : outcome;
  }
  if (status >= 400) return { type: 'failed', isFinal: false, cause, message };
  return uncertain('PARTNER_REPLY_INVALID', message);
}

/** "See other" is said of what was done (RFC 9110, 15.4.4), and many servers say "found" for it. */
const AFTER_THE_DEED = [302, 303];

interface RuleOptions {
  readonly rule: JudgingRule;
  readonly reply: HttpReply;
  readonly body: ReplyValues | undefined;
  readonly operation: PartnerOperation;
  readonly wish: { readonly afterMs?: number };
  readonly redact: (text: string) => string;
}

function applyRule({ rule, reply, body, operation, wish, redact }: RuleOptions): PartnerOutcome {
  if (rule.is === 'success') return succeed(operation, body, redact);
  const code = rule.codeFrom === undefined ? undefined : scalarText(body?.(rule.codeFrom), redact);
  const words = rule.messageFrom === undefined ? undefined : scalarText(body?.(rule.messageFrom), redact);
  const said = [code, words].filter((part) => part !== undefined && part !== '').join(': ');
  const message = said === '' ? `The partner answered HTTP ${reply.status}.` : `The partner said: ${said}`;
  const partnerCode = code === undefined ? {} : { partnerCode: code };
  const isRejection = rule.is === 'business-failure';
  const failure = { cause: rule.cause ?? (isRejection ? 'BUSINESS_REJECTION' : `HTTP_${reply.status}`), message };
  switch (rule.is) {
    case 'business-failure':
      return { type: 'failed', isFinal: rule.final, ...failure, ...partnerCode };
    case 'retryable':
      return { type: 'retryable', ...failure, ...partnerCode, ...wish };
    case 'ambiguous':
      return { type: 'ambiguous', ...failure, ...partnerCode };
  }
}

function asksForBody({ judge, output }: PartnerOperation): boolean {
  return Object.keys(output).length > 0 || judge.some(({ when }) => Object.keys(when.body).length > 0);
}

/** Something came, and it cannot be read. */
function isOutputLost(reply: HttpReply, body: ReplyValues | undefined, { output }: PartnerOperation): boolean {
  const isDamaged = reply.bodyFault !== undefined || reply.body.length > 0;
  return body === undefined && isDamaged && Object.keys(output).length > 0;
}

/** Why there is no JSON in a reply. */
function whyUnread({ status, bodyFault }: HttpReply): [cause: string, message: string] {
  switch (bodyFault?.cause) {
    case 'too-large':
      return ['PARTNER_REPLY_TOO_LARGE', `HTTP ${status}: ${bodyFault.message}`];
    case 'late':
      return ['PARTNER_TIMEOUT', `HTTP ${status}: ${bodyFault.message}`];
    case 'cut-off':
      return ['PARTNER_CONNECTION_LOST', `HTTP ${status}: ${bodyFault.message}`];
    default:
      return ['PARTNER_REPLY_INVALID', bodyFault?.message ?? 'The reply is not JSON.'];
  }
}

function succeed(
  operation: PartnerOperation,
  body: ReplyValues | undefined,
  redact: (text: string) => string,
): PartnerOutcome {
  const output = Object.entries(operation.output).flatMap(([name, path]) => {
    const value = body?.(path);
    if (!isScalar(value)) return [];
    const isText = typeof value === 'string' || (value instanceof ExactNumber && !isStorable(value));
    return [[name, isText ? redact(String(value)).slice(0, LONGEST_OUTPUT) : value] as const];
  });
  const reference =
    operation.referenceFrom === undefined ? undefined : scalarText(body?.(operation.referenceFrom), redact);
  return { type: 'success', output: Object.fromEntries(output), ...(reference !== undefined && { reference }) };
}

function isFitting(when: JudgingRule['when'], status: number, body: ReplyValues | undefined): boolean {
  const hasStatus =
    when.status === undefined ||
    when.status.some((wanted) => (typeof wanted === 'number' ? wanted === status : wanted[0] === String(status)[0]));
  return (
    hasStatus &&
    Object.entries(when.body).every(([path, wanted]) => {
      const value = body?.(path);
      return (Array.isArray(wanted) ? wanted : [wanted]).some((each) => isSame(each, value));
    })
  );
}

/** Partners write one status as `0` and as `"0"`; numbers are compared as numbers. */
function isSame(wanted: string | number | boolean | null, value: unknown): boolean {
  if (wanted === value) return true;
  if (typeof wanted === 'boolean' || wanted === null || !isScalar(value) || typeof value === 'boolean') return false;
  if (typeof wanted === 'string' && typeof value === 'string') return false;
  const text = value === null ? '' : String(value);
  return (
    text === String(wanted) || (NUMBER.test(text) && NUMBER.test(String(wanted)) && Number(text) === Number(wanted))
  );
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const LONGEST_OUTPUT = 1_024;
/** Of exponents: PostgreSQL writes such a number out, digit by digit, and takes none beyond its range. */
const LONG_EXPONENT = /[eE][+-]?\d{4,}$/;

function isStorable({ text }: ExactNumber): boolean {
  return text.length <= LONGEST_OUTPUT && !LONG_EXPONENT.test(text);
}

function scalarText(value: unknown, redact: (text: string) => string): string | undefined {
  return isScalar(value) && value !== null ? printableWords(redact(String(value))) : undefined;
}
