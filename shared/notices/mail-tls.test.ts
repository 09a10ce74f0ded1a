/** Mail over TLS, to real servers with certificates of an authority that this process is told to believe. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { type Authority, type Certificate, makeAuthority } from '#testkit/servers/make-certificates.ts';
import { type MailOutcome, type MailServer, sendMail } from './send-mail.ts';

const PASSWORD = 'mail-password';
const MAIL = {
  to: ['desk@acme.example'],
  subject: 'large',
  text: 'a large file',
  messageId: 'n1.desk.tenant@longshore',
};

let directory: string;
/** Believed, as operators make it by `NODE_EXTRA_CA_CERTS`. */
let authority: Authority;
let stranger: Authority;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'longshore-mail-tls-'));
  writeFileSync(join(directory, 'smtp-password'), PASSWORD);
  chmodSync(join(directory, 'smtp-password'), 0o600);
  [authority, stranger] = await Promise.all([makeAuthority('authority'), makeAuthority('stranger')]);
  setDefaultCACertificates([...getCACertificates('default'), authority.certificate]);
});

afterAll(() => rmSync(directory, { recursive: true }));

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Received {
  readonly mails: { readonly text: string; readonly isSecure: boolean }[];
  /** By whom, and whether the line was closed to others by then. */
  readonly logins: { readonly user: string; readonly password: string; readonly isSecure: boolean }[];
  readonly port: number;
}

async function startServer({ key, certificate }: Certificate, options: SMTPServerOptions = {}): Promise<Received> {
  const received = { mails: [] as Received['mails'][number][], logins: [] as Received['logins'][number][] };
  const server = new SMTPServer({
    key,
    cert: certificate,
    // A password that came in the clear is to be seen, not refused.
    allowInsecureAuth: true,
    authOptional: true,
    onAuth: ({ username, password }, { secure }, callback) => {
      received.logins.push({ user: username ?? '', password: password ?? '', isSecure: secure });
      callback(null, { user: username ?? '' });
    },
    onData: (stream, { secure }, callback) => {
      void text(stream).then((mail) => {
        received.mails.push({ text: mail, isSecure: secure });
        callback();
      });
    },
    ...options,
  });
  // A client that hangs up during the handshake.
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  closing.push(() => new Promise((resolve) => server.close(() => resolve())));
  return { ...received, port: (server.server.address() as { port: number }).port };
}

async function send(port: number, tls: 'starttls' | 'implicit', host = 'localhost'): Promise<MailOutcome> {
  const from = 'Longshore <longshore@acme.example>';
  const server: MailServer = { host, port, tls, from, user: 'longshore', passwordSecret: 'smtp-password' };
  return await sendMail(MAIL, { server, secrets: createFileSecretStore(directory), deadlineMs: 10_000 });
}

describe.each(['starttls', 'implicit'] as const)('mail by %s', (tls) => {
  const start = (certificate: Certificate, options: SMTPServerOptions = {}) =>
    startServer(certificate, { secure: tls === 'implicit', ...options });

  test.each(['localhost', '127.0.0.1'])('goes over TLS to %s, the password too', async (host) => {
    const server = await start(await authority.issue(host));
    expect(await send(server.port, tls, host)).toEqual({ type: 'sent', rejected: 0 });
    expect(server.logins).toEqual([{ user: 'longshore', password: PASSWORD, isSecure: true }]);
    expect(server.mails).toMatchObject([{ isSecure: true, text: expect.stringContaining(MAIL.messageId) }]);
  });

  test.each([
    ['of an authority that nobody named', 'localhost', () => stranger.issue('localhost')],
    ['for another name', 'localhost', () => authority.issue('mail.example')],
    ['for a name and not for its address', '127.0.0.1', () => authority.issue('localhost')],
    ['that has expired', 'localhost', () => authority.issue('localhost', { isExpired: true })],
  ])('to a server with a certificate %s is not sent, nor is the password', async (_what, host, issue) => {
    const server = await start(await issue());
    expect(await send(server.port, tls, host)).toEqual({
      type: 'unreachable',
      reason: expect.stringMatching(/^[A-Z_]+$/),
    });
    expect([server.mails, server.logins]).toEqual([[], []]);
  });

  test('to a server that speaks the other way of TLS is not sent in the clear', async () => {
    const other = { secure: tls !== 'implicit', disabledCommands: ['STARTTLS'] };
    const server = await start(await authority.issue('localhost'), other);
    expect(await send(server.port, tls)).not.toMatchObject({ type: 'sent' });
    expect([server.mails, server.logins]).toEqual([[], []]);
  });
});
