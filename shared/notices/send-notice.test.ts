import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ChannelDefinition, channelSchema } from '#shared/definitions/notify-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import type { TopicEntry } from '#shared/queue/topics.ts';
import { readReviewLink } from '#shared/reviews/review-links.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { type Receiver, startReceiver } from '#testkit/servers/start-receiver.ts';
import type { MailServer } from './send-mail.ts';
import { createNoticeSender, type NoticeSenderOptions } from './send-notice.ts';
import type { NoticeDelivery } from './write-messages.ts';

let directory: string;
let receiver: Receiver;
const closing: (() => Promise<void> | void)[] = [];
const published: TopicEntry[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'notices-'));
  await mkdir(join(directory, 'acme'));
});

afterAll(() => rm(directory, { recursive: true }));

beforeEach(async () => {
  receiver = await startReceiver();
  await putSecret('acme/url', `${receiver.url}/hook/t0ken`);
  await putSecret('acme/key', 'signing-key');
  await putSecret('smtp-password', 'mail-password');
});

afterEach(async () => {
  await receiver.stop();
  for (const close of closing.splice(0)) await close();
});

async function putSecret(name: string, value: string): Promise<void> {
  await writeFile(join(directory, name), value, { mode: 0o600 });
  await chmod(join(directory, name), 0o600);
}

const delivery: NoticeDelivery = {
  id: '019aa4c2-7d1e-7b62-9a51-0f3f1f6f0a11',
  tenantId: 'acme',
  route: '',
  channel: 'desk',
  notices: [
    {
      notice: 'completed',
      event: {
        id: '019aa4c2-7d1e-7b62-9a51-0f3f1f6f0a11',
        type: 'file.completed',
        time: '2026-01-02T03:04:05Z',
        actor: 'w',
        data: {},
      },
      file: { id: 'f', name: 'ä ☃.csv', key: 'acme/ä ☃.csv', sizeBytes: 10 },
      jobs: [],
    },
  ],
};

const channel = (kind: Readonly<Record<string, unknown>>): ChannelDefinition =>
  channelSchema.parse({ name: 'desk', on: ['completed'], ...kind });
const WEBHOOK = channel({ webhook: { urlSecret: 'url', signingSecret: 'key' } });
const SLACK = channel({ slack: { urlSecret: 'url' } });

function sender(options: Partial<NoticeSenderOptions> = {}) {
  const made = createNoticeSender({
    secrets: createFileSecretStore(directory),
    addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    publisher: {
      publish: async (entries) => {
        published.push(...entries);
        return entries.map(() => ({ ok: true as const, messageId: undefined }));
      },
    },
    deadlineMs: 60_000,
    ...options,
  });
  closing.push(() => made.close());
  return made;
}

