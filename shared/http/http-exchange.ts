/**
 * The state of one request, however its client reports it: the first end counts, whatever comes after it.
 *
 * A client reports `sent` right before the first byte goes out on a connection that is up, `replied` with the status, then the body.
 */
import { ADDRESS_REFUSED } from './address-guard.ts';
import { decodeBody } from './decode-body.ts';
import type { BodyFault, HttpOutcome, HttpReply, NoReply } from './http-client.ts';

export interface HttpExchangeOptions {
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal | undefined;
  /** Ends what is under way; not called once the reply was read to its end. */
  readonly abort: () => void;
}

/** Of TLS 1.3, in which a client learns only after its handshake that its certificate was refused. */
const REFUSED_CERTIFICATE = /^ERR_SSL_(?:\w+_)?ALERT_(?:\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)$/;

/** What came is not HTTP, or has more headers than the parser takes; undici gives its parser's errors no code. */
const UNREADABLE = /^HPE_|^UND_ERR_HEADERS_OVERFLOW$|^HTTPParserError$|^UND_ERR_RES_CONTENT_LENGTH_MISMATCH$/;

export class HttpExchange {
  readonly outcome: Promise<HttpOutcome>;
  readonly #options: HttpExchangeOptions;
  readonly #resolve: (outcome: HttpOutcome) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = () => this.#end({ cause: 'aborted', message: 'The request was given up.' });
  readonly #chunks: Buffer[] = [];
  #sizeBytes = 0;
  #wasSent = false;
  #isOver = false;
  #head: Pick<HttpReply, 'status' | 'headers'> | undefined;

  constructor(options: HttpExchangeOptions) {
    const { promise, resolve } = Promise.withResolvers<HttpOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.#options = options;
    const end = () => this.#end({ cause: 'timeout', message: 'There was no reply in time.' });
    // Sockets are read between the two.
    this.#timer = setTimeout(() => setImmediate(end), options.timeoutMs);
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal?.aborted === true) this.#onAbort();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  sent(): void {
    this.#wasSent = true;
  }

  replied(status: number, headers: HttpReply['headers']): void {
    this.#head = { status, headers };
  }

  /** False: no more of it is wanted. */
  received(chunk: Buffer): boolean {
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes <= this.#options.maxBodyBytes) this.#chunks.push(chunk);
    else this.#cut({ cause: 'too-large', message: `The reply is over ${this.#options.maxBodyBytes} bytes.` });
    return !this.#isOver;
  }

  /** The body was read to its end. */
  ended(): void {
    if (this.#head !== undefined) this.#finish(this.#head);
  }

  failed(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code ?? error.name) : '';
    const message = error instanceof Error ? error.message : String(error);
    if (!this.#wasSent && code === ADDRESS_REFUSED) this.#end({ cause: 'forbidden', message });
    else if (!this.#wasSent && isCertificateFault(error)) this.#end({ cause: 'untrusted', message });
    else if (this.#wasSent && this.#head === undefined && REFUSED_CERTIFICATE.test(code)) {
      this.#wasSent = false;
      this.#end({ cause: 'untrusted', message });
    } else if (UNREADABLE.test(code)) this.#end({ cause: 'unreadable', message });
    else this.#end({ cause: this.#wasSent ? 'lost' : 'unreachable', message });
  }

  /** The request cannot be written as HTTP. */
  invalid(error: unknown): void {
    this.#end({ cause: 'invalid', message: error instanceof Error ? error.message : String(error) });
  }

  #end({ cause, message }: Pick<NoReply, 'cause' | 'message'>): void {
    if (this.#isOver) return;
    if (this.#head === undefined || cause === 'aborted') {
      this.#close({ type: 'no-reply', wasSent: this.#wasSent, cause, message });
      this.#options.abort();
    } else if (this.#isWhole(this.#head)) this.#finish(this.#head);
    else if (cause === 'timeout') this.#cut({ cause: 'late', message: 'The reply did not end in time.' });
    else this.#cut({ cause: 'cut-off', message: 'The connection was lost before the reply was whole.' });
  }

  /** Whatever came behind it, or how the connection ended: clients are stricter about both than the reply needs. */
  #isWhole({ status, headers }: Pick<HttpReply, 'status' | 'headers'>): boolean {
    return (
      status === 204 || status === 304 || String(headers['content-length'] ?? '').trim() === String(this.#sizeBytes)
    );
  }

  /** The status was received, the body was not. */
  #cut(bodyFault: BodyFault): void {
    if (this.#isOver || this.#head === undefined) return;
    this.#close({ type: 'replied', ...this.#head, body: Buffer.concat(this.#chunks), bodyFault });
    this.#options.abort();
  }

  #finish(head: Pick<HttpReply, 'status' | 'headers'>): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const raw = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    const encoding = head.headers['content-encoding'] ?? (isGzip(raw) ? 'gzip' : undefined);
    if (raw.length === 0 || encoding === undefined) this.#resolve({ type: 'replied', ...head, body: raw });
    else
      void decodeBody(raw, String(encoding), this.#options.maxBodyBytes).then((decoded) =>
        this.#resolve({ type: 'replied', ...head, ...decoded }),
      );
  }

  #close(outcome: HttpOutcome): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#resolve(outcome);
  }
}

/** RFC 1952, 2.3.1. Files that are stored packed are served without a word about it. */
function isGzip([first, second]: Buffer): boolean {
  return first === 0x1f && second === 0x8b;
}

/** Node's names of what is wrong with the other side's certificate. Only the words depend on it: nothing was sent either way. */
export function isCertificateFault(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /CERT|SIGNATURE|ISSUER|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME_MISMATCH|CRL/.test(code);
}
