/**
 * The pages of the console and of the portal, as `console/build-pages.ts` made them.
 *
 * 1. A page is a document without anything of its own in it: scripts and styles are files of ours, and the policy takes nothing else.
 * 2. Documents are never stored; what has a digest in its name is kept for a year.
 * 3. While there is no build, the address answers with a page that says so and asks again.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiServer } from '../http/api-server.ts';

export interface ServePagesOptions {
  /** Where the pages are built; next to the services when absent. */
  readonly pagesDirectory?: string | undefined;
  /** Origins that the portal sends files to, such as the landing bucket's. */
  readonly uploadOrigins?: readonly string[] | undefined;
}

const PAGES = ['console', 'portal'] as const;
type Page = (typeof PAGES)[number];

const BUILT = fileURLToPath(new URL('../../../console/dist', import.meta.url));
/** As `console/build-pages.ts` writes it. */
const FAILURE = 'build-failed.txt';
const NONCE = 'CSP_NONCE';
const NONCE_BYTES = 16;
const AGAIN_SECONDS = 1;

export async function servePages(
  app: ApiServer,
  { pagesDirectory: directory = BUILT, uploadOrigins = [] }: ServePagesOptions,
): Promise<void> {
  app.addHook('onRoute', (route) => {
    if (/^\/(?:console|portal)(?:\/|$)/.test(route.url)) route.config = { ...route.config, isPublic: true };
  });

  for (const page of PAGES) {
    await app.register(fastifyStatic, {
      root: join(directory, 'assets'),
      prefix: `/${page}/assets/`,
      decorateReply: false,
      preCompressed: true,
      index: false,
      immutable: true,
      maxAge: '365d',
      suppressWarning: true,
      setHeaders: (reply) => void reply.headers({ 'cross-origin-resource-policy': 'same-origin' }),
    });
    const answer = (_request: FastifyRequest, reply: FastifyReply) =>
      sendPage(reply, { page, directory, connectTo: page === 'portal' ? uploadOrigins : [] });
    app.get(`/${page}`, { schema: { hide: true } }, answer);
    app.get(`/${page}/*`, { schema: { hide: true } }, answer);
  }
  // The support view: pages of the portal, on the console's host, where the portal's own addresses need not be.
  app.get('/console/as/*', { schema: { hide: true } }, (_request, reply) =>
    sendPage(reply, { page: 'portal', directory, connectTo: [], assetsOf: 'console' }),
  );
}

interface PageToSend {
  readonly page: Page;
  readonly directory: string;
  readonly connectTo: readonly string[];
  /** Where its scripts and styles are fetched; of the page itself when absent. */
  readonly assetsOf?: Page;
}

/** One document for every view: the address is read in the browser. */
async function sendPage(reply: FastifyReply, { page, directory, connectTo, assetsOf = page }: PageToSend) {
  const nonce = randomBytes(NONCE_BYTES).toString('base64url');
  reply.headers(headersOf(nonce, connectTo)).type('text/html; charset=utf-8');
  const document = await readText(join(directory, `${page}.html`));
  if (document !== undefined)
    return reply.send(document.replaceAll(NONCE, nonce).replaceAll(`/${page}/assets/`, `/${assetsOf}/assets/`));
  return await sendWaiting(reply, page, directory);
}

async function sendWaiting(reply: FastifyReply, page: Page, directory: string) {
  const failure = await readText(join(directory, FAILURE));
  reply.code(503).header('retry-after', AGAIN_SECONDS);
  if (failure === undefined)
    return reply.send(shortPage(`The ${page} is being built`, 'It will be here in a moment.', true));
  return reply.send(shortPage(`The ${page} could not be built`, failure, false));
}

function shortPage(title: string, text: string, isAskedAgain: boolean): string {
  const again = isAskedAgain ? `<meta http-equiv="refresh" content="${AGAIN_SECONDS}">` : '';
  return `<!doctype html><html lang="en"><meta charset="utf-8">${again}<title>${title}</title><h1>${title}</h1><pre>${escapeHtml(text)}</pre></html>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function headersOf(nonce: string, connectTo: readonly string[]): Record<string, string> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    ['connect-src', "'self'", ...connectTo].join(' '),
    "worker-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    // The one policy names our own worker; no other may be made.
    'trusted-types longshore-worker',
  ];
  return {
    'content-security-policy': policy.join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'cache-control': 'no-store',
  };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
