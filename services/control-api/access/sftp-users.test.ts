/** SFTP users and their keys: from the tenant's file and added here, for some time, revoked, and gone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { findSftpLogin, fingerprintOf, keyOfLine } from '#shared/access/sftp-users.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const KEYS = Array.from({ length: 4 }, () => makeSshKey().public);
const [first = '', second = '', third = '', fourth = ''] = KEYS;
const HOUR_MS = 3_600_000;
const at = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString();

async function ask(method: 'GET' | 'POST', url: string, payload?: object, key = api.keys.operator) {
  const headers = { 'x-api-key': key };
  const reply = await api.app.inject({ method, url: `/api/v1${url}`, headers, ...(payload && { payload }) });
  return { status: reply.statusCode, body: reply.json() };
}
const apply = (publicKeys: unknown[], username = 'acme-erp') =>
  ask('POST', '/routes', { kind: 'tenant', id: 'acme', name: 'Acme', sftpUsers: [{ username, publicKeys }] });
const addKey = (publicKey: string, more: object = {}, username = 'acme-erp') =>
  ask('POST', `/sftp-users/${username}/keys`, { public_key: publicKey, label: 'a laptop', reason: 'INC-1', ...more });
const revoke = (publicKey: string, username = 'acme-erp') =>
  ask('POST', `/sftp-users/${username}/keys/revoke`, { fingerprint: fingerprintOf(publicKey), reason: 'INC-2' });
const loginKeys = async (username = 'acme-erp') => (await findSftpLogin(api.sql, username))?.publicKeys;
const sorted = (...lines: string[]) => lines.map(keyOfLine).sort();

test('a user logs in with the keys of the file and those that were added', async () => {
  await apply([`${first} of the file`]);
  expect((await addKey(second)).status).toBe(200);
  expect(await loginKeys()).toEqual(sorted(first, second));
  const { body } = await ask('GET', '/sftp-users/acme-erp');
  expect(body).toMatchObject({
    tenant: 'acme',
    home: 'acme/',
    keys: [
      { fingerprint: fingerprintOf(first), source: 'file', label: 'of the file', active: true },
      { fingerprint: fingerprintOf(second), source: 'api', label: 'a laptop', active: true },
    ],
  });
  expect((await ask('GET', '/sftp-users')).body.sftp_users).toMatchObject([{ username: 'acme-erp', keys: 2 }]);
  expect((await addKey(first)).body.code).toBe('SFTP_KEY_KNOWN');
  expect((await addKey(second)).body.code).toBe('SFTP_KEY_KNOWN');
  // Applied again, the file says nothing about the key that was added.
  await apply([first]);
  expect(await loginKeys()).toEqual(sorted(first, second));
});

test('a key counts in its time only, wherever it is from', async () => {
  await addKey(third, { valid_from: at(1) });
  expect(await loginKeys()).not.toContain(keyOfLine(third));
  await apply([first, { key: fourth, validUntil: at(1) }]);
  expect(await loginKeys()).toContain(keyOfLine(fourth));
  await apply([first, { key: fourth, validUntil: at(-1) }]);
  expect(await loginKeys()).toEqual(sorted(first, second));
  await apply([first, fourth]);
  expect(await loginKeys()).toEqual(sorted(first, second, fourth));
  await apply([first]);
  expect(await loginKeys()).toEqual(sorted(first, second));
  const faulty = await apply([{ key: first, validFrom: at(2), validUntil: at(1) }]);
  expect([faulty.status, faulty.body.details.faults[0].message]).toEqual([422, 'must be after validFrom']);
  expect((await addKey(fourth, { valid_from: at(2), valid_until: at(1) })).status).toBe(400);
});

test('a revoked key stays so, whatever is applied or added', async () => {
  await revoke(second);
  expect((await revoke(first)).body.keys[0]).toMatchObject({ active: false, revoked_at: expect.any(String) });
  expect(await loginKeys()).toEqual([]);
  await apply([first, { key: second, validUntil: at(1) }]);
  expect((await addKey(second)).body.code).toBe('SFTP_KEY_KNOWN');
  await apply([]).catch(() => undefined);
  await apply([first]);
  expect(await loginKeys()).toEqual([]);
  expect((await revoke(fourth)).status).toBe(404);
  const audit =
    await api.sql`SELECT type, actor, detail FROM audit_events WHERE type LIKE 'sftp-key.%' ORDER BY at, id`;
  expect(audit.map(({ type }) => type)).toEqual([
    'sftp-key.added',
    'sftp-key.added',
    'sftp-key.revoked',
    'sftp-key.revoked',
  ]);
  expect(audit[2]).toEqual({
    type: 'sftp-key.revoked',
    actor: 'operator:operator',
    detail: { username: 'acme-erp', fingerprint: fingerprintOf(second), reason: 'INC-2' },
  });
});

test('a user that is made here has its own keys, and the file does not remove it', async () => {
  const body = { tenant: 'acme', username: 'acme-desk', reason: 'INC-3' };
  expect((await ask('POST', '/sftp-users', body)).body).toMatchObject({ username: 'acme-desk', keys: [] });
  expect((await ask('POST', '/sftp-users', body)).body.code).toBe('USERNAME_TAKEN');
  expect(await loginKeys('acme-desk')).toEqual([]);
  await addKey(third, {}, 'acme-desk');
  await apply([first]);
  expect(await loginKeys('acme-desk')).toEqual(sorted(third));
  for (const [what, on] of [
    ['sftp-users/acme-desk', 'sftp-users/acme-desk'],
    ['tenants/acme', 'tenants/acme'],
  ] as const) {
    await ask('POST', `/${what}/disable`, { reason: 'x' });
    expect([what, await loginKeys('acme-desk')]).toEqual([what, undefined]);
    await ask('POST', `/${on}/enable`, { reason: 'x' });
  }
  expect(await loginKeys('acme-desk')).toEqual(sorted(third));
});

test('the audit has what was before a change of a tenant or of its keys, and what is after it', async () => {
  const tenant = (name: string, key: string) => ({
    kind: 'tenant',
    id: 'globex',
    name,
    sftpUsers: [{ username: 'globex-erp', publicKey: key }],
  });
  for (const body of [tenant('Globex', first), tenant('Globex', first), tenant('Globex Bank', second)])
    await ask('POST', '/routes', body);
  const details = async (type: string) =>
    (
      await api.sql`
        SELECT detail FROM audit_events WHERE type = ${type} AND tenant_id = 'globex' ORDER BY at DESC, id DESC LIMIT 2`
    ).map(({ detail }) => detail);
  expect(await details('tenant.applied')).toEqual([
    {
      name: 'Globex Bank',
      before: expect.objectContaining({ name: 'Globex', timeZone: 'UTC' }),
      after: expect.objectContaining({ name: 'Globex Bank' }),
    },
    { name: 'Globex' },
  ]);
  expect(await details('sftp-user.applied')).toEqual([
    { username: 'globex-erp', before: [first], after: [second] },
    { username: 'globex-erp' },
  ]);
});

test('a tenant is shown with what it has', async () => {
  const has = { routes: 0, partners: 0, stores: 0, sftp_users: 2, api_keys: 1, channels: 0 };
  expect((await ask('GET', '/tenants/acme')).body).toMatchObject({
    tenant: 'acme',
    name: 'Acme',
    disabled_at: null,
    has,
  });
  expect((await ask('GET', '/tenants/acme', undefined, api.keys.acme)).status).toBe(200);
  expect((await ask('GET', '/tenants/acme', undefined, api.keys.globex)).status).toBe(404);
  expect((await ask('GET', '/tenants/nobody')).status).toBe(404);
});

test('a tenant sees its own users and changes none', async () => {
  expect((await ask('GET', '/sftp-users/acme-erp', undefined, api.keys.acme)).status).toBe(200);
  expect((await ask('GET', '/sftp-users/acme-erp', undefined, api.keys.globex)).status).toBe(404);
  expect((await ask('GET', '/sftp-users?tenant=acme', undefined, api.keys.globex)).body.sftp_users).toEqual([]);
  for (const path of ['/sftp-users/acme-erp/keys', '/sftp-users/nobody/keys']) {
    const body = { public_key: fourth, label: 'x', reason: 'x' };
    expect((await ask('POST', path, body, api.keys.acme)).status).toBe(403);
  }
  expect((await addKey(fourth, {}, 'nobody')).status).toBe(404);
  expect((await ask('POST', '/sftp-users', { tenant: 'nobody', username: 'somebody', reason: 'x' })).status).toBe(404);
  expect((await addKey('ssh-dss AAAA')).status).toBe(400);
});

test('a route that takes no file by itself, run by others, shuts nobody out', async () => {
  const route = { kind: 'route', tenant: 'acme', name: 'below', runOnly: true, steps: [{ deliver: {} }] };
  expect((await ask('POST', '/routes', route)).status).toBe(200);
  expect((await findSftpLogin(api.sql, 'acme-erp'))?.routeGlobs.flat()).not.toContain(null);
});
