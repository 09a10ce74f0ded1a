/** Mails by a mail server that others wrote: each arrives once, signed as it left, and what it refuses is told apart. Skipped without postfix. */
import { generateKeyPairSync } from 'node:crypto';
import { dkimVerify } from 'mailauth';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import { type Postfix, startPostfix, whyNoPostfix } from '#testkit/servers/start-postfix.ts';
import type { CampaignMail } from './campaign-mail.ts';
import { createMailTransports, type MailTransports } from './mail-transports.ts';

const missing = whyNoPostfix();
if (missing !== undefined) process.stdout.write(`mails by postfix are skipped: ${missing}\n`);
const MAILS = 20;

describe.skipIf(missing !== undefined)('by postfix', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  let postfix: Postfix;
  let transports: MailTransports;
  beforeAll(async () => {
    postfix = await startPostfix();
    const secrets = { read: async () => ({ text: privateKey, version: '1' }) };
    transports = createMailTransports({ region: 'eu-central-1', secrets });
  });
  afterAll(async () => {
    transports?.close();
    await postfix?.stop();
  });

  const mailTo = (to: string, n: number): CampaignMail => ({
    ...{
      from: 'Globex Bank <news@mail.globex.example>',
      to,
      subject: `Grüße ${n}`,
      messageId: `1.${n}@longshore.invalid`,
    },
    ...{ html: `<p>Käse ${n}</p>\n.\n<p>after a dot</p>`, text: `Käse ${n}\n.\nafter a dot`, tags: {} },
    headers: {
      'List-Unsubscribe': `<https://x.example/u/${n}>`,
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    },
  });
  const send = (mail: CampaignMail, signal?: AbortSignal) => {
    const sender = senderDocumentSchema.parse({
      ...{ kind: 'sender', tenant: 'globex', name: 'news', from: mail.from, transport: 'smtp', host: '127.0.0.1' },
      ...{ port: postfix.port, tls: 'none', topics: [{ name: 'billing', class: 'transactional' }], timeout: '60s' },
      dkim: { domain: 'mail.globex.example', selector: 's1', key: 'dkim' },
    });
    return transports.send(mail, { tenantId: 'globex', sender, signal });
  };

  test('each mail arrives once, and its signature holds', async () => {
    const mails = Array.from({ length: MAILS }, (_each, n) => mailTo(`r${n}@example.com`, n));
    const sent = await Promise.all(mails.map((mail) => send(mail)));
    expect(sent).toEqual(mails.map(({ messageId }) => ({ type: 'sent', messageId })));
    await expect.poll(async () => (await postfix.mails()).length, { timeout: 60_000 }).toBe(MAILS);
    const arrived = await postfix.mails();
    const idOf = (text: string) => /^Message-ID: <1\.(\d+)@longshore\.invalid>$/im.exec(text)?.[1];
    expect(arrived.map(idOf).sort()).toEqual(mails.map((_mail, n) => String(n)).sort());
    const resolver = async () => [[`v=DKIM1; k=rsa; p=${publicKey.replace(/-----[^-]+-----|\s/g, '')}`]];
    for (const text of arrived) {
      // What the maildir adds is before what was signed, and its lines end as those of Unix.
      const { results } = await dkimVerify(text.replace(/\r?\n/g, '\r\n'), { resolver });
      expect(results.map(({ status }) => status.result)).toEqual(['pass']);
      expect(text).toContain('after a dot');
    }
  });

  test('what it refuses is refused for good, and arrives nowhere', async () => {
    const before = (await postfix.mails()).length;
    expect(await send(mailTo('ada@elsewhere.example', 99))).toMatchObject({ type: 'refused', reason: 'SMTP 554' });
    expect((await postfix.mails()).length).toBe(before);
  });
});