describe('a webhook', () => {
  test('is signed over its timestamp and its bytes, and carries the id of the notice', async () => {
    const now = new Date('2026-03-04T05:06:07.890Z');
    expect(await sender({ now: () => now }).send(delivery, WEBHOOK)).toEqual({ type: 'sent' });
    const [{ path, headers, body } = { path: '', headers: {}, body: '' }] = receiver.received;
    expect(path).toBe('/hook/t0ken');
    expect(headers['webhook-id']).toBe(delivery.id);
    expect(headers['webhook-timestamp']).toBe('1772600767');
    const expected = createHmac('sha256', 'signing-key').update(`${delivery.id}.1772600767.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    expect(JSON.parse(body)).toMatchObject({
      id: delivery.id,
      tenantId: 'acme',
      channel: 'desk',
      notices: [{ notice: 'completed' }],
    });
  });

  test('is verified by what receivers have for Standard Webhooks, with a key as they write it', async () => {
    const key = `whsec_${Buffer.from('of thirty-two bytes, more or less').toString('base64')}`;
    await putSecret('acme/key', key);
    expect(await sender().send(delivery, WEBHOOK)).toEqual({ type: 'sent' });
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
    expect(new Webhook(key).verify(body, headers as Record<string, string>)).toMatchObject({ id: delivery.id });
    await putSecret('acme/key', 'whsec_*not base64*');
    const unsigned = await sender().send(delivery, WEBHOOK);
    expect(unsigned).toMatchObject({ type: 'failed', cause: 'SECRET_UNAVAILABLE' });
    expect(JSON.stringify(unsigned)).not.toContain('not base64*');
  });

  test.each([
    ['slack', '"plain_text"'],
    ['teams', '"AdaptiveCard"'],
  ])('of %s goes to the URL in the secret', async (kind, part) => {
    expect(await sender().send(delivery, channel({ [kind]: { urlSecret: 'url' } }))).toEqual({ type: 'sent' });
    expect(receiver.received[0]?.body).toContain(part);
    expect(receiver.received[0]?.headers['webhook-id']).toBe(delivery.id);
  });

  test.each([
    [{ status: 500 }, { cause: 'NOTICE_REFUSED', message: 'The receiver answered 500.' }],
    [{ status: 404 }, { cause: 'NOTICE_REFUSED', message: 'The receiver answered 404.' }],
    [
      { status: 429, headers: { 'retry-after': '7' } },
      { cause: 'NOTICE_REFUSED', afterMs: 7_000 },
    ],
    [
      { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
      { cause: 'NOTICE_REFUSED', message: 'The receiver answered 302.' },
    ],
    [
      { status: 200, body: 'invalid_token' },
      { cause: 'NOTICE_REFUSED', message: 'Slack answered 200, and not `ok`.' },
    ],
    [{ status: 200, body: '<html>maintenance</html>' }, { cause: 'NOTICE_REFUSED' }],
    ['hang' as const, { cause: 'NOTICE_UNREACHABLE' }],
  ])('whose receiver answers %j failed', async (answer, outcome) => {
    receiver.answer = () => answer;
    const deadlineMs = answer === 'hang' ? 1_000 : 60_000;
    expect(await sender({ deadlineMs }).send(delivery, SLACK)).toMatchObject({ type: 'failed', ...outcome });
    expect(receiver.received).toHaveLength(1);
  });

  test.each([
    [
      'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x',
      60_000,
    ],
    [
      'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x',
      undefined,
    ],
    ['Webhook Message Delivery Failed', undefined],
  ])('of teams that is answered 200 with %j failed', async (body, afterMs) => {
    receiver.answer = () => ({ status: 200, body });
    const outcome = await sender().send(delivery, channel({ teams: { urlSecret: 'url' } }));
    expect(outcome).toMatchObject({
      type: 'failed',
      cause: 'NOTICE_REFUSED',
      ...(afterMs !== undefined && { afterMs }),
    });
  });

  test.each(['1', '', 'ok'])('of teams that is answered 200 with %j is sent', async (body) => {
    receiver.answer = () => ({ status: 200, body });
    expect(await sender().send(delivery, channel({ teams: { urlSecret: 'url' } }))).toEqual({ type: 'sent' });
  });

  test.each([
    ['http://127.0.0.1:1/', 'NOTICE_ADDRESS_REFUSED'],
    ['http://169.254.169.254/latest/meta-data', 'NOTICE_ADDRESS_REFUSED'],
    ['http://[::ffff:10.0.0.1]/', 'NOTICE_ADDRESS_REFUSED'],
    ['http://localhost:1/', 'NOTICE_ADDRESS_REFUSED'],
    ['file:///etc/passwd', 'NOTICE_CHANNEL_INVALID'],
    ['no url', 'NOTICE_CHANNEL_INVALID'],
  ])('to %s is refused where the operator allows no private address', async (url, cause) => {
    await putSecret('acme/url', url);
    const outcome = await sender({ addressGuard: createAddressGuard({ allow: [] }) }).send(delivery, SLACK);
    expect(outcome).toMatchObject({ type: 'failed', cause });
  });

  test('reaches no secret of another tenant, and tells none in its failure', async () => {
    const other = await sender().send({ ...delivery, tenantId: 'globex' }, SLACK);
    expect(other).toMatchObject({ type: 'failed', cause: 'SECRET_UNAVAILABLE' });
    receiver.answer = () => ({ status: 403 });
    const outcomes = [other, await sender().send(delivery, WEBHOOK)];
    await putSecret('acme/url', 'http://127.0.0.1:1/t0ken');
    outcomes.push(await sender().send(delivery, WEBHOOK));
    expect(JSON.stringify(outcomes)).not.toMatch(/t0ken|signing-key|of the receiver|127\.0\.0\.1/);
  });
});

test('SNS gets what a webhook gets, with attributes to filter by', async () => {
  expect(await sender().send(delivery, channel({ sns: null }))).toEqual({ type: 'sent' });
  expect(published.at(-1)).toMatchObject({ topic: 'notices', attributes: { tenantId: 'acme', channel: 'desk' } });
  expect(JSON.parse(published.at(-1)?.message ?? '')).toMatchObject({ id: delivery.id });
});

describe('mail', () => {
  const EMAIL = channel({ email: { to: ['desk@acme.example', 'night@acme.example'] } });

  async function startMailServer(
    options: SMTPServerOptions = {},
  ): Promise<{ server: MailServer; mails: string[]; users: unknown[] }> {
    const mails: string[] = [];
    const users: unknown[] = [];
    const smtp = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      authOptional: true,
      onAuth: (auth, _session, callback) => {
        users.push([auth.username, auth.password]);
        callback(null, { user: auth.username ?? '' });
      },
      onData: (stream, _session, callback) => {
        void text(stream).then((mail) => {
          mails.push(mail);
          callback();
        });
      },
      ...options,
    });
    smtp.on('error', () => undefined);
    smtp.listen(0, '127.0.0.1');
    await once(smtp.server, 'listening');
    closing.push(() => new Promise((resolve) => void smtp.close(() => resolve())));
    const { port } = smtp.server.address() as { port: number };
    return {
      server: { host: '127.0.0.1', port, tls: 'none', from: 'Longshore <longshore@acme.example>' },
      mails,
      users,
    };
  }

  test('goes to all recipients, with an id that stays the same', async () => {
    const { server, mails } = await startMailServer();
    const mailer = sender({ mailServer: server });
    expect(await mailer.send(delivery, EMAIL)).toEqual({ type: 'sent' });
    expect(await mailer.send(delivery, EMAIL)).toEqual({ type: 'sent' });
    const idOf = (mail = '') => /^Message-ID: (.*)$/im.exec(mail)?.[1];
    expect(mails).toHaveLength(2);
    expect(mails[0]).toMatch(/^To: desk@acme\.example, night@acme\.example/m);
    expect(idOf(mails[0])).toBe(`<${delivery.id}.desk.tenant@longshore>`);
    expect(idOf(mails[1])).toBe(idOf(mails[0]));
  });

  test('logs in with the password of the secret store', async () => {
    const { server, users } = await startMailServer({ allowInsecureAuth: true });
    const mailServer = { ...server, user: 'longshore', passwordSecret: 'smtp-password' };
    expect(await sender({ mailServer }).send(delivery, EMAIL)).toEqual({ type: 'sent' });
    expect(users).toEqual([['longshore', 'mail-password']]);
  });

  test('is not sent in the clear unless the operator says so', async () => {
    const { server, mails, users } = await startMailServer({ allowInsecureAuth: true });
    const mailServer = { ...server, tls: 'starttls' as const, user: 'longshore', passwordSecret: 'smtp-password' };
    expect(await sender({ mailServer }).send(delivery, EMAIL)).toMatchObject({ type: 'failed' });
    expect([mails, users]).toEqual([[], []]);
  });

  test('that the server refuses failed with its number, and without its words', async () => {
    const refuse: SMTPServerOptions['onRcptTo'] = (_address, _session, callback) =>
      callback(Object.assign(new Error('mail-password of desk@acme.example'), { responseCode: 550 }));
    const { server } = await startMailServer({ onRcptTo: refuse });
    expect(await sender({ mailServer: server }).send(delivery, EMAIL)).toEqual({
      type: 'failed',
      cause: 'NOTICE_REFUSED',
      message: 'The mail server answered 550.',
    });
  });

  test('that some recipients are refused is not sent to the others again', async () => {
    const { server, mails } = await startMailServer({
      onRcptTo: ({ address }, _session, callback) =>
        address.startsWith('night') ? callback(Object.assign(new Error('no'), { responseCode: 550 })) : callback(),
    });
    expect(await sender({ mailServer: server }).send(delivery, EMAIL)).toEqual({ type: 'sent', missed: 1 });
    expect(mails).toHaveLength(1);
  });

  test('to a server that says nothing ends at its deadline, and leaves no connection', async () => {
    const silent: Server = createServer();
    const sockets: Socket[] = [];
    silent.on('connection', (socket) => void sockets.push(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const server: MailServer = { host: '127.0.0.1', port, tls: 'none', from: 'a@b.example' };
    expect(await sender({ mailServer: server, deadlineMs: 1_000 }).send(delivery, EMAIL)).toMatchObject({
      type: 'failed',
      cause: 'NOTICE_UNREACHABLE',
    });
    const [socket] = sockets;
    if (socket !== undefined && !socket.closed) {
      socket.on('error', () => undefined);
      socket.resume();
      await once(socket, 'close');
    }
    silent.close();
  });

  test('cannot be sent by a fleet without a mail server, or to one that is not there', async () => {
    expect(await sender().send(delivery, EMAIL)).toMatchObject({ type: 'failed', cause: 'NOTICE_CHANNEL_INVALID' });
    const server: MailServer = { host: '127.0.0.1', port: 1, tls: 'none', from: 'a@b.example' };
    expect(await sender({ mailServer: server }).send(delivery, EMAIL)).toMatchObject({ cause: 'NOTICE_UNREACHABLE' });
  });
});

test('a held file has a link for each channel that may review, signed for its job, and for no other channel', async () => {
  const secrets = {
    read: async (name: string) => ({ text: name === 'links' ? 'link-key' : receiver.url, version: '1' }),
  };
  const held = {
    ...delivery,
    notices: delivery.notices.map((one) => ({
      ...one,
      notice: 'held',
      event: { ...one.event, type: 'job.held', jobId: '019aa4c2-7d1e-7b62-9a51-0f3f1f6f0a12' },
    })),
  };
  const now = new Date('2026-03-04T05:06:07Z');
  const reviewed = sender({
    secrets,
    now: () => now,
    reviewLinks: { publicUrl: 'https://l.example', secretName: 'links' },
  });
  await reviewed.send(held, channel({ review: true, webhook: { urlSecret: 'url', signingSecret: 'key' } }));
  await reviewed.send(held, WEBHOOK);
  const [first, second] = receiver.received.map(({ body }) => JSON.parse(body).notices[0].reviewUrl);
  const link = new URL(first).searchParams.get('link') ?? '';
  expect(readReviewLink(link, ['link-key'], now.getTime())).toEqual({
    jobId: '019aa4c2-7d1e-7b62-9a51-0f3f1f6f0a12',
    channel: 'acme/desk',
  });
  expect(second).toBeUndefined();
});
