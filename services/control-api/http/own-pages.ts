/**
 * Whether a page of ours sent a request: what a cookie counts only with, since browsers send cookies whoever asks them to.
 *
 * 1. `Sec-Fetch-Site` decides, which no page can set; where a browser sends none, `Origin`. A request with neither does not come from a page.
 * 2. What changes something also has to be JSON with a header of ours: neither a form nor a plain cross-site request can have these.
 */
import type { FastifyRequest } from 'fastify';
import { LongshoreError } from '#shared/errors.ts';

const SAFE_METHODS = ['GET', 'HEAD'];

/** @throws LongshoreError `CROSS_SITE_REFUSED` */
export function assertFromOwnPage(request: FastifyRequest, origins: readonly string[]): void {
  if (!isSameOrigin(request, origins)) throw refused('It does not come from a page of this host.');
  if (SAFE_METHODS.includes(request.method)) return;
  if (request.headers['x-longshore'] !== '1') throw refused('It lacks the header `x-longshore: 1`.');
  if (!/^application\/json(?:\s*;|$)/i.test(request.headers['content-type'] ?? ''))
    throw refused('Its content type is not `application/json`.');
}

function isSameOrigin({ headers, protocol, host }: FastifyRequest, origins: readonly string[]): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin } = headers;
  return origin !== undefined && [`${protocol}://${host}`, ...origins].includes(origin);
}

function refused(why: string): LongshoreError {
  return new LongshoreError('CROSS_SITE_REFUSED', `The request is not taken with a session. ${why}`);
}
