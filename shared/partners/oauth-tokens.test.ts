import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGotClient } from '#shared/http/create-got-client.ts';
import { createOAuthTokens } from './oauth-tokens.ts';

let server: Server;
let answer: (response: ServerResponse) => void;
let asked = 0;

beforeAll(async () => {
  server = createServer((_request, response) => {
    asked += 1;
    answer(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => server.close());

const client = createGotClient({ timeoutMs: 20_000, maxBodyBytes: 65_536 });
let clock = 1_000_000;

function openTokens() {
  return createOAuthTokens({
    settings: {
      type: 'oauth2-client-credentials',
      tokenUrl: `http://127.0.0.1:${(server.address() as { port: number }).port}/`,
      clientId: 'id',
      clientSecret: 'secret',
      credentials: 'basic',
    },
    secrets: { read: async () => ({ text: 'words', version: '1' }) },
    client,
    now: () => clock,
  });
}

test.each([
  [
    'a reply that was cut off',
    (to: ServerResponse) => void to.writeHead(200, { 'content-length': 90 }).write('{"acc', () => to.destroy()),
  ],
  ['425', (to: ServerResponse) => void to.writeHead(425).end()],
  ['499', (to: ServerResponse) => void to.writeHead(499).end()],
])('%s is no refusal: the issuer is asked again', async (_name, given) => {
  answer = given;
  expect(await openTokens().get()).toMatchObject({ type: 'away', afterMs: 1_000 });
});

test('an issuer is asked again no sooner than it wishes, within a minute', async () => {
  for (const [wish, afterMs] of [
    ['30', 30_000],
    ['3600', 60_000],
  ] as const) {
    answer = (response) => void response.writeHead(429, { 'retry-after': wish }).end();
    const tokens = openTokens();
    expect(await tokens.get()).toMatchObject({ type: 'away', afterMs });
    asked = 0;
    clock += afterMs - 1;
    expect(await tokens.get()).toMatchObject({ type: 'away', afterMs: 1 });
    expect(asked).toBe(0);
  }
});

test('a token that is given with its scheme is taken without', async () => {
  answer = (response) => void response.end(JSON.stringify({ access_token: 'Bearer abc.def', expires_in: 60 }));
  expect(await openTokens().get()).toEqual({ type: 'token', token: 'abc.def' });
});
