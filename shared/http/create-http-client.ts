/**
 * The one HTTP client: one request, one outcome, all of it bounded.
 *
 * 1. It never repeats a request and never follows a redirect: whoever calls decides, and a key never goes to another host.
 * 2. `timeoutMs` is for everything from the first look-up to the last byte, so a reply that trickles ends too.
 * 3. At most `maxBodyBytes` of a reply are held, counted after decompression.
 * 4. With an `addressGuard` no connection is opened, or used again, that the guard has not seen.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP } from 'node:net';
import got, { RequestError, TimeoutError } from 'got';
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
  const { timeoutMs, maxBodyBytes, addressGuard } = options;
  const agents = createAgents(options);
  const client = got.extend({
    ...(agents !== undefined && { agent: agents }),
    retry: { limit: 0 },
    timeout: { request: timeoutMs },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: true,
  });

  return {
    close() {
      agents?.http.destroy();
      agents?.https.destroy();
    },
    async send({ method, url, headers = {}, body, signal }) {
      // Node looks up names only: an address in the URL would pass by the guard.
      const host = url.hostname.replace(/^\[|\]$/g, '');
      if (addressGuard !== undefined && isIP(host) !== 0 && !addressGuard.isAllowed(host)) {
        return { type: 'no-reply', cause: 'forbidden', message: `The address ${host} may not be called.` };
      }
      const stream = client.stream(url, {
        method,
        headers: { ...headers },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
      // A got stream that may have a body waits for one.
      if (body === undefined && method !== 'GET') stream.end();
      let reply: { statusCode: number; headers: Record<string, string | string[] | undefined> } | undefined;
      stream.once('response', (response: NonNullable<typeof reply>) => {
        reply = response;
      });
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      try {
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          sizeBytes += chunk.length;
          if (sizeBytes > maxBodyBytes) {
            // Leaving the loop destroys the stream, and with it the socket.
            return {
              type: 'too-large',
              status: reply?.statusCode ?? 0,
              message: `The reply is over ${maxBodyBytes} bytes.`,
            };
          }
          chunks.push(chunk);
        }
      } catch (error) {
        return noReply(error, signal);
      }
      if (reply === undefined)
        return { type: 'no-reply', cause: 'other', message: 'The connection ended without a reply.' };
      return { type: 'replied', status: reply.statusCode, headers: reply.headers, body: Buffer.concat(chunks) };
    },
  };
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

function noReply(error: unknown, signal: AbortSignal | undefined): Extract<HttpOutcome, { type: 'no-reply' }> {
  const message = error instanceof Error ? error.message : String(error);
  if (signal?.aborted) return { type: 'no-reply', cause: 'aborted', message };
  if (error instanceof TimeoutError) return { type: 'no-reply', cause: 'timeout', message };
  const code = error instanceof RequestError ? error.code : '';
  return { type: 'no-reply', cause: CAUSES[code as keyof typeof CAUSES] ?? 'other', message };
}
