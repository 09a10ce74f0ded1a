/**
 * The cookies of sessions: one for the console, one for the portal, so that a browser shows which it has.
 *
 * 1. `__Host-` and `Secure` keep other hosts and open lines away from them. Without TLS they are taken and given on loopback only.
 * 2. A browser has one session: signing in to one app ends the cookie of the other.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';

export type SignInApp = 'console' | 'portal';

const APPS: readonly SignInApp[] = ['console', 'portal'];
const LOOPBACK_ADDRESS = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]', '::1'];
/** As long as the longest session. */
const MAX_AGE_SECONDS = 12 * 3_600;
/** Longer than any way of signing in takes. */
const SIGN_IN_SECONDS = 3_600;

export function appOf(tenantId: string | null): SignInApp {
  return tenantId === null ? 'console' : 'portal';
}

/** Whether the request comes from this machine, and not by way of a proxy on it. */
export function isFromLoopback(request: FastifyRequest): boolean {
  const { remoteAddress = '' } = request.raw.socket;
  const isForwarded = request.headers['x-forwarded-for'] !== undefined || request.headers.forwarded !== undefined;
  return !isForwarded && LOOPBACK_ADDRESS.test(remoteAddress) && isLoopbackName(request.hostname);
}

export function isLoopbackName(name: string): boolean {
  return LOOPBACK_NAMES.includes(name);
}

/** Whether cookies may be given at all: over TLS, or on this machine. */
export function mayHaveCookies(request: FastifyRequest): boolean {
  return request.protocol === 'https' || isFromLoopback(request);
}

/** What the browser is known by while it signs in, in all its tabs. */
export function browserTokenOf(request: FastifyRequest): string | undefined {
  const token = request.cookies[nameOf(request, 'sign-in')];
  return token !== undefined && /^[\w-]{43}$/.test(token) ? token : undefined;
}

export function keepBrowserToken(request: FastifyRequest, reply: FastifyReply, token: string): void {
  reply.setCookie(nameOf(request, 'sign-in'), token, { ...attributesOf(request), maxAge: SIGN_IN_SECONDS });
}

export function sessionTokenOf(request: FastifyRequest): string | undefined {
  if (request.headers.cookie === undefined) return undefined;
  return APPS.map((app) => request.cookies[nameOf(request, app)]).find((token) => token !== undefined && token !== '');
}

export function setSessionCookie(request: FastifyRequest, reply: FastifyReply, app: SignInApp, token: string): void {
  clearSessionCookies(request, reply);
  reply.setCookie(nameOf(request, app), token, { ...attributesOf(request), maxAge: MAX_AGE_SECONDS });
}

export function clearSessionCookies(request: FastifyRequest, reply: FastifyReply): void {
  for (const app of APPS) reply.clearCookie(nameOf(request, app), attributesOf(request));
}

function nameOf(request: FastifyRequest, app: SignInApp | 'sign-in'): string {
  return `${isSecure(request) ? '__Host-' : ''}longshore-${app}`;
}

function attributesOf(request: FastifyRequest) {
  return { httpOnly: true, secure: isSecure(request), sameSite: 'lax', path: '/' } as const;
}

function isSecure(request: FastifyRequest): boolean {
  return request.protocol === 'https' || !isFromLoopback(request);
}
