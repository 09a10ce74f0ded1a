/**
 * Every failure of a request as `{code, message, hint, details?}`.
 *
 * 1. What the caller did wrong is a 4xx with each fault named; what we did wrong is a 5xx that says nothing of how.
 * 2. Never a stack, a statement or a value of the database: what is not one of ours becomes `INTERNAL` and is logged with its cause.
 */
import type { FastifyError } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { isLostDatabase } from '#shared/db/run-statements.ts';
import { ERROR_CODES, type ErrorCode, LongshoreError } from '#shared/errors.ts';

export const errorBodySchema = z
  .object({
    code: z.string().describe('Stable code to match on.'),
    message: z.string(),
    hint: z.string().describe('What to do.'),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof errorBodySchema>;

export interface ErrorReply {
  readonly status: number;
  readonly body: ErrorBody;
}

const STATUSES: Partial<Record<ErrorCode, number>> = {
  REQUEST_INVALID: 400,
  UNAUTHENTICATED: 401,
  SESSION_ENDED: 401,
  SESSION_REQUIRED: 403,
  CROSS_SITE_REFUSED: 403,
  SIGN_IN_AGAIN: 403,
  PERSON_EXISTS: 409,
  PERSON_ROLE_ELSEWHERE: 409,
  MAIL_CODE_NEEDED: 403,
  LINK_INVALID: 410,
  SIGN_IN_INSECURE: 403,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  PULL_NOT_FOUND: 404,
  REMOTE_NOT_FOUND: 404,
  SOURCE_NOT_FOUND: 404,
  FILE_NOT_QUARANTINED: 409,
  JOB_NOT_RETRYABLE: 409,
  JOB_NOT_OPEN: 409,
  JOB_NOT_IN_LINE: 409,
  EFFECT_NOT_IN_DOUBT: 409,
  HOLD_RELEASED: 409,
  RECIPIENT_HELD: 409,
  FILE_EXPIRED: 410,
  FILE_NOT_ARCHIVED: 409,
  OCCURRENCE_OVER: 409,
  BATCH_CLOSED: 409,
  JOB_NOT_HELD: 409,
  CAMPAIGN_ENDED: 409,
  CAMPAIGN_NOT_READY: 409,
  TEMPLATE_NOT_READY: 409,
  TEMPLATE_NO_UNSUBSCRIBE: 422,
  JOB_HAS_NO_RECORDS: 409,
  RECORDS_NOT_RETRYABLE: 409,
  RECORDS_AMBIGUOUS: 409,
  FILE_NOT_ROUTED: 409,
  JOB_NOT_ENDED: 409,
  JOB_SUPERSEDED: 409,
  JOB_EXISTS: 409,
  JOB_IS_BRANCH: 409,
  RESEND_OF_RECORDS: 409,
  TENANT_DISABLED: 409,
  USERNAME_TAKEN: 409,
  SFTP_KEY_KNOWN: 409,
  ROUTE_DISABLED: 409,
  ACTION_EXPIRED: 409,
  ACTION_NOT_IN_STATE: 409,
  ACTION_SAME_PERSON: 403,
  PROPOSAL_NOT_OPEN: 409,
  UPLOAD_IN_PROGRESS: 409,
  UPLOAD_INCOMPLETE: 409,
  UPLOAD_ENDED: 409,
  UPLOAD_LINK_INVALID: 404,
  UPLOAD_STALLED: 408,
  DEFINITION_CHANGED: 412,
  PARTNER_CHANGED: 409,
  PARTNER_NO_TEST: 409,
  PAYLOAD_TOO_LARGE: 413,
  UPLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  NAME_REJECTED: 422,
  REASON_WITHOUT_TICKET: 422,
  UPLOAD_MISMATCH: 422,
  RENDER_FAILED: 422,
  IDEMPOTENCY_KEY_REUSED: 422,
  YAML_SYNTAX: 422,
  ROUTE_INVALID: 422,
  ROUTE_TOO_COMPLEX: 422,
  ACTION_FILTER_EMPTY: 422,
  ACTION_TOO_LARGE: 422,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  DEPENDENCY_UNAVAILABLE: 503,
  OBJECT_STORE_UNAVAILABLE: 503,
  SECRET_UNAVAILABLE: 503,
  READER_LOST: 503,
  REQUEST_TIMEOUT: 503,
};

/** `statement_timeout`. */
const STATEMENT_CANCELLED = '57014';

export function toErrorReply(error: unknown): ErrorReply {
  const known = asLongshoreError(error);
  const { code, message, hint, details } = known;
  return {
    status: STATUSES[code] ?? 500,
    body: { code, message, hint, ...(Object.keys(details).length === 0 ? {} : { details }) },
  };
}

function asLongshoreError(error: unknown): LongshoreError {
  // Its message names the bucket, and the address that did not answer.
  if (error instanceof LongshoreError && error.code === 'OBJECT_STORE_UNAVAILABLE')
    return new LongshoreError(error.code, 'The object store did not answer.', { cause: error });
  if (error instanceof LongshoreError) return error.code in STATUSES ? error : internal(error);
  if (hasZodFastifySchemaValidationErrors(error)) return requestInvalid(error);
  const { code = '', statusCode } = error as Partial<FastifyError>;
  if (code === STATEMENT_CANCELLED)
    return new LongshoreError('REQUEST_TIMEOUT', 'The request could not be answered in time.');
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE' || statusCode === 413)
    return new LongshoreError('PAYLOAD_TOO_LARGE', 'The body is larger than this endpoint takes.');
  if (statusCode === 415)
    return new LongshoreError('UNSUPPORTED_MEDIA_TYPE', 'The content type of the body is not taken here.');
  if (isOfTheRequest(error))
    return new LongshoreError('REQUEST_INVALID', describeFastifyError(error as Partial<FastifyError>));
  if (isOfLostDatabase(error))
    return new LongshoreError('DEPENDENCY_UNAVAILABLE', 'The database did not answer.', { cause: error });
  return internal(error);
}

function internal(cause: unknown): LongshoreError {
  return new LongshoreError('INTERNAL', ERROR_CODES.INTERNAL.meaning, {
    cause,
    hint: 'Report it with the request id in the header `x-request-id`.',
  });
}

/** As people call them; the framework's own names are of its code. */
const PLACES: Readonly<Record<string, string>> = {
  params: 'path',
  querystring: 'query',
  body: 'body',
  headers: 'header',
};

function requestInvalid(error: {
  readonly validation: readonly { readonly instancePath: string; readonly message?: string | undefined }[];
  readonly validationContext?: string | undefined;
}): LongshoreError {
  const context = error.validationContext ?? 'request';
  const place = PLACES[context] ?? context;
  const faults = error.validation.slice(0, 50).map(({ instancePath, message = 'is invalid' }) => ({
    field: instancePath.replace(/^\//, '').replaceAll('/', '.') || `(${place})`,
    message,
  }));
  const text = faults.map(({ field, message }) => `${field}: ${message}`).join('; ');
  return new LongshoreError('REQUEST_INVALID', `The ${place} is not valid: ${text}`.slice(0, 2_000), {
    details: { in: context, faults },
  });
}

function isOfTheRequest(error: unknown): boolean {
  const { statusCode = 500 } = error as Partial<FastifyError>;
  return statusCode >= 400 && statusCode < 500;
}

/** Fixed sentences: the original ones quote what was sent. */
function describeFastifyError({ code = '' }: Partial<FastifyError>): string {
  if (code === 'FST_ERR_BAD_URL') return 'The path is not a well-formed URL path: check its percent-encoding.';
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') return 'A part of the path is too long.';
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH') return 'The body is not as long as Content-Length says.';
  if (code === '' || code.includes('JSON'))
    return 'The body is not well-formed JSON, or uses a forbidden key such as `__proto__`.';
  return 'The request is malformed.';
}

/** Drizzle wraps the driver's error. */
function isOfLostDatabase(error: unknown): boolean {
  for (let current = error, depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    if (isLostDatabase(current)) return true;
    current = current.cause;
  }
  return false;
}
