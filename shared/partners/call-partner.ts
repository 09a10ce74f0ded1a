/**
 * Calls of one partner: one try, one outcome.
 *
 * 1. Whatever has to be waited for (breaker, concurrency, rate) is found out before anything is sent, and holds no slot.
 * 2. One request per call. The one exception: a 401 to a cached access token, where nothing was done, is sent again with a fresh one.
 * 3. No secret is in an outcome. What goes wrong before the request is out is never ambiguous.
 * 4. What has to be known to the database before an effect is stored by `beforeSend`, after all waiting and right before the request.
 */
import { createHash, createHmac } from 'node:crypto';
import { LongshoreError } from '#shared/errors.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import {
  createHttpClient,
  type HttpClient,
  type HttpOutcome,
  type HttpRequest,
} from '#shared/http/create-http-client.ts';
import type { SecretStore } from '#shared/secrets/secret-store.ts';
import { judgeReply, type PartnerOutcome } from './judge-reply.ts';
import { createOAuthTokens } from './oauth-tokens.ts';
import { createPartnerBreaker } from './partner-breaker.ts';
import type { PartnerDocument } from './partner-schema.ts';
import { createRateSlices, type LeaseSlice, localSlices } from './rate-slices.ts';
import { createRequestRenderer, HEADER_VALUE, type RenderedRequest } from './render-request.ts';
import type { TemplateValues } from './request-template.ts';

/** `wait` is not a failure and counts no attempt: nothing was sent. `withdrawn`: nor was it any more wanted. */
export type CallOutcome =
  | (PartnerOutcome & { readonly httpStatus?: number })
  | { readonly type: 'wait'; readonly afterMs: number; readonly reason: 'breaker-open' | 'concurrency' | 'rate' }
  | { readonly type: 'withdrawn' };

export interface PartnerCall {
  readonly operation: string;
  readonly values: TemplateValues;
  readonly requestId: string;
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  /** False withdraws the call. What it throws, the call throws. */
  readonly beforeSend?: () => Promise<boolean>;
}

export interface PartnerCaller {
  /** @throws LongshoreError `INTERNAL` for an operation that the definition does not have. */
  call(call: PartnerCall): Promise<CallOutcome>;
  /** For so long its breaker lets no call pass; 0 when one may be made. */
  readonly breakerOpenForMs: number;
  close(): void;
}

export interface PartnerCallerOptions {
  readonly definition: PartnerDocument;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  /** Over all tasks; this task alone counts when absent. */
  readonly leaseSlice?: LeaseSlice;
  readonly now?: () => number;
}

const BUSY_WAIT_MS = 200;

