/** Requests to one HTTPS server with files, whatever is spoken over it: what goes wrong becomes a `RemoteError`, and no redirect is followed. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Agent, Dispatcher } from 'undici';
import { parseRetryAfterMs } from '#shared/partners/retry-after.ts';
import type { RemoteFile, RemoteIdentity } from '../remote-connection.ts';
import { RemoteError, type RemoteFault } from '../remote-error.ts';
import type { HttpsClient } from './open-https-client.ts';

export interface HttpsRequest {
  readonly method: string;
  /** Path and query, encoded. */
  readonly target: string;
  readonly origin?: string | undefined;
  /** Of another server that may be shown who we are. */
  readonly isAuthorized?: boolean | undefined;
  /** A redirection is a reply, and not followed. */
  readonly takesRedirects?: boolean | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

export type HttpsReply = Dispatcher.ResponseData;

export interface HttpsRequestsOptions extends HttpsClient {
  /** Headers that show who we are. */
  readonly authorize: (
    request: HttpsRequest,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** After a 401: true when `authorize` has others now. */
  readonly renew?: () => Promise<boolean>;
  /** `text`: the beginning of what the server says; empty where `readsFaults` does not want it. */
  readonly faultOf: (status: number, headers: IncomingHttpHeaders, text: string) => RemoteFault | undefined;
  readonly readsFaults?: (status: number) => boolean;
}

export interface HttpsRead extends Omit<HttpsRequest, 'method'> {
  readonly method?: string;
  readonly range?: 'range' | 'x-ms-range';
  readonly ask?: (request: HttpsRequest) => Promise<HttpsReply>;
}

/** Of what a server says about a fault. */
const MOST_FAULT_BYTES = 65_536;

export class HttpsRequests {
  readonly origin: string;
  readonly #client: Agent;
  readonly #identity: () => RemoteIdentity | undefined;
  readonly #authorize: HttpsRequestsOptions['authorize'];
  readonly #renew: HttpsRequestsOptions['renew'];
  readonly #faultOf: HttpsRequestsOptions['faultOf'];
  readonly #readsFaults: NonNullable<HttpsRequestsOptions['readsFaults']>;

  constructor(options: HttpsRequestsOptions) {
    const { client, origin, identity, authorize, renew, faultOf, readsFaults = () => false } = options;
    this.#client = client;
    this.origin = origin;
    this.#identity = identity;
    this.#authorize = authorize;
    this.#renew = renew;
    this.#faultOf = faultOf;
    this.#readsFaults = readsFaults;
  }

  get fingerprint(): string {
    return this.#identity()?.fingerprint ?? '';
  }

  get certificateEndsAt(): string | undefined {
    return this.#identity()?.certificateEndsAt;
  }

  get isUsable(): boolean {
    return !this.#client.destroyed && !this.#client.closed;
  }

  async close(): Promise<void> {
    await this.#client.destroy().catch(() => {});
  }

  /** Resolves to a reply below 300, or to a 416. */
  async ask(doing: string, request: HttpsRequest): Promise<HttpsReply> {
    const { origin = this.origin, body } = request;
    const isShown = origin === this.origin || request.isAuthorized === true;
    let reply = await this.#send(doing, request, isShown);
    const isRepeatable = body === undefined || typeof body === 'string';
    if (reply.statusCode === 401 && isShown && isRepeatable && this.#renew !== undefined && (await this.#renew())) {
      await reply.body.dump();
      reply = await this.#send(doing, request, isShown);
    }
    const { statusCode, headers } = reply;
    if (statusCode < 300 || statusCode === 416) return reply;
    if (statusCode < 400 && request.takesRedirects === true) return reply;
    const text = this.#readsFaults(statusCode) ? await this.#beginning(doing, reply) : '';
    await reply.body.dump();
    throw new RemoteError(this.#faultOf(statusCode, headers, text) ?? 'refused', `could not ${doing}`, {
      reply: statusCode,
      retryAfterMs: parseRetryAfterMs(headers, Date.now()),
    });
  }

