/**
 * The one HTTP client: one request, one outcome, all of it bounded.
 *
 * 1. It never repeats a request and never follows a redirect: whoever calls decides, and a key never goes to another host.
 * 2. `timeoutMs` is for everything from the first look-up to the last byte, so a reply that trickles ends too.
 * 3. At most `maxBodyBytes` of a reply are held, counted after decompression.
 */
import got, { RequestError, TimeoutError } from 'got';

export interface HttpClientOptions {
  /** For a whole request. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
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
      /** `refused`, `unresolved`: certainly nothing was done. `timeout`, `reset`, `other`: it may have been. */
      readonly cause: 'refused' | 'unresolved' | 'timeout' | 'reset' | 'aborted' | 'other';
      readonly message: string;
    }
  | { readonly type: 'too-large'; readonly status: number; readonly message: string };

export interface HttpClient {
  /** Never rejects. */
  send(request: HttpRequest): Promise<HttpOutcome>;
}

export function createHttpClient({ timeoutMs, maxBodyBytes }: HttpClientOptions): HttpClient {
  const client = got.extend({
    retry: { limit: 0 },
    timeout: { request: timeoutMs },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: true,
  });

  return {
    async send({ method, url, headers = {}, body, signal }) {
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

const CAUSES = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  ENOTFOUND: 'unresolved',
  EAI_AGAIN: 'unresolved',
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