export function createPartnerCaller(options: PartnerCallerOptions): PartnerCaller {
  const { definition, secrets, addressGuard, now = Date.now } = options;
  const { auth, limits, breaker: breakerSettings } = definition;
  const clients = createClients(definition, secrets, addressGuard);
  const renderers = new Map(
    Object.entries(definition.operations).map(([name, operation]) => [
      name,
      createRequestRenderer(definition.baseUrl, operation),
    ]),
  );
  const breaker = createPartnerBreaker({ failures: breakerSettings.failures, openForMs: breakerSettings.openFor, now });
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
          client: { send: async (request) => (await clients.forTimeout(definition.timeout)).send(request), close() {} },
        })
      : undefined;
  let inFlight = 0;

  /** The request with who we are; a text when that cannot be shown. */
  async function authenticate(
    request: RenderedRequest,
    refused?: string,
  ): Promise<{ headers: Record<string, string>; token?: string } | string> {
    switch (auth.type) {
      case 'none':
        return { headers: {} };
      case 'static': {
        const value = `${auth.prefix}${(await secrets.read(auth.secret)).text}`;
        return HEADER_VALUE.test(value)
          ? { headers: { [auth.header]: value } }
          : 'The secret cannot stand in a header.';
      }
      case 'hmac':
        return { headers: signatureHeaders(auth, request, (await secrets.read(auth.secret)).text, now()) };
      case 'oauth2-client-credentials': {
        const answer = await tokens?.get(refused);
        if (answer?.type !== 'token') return answer?.message ?? 'There are no tokens.';
        return { headers: { authorization: `Bearer ${answer.token}` }, token: answer.token };
      }
    }
  }

  async function send(call: PartnerCall, request: RenderedRequest, client: HttpClient): Promise<Sent> {
    let refused: string | undefined;
    let reply: HttpOutcome | undefined;
    for (let tries = 0; tries < 2; tries += 1) {
      const identity = await authenticate(request, refused);
      // A second token that is not to be had leaves the 401 as it was.
      if (typeof identity === 'string') return reply === undefined ? { reply, fault: identity } : { reply };
      const wire: HttpRequest = {
        method: request.method,
        url: request.url,
        headers: { ...request.headers, 'x-request-id': call.requestId, ...identity.headers },
        ...(request.body !== undefined && { body: request.body }),
        ...(call.signal !== undefined && { signal: call.signal }),
      };
      if (tries === 0 && (await isWithdrawn(call))) return { reply: undefined, isWithdrawn: true };
      reply = await client.send(wire);
      if (reply.type !== 'replied' || reply.status !== 401 || identity.token === undefined) break;
      refused = identity.token;
    }
    return { reply };
  }

  async function callOnce(call: PartnerCall): Promise<CallOutcome> {
    const operation = definition.operations[call.operation];
    const render = renderers.get(call.operation);
    if (operation === undefined || render === undefined) {
      throw new LongshoreError('INTERNAL', `The partner ${definition.name} has no operation ${call.operation}.`);
    }
    const rendered = render(call.values, call.idempotencyKey);
    if (rendered.type === 'invalid') {
      return { type: 'failed', isFinal: true, cause: 'PARTNER_REQUEST_INVALID', message: rendered.message };
    }
    const granted = breaker.isOpen ? undefined : await rate?.take();
    if (granted?.type === 'wait') return { type: 'wait', afterMs: granted.afterMs, reason: 'rate' };
    const client = await clients.forTimeout(operation.timeout ?? definition.timeout);
    const answer = await breaker.run(() => send(call, rendered.request, client));
    if (answer.type === 'open') return { type: 'wait', afterMs: answer.afterMs, reason: 'breaker-open' };
    const { reply, fault, isWithdrawn } = answer.result;
    if (isWithdrawn) return { type: 'withdrawn' };
    if (reply === undefined)
      return { type: 'retryable', cause: 'PARTNER_TOKEN_UNAVAILABLE', message: fault ?? 'There is no token.' };
    const hasKey = call.idempotencyKey !== undefined;
    const judged = judgeReply({ reply, operation, hasKey, now: now() });
    return 'status' in reply ? { ...judged, httpStatus: reply.status } : judged;
  }

  return {
    async call(call) {
      if (inFlight >= limits.concurrency) return { type: 'wait', afterMs: BUSY_WAIT_MS, reason: 'concurrency' };
      inFlight += 1;
      try {
        return await callOnce(call);
      } catch (error) {
        if (!(error instanceof LongshoreError) || error.code !== 'SECRET_UNAVAILABLE') throw error;
        return { type: 'retryable', cause: error.code, message: error.message };
      } finally {
        inFlight -= 1;
      }
    },
    get breakerOpenForMs() {
      return breaker.openForMs;
    },
    close: clients.close,
  };
}

interface Sent {
  readonly reply: HttpOutcome | undefined;
  readonly fault?: string;
  readonly isWithdrawn?: boolean;
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

/** Connections by timeout; made anew when a certificate was rotated. */
function createClients(definition: PartnerDocument, secrets: SecretStore, addressGuard: AddressGuard) {
  const held = new Map<number, { readonly client: HttpClient; readonly version: string }>();
  const { tls } = definition;
  return {
    async forTimeout(timeoutMs: number): Promise<HttpClient> {
      const names = [tls?.key, tls?.certificate, tls?.authority];
      const [key, certificate, authority] = await Promise.all(
        names.map((name) => (name === undefined ? undefined : secrets.read(name))),
      );
      const version = [key, certificate, authority].map((secret) => secret?.version ?? '').join('|');
      const known = held.get(timeoutMs);
      if (known?.version === version) return known.client;
      const client = createHttpClient({
        timeoutMs,
        maxBodyBytes: definition.maxReply,
        addressGuard,
        maxSockets: definition.limits.concurrency,
        ...(key !== undefined &&
          certificate !== undefined && { clientCertificate: { key: key.text, certificate: certificate.text } }),
        ...(authority !== undefined && { authority: authority.text }),
      });
      held.set(timeoutMs, { client, version });
      // The old one's calls under way end by themselves; it is not asked again.
      return client;
    },
    close(): void {
      for (const { client } of held.values()) client.close();
      held.clear();
    },
  };
}
