/**
 * Makes, once for a whole vitest run, what many files share: at the first question the database server and the pages of the console, and while
 * the first tests run the compiled code of the fleet's programs.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdtemp, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Sql } from 'postgres';
import type { TestProject } from 'vitest/node';
import type { RunningPostgres } from '#local/postgres/start-postgres.ts';
import { memoryFlags } from '#shared/runtime/config/memory.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** URL that answers a POST of `database` with the server's address, and one of `pages` when they are built. */
    testRunBroker: string;
    /** For what the first file makes that asks, and others read; it is gone with the run. */
    testRunDirectory: string;
  }
}

const TEMPLATE_NAME = 'longshore';
const LONGEST_START_MS = 120_000;
const ROOT = join(import.meta.dirname, '../..');
const COMPILE_PROGRAM = join(import.meta.dirname, 'compile-programs.ts');
const PAGES_PROGRAM = join(import.meta.dirname, '../../console/build-pages.ts');

interface TestServer {
  readonly postgres: RunningPostgres;
  readonly directory: string;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<TestServer> | undefined;
  let building: Promise<unknown> | undefined;
  const compiling = compilePrograms().catch((error: unknown) =>
    console.warn('programs are not compiled ahead:', error),
  );
  async function answer(path: string | undefined): Promise<object> {
    if (path === '/pages') {
      building ??= promisify(execFile)(process.execPath, [PAGES_PROGRAM]);
      await building;
      return {};
    }
    starting ??= startTestServer();
    const { postgres } = await starting;
    return { serverUrl: maintenanceUrl(postgres), templateName: TEMPLATE_NAME };
  }
  const broker = createServer(({ url }, response) => {
    answer(url).then(
      (given) => response.end(JSON.stringify(given)),
      (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
    );
  });
  broker.listen(0, '127.0.0.1');
  await once(broker, 'listening');
  const address = broker.address();
  if (address === null || typeof address === 'string') throw new Error('a listening socket has an address');
  const directory = await mkdtemp(join(tmpdir(), 'longshore-test-run-'));
  project.provide('testRunDirectory', directory);
  project.provide('testRunBroker', `http://127.0.0.1:${address.port}/`);

  return async () => {
    broker.closeAllConnections();
    broker.close();
    await compiling;
    await rm(directory, { recursive: true, force: true });
    const server = await starting?.catch(() => undefined);
    await server?.postgres.stop();
    if (server !== undefined) await rm(server.directory, { recursive: true, force: true });
  };
}

/**
 * Once for a cache. V8 keeps code that was compiled under other flags apart, so each service is run as it will be: without a configuration it
 * loads all of its modules, its own main file among them, names what is missing, and ends, so that its code is kept. Other programs would run.
 */
async function compilePrograms(): Promise<void> {
  const { NODE_COMPILE_CACHE: cache, PATH } = process.env;
  if (cache === undefined || existsSync(join(cache, 'programs'))) return;
  const run = (args: readonly string[], env?: NodeJS.ProcessEnv) =>
    promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      ...{ cwd: ROOT, timeout: LONGEST_START_MS },
      ...(env !== undefined && { env }),
    });
  const programs = ['local/*/main.ts', 'cli/main.ts', 'testkit/beds/{copy,pull,worker}-process.ts'];
  await run([COMPILE_PROGRAM, ...globSync(programs, { cwd: ROOT })]);
  for (const main of globSync('services/*/main.ts', { cwd: ROOT })) {
    const service = basename(dirname(main));
    await run([...memoryFlags(service), main], { PATH, NODE_COMPILE_CACHE: cache }).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 1)) throw error;
    });
  }
  await writeFile(join(cache, 'programs'), '');
}

async function startTestServer(): Promise<TestServer> {
  // Loaded here, so that a run of pure tests does not pay for the database client either.
  const { startPostgres } = await import('#local/postgres/start-postgres.ts');
  const { migrate } = await import('#shared/db/migrate.ts');
  const { default: connect } = await import('postgres');
  const directory = await mkdtemp(join(await placeOfDatabases(), `${DIRECTORY_PREFIX}${process.pid}-`));
  const postgres = await startPostgres({ directory, port: 0, isDisposable: true });
  await migrate(postgres.url);
  const sql = connect(maintenanceUrl(postgres), { max: 1 });
  await copyByKernel(sql).catch(() => {});
  await sql.end();
  return { postgres, directory };
}

const DIRECTORY_PREFIX = 'longshore-test-postgres-';
const MEMORY = '/dev/shm';
const MEMORY_NEEDED = 4 * 1024 ** 3;

/** In memory where there is plenty: each copy of the template makes 750 files, which on a disk takes most of what a database costs. */
async function placeOfDatabases(): Promise<string> {
  const room = await statfs(MEMORY).catch(() => undefined);
  if (room === undefined) return tmpdir();
  await removeLeftovers();
  const isRoomy = room.bavail * room.bsize > MEMORY_NEEDED;
  return isRoomy && process.availableMemory() > 2 * MEMORY_NEEDED ? MEMORY : tmpdir();
}

/** Of runs that were killed: nothing else empties memory before the machine ends. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(MEMORY)) {
    const owner = new RegExp(`^${DIRECTORY_PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`))
      await rm(join(MEMORY, name), { recursive: true, force: true });
  }
}

/**
 * Databases are copied by the kernel from now on, which shares their blocks where the file system can: a sixth of the work.
 *
 * @throws when this kernel does not, and the server continues to copy them itself
 */
async function copyByKernel(sql: Sql): Promise<void> {
  await sql`SET file_copy_method = clone`;
  await sql.unsafe(`CREATE DATABASE tried TEMPLATE ${TEMPLATE_NAME} STRATEGY file_copy`);
  await sql`DROP DATABASE tried`;
  await sql`ALTER DATABASE postgres SET file_copy_method = clone`;
}

/** Nobody may be connected to a template while it is copied, so statements go to the `postgres` database. */
function maintenanceUrl(postgres: RunningPostgres): string {
  const url = new URL(postgres.url);
  url.pathname = '/postgres';
  return url.href;
}
