/**
 * What an HTTP reply, or the lack of one, means for the record that was sent. Pure.
 *
 * 1. The partner's rules come first, in their order; for what they do not name, the status speaks.
 * 2. Where it is not certain that nothing was done, an operation that must not be repeated is ambiguous, never retryable.
 * 3. What of a reply gets into a message is short and printable. Replies are a partner's words, not ours.
 */
import type { HttpOutcome } from '#shared/http/create-http-client.ts';
import type { JudgingRule, PartnerOperation } from './partner-schema.ts';
import { parseRetryAfterMs } from './retry-after.ts';
import { isScalar, readPath, type Scalar } from './value-path.ts';

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
  readonly operation: PartnerOperation;
  /** Whether this call carried an idempotency key. */
  readonly hasKey: boolean;
  readonly now: number;
}

/** Repeating changes nothing: it is a check, or the partner knows the key that was sent. */
export function isRepeatable(operation: PartnerOperation, hasKey: boolean): boolean {
  return operation.idempotent || (operation.idempotencyHeader !== 'none' && hasKey);
}

export function judgeReply({ reply, operation, hasKey, now }: JudgeReplyOptions): PartnerOutcome {
  const uncertain = (cause: string, message: string): PartnerOutcome =>
    isRepeatable(operation, hasKey) ? { type: 'retryable', cause, message } : { type: 'ambiguous', cause, message };
  switch (reply.type) {
    case 'too-large':
      return uncertain('PARTNER_REPLY_TOO_LARGE', `HTTP ${reply.status}: ${reply.message}`);
    case 'no-reply':
      return judgeSilence(reply, uncertain);
    case 'replied':
      return judgeStatus({ reply, operation, now, uncertain });
  }
}

type Uncertain = (cause: string, message: string) => PartnerOutcome;
type Silence = Extract<HttpOutcome, { type: 'no-reply' }>;
type Reply = Extract<HttpOutcome, { type: 'replied' }>;

function judgeSilence({ cause, message }: Silence, uncertain: Uncertain): PartnerOutcome {
  switch (cause) {
    case 'refused':
    case 'unresolved':
      return { type: 'retryable', cause: 'PARTNER_UNREACHABLE', message: printable(message) };
    case 'untrusted':
      return { type: 'retryable', cause: 'PARTNER_UNTRUSTED', message: printable(message) };
    case 'forbidden':
      return { type: 'failed', isFinal: true, cause: 'PARTNER_ADDRESS_REFUSED', message: printable(message) };
    case 'timeout':
      return uncertain('PARTNER_TIMEOUT', 'The partner did not answer in time.');
    case 'reset':
      return uncertain('PARTNER_CONNECTION_LOST', 'The connection was lost before the reply was whole.');
    case 'aborted':
      return uncertain('STEP_ABORTED', 'The call was given up before the partner answered.');
    case 'other':
      return uncertain('PARTNER_REPLY_INVALID', `The reply could not be read: ${printable(message)}`);
  }
}

interface StatusOptions {
  readonly reply: Reply;
  readonly operation: PartnerOperation;
  readonly now: number;
  readonly uncertain: Uncertain;
}

function judgeStatus({ reply, operation, now, uncertain }: StatusOptions): PartnerOutcome {
  const { status } = reply;
  const body = parseBody(reply.body);
  const rule = operation.judge.find(({ when }) => isFitting(when, status, body));
  const afterMs = parseRetryAfterMs(reply.headers['retry-after'], now);
  const wish = afterMs === undefined ? {} : { afterMs };
  if (rule !== undefined) return applyRule({ rule, reply, body, operation, wish });

  const cause = `HTTP_${status}`;
  const message = `The partner answered HTTP ${status}.`;
  if (status >= 200 && status < 300) {
    const asksForBody = operation.judge.length > 0 || Object.keys(operation.output).length > 0;
    if (asksForBody && body === undefined) return uncertain('PARTNER_REPLY_INVALID', 'The reply is no JSON.');
    if (operation.judge.some(({ is }) => is === 'success')) {
      return uncertain('PARTNER_REPLY_UNEXPECTED', `No rule fits the reply with HTTP ${status}.`);
    }
    return succeed(operation, body);
  }
  if (status >= 300 && status < 400) {
    return {
      type: 'failed',
      isFinal: false,
      cause: 'PARTNER_REDIRECT',
      message: `${message} Redirects are not followed.`,
    };
  }
  // Asked to come again, or not known to it: nothing was done.
  if ([401, 425, 429].includes(status)) return { type: 'retryable', cause, message, ...wish };
  if (status === 408 || (status >= 500 && ![501, 505].includes(status))) {
    const outcome = uncertain(cause, message);
    return outcome.type === 'retryable' ? { ...outcome, ...wish } : outcome;
  }
  if (status >= 400) return { type: 'failed', isFinal: false, cause, message };
  return uncertain('PARTNER_REPLY_INVALID', message);
}

interface RuleOptions {
  readonly rule: JudgingRule;
  readonly reply: Reply;
  readonly body: unknown;
  readonly operation: PartnerOperation;
  readonly wish: { readonly afterMs?: number };
}

function applyRule({ rule, reply, body, operation, wish }: RuleOptions): PartnerOutcome {
  if (rule.is === 'success') return succeed(operation, body);
  const code = rule.codeFrom === undefined ? undefined : scalarText(readPath(body, rule.codeFrom));
  const words = rule.messageFrom === undefined ? undefined : scalarText(readPath(body, rule.messageFrom));
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

function succeed(operation: PartnerOperation, body: unknown): PartnerOutcome {
  const output = Object.entries(operation.output).flatMap(([name, path]) => {
    const value = readPath(body, path);
    if (!isScalar(value)) return [];
    return [[name, typeof value === 'string' ? value.slice(0, LONGEST_OUTPUT) : value] as const];
  });
  const reference =
    operation.referenceFrom === undefined ? undefined : scalarText(readPath(body, operation.referenceFrom));
  return { type: 'success', output: Object.fromEntries(output), ...(reference !== undefined && { reference }) };
}

function isFitting(when: JudgingRule['when'], status: number, body: unknown): boolean {
  const hasStatus =
    when.status === undefined ||
    when.status.some((wanted) => (typeof wanted === 'number' ? wanted === status : wanted[0] === String(status)[0]));
  return (
    hasStatus &&
    Object.entries(when.body).every(([path, wanted]) => {
      const value = readPath(body, path);
      return (Array.isArray(wanted) ? wanted : [wanted]).some((each) => each === value);
    })
  );
}

function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

const LONGEST_OUTPUT = 1_024;
const LONGEST_WORDS = 200;

function scalarText(value: unknown): string | undefined {
  return isScalar(value) && value !== null ? printable(String(value)) : undefined;
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]+/g, ' ').slice(0, LONGEST_WORDS);
}
