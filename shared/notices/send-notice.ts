/**
 * Sends one notice, or one digest, to its channel: once, within a deadline. Who calls repeats.
 *
 * 1. An outcome never shows a URL, an answer's body or a key: it is stored, logged and shown to the tenant.
 * 2. URLs are the tenant's, so they reach public addresses alone, next to those that the operator allows; no redirect is followed.
 * 3. A tenant's channels reach the tenant's own secrets alone; the mail server is the fleet's.
 */
import { Webhook } from 'standardwebhooks';
import { type ChannelDefinition, kindOf } from '#shared/definitions/notify-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';
import type { HttpOutcome } from '#shared/http/http-client.ts';
import { parseRetryAfterMs } from '#shared/partners/retry-after.ts';
import type { TopicPublisher } from '#shared/queue/topics.ts';
import { readLinkKeys } from '#shared/reviews/link-keys.ts';
import { writeReviewUrl } from '#shared/reviews/review-links.ts';
import { type SecretStore, secretsOfTenant, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { type MailServer, sendMail } from './send-mail.ts';
import { type NoticeDelivery, writeMail, writeSlackBody, writeTeamsBody, writeWebhookBody } from './write-messages.ts';
import { writeTicketBody } from './write-ticket.ts';

export type NoticeOutcome =
  | {
      readonly type: 'sent';
      /** Recipients of a mail that the server did not take. */
      readonly missed?: number;
    }
  | {
      readonly type: 'failed';
      readonly cause:
        | 'NOTICE_REFUSED'
        | 'NOTICE_UNREACHABLE'
        | 'NOTICE_ADDRESS_REFUSED'
        | 'NOTICE_CHANNEL_INVALID'
        | 'SECRET_UNAVAILABLE';
      readonly message: string;
      /** What the receiver asked for. */
      readonly afterMs?: number;
    };

export interface ReviewLinks {
  readonly publicUrl: string;
  /** Outside every tenant. */
  readonly secretName: string;
}

export interface NoticeSenderOptions {
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  readonly publisher: TopicPublisher;
  /** Undefined: the fleet sends no mail. */
  readonly mailServer?: MailServer | undefined;
  /** Undefined: notices of held files have no links. */
  readonly reviewLinks?: ReviewLinks | undefined;
  /** For one try. */
  readonly deadlineMs?: number;
  readonly now?: () => Date;
}

export interface NoticeSender {
  /** Never rejects. */
  send(delivery: NoticeDelivery, channel: ChannelDefinition): Promise<NoticeOutcome>;
  close(): void;
}

const DEADLINE_MS = 15_000;
const MAX_REPLY_BYTES = 65_536;

export function createNoticeSender(options: NoticeSenderOptions): NoticeSender {
  const { secrets, addressGuard, publisher, mailServer, deadlineMs = DEADLINE_MS, now = () => new Date() } = options;
  const http = createGotClient({ timeoutMs: deadlineMs, maxBodyBytes: MAX_REPLY_BYTES, addressGuard });

  async function post(
    secretName: string,
    own: SecretStore,
    { body, headers, judge }: { body: string; headers: Record<string, string>; judge: JudgeReply },
  ) {
    const text = (await own.read(secretName)).text.trim();
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      return failed('NOTICE_CHANNEL_INVALID', `The secret ${secretName} is not a URL.`);
    }
    const outcome = await http.send({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', 'user-agent': 'longshore', ...headers },
      body,
    });
    return judge(outcome, now());
  }

  /** Of a channel whose people may release and reject. */
  async function withReviewUrls(delivery: NoticeDelivery, channel: ChannelDefinition): Promise<NoticeDelivery> {
    const { reviewLinks } = options;
    if (channel.review !== true || reviewLinks === undefined) return delivery;
    const { current: secret } = await readLinkKeys(secrets, reviewLinks.secretName);
    const through = [delivery.tenantId, delivery.route, delivery.channel].filter((part) => part !== '').join('/');
    const how = { publicUrl: reviewLinks.publicUrl, secret, nowMs: now().getTime() };
    const notices = delivery.notices.map((stored) => {
      const { jobId } = stored.event;
      if (stored.notice !== 'held' || jobId === undefined) return stored;
      return { ...stored, reviewUrl: writeReviewUrl({ jobId, channel: through }, how) };
    });
    return { ...delivery, notices };
  }

  async function sendTo(given: NoticeDelivery, channel: ChannelDefinition): Promise<NoticeOutcome> {
    const delivery = await withReviewUrls({ ...given, reader: channel.reader }, channel);
    const own = secretsOfTenant(secrets, delivery.tenantId);
    const idHeader = { [ID_HEADER]: delivery.id };
    if (channel.slack !== undefined)
      return await post(channel.slack.urlSecret, own, {
        body: writeSlackBody(delivery, { hasButtons: channel.slack.buttons === true }),
        headers: idHeader,
        judge: judgeSlack,
      });
    if (channel.teams !== undefined)
      return await post(channel.teams.urlSecret, own, {
        body: writeTeamsBody(delivery),
        headers: idHeader,
        judge: judgeTeams,
      });
    if (channel.ticket !== undefined) {
      const { urlSecret, authorizationSecret } = channel.ticket;
      const authorization = authorizationSecret && (await own.read(authorizationSecret)).text.trim();
      return await post(urlSecret, own, {
        body: writeTicketBody(delivery, channel.ticket),
        headers: { ...idHeader, accept: 'application/json', ...(authorization && { authorization }) },
        judge,
      });
    }
    if (channel.email !== undefined) return await mail(delivery, channel.email.to);
    if (channel.sns !== undefined) return await publish(delivery);
    if (channel.webhook === undefined) return failed('NOTICE_CHANNEL_INVALID', 'The channel is of no kind.');
    const { urlSecret, signingSecret } = channel.webhook;
    const body = writeWebhookBody(delivery);
    const secret = (await own.read(signingSecret)).text;
    const headers = signWebhook({ id: delivery.id, body, secret, now: now() });
    return await post(urlSecret, own, { body, headers, judge });
  }

  async function mail(delivery: NoticeDelivery, to: readonly string[]): Promise<NoticeOutcome> {
    if (mailServer === undefined) return failed('NOTICE_CHANNEL_INVALID', 'The fleet has no mail server.');
    const messageId = `${delivery.id}.${delivery.channel}.${delivery.route || 'tenant'}@longshore`;
    const outcome = await sendMail(
      { to, ...writeMail(delivery), messageId },
      { server: mailServer, secrets, deadlineMs },
    );
    if (outcome.type === 'refused') return failed('NOTICE_REFUSED', `The mail server answered ${outcome.status}.`);
    if (outcome.type === 'unreachable') return failed('NOTICE_UNREACHABLE', `The mail server: ${outcome.reason}.`);
    // To send it again would tell the others twice.
    return outcome.rejected === 0 ? { type: 'sent' } : { type: 'sent', missed: outcome.rejected };
  }

  async function publish(delivery: NoticeDelivery): Promise<NoticeOutcome> {
    const { tenantId, channel } = delivery;
    const message = writeWebhookBody(delivery);
    const [result] = await publisher.publish([{ topic: 'notices', message, attributes: { tenantId, channel } }]);
    return result?.ok === true ? { type: 'sent' } : failed('NOTICE_REFUSED', 'The topic did not take the message.');
  }

  return {
    close: () => http.close(),
    async send(delivery, channel) {
      try {
        return await sendTo(delivery, channel);
      } catch (error) {
        if (error instanceof LongshoreError && error.code === 'SECRET_UNAVAILABLE')
          return failed(error.code, error.message);
        return failed('NOTICE_UNREACHABLE', `The ${kindOf(channel)} channel met an error that it was not written for.`);
      }
    },
  };
}

