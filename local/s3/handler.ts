/** What a handler of one S3 operation is given, and what it answers. */
import type { OpenBody } from '#local/s3/body-store.ts';
import type { ObjectStore } from '#local/s3/object-store.ts';
import type { S3Request } from '#local/s3/s3-request.ts';
import type { Authenticated } from '#local/s3/signature.ts';

export interface S3Call {
  readonly request: S3Request;
  readonly auth: Authenticated;
  readonly store: ObjectStore;
  readonly region: string;
  /** Tells a client that waits with `Expect: 100-continue` to send its body. */
  readonly acceptBody: () => void;
}

export interface S3Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** XML, or the bytes `start` up to `end` of a body, which the server closes. */
  readonly content?: string | { readonly body: OpenBody; readonly start: number; readonly end: number };
}

export type S3Handler = (call: S3Call) => S3Reply | Promise<S3Reply>;

export function xmlReply(content: string, headers: Readonly<Record<string, string>> = {}): S3Reply {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, content };
}

export function header(call: S3Call, name: string): string | undefined {
  const value = call.request.message.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
