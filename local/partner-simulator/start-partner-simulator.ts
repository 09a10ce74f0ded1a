/**
 * A partner on loopback: Validation, List Assignments, BAEC Coupon Verification, two redemptions that have effects, an issuer of tokens,
 * and a ledger of what it saw.
 *
 * | `POST /validation`, `GET /assignments`, `POST /baec/coupon-verifications` | checks |
 * | `POST /coupon-redemptions` (knows `Idempotency-Key`), `POST /unkeyed-redemptions` | effects |
 * | `POST /oauth/token`, `GET /.well-known/jwks.json` | tokens |
 * | `GET /_ledger?api=&record=&key=&after=&limit=`, `GET /_ledger/summary` | the ledger |
 * | `POST /chat/<channel>` | notices, as Slack's incoming webhooks take them |
 * | `PUT /_behaviour`, `PUT /_identity` | latencies and faults; lifetime of tokens and a new key |
 *
 * It authenticates nobody: that is the gateway's work. It serves tests and examples, on loopback.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { z } from 'zod';
import { parseJson } from '#shared/text/parse-json.ts';
import { CallLedger } from './call-ledger.ts';
import { createChatRoom } from './chat-room.ts';
import { findLedgerViolations } from './find-ledger-violations.ts';
import { handleCall } from './handle-call.ts';
import { createIdentityProvider, type IdentityClient, type IdentityProvider } from './identity-provider.ts';
import { API_NAMES, PARTNER_APIS, type PartnerApi } from './partner-apis.ts';
import { type Behaviour, behaviourSchema, seededRandom } from './simulated-behaviour.ts';

export interface PartnerSimulatorOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly ledgerFile: string;
  /** Of notices that channels of the chat took. */
  readonly chatFile: string;
  readonly issuer: string;
  readonly audience: string;
  readonly clients: readonly IdentityClient[];
  readonly tokenLifetimeS: number;
  /** For shares and latencies. */
  readonly seed?: number;
  /** From the first call on; flawless and without delay when absent. */
  readonly behaviour?: z.input<typeof behaviourSchema>;
}

export interface PartnerSimulator {
  readonly url: string;
  readonly ledger: CallLedger;
  readonly identity: IdentityProvider;
  setBehaviour(behaviour: z.input<typeof behaviourSchema>): void;
  /** Requests that came by following its redirect. */
  readonly followedRedirects: number;
  stop(): Promise<void>;
}

const LARGEST_BODY_BYTES = 1_048_576;
const DEFAULT_SEED = 1;
const identityChangeSchema = z.strictObject({
  lifetimeS: z.number().int().min(-3_600).max(86_400).optional(),
  rotateKey: z.boolean().optional(),
});

