/**
 * Mails gathered into requests of up to 50 (SendBulkEmail): rendered here, each with its own headers, tags and status.
 *
 * A request is made once, as a single mail's is: an answer that was lost leaves all of its mails `unknown`.
 */
import type { BulkEmailEntryResult, SendBulkEmailCommandInput } from '@aws-sdk/client-sesv2';
import { LRUCache } from 'lru-cache';
import { Coalescer } from '#shared/queue/coalescer.ts';
import type { CampaignMail, MailSent } from './campaign-mail.ts';
import { judgeSes } from './send-by-ses.ts';
import type { SesRequests } from './ses-requests.ts';

export interface BulkTerms {
  readonly configurationSet: string | undefined;
  readonly batch: number;
  /** Requests side by side. */
  readonly concurrency: number;
  readonly timeoutMs: number;
}

export interface BulkSender {
  send(mail: CampaignMail, terms: BulkTerms): Promise<MailSent>;
}

const MOST_SENDERS = 1_000;
const LINGER_MS = 10;
/** Each may have megabytes; one that is given up leaves all of its mails in doubt. */
const MOST_REQUESTS = 8;

export function createBulkSender(ses: SesRequests): BulkSender {
  const groups = new LRUCache<string, Coalescer<CampaignMail, MailSent>>({ max: MOST_SENDERS });
  return {
    async send(mail, terms) {
      // What a request has once for all of its mails.
      const key = JSON.stringify([mail.from, mail.replyTo, terms]);
      let group = groups.get(key);
      if (group === undefined) {
        group = new Coalescer({
          name: 'send-bulk',
          run: (mails) => sendBulk(ses, mails, terms),
          ...{ maxEntries: terms.batch, lingerMs: LINGER_MS },
          concurrency: Math.min(MOST_REQUESTS, terms.concurrency),
        });
        groups.set(key, group);
      }
      return await group.add(mail);
    },
  };
}

async function sendBulk(
  ses: SesRequests,
  mails: readonly CampaignMail[],
  { configurationSet, timeoutMs }: BulkTerms,
): Promise<MailSent[]> {
  const [first] = mails;
  const pairs = (list: Readonly<Record<string, string>>) =>
    Object.entries(list).map(([Name, Value]) => ({ Name, Value }));
  const request: SendBulkEmailCommandInput = {
    FromEmailAddress: first?.from,
    ReplyToAddresses: first?.replyTo === undefined ? undefined : [first.replyTo],
    ConfigurationSetName: configurationSet,
    DefaultContent: {
      Template: {
        TemplateContent: { Subject: '{{{subject}}}', Html: '{{{html}}}', Text: '{{{text}}}' },
        TemplateData: '{}',
      },
    },
    BulkEmailEntries: mails.map(({ to, subject, html, text, headers, tags }) => ({
      Destination: { ToAddresses: [to] },
      ReplacementTags: pairs(tags),
      ReplacementHeaders: pairs(headers),
      ReplacementEmailContent: {
        ReplacementTemplate: { ReplacementTemplateData: JSON.stringify({ subject, html, text }) },
      },
    })),
  };
  const reply = await ses.post('/v2/email/outbound-bulk-emails', request, { timeoutMs });
  if (reply.type !== 'taken') {
    const outcome = judgeSes(reply);
    return mails.map(() => outcome);
  }
  const { BulkEmailEntryResults: results } = (reply.body ?? {}) as { readonly BulkEmailEntryResults?: unknown };
  return mails.map((_mail, index) => sentOf(Array.isArray(results) ? results[index] : undefined));
}

const STOPPED: ReadonlySet<string> = new Set([
  'MAIL_FROM_DOMAIN_NOT_VERIFIED',
  'CONFIGURATION_SET_NOT_FOUND',
  'TEMPLATE_NOT_FOUND',
  'ACCOUNT_SUSPENDED',
  'ACCOUNT_SENDING_PAUSED',
  'CONFIGURATION_SET_SENDING_PAUSED',
  'INVALID_SENDING_POOL_NAME',
]);

/** Statuses of "BulkEmailEntryResult", Amazon SES API v2. */
function sentOf(result: BulkEmailEntryResult | undefined): MailSent {
  const { Status: status = '', MessageId: messageId, Error: reason = '' } = result ?? {};
  if (status === 'SUCCESS') return { type: 'sent', messageId: messageId ?? '' };
  if (status === '') return { type: 'unknown', reason: 'no status' };
  if (status === 'ACCOUNT_THROTTLED' || status === 'TRANSIENT_FAILURE') return { type: 'throttled' };
  if (status === 'ACCOUNT_DAILY_QUOTA_EXCEEDED') return { type: 'quota' };
  if (STOPPED.has(status)) return { type: 'stopped', reason: status };
  return { type: 'refused', reason: `${status}: ${reason}`.slice(0, 300) };
}
