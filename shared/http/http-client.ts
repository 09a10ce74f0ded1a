/**
 * What an HTTP client of ours does: one request, one outcome, all of it bounded. Two clients keep this contract, undici for partner calls and
 * got for the few calls to servers of our own, and one suite holds both to it.
 *
 * 1. It never repeats a request and never follows a redirect: the caller decides, and a key never goes to another host.
 * 2. `timeoutMs` is for everything from the first look-up to the last byte, so a reply that trickles ends too. A reply that has come is read
 *    first, although a process that had to wait for its processor finds both the end of the time and the reply.
 * 3. At most `maxBodyBytes` of a reply are held, counted before and after decompression.
 * 4. With an `addressGuard` no connection is opened, or used again, that the guard has not seen.
 * 5. Whether a request was sent is decided by the phase of its connection, never by the code of an error.
 * 6. A status that was received counts, whatever became of the body after it.
 */
import { isIP } from 'node:net';
import type { AddressGuard } from './address-guard.ts';

export interface HttpClientOptions {
  /** For a whole request. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly addressGuard?: AddressGuard;
  /** To one host; as many as there are requests when absent. */
  readonly maxSockets?: number;
  /** Mutual TLS, PEM. */
  readonly clientCertificate?: { readonly key: string; readonly certificate: string };
  /** Whom to trust instead of the system's authorities, PEM. */
  readonly authority?: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
  /** Instead of the client's. */
  readonly timeoutMs?: number;
  /** On its own connection: on a kept one, a request that is lost may have been sent into nothing, and nobody can tell. */
  readonly isUnrepeatable?: boolean;
}

export interface HttpReply {
  readonly type: 'replied';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Decompressed; what there was of it when it has a fault. */
  readonly body: Buffer;
  readonly bodyFault?: BodyFault;
}

export interface BodyFault {
  readonly cause: 'too-large' | 'cut-off' | 'late' | 'undecodable';
  readonly message: string;
}

export interface NoReply {
  readonly type: 'no-reply';
  /** False: certainly nothing of the request reached the server. */
  readonly wasSent: boolean;
  readonly cause: 'unreachable' | 'untrusted' | 'forbidden' | 'invalid' | 'timeout' | 'lost' | 'unreadable' | 'aborted';
  readonly message: string;
}

export type HttpOutcome = HttpReply | NoReply;

export interface HttpClient {
  /** Never rejects. */
  send(request: HttpRequest): Promise<HttpOutcome>;
  /** Closes its idle connections; requests under way end on their own. */
  close(): void;
}

/** Idle connections are closed before a balancer or NAT on the way is likely to forget them. */
export const IDLE_CONNECTION_MS = 4_000;

export function acceptsOf({ method, headers = {}, body }: HttpRequest): Record<string, string> {
  return {
    'accept-encoding': 'gzip, deflate, br',
    ...(method !== 'GET' && { 'content-length': String(Buffer.byteLength(body ?? '')) }),
    ...headers,
  };
}

/** Names are judged when they are looked up; an address in a URL is not looked up. */
export function refusalOf({ url }: HttpRequest, guard: AddressGuard | undefined): NoReply | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (guard === undefined || isIP(host) === 0 || guard.isAllowed(host)) return undefined;
  return { type: 'no-reply', wasSent: false, cause: 'forbidden', message: `The address ${host} may not be called.` };
}
