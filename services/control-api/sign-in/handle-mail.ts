/**
 * People of tenants sign in by mail: `POST /auth/mail` asks for a link, `POST /auth/mail/confirm` uses it.
 *
 * 1. The answer says nothing of whether anybody has the address, and does not wait for the mail.
 * 2. The mail's link leads to a page with a button: programs that open links in mails use nothing up.
 */
import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import { z } from 'zod';
import { newToken } from '#shared/access/random-token.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type MailServer, sendMail } from '#shared/notices/send-mail.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { browserTokenOf, keepBrowserToken, setSessionCookie } from '../http/session-cookies.ts';
import { assertMayHaveCookies, signedInSchema, visitorOf } from './handle-links.ts';
import { beginMailSignIn, type MailLink, useMailLink } from './mail-sign-ins.ts';

export interface MailParts extends Pick<ApiParts, 'sql' | 'logger'> {
  /** Undefined: nobody signs in by mail. */
  readonly mailServer: MailServer | undefined;
  readonly secrets: SecretStore;
  /** Where the links lead; the host that a request names could be anybody's. */
  readonly portalOrigin: string | undefined;
}

const DEADLINE_MS = 20_000;
const MAILS_AT_ONCE = 4;
const MOST_MAILS_WAITING = 1_000;
const RETRY_AFTER_SECONDS = 3_600;

export function handleMail(app: ApiServer, { sql, logger, mailServer, secrets, portalOrigin }: MailParts): void {
  const line = pLimit(MAILS_AT_ONCE);

  function mail(server: MailServer, origin: string, to: string, links: readonly MailLink[]): void {
    if (line.pendingCount >= MOST_MAILS_WAITING) {
      logger.warn('too many sign-in mails wait; one was not sent');
      return;
    }
    const message = {
      to: [to],
      ...writeSignInMail(origin, links),
      messageId: `${randomUUID()}@${new URL(origin).hostname}`,
    };
    void line(async () => {
      const outcome = await sendMail(message, { server, secrets, deadlineMs: DEADLINE_MS });
      if (outcome.type !== 'sent') logger.warn({ outcome }, 'a sign-in mail was not sent');
    }).catch((err: unknown) => logger.warn({ err }, 'a sign-in mail was not sent'));
  }

  app.post(
    '/auth/mail',
    {
      schema: {
        summary: 'Ask for a sign-in link by mail; the answer is the same for addresses that nobody has',
        tags: ['access'],
        security: [],
        body: z.strictObject({ email: z.email('is not an e-mail address').max(254).toLowerCase() }),
        response: {
          202: z.object({
            code: z.string().describe('Six digits that the link asks for when it is opened in another browser.'),
            minutes: z.number().describe('How long the link is valid.'),
          }),
          ...errorReplies,
        },
      },
      config: { isPublic: true, isSignIn: true },
    },
    async (request, reply) => {
      assertMayHaveCookies(request);
      if (mailServer === undefined || portalOrigin === undefined)
        throw new LongshoreError(
          'SIGN_IN_INSECURE',
          'Nobody signs in by mail here: LONGSHORE_SMTP_HOST or LONGSHORE_PORTAL_ORIGIN is not set.',
        );
      const { email } = request.body;
      const browser = browserTokenOf(request) ?? newToken();
      const begun = await beginMailSignIn(sql, { email, browser, address: request.ip });
      if (begun === undefined) {
        reply.header('retry-after', RETRY_AFTER_SECONDS);
        throw new LongshoreError('RATE_LIMITED', 'Too many links were asked for. Try again in an hour.', {
          details: { retry_after_seconds: RETRY_AFTER_SECONDS },
        });
      }
      if (begun.links.length > 0) mail(mailServer, portalOrigin, email, begun.links);
      keepBrowserToken(request, reply, browser);
      return await reply.code(202).send({ code: begun.code, minutes: 15 });
    },
  );

  app.post(
    '/auth/mail/confirm',
    {
      schema: {
        summary: 'Sign in with the token of a mailed link',
        tags: ['access'],
        security: [],
        body: z.strictObject({
          token: z.string().min(1).max(200),
          code: z
            .string()
            .regex(/^\d{6}$/, 'is not six digits')
            .optional()
            .describe('In another browser than the one that asked.'),
        }),
        response: { 200: signedInSchema, ...errorReplies },
      },
      config: { isPublic: true, isSignIn: true },
    },
    async (request, reply) => {
      assertMayHaveCookies(request);
      const { token, code } = request.body;
      const result = await useMailLink(sql, {
        token,
        code,
        browser: browserTokenOf(request),
        visitor: visitorOf(request),
      });
      if (result.type === 'code-needed')
        throw new LongshoreError(
          'MAIL_CODE_NEEDED',
          code === undefined ? 'This is not the browser that asked for the link.' : 'The code is not the right one.',
        );
      if (result.type === 'invalid')
        throw new LongshoreError('LINK_INVALID', 'This link is not valid: it was used before, or it has expired.');
      setSessionCookie(request, reply, 'portal', result.sessionToken);
      return { app: 'portal' as const };
    },
  );
}

function writeSignInMail(origin: string, links: readonly MailLink[]): { subject: string; text: string } {
  return {
    subject: 'Your sign-in link',
    text: [
      ...links.map(({ tenant, token }) => `Sign in for ${tenant}:\n${origin}/portal/sign-in#mail=${token}\n`),
      'The link is valid for 15 minutes and works once.',
      'If you did not ask for it, you need not do anything: without you nobody can sign in with it.',
      '',
    ].join('\n'),
  };
}
