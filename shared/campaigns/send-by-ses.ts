/**
 * One mail by Amazon SES v2: one request, one outcome.
 *
 * 1. SES knows no idempotency token, so nothing is sent again here, and an answer that was lost is `unknown`.
 * 2. What SES refuses by name was not sent ("Common errors" and the operation's errors, Amazon SES API v2).
 */
import type { SESv2Client } from '@aws-sdk/client-sesv2';
import type { CampaignMail, MailSent } from './campaign-mail.ts';

/** Nothing of the request left this machine. */
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const THROTTLED = new Set(['TooManyRequestsException', 'ThrottlingException', 'Throttling']);
const ACCOUNT_MS = 5_000;
const STOPPED: ReadonlySet<string> = new Set([
  'SendingPausedException',
  'AccountSuspendedException',
  'MailFromDomainNotVerifiedException',
  'NotFoundException',
  'AccessDeniedException',
  'UnrecognizedClientException',
]);

export async function openSes(region: string, requestTimeout: number): Promise<SESv2Client> {
  // Loaded by the first campaign.
  const { SESv2Client: Client } = await import('@aws-sdk/client-sesv2');
  const requestHandler = {
    ...{ requestTimeout, throwOnRequestTimeout: true, connectionTimeout: 3_000, socketTimeout: requestTimeout },
    httpAgent: { maxSockets: 200 },
    httpsAgent: { maxSockets: 200 },
  };
  return new Client({ region, maxAttempts: 1, requestHandler });
}

/** Null: the service names no limit. */
export interface MailAccount {
  readonly maxPerSecond: number | null;
  readonly maxPerDay: number | null;
  readonly sentLastDay: number | null;
}

export async function readAccount(client: SESv2Client): Promise<MailAccount> {
  const { GetAccountCommand } = await import('@aws-sdk/client-sesv2');
  const { SendQuota } = await client.send(new GetAccountCommand({}), { abortSignal: AbortSignal.timeout(ACCOUNT_MS) });
  const limitOf = (limit: number | undefined) => (limit === undefined || limit <= 0 ? null : limit);
  return {
    maxPerSecond: limitOf(SendQuota?.MaxSendRate),
    maxPerDay: limitOf(SendQuota?.Max24HourSend),
    sentLastDay: SendQuota?.SentLast24Hours ?? null,
  };
}

export async function sendBySes(
  client: SESv2Client,
  mail: CampaignMail,
  {
    configurationSet,
    signal,
  }: { readonly configurationSet?: string | undefined; readonly signal?: AbortSignal | undefined },
): Promise<MailSent> {
  const { SendEmailCommand } = await import('@aws-sdk/client-sesv2');
  const utf8 = (Data: string) => ({ Data, Charset: 'UTF-8' });
  const command = new SendEmailCommand({
    FromEmailAddress: mail.from,
    Destination: { ToAddresses: [mail.to] },
    ReplyToAddresses: mail.replyTo === undefined ? undefined : [mail.replyTo],
    ConfigurationSetName: configurationSet,
    EmailTags: Object.entries(mail.tags).map(([Name, Value]) => ({ Name, Value })),
    Content: {
      Simple: {
        Subject: utf8(mail.subject),
        Body: { Html: utf8(mail.html), Text: utf8(mail.text) },
        Headers: Object.entries(mail.headers).map(([Name, Value]) => ({ Name, Value })),
      },
    },
  });
  try {
    const { MessageId } = await client.send(command, signal && { abortSignal: signal });
    return { type: 'sent', messageId: MessageId ?? '' };
  } catch (error) {
    return judgeSes(error);
  }
}

export function judgeSes(error: unknown): MailSent {
  const {
    name = '',
    code = '',
    message = '',
    $metadata,
  } = (error ?? {}) as Partial<Error> & {
    readonly code?: string;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (NOT_CONNECTED.has(code)) return { type: 'not-sent', reason: code };
  // `TimeoutError` is what it calls each of its timeouts.
  if (status === undefined && message.includes('did not establish a connection'))
    return { type: 'not-sent', reason: 'connect timeout' };
  if (status === undefined || status >= 500 || status === 408) {
    return { type: 'unknown', reason: status === undefined ? 'no answer' : `HTTP ${status}` };
  }
  if (THROTTLED.has(name) || status === 429) return { type: 'throttled' };
  if (name === 'LimitExceededException') return { type: 'quota' };
  if (STOPPED.has(name)) return { type: 'stopped', reason: name };
  return { type: 'refused', reason: `${name}: ${message}`.slice(0, 300) };
}
