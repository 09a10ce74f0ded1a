/** The transports of senders as this process has them: one SES client, one SMTP connection for each mail. */
import type { SESv2Client } from '@aws-sdk/client-sesv2';
import type { SenderDocument } from '#shared/definitions/sender-schema.ts';
import { sendMail } from '#shared/notices/send-mail.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import type { CampaignMail, MailSent } from './campaign-mail.ts';
import { type MailAccount, openSes, readAccount, sendBySes } from './send-by-ses.ts';
import { type BulkTerms, createBulkSender } from './send-in-bulk.ts';

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

/** Longer than any mail is given. */
const SES_TIMEOUT_MS = 60_000;

export function createMailTransports({
  region,
  secrets,
}: {
  readonly region: string;
  readonly secrets: SecretStore;
}): MailTransports {
  let opening: Promise<SESv2Client> | undefined;
  const open = () => {
    opening ??= openSes(region, SES_TIMEOUT_MS);
    return opening;
  };
  const inBulk = createBulkSender(open);
  return {
    accountName: `ses/${region}`,
    account: async () => await readAccount(await open()),
    async send(mail, { tenantId, sender, signal }) {
      const deadline = AbortSignal.timeout(sender.timeout);
      const bound = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
      if (sender.transport === 'ses') {
        const configurationSet = mail.isTracked === true ? sender.trackingSet : sender.configurationSet;
        const terms: BulkTerms = { configurationSet, batch: sender.batch, timeoutMs: sender.timeout };
        if (sender.batch > 1) return await inBulk.send(mail, terms);
        return await sendBySes(await open(), mail, { configurationSet, signal: bound });
      }
      return await sendBySmtp(mail, sender, secretsOfTenant(secrets, tenantId), signal);
    },
    close() {
      void opening?.then((client) => client.destroy());
    },
  };
}

async function sendBySmtp(
  mail: CampaignMail,
  sender: Extract<SenderDocument, { transport: 'smtp' }>,
  secrets: SecretStore,
  signal: AbortSignal | undefined,
): Promise<MailSent> {
  const { from, host, port, tls, user, password: passwordSecret, dkim, timeout } = sender;
  const signing = dkim && {
    domainName: dkim.domain,
    keySelector: dkim.selector,
    privateKey: (await secrets.read(dkim.key)).text,
  };
  const { to, subject, text, html, messageId, headers, replyTo } = mail;
  const outcome = await sendMail(
    { to: [to], subject, text, html, messageId, headers, replyTo, dkim: signing },
    {
      server: { host, port, tls, user, passwordSecret, from },
      ...{ secrets, deadlineMs: timeout, ...(signal && { signal }) },
    },
  );
  switch (outcome.type) {
    case 'sent':
      return { type: 'sent', messageId };
    case 'refused':
      return outcome.status >= 500 ? { type: 'refused', reason: `SMTP ${outcome.status}` } : { type: 'throttled' };
    case 'unreachable':
      return { type: outcome.mayHaveArrived === true ? 'unknown' : 'not-sent', reason: outcome.reason };
  }
}
