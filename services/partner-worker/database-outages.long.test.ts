/** A worker and a sweeper as processes, and every way in which PostgreSQL goes away under them. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import { type RunningPostgres, startPostgres } from '#local/postgres/start-postgres.ts';
import { migrate } from '#shared/db/migrate.ts';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';

const WORKER = new URL('main.ts', import.meta.url);
const SWEEPER = new URL('../retry-sweeper/main.ts', import.meta.url);
const VANISHING_NAME = new URL('../../testkit/servers/vanishing-name.ts', import.meta.url);
/** More than the slots of a worker, and few: what is tried is the outage, not how many files a busy machine carries in a minute. */
const FILES = 48;
/** Longer than the worker repeats statements before it asks whether the database is there. */
const OUTAGE_MS = 15_000;
const BACK_WITHIN_MS = 60_000;
/** For all files, on a machine that does other things as well. */
const ALL_WITHIN_MS = 240_000;
const LONGEST_MS = 600_000;

/** Three servers, workers and sweepers mostly wait; more that come back at once would wait for the processor. */
vi.setConfig({ maxConcurrency: 3 });

/** A server, a worker and its own sweeper for each test. */
interface OutageBed {
  readonly directory: string;
  readonly postgres: RunningPostgres;
  readonly work: WorkBed;
  readonly proxy: TcpProxy;
  readonly processes: WorkerProcess[];
}

const beds: OutageBed[] = [];

async function startBed(): Promise<OutageBed> {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-outages-'));
  const postgres = await startPostgres({ directory: join(directory, 'postgres'), port: 0, isDisposable: true });
  await migrate(postgres.url);
  const work = await startWorkBed({ createDatabase: async () => ({ url: postgres.url, drop: async () => {} }) });
  const bed = { directory, postgres, work, proxy: await startTcpProxy(work.databaseUrl), processes: [] };
  beds.push(bed);
  await work.sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}') ON CONFLICT DO NOTHING`;
  await seedRoutes(work.sql, { retry: { maxAttempts: 1 } });
  return bed;
}

afterAll(() => Promise.all(beds.map(stopBed)));

async function stopBed({ directory, postgres, work, proxy, processes }: OutageBed): Promise<void> {
  await Promise.all(processes.map((one) => one.end('SIGKILL')));
  await proxy.stop();
  await work.stop();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}

async function startProcesses({ work, processes }: OutageBed, env: Readonly<Record<string, string>>): Promise<void> {
  const variables = { DATABASE_STATEMENT_TIMEOUT_MS: '5000', LONGSHORE_LEASE_MS: '30000', ...env };
  processes.push(await work.startWorker(WORKER, { ...variables, LONGSHORE_SLOTS: '8' }));
  processes.push(await work.startWorker(SWEEPER, { ...variables, LONGSHORE_SWEEP_GRACE_MS: '2000' }));
}

const count = async (query: Promise<readonly { n: number }[]>) => (await query)[0]?.n ?? 0;

interface Outage {
  begin(): unknown;
  end(): unknown;
}