  async #send(doing: string, request: HttpsRequest, isShown: boolean): Promise<HttpsReply> {
    const { method, target, origin = this.origin, headers = {}, body } = request;
    const shown = isShown ? await this.#authorize(request) : {};
    try {
      return await this.#client.request({
        ...{ origin, method: method as Dispatcher.HttpMethod, path: target, body: (body as never) ?? null },
        headers: { ...headers, ...shown },
      });
    } catch (error) {
      throw this.#lost(doing, error);
    }
  }

  async #beginning(doing: string, { body }: HttpsReply): Promise<string> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of this.received(doing, body)) {
      pieces.push(piece);
      bytes += piece.byteLength;
      if (bytes > MOST_FAULT_BYTES) break;
    }
    return Buffer.concat(pieces).toString();
  }

  /** Of what has no reply but its status. */
  async done(doing: string, request: HttpsRequest): Promise<HttpsReply> {
    const reply = await this.ask(doing, request);
    await reply.body.dump();
    return reply;
  }

  async *received(doing: string, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      throw this.#lost(doing, error);
    }
  }

  /**
   * The bytes of a file from `offset` on, whether the server gives ranges or only the whole. `range`: the header that asks for it. `ask`: in
   * place of a plain request.
   */
  async *read(
    { range = 'range', ask = (request) => this.ask('read the file', request), ...request }: HttpsRead,
    offset: number,
  ): AsyncIterable<Uint8Array> {
    const headers = {
      ...request.headers,
      ...{ 'accept-encoding': 'identity', ...(offset > 0 && { [range]: `bytes=${offset}-` }) },
    };
    const { statusCode, headers: replied, body } = await ask({ method: 'GET', ...request, headers });
    if (statusCode === 416) return await body.dump();
    // What was stored with an encoding is given as it is stored, since no other was asked for.
    const isEncoded = range === 'range' && ![undefined, 'identity'].includes(replied['content-encoding'] as string);
    if (isEncoded || (statusCode !== 200 && statusCode !== 206)) {
      body.destroy();
      throw new RemoteError('protocol', 'the server does not give the bytes of the file', { reply: statusCode });
    }
    // Some servers have no ranges.
    let skipped = statusCode === 206 ? offset : 0;
    if (statusCode === 206 && !`${replied['content-range']}`.startsWith(`bytes ${offset}-`)) {
      body.destroy();
      throw new RemoteError('protocol', 'the server gives another part of the file than was asked for');
    }
    for await (const piece of this.received('read the file', body)) {
      const left = piece.subarray(Math.min(piece.length, offset - skipped));
      skipped += piece.length - left.length;
      if (left.length > 0) yield left;
    }
  }

  #lost(doing: string, error: unknown): RemoteError {
    this.#client.destroy().catch(() => {});
    if (error instanceof RemoteError) return error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (/TIMEOUT/.test(code)) return new RemoteError('stalled', `could not ${doing}: nothing came from the server`);
    if (/HPE_|PARSER/.test(code)) return new RemoteError('protocol', `could not ${doing}: the reply is not HTTP`);
    return new RemoteError('lost', `could not ${doing}: the connection ended`);
  }
}

/** `/a b/c` as it is in a URL. */
export function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** RFC 3339, UTC, to the second, of a date as HTTP writes it. */
export function timeOf(date: string | undefined): string | undefined {
  const time = Date.parse(date?.trim() ?? '');
  return Number.isNaN(time) || time <= 0 ? undefined : new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Size and time of a file as the headers of a reply tell them. */
export function fileOf(headers: IncomingHttpHeaders): RemoteFile | undefined {
  const size = headers['content-length'];
  if (size === undefined || !/^\d{1,15}$/.test(size)) return undefined;
  return { sizeBytes: Number(size), modifiedAt: timeOf(headers['last-modified']) };
}
