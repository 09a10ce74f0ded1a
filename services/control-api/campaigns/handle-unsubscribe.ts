/**
 * `/u/TOKEN`: what the unsubscribe link of a mail leads to (RFC 8058).
 *
 * 1. POST unsubscribes, at once, with no questions. GET changes nothing: scanners of mails follow links. It shows one button.
 * 2. Whoever unsubscribed can take it back on that page, by its own button.
 * 3. A forged or altered link is answered alike, and does nothing.
 */
import { z } from 'zod';
import { findUnsubscribe, undoUnsubscribe, unsubscribe } from '#shared/campaigns/suppression-store.ts';
import { readUnsubscribeToken, type Unsubscribe } from '#shared/campaigns/unsubscribe-token.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { readLinkKeys } from '#shared/reviews/link-keys.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';

export interface UnsubscribeParts {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  /** Name in the secret store of what links are signed with; undefined: there are none. */
  readonly linkSecret: string | undefined;
}

const LONGEST_FORM = 1_000;
/** The form of the button that takes it back, and nothing else. */
const UNDO = 'undo=1';
const params = z.object({ token: z.string().max(300) });
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export async function handleUnsubscribe(
  server: ApiServer,
  { sql, secrets, linkSecret }: UnsubscribeParts,
): Promise<void> {
  async function read(token: string): Promise<Unsubscribe | undefined> {
    if (linkSecret === undefined) return undefined;
    return readUnsubscribeToken(token, (await readLinkKeys(secrets, linkSecret)).all);
  }

  // Mail clients and forms send no JSON.
  await server.register(async (app: ApiServer) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: LONGEST_FORM }, (_request, text, done) =>
      done(null, { isUndo: text === UNDO }),
    );

    app.get(
      '/u/:token',
      {
        schema: {
          summary: 'The page of an unsubscribe link; it changes nothing',
          tags: ['campaigns'],
          params,
          produces: ['text/html'],
          response: { 200: z.string(), ...errorReplies },
        },
        config: { isPublic: true },
      },
      async (request, reply) => {
        const link = await read(request.params.token);
        const found = link && (await findUnsubscribe(sql, link));
        return await page(reply).send(writePage(found));
      },
    );

    app.post(
      '/u/:token',
      {
        schema: {
          summary: 'Unsubscribe, by one click (RFC 8058); may be repeated',
          tags: ['campaigns'],
          params,
          produces: ['text/html'],
          response: { 200: z.string(), ...errorReplies },
        },
        config: { isPublic: true },
      },
      async (request, reply) => {
        const link = await read(request.params.token);
        const { isUndo = false } = (request.body ?? {}) as { readonly isUndo?: boolean };
        if (link !== undefined) await (isUndo ? undoUnsubscribe : unsubscribe)(sql, link);
        const found = link && (await findUnsubscribe(sql, link));
        return await page(reply).send(writePage(found));
      },
    );
  });
}

function page<Reply extends { header(name: string, value: string): Reply; type(type: string): Reply }>(
  reply: Reply,
): Reply {
  return reply
    .header('content-security-policy', POLICY)
    .header('referrer-policy', 'no-referrer')
    .header('cache-control', 'no-store')
    .header('x-robots-tag', 'noindex')
    .type('text/html; charset=utf-8');
}

function writePage(found: Awaited<ReturnType<typeof findUnsubscribe>>): string {
  const body = (() => {
    if (found === undefined) return '<p>This link is not valid. Use the link of the mail as it is.</p>';
    const what = `<b>${escaped(found.topic)}</b> of ${escaped(found.tenantName)}`;
    if (!found.isMarketing) return `<p>${what} belongs to a contract and cannot be unsubscribed from.</p>`;
    const undo = '<form method="post"><button name="undo" value="1">Subscribe again</button></form>';
    if (found.isUnsubscribed) return `<p>You get no more mails of ${what}.</p>${found.canUndo ? undo : ''}`;
    return `<p>Mails of ${what}</p><form method="post"><button>Unsubscribe</button></form>`;
  })();
  return `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Unsubscribe</title>${body}</html>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
