/**
 * Operators, and people of tenants, sign in at their OpenID Connect provider: `POST /auth/oidc` begins it, `GET /auth/callback` is where the
 * provider sends the browser, and `GET /auth/callback/{tenant}` where a tenant's does.
 *
 * 1. The role comes from a claim of the ID token, by the operator's mapping, at every sign-in; who maps to none is shown what the claim said.
 * 2. A sign-in ends in the browser that began it, once.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { newToken } from '#shared/access/random-token.ts';
import { LongshoreError } from '#shared/errors.ts';
import { visibleText } from '#shared/text/visible-text.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { tenantField } from '../http/request-fields.ts';
import { appOf, browserTokenOf, keepBrowserToken, setSessionCookie } from '../http/session-cookies.ts';
import { PAGE_HEADERS, writeTextPage } from '../reviews/write-page.ts';
import { assertMayHaveCookies, visitorOf } from './handle-links.ts';
import { CALLBACK, type OidcAudience, type OidcAudiences } from './oidc-audiences.ts';
import type { OidcClaims } from './oidc-provider.ts';
import { keepOidcSignIn, openProvenSession, useOidcSignIn } from './oidc-sign-ins.ts';

export interface OidcParts extends Pick<ApiParts, 'sql' | 'logger'> {
  readonly audiences: OidcAudiences;
}

const MOST_SHOWN = 20;

export function handleOidc(app: ApiServer, { sql, logger, audiences }: OidcParts): void {
  app.post(
    '/auth/oidc',
    {
      schema: {
        summary: 'Begin to sign in at the provider of the operators, or of a tenant; the page goes to the URL',
        tags: ['access'],
        security: [],
        body: z.strictObject({
          tenant: tenantField.optional().describe('Whose provider; without it, that of the operators.'),
          return_to: z.string().max(1_000).default('').describe('A path of the console, or of the portal.'),
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
      const { tenant: tenantId = null, return_to: returnTo, again } = request.body;
      const audience = await audiences.find(tenantId);
      if (audience === undefined)
        throw tenantId === null
          ? new LongshoreError('SIGN_IN_INSECURE', 'There is no identity provider: LONGSHORE_OIDC_ISSUER is not set.')
          : new LongshoreError('NOT_FOUND', 'There is no organisation of this id whose people sign in at a provider.');
      const signIn = { state: newToken(), nonce: newToken(), verifier: newToken(), tenantId };
      const url = await audience.provider.begin({ ...signIn, redirectUri: audience.redirectUri, again });
      const browser = browserTokenOf(request) ?? newToken();
      await keepOidcSignIn(sql, { ...signIn, browser, returnTo: pathWithin(`/${appOf(tenantId)}`, returnTo) });
      keepBrowserToken(request, reply, browser);
      return { url: url.href };
    },
  );

  const isPublic = { schema: { hide: true }, config: { isPublic: true } } as const;
  app.get(CALLBACK, isPublic, (request, reply) => comeBack(request, reply, null));
  app.get<{ Params: { tenant: string } }>(`${CALLBACK}/:tenant`, isPublic, (request, reply) =>
    comeBack(request, reply, request.params.tenant),
  );

  async function comeBack(request: FastifyRequest, reply: FastifyReply, tenantId: string | null) {
    const answer = (status: number, title: string, text: string) => sendWord(reply, status, title, text);
    assertMayHaveCookies(request);
    const audience = await audiences.find(tenantId);
    if (audience === undefined) return await answer(404, 'No provider', 'There is no identity provider here.');
    const callback = new URL(request.raw.url ?? '', audience.origin);
    const state = callback.searchParams.get('state') ?? '';
    const browser = browserTokenOf(request);
    const signIn = browser === undefined ? undefined : await useOidcSignIn(sql, { state, browser });
    if (signIn === undefined || signIn.tenantId !== tenantId) return await answer(400, 'Sign in again', NOT_BEGUN);
    const verdict = await audience.provider.finish(callback, signIn);
    if (verdict.type !== 'accepted') {
      const why = verdict.type === 'refused' ? verdict.why : verdict.message;
      logger.warn({ requestId: request.id, why }, 'sign-in at the provider failed');
      if (verdict.type === 'unreachable')
        return await answer(503, 'No answer', 'The identity provider did not answer. Sign in again in a moment.');
      return await answer(403, 'Not signed in', `The identity provider's answer was not accepted: ${why}.`);
    }
    return await finish(request, reply, { ...audience, claims: verdict.claims, returnTo: signIn.returnTo });
  }

  async function finish(
    request: FastifyRequest,
    reply: FastifyReply,
    { tenantId, issuer, claims, roles, rolesClaim, returnTo }: OidcAudience & { claims: OidcClaims; returnTo: string },
  ) {
    const held = namesIn(provenClaimOf(claims, rolesClaim));
    const role = Object.entries(roles).find(([name]) => held.includes(name))?.[1];
    const { email, name } = nameOf(claims);
    if (role === undefined) {
      const seen =
        held.length === 0 ? 'is empty or missing' : `has ${held.slice(0, MOST_SHOWN).join(', ').slice(0, 500)}`;
      const text = `You are ${email ?? name} at the provider, and none of your groups has a role here. The claim ${rolesClaim} ${seen}.`;
      logger.info({ requestId: request.id, subject: claims.sub }, 'sign-in without a role');
      return await sendWord(reply, 403, 'No role', text);
    }
    // A tenant's as its document writes it: sessions end when it writes another.
    const person = {
      issuer: tenantId === null ? claims.iss : issuer,
      subject: claims.sub,
      email,
      name,
      role,
      tenantId,
    };
    const { auth_time: provedAt } = claims;
    const provedAtMs = typeof provedAt === 'number' ? provedAt * 1_000 : undefined;
    const token = await openProvenSession(sql, { ...person, provedAtMs }, visitorOf(request));
    if (token === undefined)
      return await sendWord(reply, 403, 'Disabled', 'An administrator has disabled you, or your organisation, here.');
    setSessionCookie(request, reply, appOf(tenantId), token);
    return await reply.header('cache-control', 'no-store').redirect(returnTo, 303);
  }
}

const NOT_BEGUN = 'This sign-in was not begun in this browser, was used before, or took longer than ten minutes.';

async function sendWord(reply: FastifyReply, status: number, title: string, text: string) {
  return await reply
    .code(status)
    .headers(PAGE_HEADERS)
    .type('text/html; charset=utf-8')
    .send(writeTextPage(title, text));
}

/** `path` when it is one below `base` on this host, else `base`: nobody is sent elsewhere after signing in. */
export function pathWithin(base: string, path: string): string {
  const here = 'http://here.invalid';
  if (!URL.canParse(path, here)) return base;
  const { origin, pathname, search, hash } = new URL(path, here);
  const isWithin = origin === here && (pathname === base || pathname.startsWith(`${base}/`));
  return isWithin ? `${pathname}${search}${hash}` : base;
}

/** An address that nobody proved to have is anybody's to claim. */
function provenClaimOf(claims: OidcClaims, path: string): unknown {
  return path === 'email' && claims.email_verified !== true ? undefined : claimOf(claims, path);
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
