/** What each transport says of one mail, by real SMTP and HTTP servers: a mail that was not sent is never in doubt. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { dkimVerify } from 'mailauth';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import { type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import type { CampaignMail, MailSent } from './campaign-mail.ts';
import { createMailTransports } from './mail-transports.ts';

const MAIL: CampaignMail = {
  from: 'Globex Bank <news@mail.globex.example>',
  to: 'ada@example.com',
  subject: 'June',
  html: '<p>June</p>',
  text: 'June',
  messageId: '1.2@longshore.invalid',
  headers: { 'List-Id': '<a.b>' },
  tags: { ls_line: '2' },
};
const TOPICS = [{ name: 'billing', class: 'transactional' }];
const NO_SECRETS: SecretStore = { read: () => Promise.reject(unavailableSecret('There is no such secret.')) };
const PASSWORD: SecretStore = { read: async () => ({ text: 'a password', version: '1' }) };

const closing: (() => unknown)[] = [];
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closing.splice(0)) await close();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function send(
  sender: object,
  secrets: SecretStore = PASSWORD,
  mails = 1,
  headers: CampaignMail['headers'] = {},
): Promise<MailSent[]> {
  const transports = createMailTransports({ region: 'eu-central-1', secrets });
  closing.push(() => transports.close());
  const parsed = senderDocumentSchema.parse({
    ...{ kind: 'sender', tenant: 'globex', name: 'bills', from: MAIL.from, topics: TOPICS, timeout: '1s' },
    ...sender,
  });
  const by = { tenantId: 'globex', sender: parsed };
  return await Promise.all(
    Array.from({ length: mails }, (_each, n) =>
      transports.send({ ...MAIL, to: `r${n}@example.com`, headers: { ...MAIL.headers, ...headers } }, by),
    ),
  );
}

describe('by SES', () => {
  async function sesAt(port: number, mails?: number): Promise<MailSent[]> {
    vi.stubEnv('AWS_ENDPOINT_URL_SESV2', `http://127.0.0.1:${port}`);
    return await send({ transport: 'ses', ...(mails !== undefined && { batch: 50 }) }, PASSWORD, mails);
  }

  async function answeredBy(answer: RequestListener, mails?: number): Promise<MailSent[]> {
    const server = createServer((request, response) => {
      request.resume();
      request.once('end', () => answer(request, response));
    });
    return await sesAt(await listen(server), mails);
  }

  const refusal =
    (status: number, type: string, body = '{"message":"no"}'): RequestListener =>
    (_request, response) => {
      response.writeHead(status, { 'x-amzn-errortype': type }).end(body);
    };

  test('a mail that is taken has the message id of the service', async () => {
    const asked: (string | undefined)[] = [];
    const sent = await answeredBy((request, response) => {
      asked.push(request.url, request.headers.authorization?.replace(/\/\d{8}\//, '/DAY/').replace(/, .*/, ''));
      response.end('{"MessageId":"m-1"}');
    });
    expect(sent).toEqual([{ type: 'sent', messageId: 'm-1' }]);
    const credential = 'AWS4-HMAC-SHA256 Credential=key/DAY/eu-central-1/ses/aws4_request';
    expect(asked).toEqual(['/v2/email/outbound-emails', credential]);
  });

  test.each<[string, RequestListener, MailSent]>([
    ['more than the rate', refusal(429, 'TooManyRequestsException'), { type: 'throttled' }],
    ['the day’s quota', refusal(400, 'LimitExceededException'), { type: 'quota' }],
    [
      'a paused account, by a full name',
      refusal(400, 'com.amazonaws.sesv2#SendingPausedException:http://docs'),
      { type: 'stopped', reason: 'SendingPausedException' },
    ],
    [
      'a clock that is wrong',
      refusal(403, 'InvalidSignatureException'),
      { type: 'stopped', reason: 'InvalidSignatureException' },
    ],
    ['no permission, by a proxy', refusal(403, '', '<html>'), { type: 'stopped', reason: 'HTTP 403' }],
    [
      'credentials that have expired',
      refusal(403, 'ExpiredTokenException'),
      { type: 'not-sent', reason: 'ExpiredTokenException' },
    ],
    ['the mail', refusal(400, 'MessageRejected'), { type: 'refused', reason: 'MessageRejected: no' }],
    ['a failure', refusal(500, 'InternalFailure'), { type: 'unknown', reason: 'HTTP 500' }],
    ['a redirect', refusal(302, ''), { type: 'unknown', reason: 'HTTP 302' }],
    ['a cut line', (request) => request.socket.destroy(), { type: 'unknown', reason: 'no answer (lost)' }],
    ['silence', () => undefined, { type: 'unknown', reason: 'no answer (timeout)' }],
  ])('%s', async (_name, answer, outcome) => {
    expect(await answeredBy(answer)).toEqual([outcome]);
  });

  test('an answer that is cut off after its status says that the mail was taken', async () => {
    const sent = await answeredBy((request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"Mess', () => request.socket.destroy());
    });
    expect(sent).toEqual([{ type: 'sent', messageId: '' }]);
  });

  test('a service that cannot be reached, and one that does not take the connection, was sent nothing', async () => {
    const gone = createSocketServer();
    const port = await listen(gone);
    await new Promise((resolve) => gone.close(resolve));
    expect(await sesAt(port)).toEqual([{ type: 'not-sent', reason: 'unreachable' }]);
  });

  test('without credentials nothing is sent', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    expect(await sesAt(1)).toEqual([{ type: 'not-sent', reason: 'CredentialsProviderError' }]);
  });

  test('mails of one request have outcomes of their own; without an answer all are in doubt', async () => {
    const results = [
      { Status: 'SUCCESS', MessageId: 'm-0' },
      { Status: 'ACCOUNT_THROTTLED' },
      { Status: 'MESSAGE_REJECTED' },
    ];
    const sent = await answeredBy((_request, response) => {
      response.end(JSON.stringify({ BulkEmailEntryResults: results }));
    }, 4);
    expect(sent.map(({ type }) => type)).toEqual(['sent', 'throttled', 'refused', 'unknown']);
    const lost = await answeredBy((request) => request.socket.destroy(), 3);
    expect(lost.map(({ type }) => type)).toEqual(['unknown', 'unknown', 'unknown']);
    const odd = await answeredBy((_request, response) => response.end('[]'), 2);
    expect(odd.map(({ type }) => type)).toEqual(['unknown', 'unknown']);
  });

  test('a mail that is too large for a request of many goes alone, and the others go without it', async () => {
    const asked: unknown[][] = [];
    const port = await listen(
      createServer(async (request, response) => {
        const body = JSON.parse(await text(request)) as Readonly<Record<string, unknown>>;
        const { BulkEmailEntries: mails = [{}], FromEmailAddress: from, ReplyToAddresses: replyTo } = body;
        if (!Array.isArray(mails)) throw new Error('entries were expected');
        asked.push([request.url, mails.length, from, replyTo]);
        const results = mails.map(() => ({ Status: 'SUCCESS', MessageId: 'm' }));
        response.end(JSON.stringify({ MessageId: 'alone', BulkEmailEntryResults: results }));
      }),
    );
    vi.stubEnv('AWS_ENDPOINT_URL_SESV2', `http://127.0.0.1:${port}`);
    const transports = createMailTransports({ region: 'eu-central-1', secrets: NO_SECRETS });
    closing.push(() => transports.close());
    const about = { kind: 'sender', tenant: 'globex', name: 'bills', from: MAIL.from, topics: TOPICS };
    const sender = senderDocumentSchema.parse({ ...about, transport: 'ses', batch: 50 });
    const sent = await Promise.all(
      ['short', 'ü'.repeat(140_000), 'short'].map((html) =>
        transports.send(
          { ...MAIL, html, from: 'Müller <a@globex.example>', replyTo: 'Desk, Berlin <b@globex.example>' },
          { tenantId: 'globex', sender },
        ),
      ),
    );
    expect(sent.map((each) => each.type === 'sent' && each.messageId)).toEqual(['m', 'alone', 'm']);
    // Names are as SES takes them.
    const mailboxes = ['=?UTF-8?B?TcO8bGxlcg==?= <a@globex.example>', ['"Desk, Berlin" <b@globex.example>']];
    expect(asked.sort()).toEqual([
      ['/v2/email/outbound-bulk-emails', 2, ...mailboxes],
      ['/v2/email/outbound-emails', 1, ...mailboxes],
    ]);
  });

  test('what the service says is stored and shown: it is short, in one line, and a text', async () => {
    const hostile = `a\\u0000b\\u001b[31m\\u202e\\ud800${'x'.repeat(10_000)}`;
    const answers = [
      await answeredBy((_request, response) => response.end(`{"MessageId":"${hostile}"}`)),
      await answeredBy((_request, response) => response.end('{"MessageId":{"$gt":""}}')),
      await answeredBy(refusal(400, '', `{"__type":"${hostile}","message":"${hostile}"}`)),
      await answeredBy(refusal(403, '', `{"__type":"${hostile}"}`)),
      await answeredBy((_request, response) => {
        const results = ['"SUCCESS"', '"MESSAGE_REJECTED"', `"${hostile}"`, '7', '{}'].map(
          (status) => `{"Status":${status},"MessageId":"${hostile}","Error":"${hostile}"}`,
        );
        response.end(`{"BulkEmailEntryResults":[${results.join(',')},null,"SUCCESS"]}`);
      }, 7),
    ].flat();
    expect(answers.map(({ type }) => type).join(' ')).toBe(
      'sent sent refused stopped sent refused refused unknown unknown unknown unknown',
    );
    for (const answer of answers) {
      const words = 'messageId' in answer ? answer.messageId : 'reason' in answer ? answer.reason : '';
      expect(words).toSatisfy((said: unknown) => typeof said === 'string' && said.length <= 310);
      expect(words).not.toMatch(/\p{C}/u);
    }
  });
});

