/** Headers of every kind of answer: of what is served and of what is refused, at each place where something refuses. */
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

const PROXY = '10.0.0.1';
const CONSOLE = 'console.example';
let api: TestApi;
beforeAll(async () => {
  const signIn = { hasLinks: true, consoleOrigin: `https://${CONSOLE}`, portalOrigin: 'https://portal.example' };
  api = await startTestApi({ signIn, trustedProxies: [PROXY] });
});
afterAll(() => api.stop());

const ANSWERS: readonly [what: string, method: 'GET' | 'POST' | 'DELETE' | 'OPTIONS', url: string, host?: string][] = [
  ['an answer', 'GET', '/api/v1/me'],
  ['what is not there', 'GET', '/nothing'],
  ['a method that is not there', 'DELETE', '/api/v1/me'],
  ['a question of another site', 'OPTIONS', '/api/v1/me'],
  ['a path that is none', 'GET', '/api/v1/files/%E0%A4'],
  ['a body that is none', 'POST', '/api/v1/actions'],
  ['the console', 'GET', '/console/files'],
  ['the console under another name', 'GET', '/console/files', 'evil.example'],
  ['an asset that is not there', 'GET', '/console/assets/nothing.js'],
  ['the way back from a provider', 'GET', '/auth/callback?state=x'],
  ['a review link', 'GET', '/review?link=x'],
  ['an upload link', 'GET', '/upload'],
  ['an unsubscribe link', 'GET', '/u/x'],
  ['the description', 'GET', '/docs'],
  ['the description as JSON', 'GET', '/openapi.json'],
];

test.each(ANSWERS)('%s', async (_what, method, url, host = CONSOLE) => {
  const ask = async (protocol: string) => {
    const headers = {
      host,
      'x-forwarded-proto': protocol,
      'x-forwarded-for': '9.9.9.9',
      'x-api-key': api.keys.operator,
    };
    return await api.app.inject({ method, url, headers, remoteAddress: PROXY });
  };
  const { headers } = await ask('https');
  expect(headers['x-content-type-options']).toBe('nosniff');
  // The framework refuses such a path before it looks at what the proxy says.
  if (!url.includes('%E0')) expect(headers['strict-transport-security']).toBe('max-age=31536000');
  expect((await ask('http')).headers['strict-transport-security']).toBeUndefined();
  // No answer lets a page of another origin read it, and no page runs in somebody's frame.
  expect(headers['access-control-allow-origin']).toBeUndefined();
  if (!String(headers['content-type']).startsWith('text/html')) return;
  const policy = String(headers['content-security-policy']);
  expect(policy).toMatch(/default-src 'none'/);
  expect(policy).toMatch(/frame-ancestors 'none'/);
  expect(policy).not.toMatch(/script-src[^;]*unsafe/);
});

test('bytes that are no request', async () => {
  const { port } = new URL(await api.app.listen({ host: '127.0.0.1', port: 0 }));
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  const socket = connect(Number(port), '127.0.0.1', () => socket.write('nonsense\r\n\r\n'));
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('close', () => resolve(text));
  expect(await promise).toContain('x-content-type-options: nosniff\r\n');
});
