import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keepSynchronous } from '#local/pair/keep-synchronous.ts';
import { copyLeader, isStandby, promoteStandby, setAside } from '#local/postgres/standby.ts';
import { type RunningPostgres, startPostgres } from '#local/postgres/start-postgres.ts';
import { commitInPair } from '#shared/db/commit-in-pair.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';

let root: string;
const running = new Set<RunningPostgres>();
const DATABASE = { DATABASE_POOL_MAX: 1, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'longshore-standby-'));
});
afterAll(async () => {
  await Promise.all([...running].map((server) => server.stop()));
  await rm(root, { recursive: true, force: true });
});

const directoryOf = (name: string) => join(root, name);

async function start(name: string): Promise<RunningPostgres> {
  const server = await startPostgres({ directory: directoryOf(name), port: 0, isReplicated: true, isDisposable: true });
  running.add(server);
  return server;
}

async function query<Row extends object>(url: string, statement: string): Promise<Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
  try {
    return [...(await sql.unsafe<Row[]>(statement))];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const idsOf = async ({ url }: RunningPostgres) =>
  (await query<{ id: number }>(url, 'SELECT id FROM kept ORDER BY id')).map(({ id }) => id);

test('what is about to be done outside is committed when the standby has it too; all else at once', async () => {
  const home = await start('home-of-two');
  await query(home.url, 'CREATE TABLE kept (id int)');
  const directory = directoryOf('standby-of-two');
  await copyLeader({ leader: { url: home.url, directory: directoryOf('home-of-two') }, directory, slot: 'standby' });
  const standby = await start('standby-of-two');
  const kept = keepSynchronous(home.url, createLogger({ service: 'test', level: 'silent' }));
  const sql = connectDatabase({ ...DATABASE, DATABASE_URL: home.url }, 'test');
  try {
    await waitUntil('the standby is a synchronous one', () => isSynchronous(home), { timeoutMs: 60_000 });
    const [receiver] = await query<{ pid: number }>(standby.url, 'SELECT pid FROM pg_stat_wal_receiver');
    process.kill(receiver!.pid, 'SIGSTOP');
    const intent = sql`INSERT INTO kept SELECT 1 WHERE ${commitInPair(sql)}`.execute();
    await waitUntil('it waits', async () => (await countWaiting(home)) === 1, { timeoutMs: 60_000 });
    await query(home.url, 'INSERT INTO kept VALUES (2)');
    expect(await idsOf(home)).toEqual([2]);
    process.kill(receiver!.pid, 'SIGCONT');
    await intent;
    expect(await idsOf(home)).toEqual([1, 2]);

    standby.kill('SIGKILL');
    await standby.ended;
    await sql`INSERT INTO kept SELECT 3 WHERE ${commitInPair(sql)}`;
    expect(await idsOf(home)).toEqual([1, 2, 3]);
  } finally {
    await kept.stop();
    await sql.end({ timeout: 1 });
  }
});

async function isSynchronous({ url }: RunningPostgres): Promise<boolean> {
  const rows = await query(url, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
  return rows.length === 1;
}

async function countWaiting({ url }: RunningPostgres): Promise<number> {
  return (await query(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")).length;
}

test('a standby follows, leads once it is promoted, and the former leader follows it', async () => {
  const home = await start('home');
  await query(home.url, 'CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)');
  await copyLeader({
    leader: { url: home.url, directory: directoryOf('home') },
    directory: directoryOf('standby'),
    slot: 'standby',
  });
  expect([isStandby(directoryOf('home')), isStandby(directoryOf('standby')), isStandby(directoryOf('none'))]).toEqual([
    false,
    true,
    undefined,
  ]);
  const standby = await start('standby');
  await query(home.url, 'INSERT INTO kept VALUES (2)');
  await waitUntil('the standby has the row', async () => (await idsOf(standby)).length === 2, { timeoutMs: 60_000 });
  await expect(query(standby.url, 'INSERT INTO kept VALUES (0)')).rejects.toMatchObject({ code: '25006' });

  home.kill('SIGKILL');
  await home.ended;
  await promoteStandby(standby.url);
  await promoteStandby(standby.url);
  await query(standby.url, 'INSERT INTO kept VALUES (3)');
  expect(isStandby(directoryOf('standby'))).toBe(false);

  await setAside(directoryOf('home'));
  await copyLeader({
    leader: { url: standby.url, directory: directoryOf('standby') },
    directory: directoryOf('home'),
    slot: 'home',
  });
  const returned = await start('home');
  await waitUntil('the former leader has all rows', async () => (await idsOf(returned)).length === 3, {
    timeoutMs: 60_000,
  });
  await expect(query(returned.url, 'INSERT INTO kept VALUES (0)')).rejects.toMatchObject({ code: '25006' });
});