export async function startPartnerSimulator(options: PartnerSimulatorOptions): Promise<PartnerSimulator> {
  const ledger = new CallLedger(options.ledgerFile);
  const chat = createChatRoom(options.chatFile, () => new Date());
  const identity = await createIdentityProvider({ ...options, lifetimeS: options.tokenLifetimeS });
  const random = seededRandom(options.seed ?? DEFAULT_SEED);
  let behaviour: Behaviour = behaviourSchema.parse(options.behaviour ?? {});
  let followedRedirects = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://partner');
    const body = await readBody(request);
    if (body === undefined) return sendJson(response, 413, { message: 'The body is too large.' });
    const api = PARTNER_APIS.find(({ path }) => path === url.pathname);
    if (api !== undefined) return answerCall({ api, request, response, url, body });
    switch (`${request.method} ${url.pathname}`) {
      case 'POST /oauth/token': {
        const reply = await identity.issueToken(new URLSearchParams(body.toString()), request.headers.authorization);
        return sendJson(response, reply.status, reply.body);
      }
      case 'GET /.well-known/jwks.json':
        return sendJson(response, 200, identity.publicKeys());
      case 'GET /_ledger':
        return sendJson(response, 200, { calls: ledger.find(readQuery(url.searchParams)) });
      case 'GET /_ledger/summary':
        return sendJson(response, 200, summarise(ledger));
      case 'PUT /_behaviour': {
        const parsed = behaviourSchema.safeParse(parseJson(body.toString()));
        if (!parsed.success) return sendJson(response, 400, { message: z.prettifyError(parsed.error) });
        behaviour = parsed.data;
        return sendJson(response, 200, behaviour);
      }
      case 'PUT /_identity': {
        const parsed = identityChangeSchema.safeParse(parseJson(body.toString()));
        if (!parsed.success) return sendJson(response, 400, { message: z.prettifyError(parsed.error) });
        if (parsed.data.lifetimeS !== undefined) identity.setLifetimeS(parsed.data.lifetimeS);
        if (parsed.data.rotateKey === true) await identity.rotateKey();
        return sendJson(response, 200, { issued: identity.issued });
      }
      case 'GET /_health':
        return sendJson(response, 200, { status: 'ok' });
      default:
        if (url.pathname === '/_redirected') followedRedirects += 1;
        if (request.method === 'POST') {
          const said = chat.take(url.pathname, body.toString());
          if (said !== undefined) return void response.writeHead(said.status).end(said.text);
        }
        return sendJson(response, 404, { message: 'There is nothing here.' });
    }
  }

  async function answerCall(call: ReceivedCall): Promise<void> {
    const { api, request, response, url, body } = call;
    if (request.method !== api.method) return sendJson(response, 405, { message: `Use ${api.method}.` });
    const fields = api.method === 'GET' ? Object.fromEntries(url.searchParams) : parseJson(body.toString());
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      return sendJson(response, 400, { code: 'NOT_JSON', message: 'The body is not a JSON object.' });
    }
    const { headers } = request;
    await handleCall(
      {
        api,
        fields: fields as Record<string, unknown>,
        idempotencyKey: singleHeader(headers['idempotency-key']),
        requestId: (singleHeader(headers['x-request-id']) ?? randomUUID()).slice(0, 100),
        subject: singleHeader(headers['x-authorizer-subject']),
      },
      response,
      { ledger, behaviour, random },
    );
  }

  const server = createServer((request, response) => {
    request.on('error', () => response.destroy());
    answer(request, response).catch(() => response.destroy());
  });
  // Longer than clients keep idle connections, so that none is closed while a request is on its way.
  server.keepAliveTimeout = 65_000;
  server.listen({ host: options.host, port: options.port });
  await once(server, 'listening');
  return {
    url: `http://${isIPv6(options.host) ? `[${options.host}]` : options.host}:${(server.address() as AddressInfo).port}`,
    ledger,
    identity,
    setBehaviour: (wanted) => {
      behaviour = behaviourSchema.parse(wanted);
    },
    get followedRedirects() {
      return followedRedirects;
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      ledger.close();
    },
  };
}

interface ReceivedCall {
  readonly api: PartnerApi;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly body: Buffer;
}

/** Undefined when it is too large; the rest is read and dropped, so that the caller gets its answer. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= LARGEST_BODY_BYTES) chunks.push(chunk);
  }
  return sizeBytes > LARGEST_BODY_BYTES ? undefined : Buffer.concat(chunks);
}

function singleHeader(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function readQuery(parameters: URLSearchParams) {
  const text = (name: string) => parameters.get(name) ?? undefined;
  const [api, record, idempotencyKey] = [text('api'), text('record'), text('key')];
  return {
    ...(api !== undefined && { api }),
    ...(record !== undefined && { record }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    after: Math.max(0, Number(text('after') ?? 0) || 0),
    limit: Math.min(10_000, Math.max(1, Number(text('limit') ?? 1_000) || 1)),
  };
}

function summarise(ledger: CallLedger) {
  const countWhere = (api: string, isCounted: (call: (typeof ledger.calls)[number]) => boolean) =>
    ledger.calls.filter((call) => call.api === api && isCounted(call)).length;
  return {
    calls: Object.fromEntries(API_NAMES.map((api) => [api, countWhere(api, () => true)])),
    accepted: Object.fromEntries(
      API_NAMES.map((api) => [api, countWhere(api, ({ outcome }) => outcome === 'accepted')]),
    ),
    effects: Object.fromEntries(API_NAMES.map((api) => [api, countWhere(api, ({ effect }) => effect === 'made')])),
    violations: findLedgerViolations(ledger.calls),
  };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
