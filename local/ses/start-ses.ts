/**
 * Amazon SES v2 on one machine, as far as campaigns use it: takes mails, keeps them, and says what became of them.
 *
 * 1. A mail is in the ledger before its sender is answered.
 * 2. What SES refuses is refused, in its words: more than the rate, more than one recipient too many, letters it does not take.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { S3Error } from '#local/s3/s3-error.ts';
import { createSignatureChecker } from '#local/s3/signature.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import { eventsOf, type SesEvent } from './mail-events.ts';
import type { MailLedger, TakenMail } from './mail-ledger.ts';
import { writeInbox } from './write-inbox.ts';

export interface SesOptions {
  readonly host: string;
  readonly port: number;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly ledger: MailLedger;
  readonly ratePerSecond: number;
  /** After the mail was taken; it must not throw. */
  readonly publish: (events: readonly SesEvent[]) => void;
  readonly now?: () => number;
}

export interface Ses {
  readonly url: string;
  stop(): Promise<void>;
}

const LARGEST_BODY = 10 * 1024 ** 2;
const SLOW_MS = 2_000;
const STOP_MS = 1_000;

const textSchema = z.object({ Data: z.string() });
const pairSchema = z.object({ Name: z.string(), Value: z.string() });
const sendSchema = z.object({
  FromEmailAddress: z.string().min(3),
  Destination: z.object({ ToAddresses: z.array(z.string()).min(1).max(50) }),
  EmailTags: z.array(pairSchema).default([]),
  Content: z.object({
    Simple: z.object({
      Subject: textSchema,
      Body: z.object({ Html: textSchema.optional(), Text: textSchema.optional() }),
      Headers: z.array(pairSchema).default([]),
    }),
  }),
});

class SesError extends Error {
  readonly status: number;
  readonly type: string;

  constructor(status: number, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

export async function startSes(options: SesOptions): Promise<Ses> {
  const { ledger, ratePerSecond, now = Date.now } = options;
  const checkSignature = createSignatureChecker({
    credentials: [{ ...options.credentials, name: 'ses' }],
    ...{ region: options.region, services: ['ses'], now },
  });
  const throttled = new Set<string>();
  let room = ratePerSecond;
  let roomAt = now();

  function takeRoom(): boolean {
    const at = now();
    room = Math.min(ratePerSecond, room + ((at - roomAt) * ratePerSecond) / 1_000);
    roomAt = at;
    if (room < 1) return false;
    room -= 1;
    return true;
  }

  async function take(body: Buffer): Promise<{ readonly mail: TakenMail; readonly word: string }> {
    const parsed = sendSchema.safeParse(parseJson(body.toString('utf8')));
    if (!parsed.success) throw new SesError(400, 'BadRequestException', 'The request is malformed.');
    const { FromEmailAddress: from, Destination, EmailTags, Content } = parsed.data;
    const [to = ''] = Destination.ToAddresses;
    const [word = ''] = to.split('@');
    if (!/^[\x21-\x7e]+@[\x21-\x7e]+$/.test(to))
      throw new SesError(400, 'BadRequestException', 'Local address contains control or whitespace');
    if (word === 'throttled' && !throttled.has(to)) {
      throttled.add(to);
      throw new SesError(429, 'TooManyRequestsException', 'Maximum sending rate exceeded.');
    }
    if (!takeRoom()) throw new SesError(429, 'TooManyRequestsException', 'Maximum sending rate exceeded.');
    const { Subject, Body, Headers } = Content.Simple;
    const pairs = (list: readonly z.output<typeof pairSchema>[]) =>
      Object.fromEntries(list.map(({ Name, Value }) => [Name, Value]));
    const mail: TakenMail = {
      ...{ id: `local-${randomUUID()}`, at: new Date(now()).toISOString(), from, to, subject: Subject.Data },
      ...{ html: Body.Html?.Data ?? '', text: Body.Text?.Data ?? '', headers: pairs(Headers), tags: pairs(EmailTags) },
    };
    ledger.add(mail);
    options.publish(eventsOf(mail, options.region));
    return { mail, word };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://ses');
    if (request.method === 'GET' && !url.pathname.startsWith('/v2/')) {
      show(url, response, ledger);
      return;
    }
    const body = await readBody(request);
    const digest = createHash('sha256').update(body).digest('hex');
    const { method = 'GET', headers } = request;
    checkSignature({ method, path: url.pathname, query: new Map(url.searchParams), message: { headers } }, digest);
    if (method !== 'POST' || url.pathname !== '/v2/email/outbound-emails')
      throw new SesError(404, 'UnknownOperationException', 'There is no such operation.');
    const { mail, word } = await take(body);
    if (word === 'lost-reply') {
      request.socket.destroy();
      return;
    }
    if (word === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    reply(response, 200, { MessageId: mail.id });
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const known = error instanceof SesError ? error : undefined;
      const refusal = error instanceof S3Error ? { status: error.status, type: error.code } : undefined;
      const { status, type } = known ?? refusal ?? { status: 500, type: 'InternalFailure' };
      if (response.headersSent || request.socket.destroyed) {
        response.destroy();
        return;
      }
      response.setHeader('x-amzn-errortype', type);
      reply(response, status, { message: error instanceof Error ? error.message : 'failed' });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host}:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), STOP_MS).unref();
      }),
  };
}

function show(url: URL, response: ServerResponse, { mails }: MailLedger): void {
  const page = writeInbox(mails, url.pathname);
  if (url.pathname === '/_health') reply(response, 200, { status: 'ok' });
  else if (url.pathname === '/_ledger') reply(response, 200, ledgerOf(mails, url.searchParams.get('campaign')));
  else if (page === undefined) reply(response, 404, { message: 'There is no such mail.' });
  else {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    // A mail is a stranger's page: nothing in it runs, and nothing is fetched.
    const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
    response.setHeader('content-security-policy', policy);
    response.end(page);
  }
}

function ledgerOf(mails: readonly TakenMail[], campaign: string | null) {
  return mails
    .filter(({ tags }) => campaign === null || tags.ls_campaign === campaign)
    .map(({ html: _html, text: _text, ...mail }) => mail);
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > LARGEST_BODY) throw new SesError(413, 'BadRequestException', 'The message is too large.');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
