/**
 * What code that is traced sees of it: spans of a file's trace, handed on as arguments. Nothing here knows OpenTelemetry.
 *
 * 1. Without tracing all of it is `NO_TRACING`, which does nothing and costs nothing.
 * 2. A span that is never ended is never sent; ending it twice changes nothing. No method throws.
 * 3. Facts are what a log line may hold too: ids, names, counts. No contents of files, no text of errors, no secret.
 */

/** Attributes by the names that the log has for them. */
export type SpanFacts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Span {
  /** W3C trace context, for the messages that this work causes; undefined when nothing is traced. */
  readonly traceparent: string | undefined;
  child(name: string, facts?: SpanFacts): Span;
  /** A call to somebody else that is over. `fault`: its cause, when it was no success. */
  addCall(name: string, call: FinishedCall): void;
  /** `fault`: a cause such as `PARTNER_TIMEOUT`; absent when it went well. */
  end(facts?: SpanFacts, fault?: string): void;
}

export interface FinishedCall {
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly facts: SpanFacts;
  readonly fault?: string | undefined;
}

export interface SpanOptions {
  /** The queue whose message is handled. */
  readonly queue?: string;
  /** When the work began, if before it was known whose it is. */
  readonly startedAt?: Date;
  readonly facts?: SpanFacts;
}

export interface Tracing {
  /** The first span of a file's trace: its registration, which happens once. */
  begin(fileId: string, name: string, options?: SpanOptions): Span;
  /** Any later work on the file. `traceparent`: as its message carried it; without one it hangs below the registration. */
  join(fileId: string, name: string, options?: SpanOptions & { readonly traceparent?: string | undefined }): Span;
  /** Sends what is left, within a second; idempotent. */
  stop(): Promise<void>;
}

/** Of a message that carries a trace context (W3C Trace Context). */
export const TRACEPARENT = 'traceparent';

export const NO_SPAN: Span = { traceparent: undefined, child: () => NO_SPAN, addCall() {}, end() {} };

export const NO_TRACING: Tracing = { begin: () => NO_SPAN, join: () => NO_SPAN, stop: () => Promise.resolve() };

/** The attribute of a message that `span` caused. */
export function traceAttributes(traceparent: string | undefined): Readonly<Record<string, string>> | undefined {
  return traceparent === undefined ? undefined : { [TRACEPARENT]: traceparent };
}

/** Runs `work`, which ends `span`; when it throws, the span ends with the error's code. */
export async function endedBy<Result>(span: Span, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    span.end({}, codeOf(error));
    throw error;
  }
}

/** An error's message can hold anything; its code cannot. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'INTERNAL';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
