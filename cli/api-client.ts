/** Calls of the API: a JSON reply, or an error with the API's own code and hint. */
import { z } from 'zod';
import { ERROR_CODES, type ErrorCode, LongshoreError } from '#shared/errors.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';
import type { HttpOutcome } from '#shared/http/http-client.ts';
import type { Connection } from './find-connection.ts';
import { followEvents, type StreamedEvent } from './follow-events.ts';

export interface ApiCall {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** A body as it is, with headers that vouch for it in place of the key. */
  readonly signed?: { readonly text: string; readonly headers: Readonly<Record<string, string>> };
}

export interface ApiClient {
  /** @throws ApiRefusal, or LongshoreError `API_UNREACHABLE` */
  get<Schema extends z.ZodType>(path: string, schema: Schema, call?: ApiCall): Promise<z.output<Schema>>;
  post<Schema extends z.ZodType>(path: string, schema: Schema, call?: ApiCall): Promise<z.output<Schema>>;
  delete<Schema extends z.ZodType>(path: string, schema: Schema, call?: ApiCall): Promise<z.output<Schema>>;
  /** Events of a stream, until the caller returns; one that broke is opened again where it was. */
  follow(path: string, query: Readonly<Record<string, string>>): AsyncGenerator<StreamedEvent>;
}

/** What the API answered instead of a result. */
export class ApiRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, body: z.infer<typeof refusalSchema>) {
    super(body.message);
    this.name = 'ApiRefusal';
    this.status = status;
    this.code = body.code;
    this.hint = body.hint;
    this.details = body.details;
  }
}

/** `/status` answers an unknown file with a message alone. */
const refusalSchema = z.object({
  code: z.string().default('NOT_FOUND' satisfies ErrorCode),
  message: z.string(),
  hint: z.string().default(ERROR_CODES.NOT_FOUND.remedy),
  details: z.record(z.string(), z.unknown()).default({}),
});

/** Longer than the API's own bound, so that it is the API that says what was late. */
const TIMEOUT_MS = 30_000;
const MAX_BODY_BYTES = 64 * 1_048_576;

export function createApiClient({ api, key }: Connection): ApiClient {
  const http = createGotClient({ timeoutMs: TIMEOUT_MS, maxBodyBytes: MAX_BODY_BYTES });

  async function call<Schema extends z.ZodType>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    schema: Schema,
    { query = {}, body, headers = {}, signed }: ApiCall = {},
  ): Promise<z.output<Schema>> {
    const url = new URL(path.replace(/^\//, ''), api.href.endsWith('/') ? api : `${api.href}/`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const outcome = await http.send({
      method,
      url,
      headers: {
        accept: 'application/json',
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(signed === undefined ? { 'x-api-key': key } : signed.headers),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signed === undefined ? {} : { body: signed.text }),
    });
    const json = parseReply(outcome, api);
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    throw new LongshoreError('API_UNREACHABLE', `What answers at ${api.origin} is not this version of Longshore.`);
  }

  return {
    get: (path, schema, options) => call('GET', path, schema, options),
    post: (path, schema, options) => call('POST', path, schema, options),
    delete: (path, schema, options) => call('DELETE', path, schema, options),
    follow(path, query) {
      const url = new URL(path.replace(/^\//, ''), api.href.endsWith('/') ? api : `${api.href}/`);
      url.search = new URLSearchParams(query).toString();
      return followEvents({ url, key });
    },
  };
}

function parseReply(outcome: HttpOutcome, api: URL): unknown {
  const fault = outcome.type === 'replied' ? outcome.bodyFault : outcome;
  if (outcome.type !== 'replied' || fault !== undefined)
    throw new LongshoreError('API_UNREACHABLE', `${api.origin} does not answer: ${fault?.message}`);
  let json: unknown;
  try {
    json = JSON.parse(outcome.body.toString());
  } catch {
    throw new LongshoreError('API_UNREACHABLE', `${api.origin} answered ${outcome.status} without JSON.`);
  }
  if (outcome.status >= 200 && outcome.status < 300) return json;
  const refusal = refusalSchema.safeParse(json);
  if (refusal.success) throw new ApiRefusal(outcome.status, refusal.data);
  throw new LongshoreError('API_UNREACHABLE', `${api.origin} answered ${outcome.status}, and not as Longshore does.`);
}
