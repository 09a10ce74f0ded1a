import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiServer } from '../http/api-server.ts';
import { keepToHosts } from './app-hosts.ts';
import { servePages } from './serve-pages.ts';

let directory: string;
let app: ApiServer;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-pages-'));
  app = Fastify({ routerOptions: { ignoreTrailingSlash: true } }) as unknown as ApiServer;
  await servePages(app, { pagesDirectory: directory, uploadOrigins: ['https://landing.example'] });
});
afterEach(async () => {
  await app.close();
  await rm(directory, { recursive: true, force: true });
});

async function makePages(): Promise<void> {
  await mkdir(join(directory, 'assets'));
  const page = (name: string) =>
    `<meta nonce="CSP_NONCE"><script type="module" src="/${name}/assets/x-1a.js"></script>`;
  await writeFile(join(directory, 'console.html'), page('console'));
  await writeFile(join(directory, 'portal.html'), page('portal'));
  await writeFile(join(directory, 'assets/x-1a.js'), 'let plain;');
  await writeFile(join(directory, 'assets/x-1a.js.br'), 'brotli');
}

test('every view is the same document, which nobody stores, under a policy without anything inline', async () => {
  await makePages();
  for (const url of ['/console', '/console/', '/console/files/0198?tab=jobs', '/portal/send']) {
    const { statusCode, headers, body } = await app.inject({ url });
    expect([url, statusCode, headers['cache-control']]).toEqual([url, 200, 'no-store']);
    const policy = String(headers['content-security-policy']);
    const nonce = /style-src 'self' 'nonce-([\w-]{22})'/.exec(policy)?.[1];
    expect(body).toContain(`nonce="${nonce}"`);
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/unsafe|\*|https:(?!\/\/landing)/);
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(headers).toMatchObject({
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(headers['strict-transport-security']).toBeUndefined();
  }
  const [first, second] = await Promise.all([app.inject('/console'), app.inject('/console')]);
  expect(first.headers['content-security-policy']).not.toBe(second.headers['content-security-policy']);
});

test('only the portal may send to the landing bucket', async () => {
  await makePages();
  const policyOf = async (url: string) => String((await app.inject(url)).headers['content-security-policy']);
  expect(await policyOf('/portal')).toContain("connect-src 'self' https://landing.example;");
  expect(await policyOf('/console')).toContain("connect-src 'self';");
});

test('assets are kept for a year, compressed when the build was, and never a document', async () => {
  await makePages();
  const plain = await app.inject('/console/assets/x-1a.js');
  expect([plain.body, plain.headers['cache-control']]).toEqual(['let plain;', 'public, max-age=31536000, immutable']);
  const packed = await app.inject({ url: '/portal/assets/x-1a.js', headers: { 'accept-encoding': 'br, gzip' } });
  expect([packed.body, packed.headers['content-encoding']]).toEqual(['brotli', 'br']);
  for (const url of ['/console/assets/gone.js', '/console/assets/..%2fconsole.html'])
    expect([url, (await app.inject(url)).statusCode]).toEqual([url, 404]);
});

test('a page that is not built yet says so and asks again; one that cannot be built says why, as text', async () => {
  const waiting = await app.inject('/console/files');
  expect([waiting.statusCode, waiting.headers['retry-after']]).toEqual([503, '1']);
  expect(waiting.body).toContain('http-equiv="refresh"');
  await writeFile(join(directory, 'build-failed.txt'), 'x.tsx: <script>alert(1)</script>');
  const failed = await app.inject('/console');
  expect(failed.statusCode).toBe(503);
  expect(failed.body).toContain('x.tsx: &lt;script&gt;');
  expect(failed.body).not.toContain('refresh');
});

describe('a host has its own app', () => {
  const CONSOLE = 'https://console.internal';
  const PORTAL = 'https://portal.example';
  const PAGES = ['/console', '/console/files', '/console/assets/x-1a.js', '/portal', '/portal/send'] as const;
  /** Of the pages, those that are answered. */
  async function pagesAt(origins: readonly [string | undefined, string | undefined], headers: Record<string, string>) {
    const here: ApiServer = Fastify({ trustProxy: true }) as unknown as ApiServer;
    const [consoleOrigin, portalOrigin] = origins;
    keepToHosts(here, { consoleOrigin, portalOrigin });
    await servePages(here, { pagesDirectory: directory });
    try {
      const answers = await Promise.all(PAGES.map((url) => here.inject({ url, headers })));
      return PAGES.filter((_url, index) => answers[index]?.statusCode === 200);
    } finally {
      await here.close();
    }
  }
  const by = (host: string) => ({ host, 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' });
  const all = [...PAGES];
  const ofConsole = PAGES.slice(0, 3);
  const ofPortal = PAGES.slice(3);

  test.each([
    ['each on its own', [CONSOLE, PORTAL], by('console.internal'), ofConsole],
    ['no console where partners come', [CONSOLE, PORTAL], by('portal.example'), ofPortal],
    ['a port that goes without saying', [CONSOLE, PORTAL], by('portal.example:443'), ofPortal],
    ['another port', [CONSOLE, PORTAL], by('portal.example:8443'), []],
    ['a name that somebody else gave this address', [CONSOLE, PORTAL], by('evil.example'), []],
    ['one host for both', [PORTAL, PORTAL], by('portal.example'), all],
    ['a console without an origin', [undefined, PORTAL], by('portal.example'), ofPortal],
    ['a console without an origin, elsewhere', [undefined, PORTAL], by('console.internal'), ofConsole],
    ['a portal without an origin', [CONSOLE, undefined], by('console.internal'), ofConsole],
    ['no origins', [undefined, undefined], by('anything.example'), all],
    ['one machine, by any name', ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'], by('laptop.local:8080'), all],
    ['on the machine itself', [CONSOLE, PORTAL], { host: '127.0.0.1:8080' }, all],
    ['what claims to be on it', [CONSOLE, PORTAL], by('127.0.0.1:8080'), []],
  ] as const)('%s', async (_what, origins, headers, pages) => {
    await makePages();
    expect(await pagesAt(origins, headers)).toEqual(pages);
  });
});
