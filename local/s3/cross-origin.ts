/**
 * Cross-origin requests of browsers, as a bucket's CORS rules allow them (Amazon S3, "Using cross-origin resource sharing"): for a list of
 * origins, to put and to get by presigned URLs, and to see what a client compares.
 *
 * A preflight carries no signature and changes nothing, so it is answered before anything is authenticated. To other origins the answers
 * say nothing, and the browser keeps them from the page.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

const METHODS = ['PUT', 'GET', 'HEAD'];
const EXPOSED = ['etag', 'x-amz-checksum-crc64nvme', 'x-amz-version-id', 'x-amz-request-id'];
const ALLOWED_HEADER = /^(?:content-type|content-length|x-amz-[a-z0-9-]+)$/;
const PREFLIGHT_SECONDS = 3_600;

/** True: it was a preflight, and is answered. */
export function answerCrossOrigin(
  message: IncomingMessage,
  response: ServerResponse,
  origins: ReadonlySet<string>,
): boolean {
  const { origin } = message.headers;
  if (origin === undefined) return false;
  const isPreflight = message.method === 'OPTIONS';
  const isAllowed = origins.has(origin) && (!isPreflight || allowsPreflight(message));
  response.setHeader('vary', 'origin');
  if (isAllowed) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', EXPOSED.join(', '));
  }
  if (!isPreflight) return false;
  if (isAllowed) {
    response.setHeader('access-control-allow-methods', METHODS.join(', '));
    response.setHeader('access-control-allow-headers', requestedHeaders(message).join(', '));
    response.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
  }
  response.statusCode = isAllowed ? 200 : 403;
  response.end();
  return true;
}

function allowsPreflight(message: IncomingMessage): boolean {
  const method = message.headers['access-control-request-method'] ?? '';
  return METHODS.includes(method) && requestedHeaders(message).every((name) => ALLOWED_HEADER.test(name));
}

function requestedHeaders({ headers }: IncomingMessage): string[] {
  return String(headers['access-control-request-headers'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}
