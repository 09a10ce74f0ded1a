/**
 * Lets a caller keep an answer for a moment, and ask whether it has changed: `ETag`, `If-None-Match` and 304 (RFC 9110, section 13.1.2).
 * A route takes it as its `onSend`.
 */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SUPPORT_HEADER } from './support-view.ts';

/** Short enough that nobody takes an old answer for the present state. */
const MAX_AGE_SECONDS = 2;

export async function cachePrivately(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  if (reply.statusCode !== 200 || typeof payload !== 'string') return payload;
  const tag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 22)}"`;
  reply.header('etag', tag);
  reply.header('cache-control', `private, max-age=${MAX_AGE_SECONDS}`);
  // A cache must not give one key's answer to another.
  reply.header('vary', `x-api-key, authorization, cookie, ${SUPPORT_HEADER}`);
  if (!isKnown(request.headers['if-none-match'], tag)) return payload;
  reply.code(304).removeHeader('content-type').removeHeader('content-length');
  return null;
}

function isKnown(header: string | undefined, tag: string): boolean {
  const known = header?.split(',').map((part) => part.trim().replace(/^W\//, '')) ?? [];
  return known.includes('*') || known.includes(tag);
}
