import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findApiKey } from '#shared/access/api-keys.ts';
import { findSftpLogin } from '#shared/access/sftp-users.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { migrateFleet } from './migrate-fleet.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
let database: TestDatabase;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true });
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

const run = (storeKey?: (key: string) => Promise<void>) =>
  migrateFleet({ databaseUrl: database.url, logger, ...(storeKey !== undefined && { storeKey }) });

/** What a service that signs in as this user gets. */
async function as<Result>(role: string, work: (user: postgres.Sql) => Promise<Result>): Promise<Result> {
  const user = postgres(database.url, { max: 1, onnotice: () => {}, connection: { role } as never });
  try {
    return await work(user);
  } finally {
    await user.end({ timeout: 5 });
  }
}

test('makes the schema for its owner, and lets services read and write rows and nothing else', async () => {
  await run();
  const owners = await sql`SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'`;
  expect(owners).toEqual([{ tableowner: 'longshore_owner' }]);
  await as('longshore_app', async (user) => {
    await user`INSERT INTO tenants (id, name, time_zone, home_region, ignore_globs) VALUES ('acme', 'Acme', 'UTC', 'us-east-1', '{}')`;
    expect(await user`SELECT id FROM tenants WHERE id = 'acme'`).toHaveLength(1);
    await expect(user`CREATE TABLE mine (id int)`).rejects.toMatchObject({ code: '42501' });
    await expect(user`DROP TABLE tenants`).rejects.toMatchObject({ code: '42501' });
  });
});

test('lets the function of SFTP logins read who may log in, and nothing else', async () => {
  await as('longshore_logins', async (user) => {
    expect(await findSftpLogin(user, 'nobody')).toBeUndefined();
    await expect(user`SELECT FROM api_keys`).rejects.toMatchObject({ code: '42501' });
    await expect(user`UPDATE sftp_users SET disabled_at = NULL`).rejects.toMatchObject({ code: '42501' });
  });
});

test('may be repeated, also side by side', async () => {
  await Promise.all(Array.from({ length: 6 }, () => run()));
  await run();
  expect(await sql`SELECT id FROM tenants WHERE id = 'acme'`).toHaveLength(1);
});

test('makes one key for the first operator, and none that could not be put away', async () => {
  const failing = () => Promise.reject(new Error('the store is away'));
  await expect(run(failing)).rejects.toThrow('the store is away');
  expect(await sql`SELECT FROM api_keys WHERE revoked_at IS NULL`).toHaveLength(0);
  const stored: string[] = [];
  const keep = async (key: string) => void stored.push(key);
  await run(keep);
  await run(keep);
  expect(stored).toHaveLength(1);
  expect(await findApiKey(sql, stored[0]!)).toMatchObject({ tenantId: null });
});
