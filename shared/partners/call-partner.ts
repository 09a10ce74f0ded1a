/**
 * Calls of one partner: one try, one outcome.
 *
 * 1. Whatever has to be waited for (an operator, breaker, concurrency, rate) is found out before anything is sent, and has no slot.
 * 2. One request per call. The one exception: a 401 to a cached access token, where nothing was done, is sent again with a fresh one.
 * 3. No secret is in an outcome, also where the partner echoes one. What goes wrong before the request is out is never ambiguous.
 * 4. What has to be known to the database before an effect is stored by `beforeSend`, after all waiting and right before the request.
 */
import { createHash, createHmac } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { PartnerDocument } from '#shared/definitions/partner-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';
import { createUndiciClient } from '#shared/http/create-undici-client.ts';
import type { HttpClient, HttpOutcome, HttpRequest } from '#shared/http/http-client.ts';
import { type Secret, SecretError, type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { createHandSwitch, type HeldByHand, type PartnerControl } from './hand-switch.ts';
import { isRepeatable, judgeReply, type PartnerOutcome } from './judge-reply.ts';
import { createOAuthTokens, type TokenAnswer } from './oauth-tokens.ts';
import { createPartnerBreaker } from './partner-breaker.ts';
import { createRateSlices, type LeaseSlice, localSlices } from './rate-slices.ts';
import { createRedactors } from './redact-secrets.ts';
import { createRequestRenderer, HEADER_VALUE, type RenderedRequest } from './render-request.ts';
import { readReplyValues } from './reply-reader.ts';
import type { MadeCall } from './report-calls.ts';
import type { FileContent } from './request-content.ts';
import type { TemplateValues } from './request-template.ts';

/** `wait` is not a failure and counts no attempt: nothing was sent. `withdrawn`: nor was it any more wanted. */
export type CallOutcome =
  | (PartnerOutcome & { readonly httpStatus?: number })
  | {
      readonly type: 'wait';
      readonly afterMs: number;
      readonly reason: 'breaker-open' | 'concurrency' | 'paused' | 'rate';
    }
  /** For what the call needs before it can be made, and who has it does not answer. */
  | {
      readonly type: 'wait';
      readonly afterMs: number;
      readonly reason: 'token' | 'secret';
      readonly cause: 'PARTNER_TOKEN_UNAVAILABLE' | 'SECRET_UNAVAILABLE';
      readonly message: string;
    }
  | { readonly type: 'withdrawn' };

export interface PartnerCall {
  readonly operation: string;
  readonly values: TemplateValues;
  readonly requestId: string;
  readonly idempotencyKey?: string;
  /** For an operation that takes one. */
  readonly file?: FileContent;
  readonly signal?: AbortSignal;
  /** False withdraws the call. What it throws, the call throws. */
  readonly beforeSend?: () => Promise<boolean>;
}

export interface PartnerCaller {
  /** @throws LongshoreError `INTERNAL` for an operation that the definition does not have. */
  call(call: PartnerCall): Promise<CallOutcome>;
  /** For so long its breaker lets no call pass; 0 when one may be made. */
  readonly breakerOpenForMs: number;
  /** While an operator lets no call pass. */
  readonly heldBy: HeldByHand | undefined;
  /** What operators decided, as it was read now. */
  obey(control: PartnerControl): void;
  close(): void;
}

export interface PartnerCallerOptions {
  readonly definition: PartnerDocument;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  /** Over all tasks; this task alone counts when absent. */
  readonly leaseSlice?: LeaseSlice;
  /** Of each call for which a request was sent. */
  readonly onMade?: (call: MadeCall) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const BUSY_WAIT_MS = 200;
/** It is read on the event loop. */
const LONGEST_TOKEN_REPLY = 65_536;
/** Before a secret store that did not answer is asked again; it has its own pause besides. */
const SECRET_WAIT_MS = 5_000;

export function createPartnerCaller(options: PartnerCallerOptions): PartnerCaller {
  const { definition, secrets, addressGuard, now = () => performance.now() } = options;
  const { auth, limits, breaker: breakerSettings } = definition;
  const clients = createClients(definition, secrets, addressGuard);
  const renderers = new Map(
    Object.entries(definition.operations).map(([name, operation]) => [
      name,
      createRequestRenderer(definition.baseUrl, operation),
    ]),
  );
  const breaker = createPartnerBreaker({ failures: breakerSettings.failures, openForMs: breakerSettings.openFor, now });
  const hand = createHandSwitch({ onReleased: () => breaker.tryNext(), now });
  const rate =
    limits.ratePerSecond === undefined
      ? undefined
      : createRateSlices(options.leaseSlice ?? localSlices(limits.ratePerSecond, now), now);
  const tokens =
    auth.type === 'oauth2-client-credentials'
      ? createOAuthTokens({
          settings: auth,
          secrets,
          now,
          client: { send: async (request) => (await clients.forTokens()).send(request), close() {} },
        })
      : undefined;
  const redactorFor = createRedactors();
  let inFlight = 0;

  async function authenticate(request: RenderedRequest, refused?: string): Promise<Identity | NoIdentity> {
    switch (auth.type) {
      case 'none':
        return { headers: {}, secrets: [] };
      case 'static': {
        const { text } = await secrets.read(auth.secret);
        const value = `${auth.prefix}${text}`;
        if (!HEADER_VALUE.test(value))
          throw unavailableSecret(`The secret ${auth.secret} has characters that no header may have.`);
        return { headers: { [auth.header]: value }, secrets: [text] };
      }
      case 'hmac': {
        const { text } = await secrets.read(auth.secret);
        const headers = signatureHeaders(auth, request, text, Date.now());
        return { headers, secrets: [text, headers[auth.header] ?? text] };
      }
      case 'oauth2-client-credentials': {
        const answer = await tokens?.get(refused);
        if (answer?.type !== 'token') return answer ?? { type: 'refused', message: 'There are no tokens.' };
        const { text } = await secrets.read(auth.clientSecret);
        const { token } = answer;
        return {
          headers: { authorization: `Bearer ${token}` },
          token,
          secrets: [token, text, `${auth.clientId}:${text}`],
        };
      }
    }
  }

  async function send(
    call: PartnerCall,
    { request, client, isUnrepeatable }: { request: RenderedRequest; client: HttpClient; isUnrepeatable: boolean },
  ): Promise<Sent> {
    let refused: string | undefined;
    let sent: Sent | undefined;
    for (let tries = 0; tries < 2; tries += 1) {
      const identity = await authenticate(request, refused);
      // A second token that is not to be had leaves the 401 as it was.
      if ('type' in identity) return sent ?? { reply: undefined, noIdentity: identity };
      const wire: HttpRequest = {
        method: request.method,
        url: request.url,
        headers: { ...request.headers, 'x-request-id': call.requestId, ...identity.headers },
        ...(request.body !== undefined && { body: request.body }),
        ...(call.signal !== undefined && { signal: call.signal }),
        ...(isUnrepeatable && { isUnrepeatable }),
      };
      if (tries === 0 && (await isWithdrawn(call))) return { reply: undefined, isWithdrawn: true };
      const begun = performance.now();
      const reply = await client.send(wire);
      sent = { reply, secrets: identity.secrets, tookMs: performance.now() - begun };
      if (reply.type !== 'replied' || reply.status !== 401 || identity.token === undefined) break;
      refused = identity.token;
    }
    return sent ?? { reply: undefined };
  }

  async function callOnce(call: PartnerCall): Promise<CallOutcome> {
    const operation = definition.operations[call.operation];
    const render = renderers.get(call.operation);
    if (operation === undefined || render === undefined) {
      throw new LongshoreError('INTERNAL', `The partner ${definition.name} has no operation ${call.operation}.`);
    }
    const rendered = render(call.values, call.idempotencyKey, call.file);
    if (rendered.type === 'invalid') {
      return { type: 'failed', isFinal: true, cause: 'PARTNER_REQUEST_INVALID', message: rendered.message };
    }
    const held = hand.held;
    if (held !== undefined) return { type: 'wait', ...held };
    const granted = breaker.isOpen ? undefined : await rate?.take();
    if (granted?.type === 'wait') return { type: 'wait', afterMs: granted.afterMs, reason: 'rate' };
    const client = await clients.forTimeout(operation.timeout ?? definition.timeout);
    const hasKey = call.idempotencyKey !== undefined;
    const isUnrepeatable = !isRepeatable(operation, hasKey);
    const answer = await breaker.run(() => send(call, { request: rendered.request, client, isUnrepeatable }));
    if (answer.type === 'open') return { type: 'wait', afterMs: answer.afterMs, reason: 'breaker-open' };
    const { reply, noIdentity, isWithdrawn, secrets: sentSecrets = [], tookMs = 0 } = answer.result;
    if (isWithdrawn) return { type: 'withdrawn' };
    if (reply === undefined) return withoutIdentity(noIdentity);
    // Half a body may say something else than the whole one.
    const isRead = reply.type === 'replied' && reply.bodyFault === undefined;
    const body = isRead ? await readReplyValues(reply, operation, definition.tenant) : undefined;
    const judged = judgeReply({ reply, body, operation, hasKey, now: Date.now(), redact: redactorFor(sentSecrets) });
    const httpStatus = 'status' in reply ? reply.status : undefined;
    options.onMade?.({
      outcome: judged.type,
      httpStatus,
      cause: judged.type === 'success' ? undefined : judged.cause,
      durationMs: tookMs,
    });
    return httpStatus === undefined ? judged : { ...judged, httpStatus };
  }

  return {
    async call(call) {
      if (inFlight >= limits.concurrency) return { type: 'wait', afterMs: BUSY_WAIT_MS, reason: 'concurrency' };
      inFlight += 1;
      try {
        return await callOnce(call);
      } catch (error) {
        if (!(error instanceof SecretError)) throw error;
        const why = { cause: 'SECRET_UNAVAILABLE', message: error.message } as const;
        return error.isPassing
          ? { type: 'wait', afterMs: SECRET_WAIT_MS, reason: 'secret', ...why }
          : { type: 'retryable', ...why };
      } finally {
        inFlight -= 1;
      }
    },
    get breakerOpenForMs() {
      return breaker.openForMs;
    },
    get heldBy() {
      return hand.held;
    },
    obey: hand.obey,
    close: clients.close,
  };
}

interface Identity {
  readonly headers: Record<string, string>;
  readonly token?: string;
  /** What no word of the partner may show. */
  readonly secrets: readonly string[];
}
type NoIdentity = Exclude<TokenAnswer, { type: 'token' }>;

interface Sent {
  readonly reply: HttpOutcome | undefined;
  readonly secrets?: readonly string[];
  /** The last request. */
  readonly tookMs?: number;
  readonly noIdentity?: NoIdentity;
  readonly isWithdrawn?: boolean;
}

function withoutIdentity(answer: NoIdentity | undefined): CallOutcome {
  const cause = 'PARTNER_TOKEN_UNAVAILABLE';
  const message = answer?.message ?? 'There is no token.';
  return answer?.type === 'away'
    ? { type: 'wait', afterMs: answer.afterMs, reason: 'token', cause, message }
    : { type: 'retryable', cause, message };
}

async function isWithdrawn({ signal, beforeSend }: PartnerCall): Promise<boolean> {
  if (signal?.aborted) return true;
  return beforeSend !== undefined && !(await beforeSend());
}

type HmacSettings = Extract<PartnerDocument['auth'], { type: 'hmac' }>;

function signatureHeaders(
  auth: HmacSettings,
  request: RenderedRequest,
  secret: string,
  now: number,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const bodyHash = createHash(auth.algorithm)
    .update(request.body ?? '')
    .digest('hex');
  const signed = [timestamp, request.method, `${request.url.pathname}${request.url.search}`, bodyHash].join('.');
  return {
    [auth.timestampHeader]: timestamp,
    [auth.header]: createHmac(auth.algorithm, secret).update(signed).digest('hex'),
  };
}

/** Connections by timeout; opened again when a certificate was rotated. */
function createClients(definition: PartnerDocument, secrets: SecretStore, addressGuard: AddressGuard) {
  const held = new Map<string, { readonly client: HttpClient; readonly version: string }>();
  const { tls } = definition;

  async function find(
    name: string,
    { timeoutMs, maxBodyBytes = definition.maxReply }: { timeoutMs: number; maxBodyBytes?: number },
    create: typeof createUndiciClient,
  ): Promise<HttpClient> {
    const [key, certificate, authority] =
      tls === undefined
        ? []
        : await Promise.all(
            [tls.key, tls.certificate, tls.authority].map((secret) =>
              secret === undefined ? undefined : secrets.read(secret),
            ),
          );
    const version = [key, certificate, authority].map((secret) => secret?.version ?? '').join('|');
    const known = held.get(name);
    if (known?.version === version) return known.client;
    assertUsable({ key, certificate, authority });
    const client = create({
      timeoutMs,
      maxBodyBytes,
      addressGuard,
      maxSockets: definition.limits.concurrency,
      ...(key !== undefined &&
        certificate !== undefined && { clientCertificate: { key: key.text, certificate: certificate.text } }),
      ...(authority !== undefined && { authority: authority.text }),
    });
    held.set(name, { client, version });
    // Its calls under way end; what is idle has the old certificate.
    known?.client.close();
    return client;
  }

  return {
    forTimeout: (timeoutMs: number) => find(String(timeoutMs), { timeoutMs }, createUndiciClient),
    forTokens: () =>
      find('tokens', { timeoutMs: definition.timeout, maxBodyBytes: LONGEST_TOKEN_REPLY }, createGotClient),
    close(): void {
      for (const { client } of held.values()) client.close();
      held.clear();
    },
  };
}

type TlsSecrets = Readonly<Record<'key' | 'certificate' | 'authority', Secret | undefined>>;

/** Text that is not PEM, or a key of another certificate, would fail each call only once its connection is made. @throws SecretError */
function assertUsable({ key, certificate, authority }: TlsSecrets): void {
  if (key === undefined && authority === undefined) return;
  try {
    createSecureContext({ key: key?.text, cert: certificate?.text, ca: authority?.text });
  } catch (error) {
    const [words] = String(error instanceof Error ? error.message : error).split('\n');
    throw unavailableSecret(`The key, certificate or authority under \`tls\` cannot be used: ${words}.`);
  }
}
