/** The function as Transfer Family asks it, over the tables that the API writes, and an identity provider on this machine. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { fingerprintOf, keyOfLine } from '#shared/access/sftp-users.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { checkPassword } from './check-password.ts';
import { loadSftpLoginsConfig } from './config.ts';
import { createLoginHandler, type LoginParts } from './decide-login.ts';
import { findLoginAgain } from './find-login.ts';

const ROLE = 'arn:aws:iam::111122223333:role/session';
const PASSWORD = 'correct horse battery staple';
const [first = '', second = '', third = ''] = Array.from({ length: 3 }, () => makeSshKey().public);

let api: TestApi;
const lines: string[] = [];
/** What the identity provider was asked, and answers. */
const asked: URLSearchParams[] = [];
let answer: { status: number; body: string } | 'by the password' = 'by the password';
const provider = createServer(async (request, response) => {
  const form = new URLSearchParams(await text(request));
  asked.push(form);
  const isRight = form.get('password') === PASSWORD && form.get('client_secret') === 'of the client';
  const judged = isRight
    ? { status: 200, body: JSON.stringify({ access_token: 'token' }) }
    : { status: 400, body: JSON.stringify({ error: 'invalid_grant' }) };
  const { status, body } = answer === 'by the password' ? judged : answer;
  response.writeHead(status, { 'content-type': 'application/json', location: 'https://elsewhere.example/' }).end(body);
});

beforeAll(async () => {
  api = await startTestApi();
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  await apply([{ username: 'acme-erp', publicKeys: [first, second] }]);
});
afterAll(async () => {
  provider.close();
  await api.stop();
});

async function ask(url: string, payload: object) {
  const headers = { 'x-api-key': api.keys.operator };
  const reply = await api.app.inject({ method: 'POST', url: `/api/v1${url}`, headers, payload });
  expect(reply.statusCode).toBeLessThan(300);
}
const apply = (sftpUsers: object[]) => ask('/routes', { kind: 'tenant', id: 'acme', name: 'Acme', sftpUsers });

