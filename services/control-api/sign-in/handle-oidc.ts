/**
 * Operators sign in at their OpenID Connect provider: `POST /auth/oidc` begins it, `GET /auth/callback` is where the provider sends the browser.
 *
 * 1. The role comes from a claim of the ID token, by the operator's mapping, at every sign-in; who maps to none is shown what the claim said.
 * 2. A sign-in ends in the browser that began it, once.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Role } from '#shared/access/permissions.ts';
import { newToken } from '#shared/access/random-token.ts';
import { LongshoreError } from '#shared/errors.ts';
import { visibleText } from '#shared/text/visible-text.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { appOf, browserTokenOf, keepBrowserToken, setSessionCookie } from '../http/session-cookies.ts';
import { PAGE_HEADERS, writeWordPage } from '../reviews/write-page.ts';
import { assertMayHaveCookies, visitorOf } from './handle-links.ts';
import type { OidcClaims, OidcProvider } from './oidc-provider.ts';
import { keepOidcSignIn, openProvenSession, useOidcSignIn } from './oidc-sign-ins.ts';

/** Those who sign in at one provider, and what they become here. */
export interface OidcAudience {
  readonly provider: OidcProvider;
  /** A name, or names with dots between for a claim within a claim. */
  readonly rolesClaim: string;
  /** The first that the person has counts. */
  readonly roles: Readonly<Record<string, Role>>;
  /** Where the provider sends browsers back to. */
  readonly origin: string;
}

export interface OidcParts extends Pick<ApiParts, 'sql' | 'logger'> {
  /** Of operators; undefined: there is none. */
  readonly operators: OidcAudience | undefined;
}

const CALLBACK = '/auth/callback';
const MOST_SHOWN = 20;

export function handleOidc(app: ApiServer, { sql, logger, operators }: OidcParts): void {
  app.post(
    '/auth/oidc',
    {
      schema: {
        summary: 'Begin to sign in at the provider of the operators; the page goes to the URL',
        tags: ['access'],
        security: [],
        body: z.strictObject({
          return_to: z.string().max(1_000).default('/console').describe('A path of the console.'),
          again: z
            .boolean()
            .default(false)
            .describe('The provider asks again who it is, for what takes a recent sign-in.'),
        }),
        response: { 200: z.object({ url: z.string() }), ...errorReplies },
      },
      config: { isPublic: true, isSignIn: true },
    },
    async (request, reply) => {
      assertMayHaveCookies(request);
      if (operators === undefined)
        throw new LongshoreError(
          'SIGN_IN_INSECURE',
          'There is no identity provider: LONGSHORE_OIDC_ISSUER is not set.',
        );
      const { return_to: returnTo, again } = request.body;
      const signIn = { state: newToken(), nonce: newToken(), verifier: newToken(), tenantId: null };
      const redirectUri = `${operators.origin}${CALLBACK}`;
      const url = await operators.provider.begin({ ...signIn, redirectUri, again });
      const browser = browserTokenOf(request) ?? newToken();
      await keepOidcSignIn(sql, { ...signIn, browser, returnTo: pathWithin('/console', returnTo) });
      keepBrowserToken(request, reply, browser);
      return { url: url.href };
    },
  );

  app.get(CALLBACK, { schema: { hide: true }, config: { isPublic: true } }, async (request, reply) => {
    const answer = (status: number, title: string, text: string) => sendWord(reply, status, title, text);
    assertMayHaveCookies(request);
    if (operators === undefined) return await answer(404, 'No provider', 'There is no identity provider here.');
    const callback = new URL(request.raw.url ?? '', operators.origin);
    const state = callback.searchParams.get('state') ?? '';
    const browser = browserTokenOf(request);
    const signIn = browser === undefined ? undefined : await useOidcSignIn(sql, { state, browser });
    if (signIn === undefined) return await answer(400, 'Sign in again', NOT_BEGUN);
    const verdict = await operators.provider.finish(callback, signIn);
    if (verdict.type !== 'accepted') {
      const why = verdict.type === 'refused' ? verdict.why : verdict.message;
      logger.warn({ requestId: request.id, why }, 'sign-in at the provider failed');
      if (verdict.type === 'unreachable')
        return await answer(503, 'No answer', 'The identity provider did not answer. Sign in again in a moment.');
      return await answer(403, 'Not signed in', `The identity provider's answer was not accepted: ${why}.`);
    }
    return await finish(request, reply, { ...operators, claims: verdict.claims, returnTo: signIn.returnTo });
  });

  async function finish(
    request: FastifyRequest,
    reply: FastifyReply,
    { claims, roles, rolesClaim, returnTo }: OidcAudience & { claims: OidcClaims; returnTo: string },
  ) {
    const held = namesIn(claimOf(claims, rolesClaim));
    const role = Object.entries(roles).find(([name]) => held.includes(name))?.[1];
    const { email, name } = nameOf(claims);
    if (role === undefined) {
      const seen =
        held.length === 0 ? 'is empty or missing' : `has ${held.slice(0, MOST_SHOWN).join(', ').slice(0, 500)}`;
      const text = `You are ${email ?? name} at the provider, and none of your groups has a role here. The claim ${rolesClaim} ${seen}.`;
      logger.info({ requestId: request.id, subject: claims.sub }, 'sign-in without a role');
      return await sendWord(reply, 403, 'No role', text);
    }
    const person = { issuer: claims.iss, subject: claims.sub, email, name, role, tenantId: null };
    const { auth_time: provedAt } = claims;
    const provedAtMs = typeof provedAt === 'number' ? provedAt * 1_000 : undefined;
    const token = await openProvenSession(sql, { ...person, provedAtMs }, visitorOf(request));
    if (token === undefined) return await sendWord(reply, 403, 'Disabled', 'An administrator has disabled you here.');
    setSessionCookie(request, reply, appOf(person.tenantId), token);
    return await reply.header('cache-control', 'no-store').redirect(returnTo, 303);
  }
}