/** Files flow, the database goes, files wait, it comes back. */
async function expectBackFrom({ work, processes }: OutageBed, outage: Outage): Promise<void> {
  const completed = () => count(work.sql`SELECT count(*)::int AS n FROM files WHERE status = 'COMPLETED'`);
  const jobs = await work.putFiles({ count: FILES, bodyOf: (index) => Buffer.from(`id\n${index}\n`) });
  await work.wakeUps.sendJobs(jobs.slice(0, FILES / 2));
  await vi.waitFor(async () => expect(await completed()).toBeGreaterThan(5), { timeout: 60_000, interval: 20 });
  const before = await completed();
  await outage.begin();
  await work.wakeUps.sendJobs(jobs.slice(FILES / 2));
  const endMs = performance.now() + OUTAGE_MS;
  while (performance.now() < endMs) {
    expect(await Promise.all(processes.map((one) => one.health()))).toEqual([200, 200]);
    await delay(500);
  }
  await outage.end();
  await vi.waitFor(async () => expect(await completed()).toBeGreaterThan(before), {
    timeout: BACK_WITHIN_MS,
    interval: 200,
  });
  await vi.waitFor(async () => expect(await completed()).toBe(FILES), { timeout: ALL_WITHIN_MS, interval: 200 });
  expect(await count(work.sql`SELECT max(step_attempts)::int AS n FROM jobs`)).toBe(1);
  expect(await count(work.sql`SELECT count(*)::int AS n FROM attempts WHERE outcome <> 'succeeded'`)).toBe(0);
  expect(await count(work.sql`SELECT count(*)::int AS n FROM dead_letters`)).toBe(0);
  await vi.waitFor(async () => expect(await findRowViolations(work.sql, { isAtRest: true })).toEqual([]), {
    // Events that were leased when the database went wait for the end of their lease.
    timeout: 90_000,
    interval: 200,
  });
  expect(processes.map(({ child }) => child.exitCode)).toEqual([null, null]);
}

function signalServer({ postgres }: OutageBed, signal: NodeJS.Signals): void {
  const family = (pid: number): number[] => [
    pid,
    ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number)
      .flatMap(family),
  ];
  for (const pid of family(postgres.pid)) process.kill(pid, signal);
}

const endSessions = ({ work }: OutageBed) =>
  work.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'longshore-%'`;

const stopsAndGoesOn = (bed: OutageBed): Outage => ({
  begin: () => signalServer(bed, 'SIGSTOP'),
  end: () => signalServer(bed, 'SIGCONT'),
});

test.concurrent('a server that stops and goes on', { timeout: LONGEST_MS }, async () => {
  const bed = await startBed();
  await startProcesses(bed, { DATABASE_URL: bed.proxy.url });
  await expectBackFrom(bed, stopsAndGoesOn(bed));
});

test.concurrent('a server that stops for longer than leases last', { timeout: LONGEST_MS }, async () => {
  const bed = await startBed();
  await startProcesses(bed, { DATABASE_URL: bed.proxy.url, LONGSHORE_LEASE_MS: '5000' });
  await expectBackFrom(bed, stopsAndGoesOn(bed));
});

test.concurrent('a host that is silent, and another in its place', { timeout: LONGEST_MS }, async () => {
  const bed = await startBed();
  await startProcesses(bed, { DATABASE_URL: bed.proxy.url });
  await expectBackFrom(bed, { begin: bed.proxy.hush, end: bed.proxy.speak });
});

test.concurrent('connections that are forgotten on the way', { timeout: LONGEST_MS }, async () => {
  const bed = await startBed();
  await startProcesses(bed, { DATABASE_URL: bed.proxy.url });
  await expectBackFrom(bed, { begin: bed.proxy.forget, end: () => {} });
});

test.concurrent('sessions on a server that is read-only after a failover', { timeout: LONGEST_MS }, async () => {
  const bed = await startBed();
  const { sql } = bed.work;
  await startProcesses(bed, { DATABASE_URL: bed.proxy.url });
  await expectBackFrom(bed, {
    async begin() {
      await sql`ALTER DATABASE longshore SET default_transaction_read_only = on`;
      await endSessions(bed);
    },
    end: () => sql`ALTER DATABASE longshore RESET default_transaction_read_only`,
  });
});

test.concurrent('a host name that does not resolve for a while', { timeout: LONGEST_MS }, async () => {
  const bed = await startBed();
  const file = join(bed.directory, 'name');
  await writeFile(file, '');
  const url = new URL(bed.proxy.url);
  url.hostname = 'database.test';
  await startProcesses(bed, {
    DATABASE_URL: url.href,
    NODE_OPTIONS: `--import ${VANISHING_NAME.href}?while=${file}`,
  });
  await expectBackFrom(bed, {
    async begin() {
      await rm(file);
      await endSessions(bed);
    },
    end: () => writeFile(file, ''),
  });
});
