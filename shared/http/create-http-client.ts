/**
 * The one HTTP client: one request, one outcome, all of it bounded.
 *
 * 1. It never repeats a request and never follows a redirect: whoever calls decides, and a key never goes to another host.
 * 2. `timeoutMs` is for everything from the first look-up to the last byte, so a reply that trickles ends too.
 * 3. At most `maxBodyBytes` of a reply are held, counted after decompression.
 * 4. With an `addressGuard` no connection is opened, or used again, that the guard has not seen.
 */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { ADDRESS_REFUSED, type AddressGuard } from './address-guard.ts';

export interface HttpClientOptions {
  /** For a whole request. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly addressGuard?: AddressGuard;
  /** To one host; as many as there are requests when absent. */
  readonly maxSockets?: number;
  /** Mutual TLS, PEM. */
  readonly clientCertificate?: { readonly key: string; readonly certificate: string };
  /** Whom to believe instead of the system's authorities, PEM. */
  readonly authority?: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

export type HttpOutcome =
  | {
      readonly type: 'replied';
      readonly status: number;
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
      readonly body: Buffer;
    }
  | {
      readonly type: 'no-reply';
      /** `refused`, `unresolved`, `forbidden`, `untrusted`: certainly nothing was done. The others: it may have been. */
      readonly cause: 'refused' | 'unresolved' | 'forbidden' | 'untrusted' | 'timeout' | 'reset' | 'aborted' | 'other';
      readonly message: string;
    }
  | { readonly type: 'too-large'; readonly status: number; readonly message: string };

export interface HttpClient {
  /** Never rejects. */
  send(request: HttpRequest): Promise<HttpOutcome>;
  /** Closes the idle connections that are its own. */
  close(): void;
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { addressGuard } = options;
  const agents = createAgents(options);

  return {
    close() {
      agents?.http.destroy();
      agents?.https.destroy();
    },
    async send(request) {
      // Node looks up names only: an address in the URL would pass by the guard.
      const host = request.url.hostname.replace(/^\[|\]$/g, '');
      if (addressGuard !== undefined && isIP(host) !== 0 && !addressGuard.isAllowed(host)) {
        return { type: 'no-reply', cause: 'forbidden', message: `The address ${host} may not be called.` };
      }
      return await exchange(request, options, agents);
    },
  };
}

type Agents = ReturnType<typeof createAgents>;

/** One request and its reply. Whatever ends it first ends it: the reply, an error, the time, the caller. */
function exchange(
  { method, url, headers = {}, body, signal }: HttpRequest,
  { timeoutMs, maxBodyBytes }: HttpClientOptions,
  agents: Agents,
): Promise<HttpOutcome> {
  if (signal?.aborted) return Promise.resolve(ABORTED);
  return new Promise((resolve) => {
    let isOver = false;
    let source: Readable | undefined;
    const isSecure = url.protocol === 'https:';
    let request: ClientRequest;
    try {
      request = (isSecure ? requestHttps : requestHttp)(url, {
        method,
        agent: isSecure ? agents?.https : agents?.http,
        headers: {
          'accept-encoding': 'gzip, deflate, br',
          ...(method !== 'GET' && { 'content-length': String(Buffer.byteLength(body ?? '')) }),
          ...headers,
        },
      });
    } catch (error) {
      // What no header may hold.
      resolve(noReply(error));
      return;
    }
    const end = (outcome: HttpOutcome): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      // A reply that was read to its end leaves its connection to the next request.
      if (outcome.type !== 'replied') {
        source?.destroy();
        request.destroy();
      }
      resolve(outcome);
    };
    const onAbort = (): void => end(ABORTED);
    const onError = (error: unknown): void => end(noReply(error));
    const timer = setTimeout(
      () => end({ type: 'no-reply', cause: 'timeout', message: 'There was no reply in time.' }),
      timeoutMs,
    );
    request.on('error', onError);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      const status = response.statusCode ?? 0;
      source = decompressed(response, onError);
      source.on('error', onError);
      source.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBodyBytes) {
          end({ type: 'too-large', status, message: `The reply is over ${maxBodyBytes} bytes.` });
        } else chunks.push(chunk);
      });
      source.once('end', () => {
        end({
          type: 'replied',
          status,
          headers: response.headers,
          body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks),
        });
      });
      source.once('close', () => end({ type: 'no-reply', cause: 'reset', message: 'The reply ended too early.' }));
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    request.end(body);
  });
}

const ABORTED: HttpOutcome = { type: 'no-reply', cause: 'aborted', message: 'The request was given up.' };

const DECODERS = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
} as const;

function decompressed(response: IncomingMessage, onError: (error: unknown) => void): Readable {
  const encoding = response.headers['content-encoding']?.toLowerCase();
  if (encoding === undefined || !Object.hasOwn(DECODERS, encoding)) return response;
  // Each error is told by whoever has it: a pipe hands none on.
  response.on('error', onError);
  return response.pipe(DECODERS[encoding as keyof typeof DECODERS]());
}

/** Undefined for the connections that all clients share. */
function createAgents(options: HttpClientOptions): { http: HttpAgent; https: HttpsAgent } | undefined {
  const { addressGuard, maxSockets, clientCertificate, authority } = options;
  if ([addressGuard, maxSockets, clientCertificate, authority].every((option) => option === undefined))
    return undefined;
  const settings = {
    keepAlive: true,
    ...(maxSockets !== undefined && { maxSockets }),
    ...(addressGuard !== undefined && { lookup: addressGuard.lookup }),
  };
  const tls = {
    ...(clientCertificate !== undefined && { key: clientCertificate.key, cert: clientCertificate.certificate }),
    ...(authority !== undefined && { ca: authority }),
  };
  return { http: new HttpAgent(settings), https: new HttpsAgent({ ...settings, ...tls }) };
}

const CAUSES = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  ENOTFOUND: 'unresolved',
  EAI_AGAIN: 'unresolved',
  [ADDRESS_REFUSED]: 'forbidden',
  CERT_HAS_EXPIRED: 'untrusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'untrusted',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
} as const;

function noReply(error: unknown): Extract<HttpOutcome, { type: 'no-reply' }> {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { type: 'no-reply', cause: CAUSES[code as keyof typeof CAUSES] ?? 'other', message };
}