type Failed = Extract<NoticeOutcome, { type: 'failed' }>;

function failed(cause: Failed['cause'], message: string, afterMs?: number): Failed {
  return { type: 'failed', cause, message, ...(afterMs !== undefined && { afterMs }) };
}

type JudgeReply = (outcome: HttpOutcome, now: Date) => NoticeOutcome;

const judge: JudgeReply = (outcome, now) => {
  if (outcome.type === 'no-reply') {
    if (outcome.cause === 'forbidden') return failed('NOTICE_ADDRESS_REFUSED', 'The address may not be called.');
    return failed('NOTICE_UNREACHABLE', `The receiver did not answer (${outcome.cause}).`);
  }
  // A reply that is too long is a reply all the same.
  if (outcome.status >= 200 && outcome.status < 300) return { type: 'sent' };
  const afterMs = parseRetryAfterMs(outcome.headers, now.getTime());
  return failed('NOTICE_REFUSED', `The receiver answered ${outcome.status}.`, afterMs);
};

/** Slack's incoming webhooks answer `ok`; a proxy, or a webhook that was revoked, may answer 200 with something else. */
const judgeSlack: JudgeReply = (outcome, now) => {
  const judged = judge(outcome, now);
  if (judged.type === 'failed' || wordsOf(outcome) === 'ok') return judged;
  return failed('NOTICE_REFUSED', 'Slack answered 200, and not `ok`.');
};

/** Teams answers 200 where its own service refused the message, and names the status in the body (msteams-docs, issues 402 and 7425). */
const TEAMS_REFUSAL = /webhook message delivery failed|returned HTTP error (\d{3})/i;
const TEAMS_ERROR = /HTTP error (\d{3})/i;
const TEAMS_PAUSE_MS = 60_000;

const judgeTeams: JudgeReply = (outcome, now) => {
  const judged = judge(outcome, now);
  const words = wordsOf(outcome);
  if (judged.type === 'failed' || !TEAMS_REFUSAL.test(words)) return judged;
  const status = TEAMS_ERROR.exec(words)?.[1] ?? 'an error';
  return failed(
    'NOTICE_REFUSED',
    `Teams answered 200 with ${status} in the body.`,
    status === '429' ? TEAMS_PAUSE_MS : undefined,
  );
};

function wordsOf(outcome: HttpOutcome): string {
  return outcome.type === 'replied'
    ? outcome.body
        .toString('utf8')
        .replace(/^\ufeff/, '')
        .trim()
    : '';
}

const ID_HEADER = 'webhook-id';

export interface WebhookSignature {
  readonly id: string;
  readonly body: string;
  readonly secret: string;
  readonly now: Date;
}

/**
 * The headers of Standard Webhooks, for which receivers find verifiers in most languages: `whsec_` and base64 is a key as they write
 * it, any other text is the key itself. Signed again for each try; the id stays.
 */
export function signWebhook({ id, body, secret, now }: WebhookSignature): Record<string, string> {
  const webhook = openWebhook(secret);
  return {
    [ID_HEADER]: id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': webhook.sign(id, now, body),
  };
}

/** @throws LongshoreError `SECRET_UNAVAILABLE`, without the secret's text. */
function openWebhook(secret: string): Webhook {
  if (!secret.startsWith('whsec_')) return new Webhook(Buffer.from(secret), { format: 'raw' });
  try {
    return new Webhook(secret);
  } catch {
    throw unavailableSecret('The signing secret begins with whsec_ and is not base64 after that.');
  }
}
