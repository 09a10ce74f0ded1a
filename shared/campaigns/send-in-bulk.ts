/**
 * Mails gathered into requests of up to 50 (SendBulkEmail): rendered here, each with its own headers, tags and status.
 *
 * 1. A request is made once, as a single mail's is: an answer that was lost leaves all of its mails `unknown`.
 * 2. A mail that is too large for it goes alone: SES would refuse the whole request, and with it all of its mails.
 */
import type { SendBulkEmailCommandInput } from '@aws-sdk/client-sesv2';
import { LRUCache } from 'lru-cache';
import pLimit, { type LimitFunction } from 'p-limit';
import { Coalescer } from '#shared/queue/coalescer.ts';
import { printableWords } from '#shared/text/visible-text.ts';
import type { CampaignMail, MailSent } from './campaign-mail.ts';
import { judgeSes, sendBySes, sendersOf, sentAs } from './send-by-ses.ts';
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
const LARGEST_REQUEST = 4_000_000;
/** Of `ReplacementTemplateData`; SES counts characters, of which there are no more than bytes. */
const LARGEST_DATA = 262_144;

interface Entry {
  readonly mail: CampaignMail;
  /** What the service fills its template with, as JSON. */
  readonly data: string;
  readonly sizeBytes: number;
}

interface Group {
  readonly gathered: Coalescer<Entry, MailSent>;
  readonly alone: LimitFunction;
}

export function createBulkSender(ses: SesRequests): BulkSender {
  const groups = new LRUCache<string, Group>({ max: MOST_SENDERS });
  return {
    async send(mail, terms) {
      // What a request has once for all of its mails.
      const key = JSON.stringify([mail.from, mail.replyTo, terms]);
      let group = groups.get(key);
      if (group === undefined) {
        group = createGroup(ses, terms);
        groups.set(key, group);
      }
      const { subject, html, text } = mail;
      const data = JSON.stringify({ subject, html, text });
      const sizeBytes = Buffer.byteLength(data);
      if (sizeBytes > LARGEST_DATA) return await group.alone(() => sendBySes(ses, mail, terms));
      return await group.gathered.add({ mail, data, sizeBytes });
    },
  };
}

function createGroup(ses: SesRequests, terms: BulkTerms): Group {
  const gathered = new Coalescer<Entry, MailSent>({
    name: 'send-bulk',
    run: (entries) => sendBulk(ses, entries, terms),
    ...{ maxEntries: terms.batch, lingerMs: LINGER_MS },
    ...{ maxBytes: LARGEST_REQUEST, sizeOf: ({ sizeBytes }: Entry) => sizeBytes },
    concurrency: Math.min(MOST_REQUESTS, terms.concurrency),
  });
  return { gathered, alone: pLimit(terms.concurrency) };
}

async function sendBulk(
  ses: SesRequests,
  entries: readonly Entry[],
  { configurationSet, timeoutMs }: BulkTerms,
): Promise<MailSent[]> {
  const [first] = entries;
  if (first === undefined) return [];
  const pairs = (list: Readonly<Record<string, string>>) =>
    Object.entries(list).map(([Name, Value]) => ({ Name, Value }));
  const request: SendBulkEmailCommandInput = {
    ...sendersOf(first.mail),
    ConfigurationSetName: configurationSet,
    DefaultContent: {
      Template: {
        TemplateContent: { Subject: '{{{subject}}}', Html: '{{{html}}}', Text: '{{{text}}}' },
        TemplateData: '{}',
      },
    },
    BulkEmailEntries: entries.map(({ mail: { to, headers, tags }, data }) => ({
      Destination: { ToAddresses: [to] },
      ReplacementTags: pairs(tags),
      ReplacementHeaders: pairs(headers),
      ReplacementEmailContent: { ReplacementTemplate: { ReplacementTemplateData: data } },
    })),
  };
  const reply = await ses.post('/v2/email/outbound-bulk-emails', request, { timeoutMs });
  if (reply.type !== 'taken') {
    const outcome = judgeSes(reply);
    return entries.map(() => outcome);
  }
  const { BulkEmailEntryResults: results } = (reply.body ?? {}) as { readonly BulkEmailEntryResults?: unknown };
  return entries.map((_entry, index) => sentOf(Array.isArray(results) ? results[index] : undefined));
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
function sentOf(result: unknown): MailSent {
  const { Status: status, MessageId: messageId, Error: reason } = (result ?? {}) as Readonly<Record<string, unknown>>;
  if (status === 'SUCCESS') return sentAs(messageId);
  if (typeof status !== 'string' || status === '') return { type: 'unknown', reason: 'no status' };
  if (status === 'ACCOUNT_THROTTLED' || status === 'TRANSIENT_FAILURE') return { type: 'throttled' };
  if (status === 'ACCOUNT_DAILY_QUOTA_EXCEEDED') return { type: 'quota' };
  if (STOPPED.has(status)) return { type: 'stopped', reason: status };
  return { type: 'refused', reason: printableWords(`${status}: ${String(reason ?? '')}`) };
}
