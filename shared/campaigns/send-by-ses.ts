/**
 * One mail by Amazon SES v2: one request, one outcome.
 *
 * 1. SES has no idempotency token, so nothing is sent again here, and an answer that was lost is `unknown`.
 * 2. What never went out, and what SES refuses by name, was not sent ("Common errors" and the operation's errors, Amazon SES API v2).
 */
import type { SendEmailCommandInput } from '@aws-sdk/client-sesv2';
import { readMailbox, writeMailbox } from '#shared/notices/mailbox.ts';
import { printableWords } from '#shared/text/visible-text.ts';
import type { CampaignMail, MailSent } from './campaign-mail.ts';
import type { SesBound, SesReply, SesRequests } from './ses-requests.ts';

const THROTTLED = new Set(['TooManyRequestsException', 'ThrottlingException', 'Throttling']);
/** Its credentials are renewed before the next one. */
const EXPIRED = new Set(['ExpiredTokenException', 'ExpiredToken', 'RequestExpired']);
const ACCOUNT_MS = 5_000;
/** And what SES answers with 401 or 403: no mail of the sender would be taken. */
const STOPPED: ReadonlySet<string> = new Set([
  'SendingPausedException',
  'AccountSuspendedException',
  'MailFromDomainNotVerifiedException',
  'NotFoundException',
]);

/** Null: the service names no limit. */
export interface MailAccount {
  readonly maxPerSecond: number | null;
  readonly maxPerDay: number | null;
  readonly sentLastDay: number | null;
}

export async function readAccount(ses: SesRequests): Promise<MailAccount> {
  const { GetAccountCommand } = await import('@aws-sdk/client-sesv2');
  const client = await ses.client();
  const { SendQuota } = await client.send(new GetAccountCommand({}), { abortSignal: AbortSignal.timeout(ACCOUNT_MS) });
  const limitOf = (limit: number | undefined) => (limit === undefined || limit <= 0 ? null : limit);
  return {
    maxPerSecond: limitOf(SendQuota?.MaxSendRate),
    maxPerDay: limitOf(SendQuota?.Max24HourSend),
    sentLastDay: SendQuota?.SentLast24Hours ?? null,
  };
}

export async function sendBySes(
  ses: SesRequests,
  mail: CampaignMail,
  { configurationSet, ...bound }: SesBound & { readonly configurationSet?: string | undefined },
): Promise<MailSent> {
  const utf8 = (Data: string) => ({ Data, Charset: 'UTF-8' });
  const request: SendEmailCommandInput = {
    ...sendersOf(mail),
    Destination: { ToAddresses: [mail.to] },
    ConfigurationSetName: configurationSet,
    EmailTags: Object.entries(mail.tags).map(([Name, Value]) => ({ Name, Value })),
    Content: {
      Simple: {
        Subject: utf8(mail.subject),
        Body: { Html: utf8(mail.html), Text: utf8(mail.text) },
        Headers: Object.entries(mail.headers).map(([Name, Value]) => ({ Name, Value })),
      },
    },
  };
  const reply = await ses.post('/v2/email/outbound-emails', request, bound);
  if (reply.type !== 'taken') return judgeSes(reply);
  const { MessageId } = (reply.body ?? {}) as { readonly MessageId?: unknown };
  return sentAs(MessageId);
}

/** Fields that requests of one mail and of many have alike. */
export function sendersOf({ from, replyTo }: Pick<CampaignMail, 'from' | 'replyTo'>) {
  return {
    FromEmailAddress: writeMailbox(readMailbox(from)),
    ReplyToAddresses: replyTo === undefined ? undefined : [writeMailbox(readMailbox(replyTo))],
  };
}

/** The mail was taken, whatever the service calls it. */
export function sentAs(messageId: unknown): MailSent {
  return { type: 'sent', messageId: typeof messageId === 'string' ? printableWords(messageId) : '' };
}

export function judgeSes(reply: Exclude<SesReply, { type: 'taken' }>): MailSent {
  if (reply.type === 'no-reply')
    return reply.wasSent
      ? { type: 'unknown', reason: `no answer (${reply.reason})` }
      : { type: 'not-sent', reason: reply.reason };
  const { status, name, message } = reply;
  if (status < 400 || status >= 500 || status === 408) return { type: 'unknown', reason: `HTTP ${status}` };
  if (THROTTLED.has(name) || status === 429) return { type: 'throttled' };
  if (EXPIRED.has(name)) return { type: 'not-sent', reason: name };
  if (name === 'LimitExceededException') return { type: 'quota' };
  if (STOPPED.has(name) || status === 401 || status === 403)
    return { type: 'stopped', reason: name || `HTTP ${status}` };
  return { type: 'refused', reason: `${name}: ${message}` };
}
