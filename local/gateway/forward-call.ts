/**
 * Passes an authorized request on, and the reply back.
 *
 * 1. The token stays here; the backend gets what the authorizer said of it, and nothing that a caller wrote under those names.
 * 2. Replies are passed on as they come, faults included. (API Gateway holds a reply until it is whole.)
 * 3. Bytes of the request and time for the whole are bounded.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import type { AuthorizerAnswer } from './evaluate-policy.ts';
import { giveAnswer } from './gateway-answer.ts';

export interface ForwardCallOptions {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly backend: Backend;
  readonly requestId: string;
  /** What the authorizer said; undefined for a method that has none, whose `Authorization` is the backend's to read. */
  readonly context: AuthorizerAnswer['context'] | undefined;
  readonly deadlineMs: number;
  readonly largestBodyBytes: number;
}

const CONTEXT_PREFIX = 'x-authorizer-';
const NOT_PASSED_ON = new Set([
  'authorization',
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

/** The server behind the gateway, and the connections to it. */
export interface Backend {
  request(call: RequestOptions): ClientRequest;
  close(): void;
}

/** The path of `url` comes before the path of each call. Its certificate, where it has one, must be one that Node trusts. */
export function openBackend(url: URL): Backend {
  const { protocol, hostname, port, auth } = urlToHttpOptions(url);
  const isTls = protocol === 'https:';
  const agent = isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const prefix = url.pathname.replace(/\/$/, '');
  const request = isTls ? httpsRequest : httpRequest;
  return {
    request: (call) => request({ ...call, agent, protocol, hostname, port, auth, path: `${prefix}${call.path}` }),
    close: () => agent.destroy(),
  };
}

export function forwardCall(options: ForwardCallOptions): void {
  const { incoming, outgoing, backend, requestId, largestBodyBytes } = options;
  if (Number(incoming.headers['content-length'] ?? 0) > largestBodyBytes) {
    giveAnswer(outgoing, 'too-large');
    return;
  }
  const onwards = backend.request({
    method: incoming.method,
    path: incoming.url,
    headers: { ...passedHeaders(incoming.headers), ...identityHeaders(options), 'x-request-id': requestId },
  });
  const timer = setTimeout(() => {
    giveAnswer(outgoing, 'backend-late');
    onwards.destroy();
  }, options.deadlineMs);
  outgoing.once('close', () => {
    clearTimeout(timer);
    onwards.destroy();
  });
  onwards.on('error', () => {
    if (!outgoing.writableEnded) giveAnswer(outgoing, 'backend-failed');
  });
  onwards.on('response', (reply) => {
    outgoing.writeHead(reply.statusCode ?? 502, passedHeaders(reply.headers));
    reply.on('error', () => outgoing.destroy());
    reply.pipe(outgoing);
  });
  incoming.on('error', () => onwards.destroy());
  let sizeBytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= largestBodyBytes) return;
    incoming.unpipe(onwards);
    incoming.pause();
    if (!outgoing.writableEnded) giveAnswer(outgoing, 'too-large');
    onwards.destroy();
  });
  incoming.pipe(onwards);
}

function passedHeaders(headers: IncomingMessage['headers']): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] =>
        entry[1] !== undefined && !NOT_PASSED_ON.has(entry[0]) && !entry[0].startsWith(CONTEXT_PREFIX),
    ),
  );
}

function identityHeaders({ context, incoming }: ForwardCallOptions): Record<string, string> {
  const { authorization } = incoming.headers;
  if (context === undefined) return authorization === undefined ? {} : { authorization };
  return Object.fromEntries(
    Object.entries(context).map(([name, value]) => [`${CONTEXT_PREFIX}${name.toLowerCase()}`, String(value)]),
  );
}
