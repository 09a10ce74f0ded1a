import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { findPostgresBinaries } from '#local/postgres/binaries.ts';
import { type RunningPostgres, type StartPostgresOptions, startPostgres } from '#local/postgres/start-postgres.ts';
import { chooseUnprivilegedRun, type WayName } from '#local/postgres/unprivileged.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { startProcess } from '#testkit/servers/start-process.ts';

const isRoot = process.getuid?.() === 0;
/** A database that was made once: most tests are about what happens to one that is there. */
let made: string;
let directory: string;
let running: RunningPostgres[];

beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'longshore-postgres-made-'));
  const server = await startPostgres({ directory: join(made, 'postgres'), port: 0, isDisposable: true });
  await server.stop();
});
afterAll(() => rm(made, { recursive: true, force: true }));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-postgres-'));
  // Owners and modes are kept.
  execFileSync('cp', ['-a', join(made, 'postgres'), directory]);
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<StartPostgresOptions> = {}): Promise<RunningPostgres> {
  const server = await startPostgres({ directory: join(directory, 'postgres'), port: 0, ...options });
  running.push(server);
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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('data', () => {
  test('survive a stop and a start; UTF-8 sorts by code point and time is UTC', async () => {
    const first = await start();
    await query(first.url, `CREATE TABLE kept (name text); INSERT INTO kept VALUES ('é'), ('z'), ('Z')`);
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    const second = await start();
    const rows = await query<{ name: string }>(second.url, 'SELECT name FROM kept ORDER BY name');
    expect(rows.map(({ name }) => name)).toEqual(['Z', 'z', 'é']);
    const [settings] = await query<{ zone: string; version: string }>(
      second.url,
      `SELECT current_setting('timezone') AS zone, current_setting('server_version') AS version`,
    );
    expect(settings).toEqual({ zone: 'UTC', version: expect.stringMatching(/^18\./) });
  });

  test('that were committed survive kill -9 of the server, whose pid file is left behind', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept (id int)');
    await query(first.url, 'INSERT INTO kept SELECT generate_series(1, 1000)');
    first.kill('SIGKILL');
    await first.ended;
    expect(await readFile(join(directory, 'postgres', 'data', 'postmaster.pid'), 'utf8')).toContain(String(first.pid));
    const second = await start();
    expect(await query(second.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 1000 }]);
  });

  test('are served again once the last session of a killed server has noticed', async () => {
    const first = await start();
    const sql = postgres(first.url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
    const [session] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
    process.kill(session!.pid, 'SIGSTOP');
    const said: string[] = [];
    const logger = { info: ({ line }: { line: string }) => said.push(line) } as unknown as Logger;
    try {
      first.kill('SIGKILL');
      await first.ended;
      const second = start({ logger });
      await vi.waitFor(() => expect(said.join()).toContain('is still in use'), { timeout: 60_000 });
      process.kill(session!.pid, 'SIGCONT');
      expect(await query((await second).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      if (isAlive(session!.pid)) process.kill(session!.pid, 'SIGCONT');
      await sql.end({ timeout: 1 });
    }
  });

  test('are not lost when making the database was cut off', async () => {
    const cutOff = join(directory, 'cut-off');
    await mkdir(join(cutOff, 'data.partial', 'base'), { recursive: true });
    const server = await start({ directory: cutOff });
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await readdir(cutOff)).not.toContain('data.partial');
  });
});

describe('access', () => {
  test('takes the password of the home, which only its owner reads, and no other', async () => {
    const server = await start();
    const url = new URL(server.url);
    const file = join(directory, 'postgres', 'password');
    expect((await readFile(file, 'utf8')).trim()).toBe(url.password);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const password of ['wrong', '']) {
      url.password = password;
      await expect(query(url.href, 'SELECT 1')).rejects.toThrow(/password/);
    }
  });

  test('a port in use is named, and nothing is started', async () => {
    const first = await start();
    await expect(startPostgres({ directory: join(directory, 'other'), port: first.port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(`port ${first.port} of 127.0.0.1, which PostgreSQL needs`),
    });
    expect(await readdir(join(directory, 'other'))).toEqual([]);
  });

  test('a directory in use by a living server is refused with what PostgreSQL says', async () => {
    await start();
    await expect(start()).rejects.toMatchObject({
      code: 'POSTGRES_START_FAILED',
      message: expect.stringContaining('postmaster.pid'),
    });
  });
});

test('the server ends within 5 seconds after kill -9 of the process that started it', async () => {
  const program = `
    import { startPostgres } from '${new URL('start-postgres.ts', import.meta.url).href}';
    const server = await startPostgres({ directory: process.argv[1], port: 0 });
    console.log(server.pid);
    setInterval(() => {}, 1000);
  `;
  const path = join(directory, 'postgres');
  const starter = startProcess(['--input-type=module', '-e', program, path]);
  const pid = Number((await starter.untilLine(/^\d+$/))[0]);
  expect(isAlive(pid)).toBe(true);
  starter.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 60_000, interval: 50 });
  const server = await start();
  expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

describe.runIf(isRoot)('as root', () => {
  const ways: WayName[] = ['user-namespace', 'nobody-with-access', 'nobody'];

  /** What this machine allows, asked in a directory that anybody can reach. */
  async function isAllowed(way: WayName): Promise<boolean> {
    const reachable = await mkdtemp('/tmp/longshore-reachable-');
    const binaries = findPostgresBinaries();
    try {
      await chooseUnprivilegedRun({ binaries, directory: reachable, ways: [way] });
      return true;
    } catch {
      return false;
    } finally {
      await rm(reachable, { recursive: true });
    }
  }

  test.for(ways)('%s runs a server, and one after another on the same data', async (way, { skip }) => {
    if (!(await isAllowed(way))) skip(`this machine does not allow ${way}`);
    // Plain nobody passes no closed directory, and a temporary one is closed.
    await chmod(directory, 0o711);
    const before = await start();
    await query(before.url, 'CREATE TABLE kept (id int)');
    await before.stop();
    const server = await start({ ways: [way] });
    expect(server.way).toBe(way);
    expect(await query(server.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 0 }]);
  });

  test('a home that only root can enter serves', async () => {
    await chmod(directory, 0o700);
    const server = await start();
    expect(await query(server.url, 'SELECT current_user AS name')).toEqual([{ name: 'longshore' }]);
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    expect(status).toContain('postgres');
  });

  test('where no way works, one sentence says so', async () => {
    await chmod(directory, 0o700);
    await expect(start({ ways: ['nobody'] })).rejects.toMatchObject({
      code: 'POSTGRES_ROOT_REFUSED',
      message: expect.stringMatching(/^PostgreSQL does not run as root, .*\.$/),
    });
  });
});
