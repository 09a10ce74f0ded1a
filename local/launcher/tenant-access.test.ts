import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { ensureOperator, ensureTenants } from '#local/launcher/tenant-access.ts';
import { findApiKey, revokeApiKey } from '#shared/access/api-keys.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';

let database: TestDatabase;
let sql: Sql;
let keys: string;

beforeEach(async () => {
  database = await createTestDatabase();
  sql = connectLauncher(database.url);
  keys = await mkdtemp(join(tmpdir(), 'longshore-keys-'));
});

afterEach(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
  await rm(keys, { recursive: true, force: true });
});

const read = async (path: string) => (await readFile(path, 'utf8')).trim();

test('tenants and operator get keys that only the owner of the home reads, and that the database knows', async () => {
  await ensureOperator(sql, keys);
  const { acme, globex } = await ensureTenants(sql, keys, [{ id: 'acme', name: 'Acme' }, { id: 'globex' }]);
  expect(await findApiKey(sql, await read(acme!.apiKeyFile))).toMatchObject({ tenantId: 'acme' });
  expect(await findApiKey(sql, await read(globex!.apiKeyFile))).toMatchObject({ tenantId: 'globex' });
  expect(await findApiKey(sql, await read(join(keys, 'operator.key')))).toMatchObject({ tenantId: null });
  expect(await read(acme!.privateKeyFile)).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/);
  const [user] =
    await sql`SELECT tenant_id, public_key, home_prefix FROM sftp_users WHERE username = ${acme!.sftpUser}`;
  const publicKey = await read(`${acme!.privateKeyFile}.pub`);
  expect(user).toEqual({ tenant_id: 'acme', public_key: publicKey, home_prefix: 'acme/' });
  for (const file of [acme!.apiKeyFile, acme!.privateKeyFile, join(keys, 'operator.key')]) {
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  }
});

test('a second start changes nothing and still names the tenants of the first', async () => {
  const first = await ensureTenants(sql, keys, [{ id: 'acme' }]);
  const key = await read(first.acme!.apiKeyFile);
  const counts = () => sql`
    SELECT (SELECT count(*) FROM audit_events)::int AS events, (SELECT count(*) FROM api_keys)::int AS keys`;
  const before = await counts();
  const second = await ensureTenants(sql, keys, []);
  expect(second).toEqual(first);
  expect(await read(second.acme!.apiKeyFile)).toBe(key);
  expect([...(await counts())]).toEqual([...before]);
});

test('a key that was revoked is replaced by another, and stays revoked', async () => {
  const { acme } = await ensureTenants(sql, keys, [{ id: 'acme' }]);
  const revoked = await read(acme!.apiKeyFile);
  const owner = await findApiKey(sql, revoked);
  await revokeApiKey(sql, { keyId: owner!.keyId, actor: 'test' });
  await ensureTenants(sql, keys, []);
  expect(await findApiKey(sql, revoked)).toBeUndefined();
  expect(await findApiKey(sql, await read(acme!.apiKeyFile))).toMatchObject({ tenantId: 'acme' });
});

test('a tenant whose name is too short for a user name gets a longer one', async () => {
  const { ab } = await ensureTenants(sql, keys, [{ id: 'ab' }]);
  expect(ab!.sftpUser).toBe('ab-sftp');
});
