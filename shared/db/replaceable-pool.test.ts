import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { startTcpProxy } from '#testkit/servers/start-tcp-proxy.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import {
  assertDatabaseAnswers,
  connectDatabase,
  connectReads,
  type DatabaseConfig,
  type Sql,
} from './connect-database.ts';
import { replacePool } from './replaceable-pool.ts';

let database: TestDatabase;
const closers: (() => unknown)[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(() => database?.drop());

function configFor(url: string, max = 1): DatabaseConfig {
  return { DATABASE_URL: url, DATABASE_POOL_MAX: max, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 1_000 };
}

function open(url = database.url, max?: number): Sql {
  const sql = connectDatabase(configFor(url, max), 'pool-test');
  closers.push(() => sql.end({ timeout: 0 }));
  return sql;
}

const write = (sql: Sql, id: string) =>
  sql`INSERT INTO tenants (id, name, ignore_globs) VALUES (${id}, ${id}, ${[]}) ON CONFLICT DO NOTHING`;
const untilWritten = (sql: Sql, id: string) => vi.waitFor(() => write(sql, id), { timeout: 60_000, interval: 100 });

async function startProxy() {
  const proxy = await startTcpProxy(database.url);
  closers.push(() => proxy.stop());
  return proxy;
}

test('a session that became read-only is given up at the first write that it refuses', async () => {
  const sql = open();
  await untilWritten(sql, 'one');
  await vi.waitFor(
    async () => {
      await sql`SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY`;
      await expect(write(sql, 'two')).rejects.toMatchObject({ code: '25006' });
      await write(sql, 'two');
    },
    { timeout: 60_000 },
  );
  expect(await sql`SELECT id FROM tenants WHERE id = ANY(${sql.array(['two', 'none'])})`).toEqual([{ id: 'two' }]);
});

test('a server that is read-only does not count as there, and is found writable again', async () => {
  const operator = open(database.url);
  const name = new URL(database.url).pathname.slice(1);
  await operator.unsafe(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  const sql = open();
  await expect(assertDatabaseAnswers(sql, 5_000)).rejects.toThrow('read-only');
  await operator.unsafe(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
  await vi.waitFor(() => assertDatabaseAnswers(sql, 5_000), { timeout: 60_000, interval: 100 });
  await write(sql, 'three');
});

test('a host that went without a word is left: what was under way fails, and new connections are made', async () => {
  const proxy = await startProxy();
  const sql = open(proxy.url, 3);
  await Promise.all([1, 2, 3].map(() => sql`SELECT pg_sleep(0.1)`));
  proxy.forget();
  const lost = await Promise.allSettled([1, 2, 3, 4].map(() => sql`SELECT 1`));
  expect(lost.map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => 'rejected'));
  await untilWritten(sql, 'four');
});

test('a probe without an answer opens other connections at once', async () => {
  const proxy = await startProxy();
  const sql = open(proxy.url);
  // A pool is not replaced in its first second.
  await sql`SELECT pg_sleep(0.6)`;
  await sql`SELECT pg_sleep(0.6)`;
  proxy.forget();
  await expect(assertDatabaseAnswers(sql, 200)).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
  await assertDatabaseAnswers(sql, 5_000);
});

test('a connection that is lost while it is made ends no process: only the first one asks for the types of arrays', async () => {
  const proxy = await startProxy();
  const sql = open(proxy.url, 2);
  await sql`SELECT pg_sleep(0.6)`;
  await sql`SELECT pg_sleep(0.6)`;
  const onLost = vi.fn();
  void proxy.loseReply('typarray').then(onLost);
  proxy.cut();
  await untilWritten(sql, 'cut');
  replacePool(sql);
  await untilWritten(sql, 'replaced');
  expect(await sql`SELECT ${['replaced']}::text[] AS ids`).toEqual([{ ids: ['replaced'] }]);
  expect(onLost).not.toHaveBeenCalled();
});

test('a pool of reads keeps the parsers of its reader when it is replaced', async () => {
  const reads = connectReads(configFor(database.url), 'pool-test');
  closers.push(() => reads.$client.end({ timeout: 0 }));
  const instant = async () => (await reads.$client`SELECT now() AS at`)[0]?.at;
  expect(typeof (await instant())).toBe('string');
  await vi.waitFor(
    async () => {
      await reads.$client`SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY`;
      await expect(write(reads.$client, 'six')).rejects.toMatchObject({ code: '25006' });
      await write(reads.$client, 'six');
    },
    { timeout: 60_000 },
  );
  expect(typeof (await instant())).toBe('string');
});

test('ending the pool ends it, also after it was replaced', async () => {
  const sql = open();
  await sql`SELECT 1`;
  await sql.end({ timeout: 1 });
  await expect(sql`SELECT 1`.then(() => 'answered')).rejects.toMatchObject({ code: 'CONNECTION_ENDED' });
});
