/** The transports of senders as this process has them: one SES client, one SMTP connection for each mail. */
import { createPrivateKey } from 'node:crypto';
import type { SenderDocument } from '#shared/definitions/sender-schema.ts';
import { type MailOutcome, sendMail } from '#shared/notices/send-mail.ts';
import { SecretError, type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import type { CampaignMail, MailSent } from './campaign-mail.ts';
import { type MailAccount, readAccount, sendBySes } from './send-by-ses.ts';
import { type BulkTerms, createBulkSender } from './send-in-bulk.ts';
import { createSesRequests } from './ses-requests.ts';

export interface MailTransports {
  send(
    mail: CampaignMail,
    by: { readonly tenantId: string; readonly sender: SenderDocument; readonly signal?: AbortSignal | undefined },
  ): Promise<MailSent>;
  /** Of the service that `ses` senders share. */
  readonly accountName: string;
  account(): Promise<MailAccount>;
  close(): void;
}

export function createMailTransports({
  region,
  secrets,
}: {
  readonly region: string;
  readonly secrets: SecretStore;
}): MailTransports {
  const ses = createSesRequests(region);
  const inBulk = createBulkSender(ses);
  return {
    accountName: `ses/${region}`,
    account: () => readAccount(ses),
    async send(mail, { tenantId, sender, signal }) {
      if (sender.transport === 'ses') {
        const configurationSet = mail.isTracked === true ? sender.trackingSet : sender.configurationSet;
        const { batch, timeout: timeoutMs } = sender;
        const terms: BulkTerms = { configurationSet, batch, timeoutMs, concurrency: sender.limits.concurrency };
        if (batch > 1) return await inBulk.send(mail, terms);
        return await sendBySes(ses, mail, { configurationSet, timeoutMs, signal });
      }
      return await sendBySmtp(mail, sender, secretsOfTenant(secrets, tenantId), signal);
    },
    close() {
      ses.close();
    },
  };
}

/**
 * What a signature covers: the fields that RFC 6376 (section 5.4.1) names, and those that an unsubscribe link counts by (RFC 8058, section 4),
 * which nodemailer leaves out of its own list.
 */
const SIGNED = `From:Sender:Reply-To:Subject:Date:Message-ID:To:Cc:MIME-Version:Content-Type:Content-Transfer-Encoding:
  In-Reply-To:References:List-Id:List-Unsubscribe:List-Unsubscribe-Post:Feedback-ID:Auto-Submitted`.replace(/\s+/g, '');

/** Its secrets are read before the server is spoken to. */
async function sendBySmtp(
  mail: CampaignMail,
  sender: Extract<SenderDocument, { transport: 'smtp' }>,
  secrets: SecretStore,
  signal: AbortSignal | undefined,
): Promise<MailSent> {
  const { from, host, port, tls, user, password: passwordSecret, dkim, timeout } = sender;
  const { to, subject, text, html, messageId, headers, replyTo } = mail;
  let outcome: MailOutcome;
  try {
    const signing = dkim && {
      domainName: dkim.domain,
      keySelector: dkim.selector,
      privateKey: (await secrets.read(dkim.key)).text,
      headerFieldNames: SIGNED,
    };
    if (signing !== undefined && !isSigningKey(signing.privateKey)) return { type: 'stopped', reason: 'DKIM_KEY' };
    const server = { host, port, tls, user, passwordSecret, from };
    outcome = await sendMail(
      { to: [to], subject, text, html, messageId, headers, replyTo, dkim: signing },
      { server, secrets, deadlineMs: timeout, ...(signal && { signal }) },
    );
  } catch (error) {
    if (error instanceof SecretError) return { type: 'not-sent', reason: error.message };
    throw error;
  }
  switch (outcome.type) {
    case 'sent':
      return { type: 'sent', messageId };
    case 'refused':
      return judgeSmtp(outcome);
    case 'unreachable':
      return { type: outcome.mayHaveArrived === true ? 'unknown' : 'not-sent', reason: outcome.reason };
  }
}

/** With any other nodemailer sends the mail unsigned, and does not say so. */
function isSigningKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

/** RFC 5321, section 4.2.1. 421 ends the session, whatever it came after. */
function judgeSmtp({ status, isOfMail }: { readonly status: number; readonly isOfMail: boolean }): MailSent {
  const reason = `SMTP ${status}`;
  if (status === 421 || (status < 500 && !isOfMail)) return { type: 'throttled' };
  if (status < 500) return { type: 'deferred', reason };
  return { type: isOfMail ? 'refused' : 'stopped', reason };
}