describe('by SMTP', () => {
  const says = (responseCode: number) => Object.assign(new Error('no'), { responseCode });

  async function smtp(
    options: SMTPServerOptions,
    sender: object = {},
    secrets?: SecretStore,
    headers: CampaignMail['headers'] = {},
  ): Promise<MailSent[]> {
    const server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      ...options,
    });
    server.on('error', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    closing.push(() => new Promise<void>((resolve) => void server.close(resolve)));
    const { port } = server.server.address() as AddressInfo;
    return await send({ transport: 'smtp', host: '127.0.0.1', port, tls: 'none', ...sender }, secrets, 1, headers);
  }

  const taken: SMTPServerOptions['onData'] = (stream, _session, done) => {
    stream.resume();
    stream.once('end', () => done());
  };

  test('a mail that is taken has its own message id', async () => {
    expect(await smtp({ onData: taken })).toEqual([{ type: 'sent', messageId: MAIL.messageId }]);
  });

  test('a signature covers the headers that unsubscribe', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const mails: string[] = [];
    const onData: SMTPServerOptions['onData'] = (stream, _session, done) => {
      text(stream).then((mail) => {
        mails.push(mail);
        done();
      }, done);
    };
    const unsubscribe = {
      'List-Unsubscribe': '<https://x/u/1>',
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    };
    const dkim = { domain: 'mail.globex.example', selector: 's1', key: 'dkim' };
    const secrets: SecretStore = { read: async () => ({ text: privateKey, version: '1' }) };
    const sent = await smtp({ onData }, { dkim }, secrets, unsubscribe);
    expect(sent).toMatchObject([{ type: 'sent' }]);
    // By another implementation than the one that signed.
    const key = publicKey.replace(/-----[^-]+-----|\s/g, '');
    const resolver = async (name: string) => {
      expect(name).toBe('s1._domainkey.mail.globex.example');
      return [[`v=DKIM1; k=rsa; p=${key}`]];
    };
    const verify = async (mail: string) =>
      (await dkimVerify(mail, { resolver })).results.map(({ status }) => status.result);
    const [mail = ''] = mails;
    expect(await verify(mail)).toEqual(['pass']);
    for (const name of Object.keys(unsubscribe)) {
      const altered = mail.replace(new RegExp(`^(${name}: ).*$`, 'm'), '$1<https://evil.example/>');
      expect(altered).not.toBe(mail);
      expect(await verify(altered)).toEqual(['fail']);
    }
    const [head = ''] = (mails[0] ?? '').replace(/\r\n[ \t]+/g, '').split('\r\n\r\n');
    const signed = /^DKIM-Signature:.*?;\s*h=([^;]+);/im.exec(head)?.[1]?.toLowerCase().split(':') ?? [];
    expect(signed).toEqual(expect.arrayContaining(['from', 'list-id', 'list-unsubscribe', 'list-unsubscribe-post']));
    const broken: SecretStore = { read: async () => ({ text: privateKey.slice(0, 500), version: '1' }) };
    expect(await smtp({ onData }, { dkim }, broken)).toEqual([{ type: 'stopped', reason: 'DKIM_KEY' }]);
    expect(mails).toHaveLength(1);
    for (const name of Object.keys(unsubscribe)) expect(head).toMatch(new RegExp(`^${name}:`, 'm'));
  });

  test.each<[string, SMTPServerOptions, MailSent]>([
    [
      'a recipient for good',
      { onRcptTo: (_to, _session, done) => done(says(550)) },
      { type: 'refused', reason: 'SMTP 550' },
    ],
    [
      'a recipient for now',
      { onRcptTo: (_to, _session, done) => done(says(450)) },
      { type: 'deferred', reason: 'SMTP 450' },
    ],
    ['the session', { onRcptTo: (_to, _session, done) => done(says(421)) }, { type: 'throttled' }],
    [
      'the sender for good',
      { onMailFrom: (_from, _session, done) => done(says(550)) },
      { type: 'stopped', reason: 'SMTP 550' },
    ],
    ['the sender for now', { onMailFrom: (_from, _session, done) => done(says(451)) }, { type: 'throttled' }],
    [
      'the content',
      { onData: (stream, _session, done) => void stream.resume().once('end', () => done(says(554))) },
      { type: 'refused', reason: 'SMTP 554' },
    ],
  ])('a server that refuses %s', async (_name, options, outcome) => {
    expect(await smtp(options)).toEqual([outcome]);
  });

  test('a password that is not accepted stops the sender, and fails no mail', async () => {
    const sender = { user: 'globex', password: 'smtp' };
    const sent = await smtp({ authOptional: false, onAuth: (_auth, _session, done) => done(says(535)) }, sender);
    expect(sent).toEqual([{ type: 'stopped', reason: 'SMTP 535' }]);
  });

  test('a secret that cannot be read sends nothing, a line that is cut after the content leaves doubt', async () => {
    const sender = { user: 'globex', password: 'smtp' };
    expect(await smtp({ onData: taken }, sender, NO_SECRETS)).toMatchObject([{ type: 'not-sent' }]);
    const server = createSocketServer((socket) => {
      const replies = ['250 hello', '250 ok', '250 ok', '354 go on'];
      socket.on('error', () => undefined);
      socket.write('220 ready\r\n');
      socket.on('data', () => {
        const reply = replies.shift();
        if (reply === undefined) socket.destroy();
        else socket.write(`${reply}\r\n`);
      });
    });
    const port = await listen(server);
    const [sent] = await send({ transport: 'smtp', host: '127.0.0.1', port, tls: 'none' });
    expect(sent?.type).toBe('unknown');
  });
});
