/**
 * Amazon SES v2 on one machine, as far as campaigns use it: takes mails, keeps them, and says what happened to them.
 *
 * 1. A mail is in the ledger before its sender is answered.
 * 2. What SES refuses is refused, in its words: more than the rate, more than one recipient too many, letters it does not take.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { S3Error } from '#local/s3/s3-error.ts';
import { createSignatureChecker } from '#local/s3/signature.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import { eventsOf, type SesEvent } from './mail-events.ts';
import type { MailLedger, TakenMail } from './mail-ledger.ts';
import { type AskedMail, readMail, readMails } from './read-mails.ts';
import { behaviourSchema, WELL_BEHAVED } from './ses-behaviour.ts';
import { SesError } from './ses-error.ts';
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
  /** In 24 hours; any number when absent. */
  readonly perDay?: number | undefined;
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface Ses {
  readonly url: string;
  stop(): Promise<void>;
}

const LARGEST_BODY = 10 * 1024 ** 2;
const SLOW_MS = 2_000;
const DAY_MS = 86_400_000;
const STOP_MS = 1_000;

export async function startSes(options: SesOptions): Promise<Ses> {
  const { ledger, ratePerSecond, perDay, now = Date.now, random = Math.random } = options;
  const checkSignature = createSignatureChecker({
    credentials: [{ ...options.credentials, name: 'ses' }],
    ...{ region: options.region, services: ['ses'], now },
  });
  const throttled = new Set<string>();
  let room = ratePerSecond;
  let roomAt = now();
  let behaviour = WELL_BEHAVED;

  function takeRoom(): boolean {
    const at = now();
    room = Math.min(ratePerSecond, room + ((at - roomAt) * ratePerSecond) / 1_000);
    roomAt = at;
    if (room < 1) return false;
    room -= 1;
    return true;
  }

  function sentLastDay(): number {
    const since = now() - DAY_MS;
    const first = ledger.mails.findIndex(({ at }) => Date.parse(at) > since);
    return first < 0 ? 0 : ledger.mails.length - first;
  }

  /** @throws SesError when it is refused. */
  function take(asked: AskedMail): TakenMail {
    const { to } = asked;
    const word = wordOf(to);
    if (!/^[\x21-\x7e]+@[\x21-\x7e]+$/.test(to))
      throw new SesError(400, 'BadRequestException', 'Local address contains control or whitespace');
    if (word === 'refused') throw new SesError(400, 'MessageRejected', 'The content of the message is not allowed.');
    if (word === 'throttled' && !throttled.has(to)) {
      throttled.add(to);
      throw new SesError(429, 'TooManyRequestsException', 'Maximum sending rate exceeded.');
    }
    if (behaviour.isQuotaSpent || (perDay !== undefined && sentLastDay() >= perDay))
      throw new SesError(400, 'LimitExceededException', 'Daily message quota exceeded.');
    if (random() < behaviour.throttled || !takeRoom())
      throw new SesError(429, 'TooManyRequestsException', 'Maximum sending rate exceeded.');
    const mail = { id: `local-${randomUUID()}`, at: new Date(now()).toISOString(), ...asked };
    ledger.add(mail);
    options.publish(eventsOf(mail, options.region));
    return mail;
  }

  /** Undefined: the answer is lost. */
  function carryOut(method: string, path: string, body: Buffer): unknown {
    if (method === 'GET' && path === '/v2/email/account')
      return {
        ...{ SendingEnabled: true, ProductionAccessEnabled: true, EnforcementStatus: 'HEALTHY' },
        SendQuota: { Max24HourSend: perDay ?? -1, MaxSendRate: ratePerSecond, SentLast24Hours: sentLastDay() },
      };
    if (method !== 'POST') throw new SesError(404, 'UnknownOperationException', 'There is no such operation.');
    if (random() < behaviour.failed) throw new SesError(500, 'InternalFailure', 'The service failed.');
    const isLost = random() < behaviour.lostReplies;
    if (path === '/v2/email/outbound-emails') {
      const mail = take(readMail(body));
      return isLost || wordOf(mail.to) === 'lost-reply' ? undefined : { MessageId: mail.id };
    }
    if (path !== '/v2/email/outbound-bulk-emails')
      throw new SesError(404, 'UnknownOperationException', 'There is no such operation.');
    const BulkEmailEntryResults = readMails(body).map((asked) => {
      try {
        return { Status: 'SUCCESS', MessageId: take(asked).id };
      } catch (error) {
        if (!(error instanceof SesError)) throw error;
        return { Status: BULK_STATUS[error.type] ?? 'FAILED', Error: error.message };
      }
    });
    return isLost ? undefined : { BulkEmailEntryResults };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://ses');
    if (request.method === 'GET' && !url.pathname.startsWith('/v2/')) {
      show(url, response, ledger);
      return;
    }
    const body = await readBody(request);
    const { method = 'GET', headers } = request;
    if (url.pathname === '/_behaviour') {
      behaviour = behaviourSchema.parse(parseJson(body.toString('utf8')));
      reply(response, 200, behaviour);
      return;
    }
    const digest = createHash('sha256').update(body).digest('hex');
    checkSignature({ method, path: url.pathname, query: new Map(url.searchParams), message: { headers } }, digest);
    const outcome = carryOut(method, url.pathname, body);
    if (behaviour.latencyMs > 0) await delay(behaviour.latencyMs);
    if (body.includes('"slow@')) await delay(SLOW_MS);
    if (outcome === undefined) request.socket.destroy();
    else reply(response, 200, outcome);
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

const BULK_STATUS: Readonly<Record<string, string>> = {
  TooManyRequestsException: 'ACCOUNT_THROTTLED',
  LimitExceededException: 'ACCOUNT_DAILY_QUOTA_EXCEEDED',
  BadRequestException: 'INVALID_PARAMETER',
  MessageRejected: 'MESSAGE_REJECTED',
};

function wordOf(address: string): string {
  return address.slice(0, address.indexOf('@'));
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