const NOT_BEGUN = 'This sign-in was not begun in this browser, was used before, or took longer than ten minutes.';

async function sendWord(reply: FastifyReply, status: number, title: string, text: string) {
  return await reply
    .code(status)
    .headers(PAGE_HEADERS)
    .type('text/html; charset=utf-8')
    .send(writeWordPage(title, text));
}

/** `path` when it is one below `base` on this host, else `base`: nobody is sent elsewhere after signing in. */
export function pathWithin(base: string, path: string): string {
  const here = 'http://here.invalid';
  if (!URL.canParse(path, here)) return base;
  const { origin, pathname, search, hash } = new URL(path, here);
  const isWithin = origin === here && (pathname === base || pathname.startsWith(`${base}/`));
  return isWithin ? `${pathname}${search}${hash}` : base;
}

function claimOf(claims: OidcClaims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path.split('.').reduce<unknown>((value, name) => {
    const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, name);
    return isObject ? (value as Record<string, unknown>)[name] : undefined;
  }, claims);
}

function namesIn(claim: unknown): string[] {
  if (typeof claim === 'string') return [claim];
  return Array.isArray(claim) ? claim.filter((name) => typeof name === 'string') : [];
}

const LONGEST_NAME = 254;

function nameOf({ sub, email, email_verified: isVerified, name, preferred_username: username }: OidcClaims) {
  const words = [name, username, email, sub].filter((word) => typeof word === 'string' && word.trim() !== '');
  return {
    email: typeof email === 'string' && email.includes('@') && isVerified !== false ? plain(email).toLowerCase() : null,
    name: plain(String(words[0])),
  };
}

/** As it may be in the audit and on pages. */
function plain(text: string): string {
  return visibleText(text).slice(0, LONGEST_NAME);
}
