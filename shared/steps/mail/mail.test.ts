/** `mail` by a real SMTP server: what it is sent, and that a lost reply is not answered with a second mail. */
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { sendMail } from '#shared/notices/send-mail.ts';
import type { SendMail } from '#shared/targets/step-targets.ts';
import { memoryEffectLog, NO_TARGETS, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { mailOptions } from './options.ts';
import { LARGEST_ATTACHED_BYTES, mailStep } from './run.ts';

let bench: StepBench;
let smtp: SMTPServer;
/** The server's ledger: every content that it took whole. */
let mails: { to: string[]; body: string }[] = [];
let refusal: number | undefined;
let cutAt: 'DATA' | 'RCPT' | undefined;

beforeAll(async () => {
  bench = await startStepBench();
  const refused = () => Object.assign(new Error('no'), { responseCode: refusal });
  const cut = () => {
    for (const connection of smtp.connections) connection.close();
  };
  smtp = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onRcptTo: (_address, _session, callback) => {
      if (cutAt === 'RCPT') cut();
      else callback(refusal === undefined ? null : refused());
    },
    onData: async (stream, session: SMTPServerSession, callback) => {
      const body = await text(stream);
      mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), body });
      if (cutAt === 'DATA') cut();
      else callback(null);
    },
  });
  smtp.on('error', () => undefined);
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
  await bench.stop();
});
beforeEach(() => {
  [mails, refusal, cutAt] = [[], undefined, undefined];
});

const send: SendMail = (mail, sending) => {
  const { port } = smtp.server.address() as AddressInfo;
  const server = { host: '127.0.0.1', port, tls: 'none', from: 'Longshore <longshore@example.com>' } as const;
  return sendMail(mail, { ...sending, server, secrets: { read: async () => ({ text: '', version: '1' }) } });
};

async function mail(options: object = {}, request: object = {}) {
  const object = await bench.land('statement.csv', 'a,b\n1,2\n');
  return await runStep(bench, {
    ...{ step: mailStep, kind: mailOptions, object, options: { to: ['desk@bank.example'], ...options } },
    targets: { ...NO_TARGETS, sendMail: send },
    ...request,
  });
}

test('the file is sent once, under its name, and not again by a later try', async () => {
  const effects = memoryEffectLog();
  const output = { to: ['desk@bank.example'], subject: 'Statement statement.csv', rejected: 0 };
  const options = { subject: 'Statement {{ name }}' };
  expect(await mail(options, { effects })).toMatchObject({ type: 'succeeded', output: { ...output, wasThere: false } });
  expect(await mail(options, { effects })).toMatchObject({ type: 'succeeded', output: { ...output, wasThere: true } });
  expect(mails.map(({ to }) => to)).toEqual([['desk@bank.example']]);
  expect(mails[0]?.body).toContain('Subject: Statement statement.csv');
  expect(mails[0]?.body).toContain('filename=statement.csv');
  expect(mails[0]?.body).toContain(Buffer.from('a,b\n1,2\n').toString('base64'));
});

test('a reply that is lost after the content is in doubt, and stays so', async () => {
  const effects = memoryEffectLog();
  cutAt = 'DATA';
  expect(await mail({}, { effects })).toMatchObject({ type: 'ambiguous', cause: 'EFFECT_UNKNOWN' });
  cutAt = undefined;
  expect(await mail({}, { effects })).toMatchObject({ type: 'ambiguous', cause: 'EFFECT_UNKNOWN' });
  expect(mails).toHaveLength(1);
});

test('with `repeat`, the mail is sent again with the same Message-ID', async () => {
  const effects = memoryEffectLog();
  cutAt = 'DATA';
  expect(await mail({ repeat: true }, { effects })).toMatchObject({ type: 'retry', cause: 'MAIL_UNAVAILABLE' });
  cutAt = undefined;
  expect(await mail({ repeat: true }, { effects })).toMatchObject({ type: 'succeeded' });
  const ids = mails.map(({ body }) => /^Message-ID: (.+)$/m.exec(body)?.[1]);
  expect(ids).toHaveLength(2);
  expect(ids[0]).toMatch(/^<[0-9a-f]{40}@longshore\.invalid>/);
  expect(ids[1]).toBe(ids[0]);
});

test('a connection that is lost before the content is tried again', async () => {
  cutAt = 'RCPT';
  expect(await mail()).toMatchObject({ type: 'retry', cause: 'MAIL_UNAVAILABLE' });
  expect(mails).toEqual([]);
});

test.each([
  [450, 'retry'],
  [550, 'failed'],
])('a refusal with %i is %s', async (status, type) => {
  refusal = status;
  expect(await mail()).toMatchObject({ type, cause: 'MAIL_REFUSED' });
});

test('a file that is too large for a mail is refused, and told of without it', async () => {
  const big = await bench.land('big.csv', new Uint8Array(LARGEST_ATTACHED_BYTES + 1));
  expect(await mail({}, { object: big })).toMatchObject({ type: 'failed', cause: 'CONTENT_TOO_LARGE' });
  expect(await mail({ attach: false }, { object: big })).toMatchObject({ type: 'succeeded' });
  expect(mails).toHaveLength(1);
});

test('nothing is sent by a worker that is to stop', async () => {
  expect(await mail({}, { signal: AbortSignal.abort() })).toMatchObject({ type: 'retry' });
  expect(mails).toEqual([]);
});

test('without a mail server the step waits for one', async () => {
  expect(await mail({}, { targets: NO_TARGETS })).toMatchObject({ type: 'retry', cause: 'MAIL_UNAVAILABLE' });
});

test.each([[{ to: [] }], [{ to: ['no address'] }], [{ to: ['a@b.example'], subject: '{{ nobody }}' }]])(
  '%j is refused when it is applied',
  (options) => {
    expect(mailOptions.schema.safeParse(options).success).toBe(false);
  },
);
