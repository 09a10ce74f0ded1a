/**
 * One-time sign-in links of keys, on the machine that the fleet runs on, and signing out.
 *
 * 1. A link is made and used from loopback only, and where `LONGSHORE_CONSOLE_LINKS` says so. Its token is in the fragment of the page's
 *    address, and the page posts it: no log has it, and opening the address uses nothing up.
 * 2. What gives a session is posted by a page of ours: nobody is signed in by another site.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isKeyId } from '#shared/access/permissions.ts';
import { signOut, type Visitor } from '#shared/access/sessions.ts';
import { createSignInLink, linkPathOf, useSignInLink } from '#shared/access/sign-in-links.ts';
import { LongshoreError } from '#shared/errors.ts';
import { visibleText } from '#shared/text/visible-text.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { callerOf, personOf } from '../http/request-guard.ts';
import {
  appOf,
  clearSessionCookies,
  isFromLoopback,
  mayHaveCookies,
  sessionTokenOf,
  setSessionCookie,
} from '../http/session-cookies.ts';
import type { OidcAudiences } from './oidc-audiences.ts';
import type { SignInSettings } from './sign-in-settings.ts';

export interface SignInParts extends Pick<ApiParts, 'sql'> {
  readonly signIn: SignInSettings;
  /** Whether there is a server that sends sign-in mails. */
  readonly hasMail: boolean;
  readonly audiences: OidcAudiences;
}

const USER_AGENT_LENGTH = 200;

export const signedInSchema = z.object({
  app: z.enum(['console', 'portal']).describe('Which of the two the session is for.'),
});

const waysSchema = z.object({
  link: z.boolean().describe('By a one-time link of `longshore console`.'),
  oidc: z.boolean().describe('Operators, at their provider.'),
  tenant_oidc: z.boolean().describe('People of some tenants, at the provider of the tenant.'),
  mail: z.boolean().describe('People of the other tenants, by a link in a mail.'),
});

export function handleLinks(app: ApiServer, { sql, signIn, hasMail, audiences }: SignInParts): void {
  app.post(
    '/api/v1/sign-in-links',
    {
      schema: {
        summary: 'Create a one-time link that signs in with the role of this key; from the same machine only',
        tags: ['access'],
        response: { 201: z.object({ url: z.string(), expires_at: z.string() }), ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      assertLinks(request, signIn);
      if (!isKeyId(caller.keyId))
        throw new LongshoreError('FORBIDDEN', 'A sign-in link takes an API key, and not a token or a session.');
      const made = await createSignInLink(sql, caller);
      if (made === undefined)
        throw new LongshoreError('FORBIDDEN', 'The person who signs in with this key is disabled.', {
          hint: 'Who manages people can enable it: `longshore people list`, `longshore people enable PERSON`.',
        });
      const { token, expiresAt } = made;
      const url = `${request.protocol}://${request.host}${linkPathOf(caller.tenantId, token)}`;
      return await reply.code(201).send({ url, expires_at: expiresAt.toISOString() });
    },
  );

  app.get(
    '/auth/ways',
    {
      schema: {
        summary: 'How people sign in here',
        tags: ['access'],
        security: [],
        response: { 200: waysSchema, ...errorReplies },
      },
      config: { isPublic: true },
    },
    async (request) => ({
      link: signIn.hasLinks && isFromLoopback(request),
      oidc: signIn.oidc !== undefined,
      tenant_oidc: await audiences.hasTenants(),
      mail: hasMail && signIn.portalOrigin !== undefined,
    }),
  );

  app.post(
    '/auth/link',
    {
      schema: {
        summary: 'Sign in with the token of a one-time link',
        tags: ['access'],
        security: [],
        body: z.strictObject({ token: z.string().min(1).max(200) }),
        response: { 200: signedInSchema, ...errorReplies },
      },
      config: { isPublic: true, isSignIn: true },
    },
    async (request, reply) => {
      assertLinks(request, signIn);
      const used = await useSignInLink(sql, { token: request.body.token, visitor: visitorOf(request) });
      if (used === undefined)
        throw new LongshoreError('LINK_INVALID', 'This link is not valid: it was used before, or it has expired.', {
          hint: 'Run `longshore console` for another one.',
        });
      const page = appOf(used.tenantId);
      setSessionCookie(request, reply, page, used.sessionToken);
      return { app: page };
    },
  );

  app.post(
    '/auth/sign-out',
    {
      schema: {
        summary: 'End the session of this request',
        tags: ['access'],
        response: {
          200: z.object({
            signed_out: z.literal(true),
            provider_url: z.string().nullable().describe('Where the person signs out at the provider, too.'),
          }),
          ...errorReplies,
        },
      },
    },
    async (request, reply) => {
      const person = personOf(request);
      await signOut(sql, person);
      clearSessionCookies(request, reply);
      const audience = person.session.way === 'oidc' ? await audiences.find(person.tenantId) : undefined;
      const url = await audience?.provider.signOutUrl(`${audience.origin}/${appOf(person.tenantId)}/sign-in`);
      return { signed_out: true as const, provider_url: url?.href ?? null };
    },
  );
}

export function visitorOf(request: FastifyRequest): Visitor {
  const userAgent = visibleText(request.headers['user-agent'] ?? '').slice(0, USER_AGENT_LENGTH);
  return { address: request.ip, userAgent, oldToken: sessionTokenOf(request) };
}

/** @throws LongshoreError `SIGN_IN_INSECURE` */
export function assertMayHaveCookies(request: FastifyRequest): void {
  if (mayHaveCookies(request)) return;
  throw new LongshoreError('SIGN_IN_INSECURE', 'Signing in takes https, except on the machine that Longshore runs on.');
}

function assertLinks(request: FastifyRequest, { hasLinks }: SignInSettings): void {
  if (hasLinks && isFromLoopback(request)) return;
  throw new LongshoreError(
    'SIGN_IN_INSECURE',
    hasLinks
      ? 'One-time sign-in links are made and used on the machine that Longshore runs on.'
      : 'One-time sign-in links are switched off here: LONGSHORE_CONSOLE_LINKS is not true.',
  );
}
