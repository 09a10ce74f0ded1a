/**
 * Mail by the fleet's own SMTP server.
 *
 * 1. One connection per message, cut at the deadline whatever the server does.
 * 2. Without TLS nothing is sent, unless the operator says so; a password never goes over an open line.
 * 3. The Message-ID is the notice's id: a mail that is sent again is known by it.
 */
import { connect, isIP, type Socket } from 'node:net';
import type { FileContent } from '#shared/partners/request-content.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { readMailbox } from './mailbox.ts';

export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** `none` sends in the clear, for a relay on the same host. */
  readonly tls: 'starttls' | 'implicit' | 'none';
  readonly user?: string | undefined;
  /** Name in the secret store, outside every tenant. */
  readonly passwordSecret?: string | undefined;
  readonly from: string;
}

export interface Mail {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Without angle brackets. */
  readonly messageId: string;
  readonly attachment?: FileContent;
  readonly html?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly dkim?:
    | {
        readonly domainName: string;
        readonly keySelector: string;
        readonly privateKey: string;
        /** Separated by colons. */
        readonly headerFieldNames?: string;
      }
    | undefined;
}

export type MailOutcome =
  | { readonly type: 'sent'; readonly rejected: number }
  | {
      readonly type: 'refused';
      readonly status: number;
      /** This mail, or its recipient; else the server would take none of ours. */
      readonly isOfMail: boolean;
    }
  | {
      readonly type: 'unreachable';
      readonly reason: string;
      /** The content had begun when the connection was lost. */
      readonly mayHaveArrived?: true;
    };

export interface MailSending {
  readonly server: MailServer;
  readonly secrets: SecretStore;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

const CONNECT_MS = 5_000;

/** @throws LongshoreError `SECRET_UNAVAILABLE`; everything else is an outcome. */
export async function sendMail(mail: Mail, { server, secrets, deadlineMs, signal }: MailSending): Promise<MailOutcome> {
  const password = server.passwordSecret === undefined ? '' : (await secrets.read(server.passwordSecret)).text;
  // Loaded at first use: most fleets send no mail.
  const { createTransport } = await import('nodemailer');
  const sockets: Socket[] = [];
  const late = AbortSignal.timeout(deadlineMs);
  const deadline = signal === undefined ? late : AbortSignal.any([late, signal]);
  if (deadline.aborted) return { type: 'unreachable', reason: 'given up before it was sent' };
  const cut = () => {
    for (const socket of sockets) socket.destroy(new Error('no end within the deadline'));
  };
  deadline.addEventListener('abort', cut, { once: true });
  const transport = createTransport({
    host: server.host,
    port: server.port,
    secure: server.tls === 'implicit',
    requireTLS: server.tls === 'starttls',
    ignoreTLS: server.tls === 'none',
    // An address is not a name to ask for (RFC 6066, section 3); the certificate is compared with it all the same.
    tls: { minVersion: 'TLSv1.2', host: server.host, ...(isIP(server.host) === 0 && { servername: server.host }) },
    ...(server.user !== undefined && { auth: { user: server.user, pass: password } }),
    greetingTimeout: CONNECT_MS,
    socketTimeout: deadlineMs,
    disableFileAccess: true,
    disableUrlAccess: true,
    getSocket(_options, callback) {
      const socket = connect({ host: server.host, port: server.port, timeout: CONNECT_MS });
      sockets.push(socket);
      // One that is cut has nobody else who listens.
      socket.on('error', () => undefined);
      const failed = (error: Error) => callback(error, false);
      socket.once('error', failed);
      socket.once('timeout', () => socket.destroy(new Error('the server cannot be reached')));
      socket.once('connect', () => {
        socket.removeListener('error', failed);
        socket.setTimeout(0);
        callback(null, { connection: socket });
      });
    },
  });
  let hasBegun = false;
  // The content flows once the server has agreed to take it (354).
  transport.use('stream', ({ message }, next) => {
    const createReadStream = message.createReadStream.bind(message);
    message.createReadStream = (options) => createReadStream(options).once('resume', () => (hasBegun = true));
    next();
  });
  try {
    const { to, subject, text, messageId, attachment, html, replyTo, headers, dkim } = mail;
    const sent = await transport.sendMail({
      from: readMailbox(server.from),
      to: [...to],
      subject,
      text,
      messageId: `<${messageId}>`,
      ...(html !== undefined && { html }),
      ...(replyTo !== undefined && { replyTo: readMailbox(replyTo) }),
      ...(headers !== undefined && { headers: { ...headers } }),
      ...(dkim !== undefined && { dkim: { ...dkim } }),
      ...(attachment !== undefined && {
        attachments: [
          { filename: attachment.name, contentType: attachment.contentType, content: Buffer.from(attachment.bytes) },
        ],
      }),
    });
    return { type: 'sent', rejected: sent.rejected.length };
  } catch (error) {
    const outcome = outcomeOf(error, deadline.aborted);
    return hasBegun && outcome.type === 'unreachable' ? { ...outcome, mayHaveArrived: true } : outcome;
  } finally {
    deadline.removeEventListener('abort', cut);
    cut();
    transport.close();
  }
}

/** The server's own words can repeat what was sent to it, so only its number is kept. */
function outcomeOf(error: unknown, isLate: boolean): MailOutcome {
  const { code, responseCode, command } = (error ?? {}) as Readonly<
    Record<'code' | 'responseCode' | 'command', unknown>
  >;
  if (typeof responseCode === 'number')
    return { type: 'refused', status: responseCode, isOfMail: command === 'RCPT TO' || command === 'DATA' };
  if (isLate) return { type: 'unreachable', reason: 'no end within the deadline' };
  return {
    type: 'unreachable',
    reason: typeof code === 'string' && /^[A-Z_]{2,30}$/.test(code) ? code : 'no connection',
  };
}