function createHandler(parts: Partial<LoginParts> = {}) {
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/token`;
  const idp = { url, clientId: 'sftp', clientSecret: async () => 'of the client', scope: 'openid', timeoutMs: 60_000 };
  return createLoginHandler({
    findLogin: (username) => findLoginAgain(api.sql, username),
    checkPassword: (username, password) => checkPassword(idp, username, password),
    askOther: undefined,
    places: { prefix: 'fleet', role: ROLE },
    logger: pino({}, { write: (line: string) => void lines.push(line) }),
    ...parts,
  });
}
const login = (username = 'acme-erp', more: object = {}, parts?: Partial<LoginParts>) =>
  createHandler(parts)({ username, protocol: 'SFTP', serverId: 's-0123456789abcdef0', sourceIp: '192.0.2.1', ...more });
const keysOf = async (username?: string) => (await login(username)).PublicKeys;
const sorted = (...lines: string[]) => lines.map(keyOfLine).sort();

test('a key login is answered with role, policy, directories and the keys of now, in the forms of Transfer Family', async () => {
  const { Policy, HomeDirectoryDetails, ...rest } = await login();
  expect(rest).toEqual({ Role: ROLE, HomeDirectoryType: 'LOGICAL', PublicKeys: sorted(first, second) });
  expect(JSON.parse(HomeDirectoryDetails ?? '')).toEqual([
    { Entry: '/inbound', Target: '/fleet-landing/acme/inbound' },
    { Entry: '/outbound', Target: '/fleet-outbound/acme' },
  ]);
  const { Statement } = JSON.parse(Policy ?? '');
  const resources = Statement.map(({ Action, Resource }: { Action: unknown; Resource: string }) => [Action, Resource]);
  expect(resources).toEqual([
    ['s3:ListBucket', 'arn:aws:s3:::fleet-landing'],
    ['s3:ListBucket', 'arn:aws:s3:::fleet-outbound'],
    [['s3:PutObject', 's3:GetObject', 's3:DeleteObject'], 'arn:aws:s3:::fleet-landing/acme/*'],
    ['s3:GetObject', 'arn:aws:s3:::fleet-outbound/acme/*'],
    [['kms:Decrypt', 'kms:GenerateDataKey'], '*'],
  ]);
  // With the separator: nothing of `acmeX`.
  expect(Statement[0].Condition).toEqual({ StringLike: { 's3:prefix': ['acme', 'acme/*'] } });
  expect(Policy?.length).toBeLessThanOrEqual(2_048);
});

test('directories are the first ones of the tenant’s routes, as they are at that login', async () => {
  const route = {
    kind: 'route',
    tenant: 'acme',
    name: 'orders',
    match: { path: 'orders/in/**' },
    steps: [{ deliver: null }],
  };
  await ask('/routes', route);
  const { HomeDirectoryDetails = '' } = await login();
  expect(JSON.parse(HomeDirectoryDetails).map(({ Entry }: { Entry: string }) => Entry)).toEqual([
    '/orders',
    '/outbound',
  ]);
});

test('the longest names fit into the policy of a session', async () => {
  const long = 'a'.repeat(63);
  const found = { tenantId: long, homePrefix: `${long}/`, publicKeys: [keyOfLine(first)], routeGlobs: [] };
  const { Policy } = await login(
    'acme-erp',
    {},
    {
      findLogin: async () => found,
      places: { prefix: 'p'.repeat(31), role: ROLE.replace('aws', 'aws-us-gov') },
    },
  );
  expect(Policy?.length).toBeLessThanOrEqual(2_048);
  expect(Policy).toContain('arn:aws-us-gov:s3:::');
});

test('what is revoked, out of its time, disabled or removed counts no more at the next login', async () => {
  await ask('/sftp-users/acme-erp/keys', {
    public_key: third,
    label: 'later',
    valid_from: '2999-01-01T00:00:00Z',
    reason: 'INC-1',
  });
  expect(await keysOf()).toEqual(sorted(first, second));
  await ask('/sftp-users/acme-erp/keys/revoke', { fingerprint: fingerprintOf(second), reason: 'INC-1' });
  expect(await keysOf()).toEqual(sorted(first));
  await ask('/sftp-users/acme-erp/disable', { reason: 'INC-1' });
  expect(await login()).toEqual({});
  expect(await login('acme-erp', { password: PASSWORD })).toEqual({});
  await ask('/sftp-users/acme-erp/enable', { reason: 'INC-1' });
  await ask('/tenants/acme/disable', { reason: 'INC-1' });
  expect(await login()).toEqual({});
  await ask('/tenants/acme/enable', { reason: 'INC-1' });
  expect(await keysOf()).toEqual(sorted(first));
  await ask('/sftp-users/acme-erp/keys/revoke', { fingerprint: fingerprintOf(first), reason: 'INC-1' });
  expect(await login()).toEqual({});
  await apply([{ username: 'acme-two', publicKeys: [second] }]);
  expect(await login()).toEqual({});
  expect(await keysOf('acme-two')).toEqual(sorted(second));
});

test('a password counts as the identity provider says, for users who are known here', async () => {
  const withPassword = (password: string, username = 'acme-two') => login(username, { password });
  const { Role, PublicKeys, Policy } = await withPassword(PASSWORD);
  expect([Role, PublicKeys, Policy === undefined]).toEqual([ROLE, undefined, false]);
  expect(Object.fromEntries(asked.at(-1) ?? [])).toMatchObject({
    grant_type: 'password',
    username: 'acme-two',
    client_id: 'sftp',
    scope: 'openid',
  });
  expect(await withPassword('wrong')).toEqual({});
  const before = asked.length;
  expect(await withPassword(PASSWORD, 'stranger')).toEqual({});
  expect(await login('acme-two', { password: PASSWORD, protocol: 'FTP' })).toEqual({});
  expect(asked.length).toBe(before);
  // Without a provider there are no passwords.
  expect(await login('acme-two', { password: PASSWORD }, { checkPassword: undefined })).toEqual({});
  expect(lines.join('')).not.toContain('horse');
  expect(lines.join('')).toContain('password refused');
});

test.each([
  ['fails', { status: 500, body: 'Internal' }],
  ['answers no JSON', { status: 200, body: '<html>' }],
  ['gives no token', { status: 200, body: '{}' }],
  ['leads elsewhere', { status: 302, body: '' }],
  ['does not know this client', { status: 401, body: '{"error":"invalid_client"}' }],
])('a provider that %s lets nobody in, and is an error of the function', async (_what, reply) => {
  answer = reply;
  await expect(login('acme-two', { password: PASSWORD })).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
  answer = 'by the password';
});

test('users that are not known here are asked about elsewhere, as they were asked for', async () => {
  const askOther = async (event: unknown) => ({ Role: 'other', asked: event });
  expect(await login('globex-bank', {}, { askOther })).toMatchObject({
    Role: 'other',
    asked: { username: 'globex-bank' },
  });
  expect(await login('acme-two', {}, { askOther })).toMatchObject({ Role: ROLE });
});

test('a database that does not answer lets nobody in; one whose connection ended unseen is asked again', async () => {
  const away = connectDatabase(
    loadSftpLoginsConfig({
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/longshore',
      LONGSHORE_SFTP_SESSION_ROLE: ROLE,
    }),
    'test',
  );
  await expect(login('acme-two', {}, { findLogin: (name) => findLoginAgain(away, name) })).rejects.toMatchObject({
    code: 'DEPENDENCY_UNAVAILABLE',
  });
  await away.end({ timeout: 0 });
  await api.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;
  expect(await keysOf('acme-two')).toEqual(sorted(second));
});

test('an event of another form is no login', async () => {
  for (const event of [undefined, {}, { username: 1 }, { username: 'x'.repeat(101) }])
    await expect(createHandler()(event)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
});
