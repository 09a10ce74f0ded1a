/**
 * Calls of the API from a page: same origin, by the session's cookie.
 *
 * 1. Every call ends: with a reply, with a `Problem`, or at its deadline.
 * 2. What changes something says that it is ours (`x-longshore`), which no other site's page can.
 */
import type { ErrorBody } from '#services/control-api/http/error-reply.ts';
import { noteAnswer, noteSignedOut, noteSilence } from './connection.ts';
import { Problem, unreachable } from './problem.ts';
import { supportedTenant } from './support-view.ts';

export type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface CallOptions {
  /** Lists are sent with commas; what is undefined or empty is left out. */
  readonly query?: Readonly<Record<string, QueryValue>> | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface Reply<Body> {
  readonly body: Body;
  readonly headers: Headers;
}

/** A little more than the API takes at most. */
const DEADLINE_MS = 25_000;
const UNAUTHENTICATED = 401;
/** Of a proxy whose API is down. */
const GATEWAY_FAULTS: ReadonlySet<number> = new Set([502, 504]);

/** @throws Problem */
export async function get<Body>(path: string, options: Omit<CallOptions, 'body'> = {}): Promise<Body> {
  return (await call<Body>('GET', path, options)).body;
}

/** @throws Problem */
export async function post<Body>(path: string, body: unknown = {}, options: CallOptions = {}): Promise<Body> {
  return (await call<Body>('POST', path, { ...options, body })).body;
}

/** @throws Problem */
export async function call<Body>(method: string, path: string, options: CallOptions = {}): Promise<Reply<Body>> {
  const { query = {}, body, headers = {}, signal } = options;
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const response = await fetch(`${path}${queryText(query)}`, {
    method,
    headers: {
      accept: 'application/json',
      'x-longshore': '1',
      ...(supportedTenant !== undefined && { 'x-longshore-as': supportedTenant }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    credentials: 'same-origin',
    redirect: 'error',
    signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    noteSilence();
    throw unreachable();
  });
  const parsed = await readJson(response);
  if (parsed === undefined || GATEWAY_FAULTS.has(response.status)) {
    noteSilence();
    throw unreachable();
  }
  noteAnswer();
  if (response.ok) return { body: parsed as Body, headers: response.headers };
  if (response.status === UNAUTHENTICATED) noteSignedOut();
  throw new Problem(response.status, parsed as ErrorBody, response.headers.get('x-request-id') ?? undefined);
}

/** Undefined: not the API's, whose answers are JSON. */
async function readJson(response: Response): Promise<unknown> {
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

export function queryText(query: Readonly<Record<string, QueryValue>>): string {
  const entries = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    const text = Array.isArray(value) ? value.join(',') : String(value ?? '');
    return text === '' ? [] : [[name, text]];
  });
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`;
}
