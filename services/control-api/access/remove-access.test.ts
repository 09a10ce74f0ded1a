import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { findApiKey } from '#shared/access/api-keys.ts';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const KEYS = [makeSshKey().public, makeSshKey().public];
const post = (url: string, payload: object, key = api.keys.operator) =>
  api.app.inject({ method: 'POST', url, payload, headers: { 'x-api-key': key } });
const apply = async (sftpUsers: object[] | undefined, query = '') =>
  (await post(`/api/v1/routes${query}`, { kind: 'tenant', id: 'acme', name: 'Acme', sftpUsers })).json();
const users = async () =>
  (await api.app.inject({ url: '/api/v1/sftp-users', headers: { 'x-api-key': api.keys.operator } })).json().sftp_users;
const audit = (type: string) =>
  api.sql<
    { actor: string; detail: object }[]
  >`SELECT actor, detail FROM audit_events WHERE type = ${type} ORDER BY at, id`;

describe('the file of a tenant is the truth of its SFTP users', () => {
  test('one that it no longer has is removed, after a dry run that says so', async () => {
    await apply([
      { username: 'first', publicKeys: KEYS },
      { username: 'second', publicKey: KEYS[0] },
    ]);
    expect(await users()).toMatchObject([
      { username: 'first', keys: 2, removed_at: null },
      { username: 'second', keys: 1, removed_at: null },
    ]);
    const expected = [
      { username: 'first', tenant: 'acme', change: 'applied' },
      { username: 'second', tenant: 'acme', change: 'removed' },
    ];
    const first = [{ username: 'first', publicKey: KEYS[1] }];
    expect((await apply(first, '?dry_run=true')).sftp_users).toEqual(expected);
    expect(await users()).toMatchObject([{ keys: 2 }, { removed_at: null }]);
    expect((await apply(first)).sftp_users).toEqual(expected);
    expect(await users()).toMatchObject([{ keys: 1 }, { username: 'second', removed_at: expect.any(String) }]);
    expect(await audit('sftp-user.removed')).toEqual([{ actor: 'operator:operator', detail: { username: 'second' } }]);
    expect((await apply(first)).sftp_users).toHaveLength(1);
  });

  test.each([
    ['an empty list', []],
    ['no list', undefined],
  ])('%s removes all', async (_what, none) => {
    await apply([{ username: 'third', publicKey: KEYS[0] }]);
    await apply(none);
    expect((await users()).filter(({ removed_at }: { removed_at: null }) => removed_at === null)).toEqual([]);
  });

  test('one that is back in it is back, unless an operator disabled it', async () => {
    await apply([{ username: 'first', publicKey: KEYS[0] }]);
    expect((await users())[0]).toMatchObject({ username: 'first', removed_at: null, disabled_at: null });
    expect((await post('/api/v1/sftp-users/first/disable', { reason: 'lost laptop' })).json()).toEqual({
      disabled: true,
      changed: true,
    });
    await apply([{ username: 'first', publicKey: KEYS[0] }]);
    expect((await users())[0]).toMatchObject({ username: 'first', disabled_at: expect.any(String) });
    expect(await audit('sftp-user.disabled')).toEqual([
      { actor: 'operator:operator', detail: { username: 'first', reason: 'lost laptop' } },
    ]);
    await post('/api/v1/sftp-users/first/enable', { reason: 'found' });
    expect((await users())[0]).toMatchObject({ disabled_at: null });
  });

  test('a name twice, both forms of keys, and too many keys are faults', async () => {
    const faulty = [
      { username: 'first', publicKey: KEYS[0], publicKeys: KEYS },
      { username: 'first', publicKeys: [] },
    ];
    const { details } = await apply(faulty);
    expect(details.faults.map(({ path }: { path: string }) => path)).toEqual([
      'sftpUsers.0.publicKeys',
      'sftpUsers.1.username',
      'sftpUsers.1.publicKeys',
    ]);
  });
});

describe('what an operator disables', () => {
  test('a tenant: its keys are refused, also when its file is applied again, until it is enabled', async () => {
    expect(await findApiKey(api.sql, api.keys.acme)).toMatchObject({ tenantId: 'acme' });
    await post('/api/v1/tenants/acme/disable', { reason: 'incident 12' });
    expect(await findApiKey(api.sql, api.keys.acme)).toBeUndefined();
    expect((await apply([])).tenants).toEqual([{ tenant: 'acme', change: 'applied', disabled: true }]);
    expect(await findApiKey(api.sql, api.keys.acme)).toBeUndefined();
    expect((await post('/api/v1/tenants/acme/disable', { reason: 'again' })).json()).toEqual({
      disabled: true,
      changed: false,
    });
    await post('/api/v1/tenants/acme/enable', { reason: 'over' });
    expect(await findApiKey(api.sql, api.keys.acme)).toMatchObject({ tenantId: 'acme' });
    expect(await audit('tenant.disabled')).toEqual([{ actor: 'operator:operator', detail: { reason: 'incident 12' } }]);
    expect(await audit('tenant.enabled')).toHaveLength(1);
  });

  test('a route: it takes no new files until it is enabled, whatever is applied', async () => {
    const route = { kind: 'route', tenant: 'globex', name: 'all', match: { path: '**' }, steps: [{ stage: {} }] };
    await post('/api/v1/routes', route);
    const [file] = await api.sql<{ id: string }[]>`
      INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, status, order_key, order_seq)
      VALUES (uuid_v7(), 'globex', 'b', 'globex/a', 'v', 'a', 1, 'e', 's3', now(), 'QUEUED', 'globex', 1) RETURNING id`;
    const takers = async () => (await loadRoutingInput(api.sql, [file!.id]))[0]?.routes.map(({ name }) => name);
    expect(await takers()).toEqual(['all']);
    await post('/api/v1/routes/globex/all/disable', { reason: 'wrong target' });
    expect(await takers()).toEqual([]);
    expect((await post('/api/v1/routes', { ...route, description: 'mended' })).json().routes).toMatchObject([
      { version: 2, change: 'changed', disabled: true },
    ]);
    expect(await takers()).toEqual([]);
    await post('/api/v1/routes/globex/all/enable', { reason: 'mended' });
    expect(await takers()).toEqual(['all']);
  });

  test('takes an operator, a reason, and something that exists', async () => {
    const refusals = [
      ['/api/v1/tenants/acme/disable', { reason: 'x' }, api.keys.acme, 403],
      ['/api/v1/routes/globex/all/disable', { reason: 'x' }, api.keys.globex, 403],
      ['/api/v1/sftp-users/first/enable', { reason: 'x' }, api.keys.acme, 403],
      ['/api/v1/tenants/acme/disable', {}, api.keys.operator, 400],
      ['/api/v1/tenants/nobody/disable', { reason: 'x' }, api.keys.operator, 404],
      ['/api/v1/tenants/unassigned/disable', { reason: 'x' }, api.keys.operator, 404],
      ['/api/v1/routes/acme/nothing/disable', { reason: 'x' }, api.keys.operator, 404],
      ['/api/v1/sftp-users/nobody/disable', { reason: 'x' }, api.keys.operator, 404],
    ] as const;
    for (const [url, body, key, status] of refusals)
      expect([url, (await post(url, body, key)).statusCode]).toEqual([url, status]);
  });
});
