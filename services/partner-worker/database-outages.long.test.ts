/** A worker and a sweeper as processes, and every way in which PostgreSQL goes away under them. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type RunningPostgres, startPostgres } from '#local/postgres/start-postgres.ts';
import { migrate } from '#shared/db/migrate.ts';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';

const WORKER = new URL('main.ts', import.meta.url);
const SWEEPER = new URL('../retry-sweeper/main.ts', import.meta.url);
const VANISHING_NAME = new URL('../../testkit/servers/vanishing-name.ts', import.meta.url);
const FILES = 120;
/** Longer than the worker repeats statements before it asks whether the database is there. */
const OUTAGE_MS = 15_000;
const BACK_WITHIN_MS = 60_000;

let directory: string;
let postgres: RunningPostgres;
let bed: WorkBed;
let proxy: TcpProxy;
let processes: WorkerProcess[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-outages-'));
  postgres = await startPostgres({ directory: join(directory, 'postgres'), port: 0, isDisposable: true });
  await migrate(postgres.url);
  bed = await startWorkBed({ createDatabase: async () => ({ url: postgres.url, drop: async () => {} }) });
});
afterAll(async () => {
  await bed?.stop();
  await postgres?.stop();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  processes = [];
  proxy = await startTcpProxy(bed.databaseUrl);
  await emptyTables(bed.sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox', 'dead_letters');
  await bed.sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
  await seedRoutes(bed.sql, { retry: { maxAttempts: 1 } });
});
afterEach(async () => {
  await Promise.all(processes.map((one) => one.end('SIGKILL')));
  await proxy.stop();
});

async function startProcesses(env: Readonly<Record<string, string>>): Promise<void> {
  const variables = { DATABASE_STATEMENT_TIMEOUT_MS: '5000', LONGSHORE_LEASE_MS: '30000', ...env };
  processes.push(await bed.startWorker(WORKER, { ...variables, LONGSHORE_SLOTS: '8' }));
  processes.push(await bed.startWorker(SWEEPER, { ...variables, LONGSHORE_SWEEP_GRACE_MS: '2000' }));
}

const count = async (query: Promise<readonly { n: number }[]>) => (await query)[0]?.n ?? 0;
const completed = () => count(bed.sql`SELECT count(*)::int AS n FROM files WHERE status = 'COMPLETED'`);

interface Outage {
  begin(): unknown;
  end(): unknown;
}

/** Files flow, the database goes, files wait, it comes back. */
async function expectBackFrom(outage: Outage): Promise<void> {
  const jobs = await bed.putFiles({ count: FILES, bodyOf: (index) => Buffer.from(`id\n${index}\n`) });
  await bed.wakeUps.sendJobs(jobs.slice(0, FILES / 2));
  await vi.waitFor(async () => expect(await completed()).toBeGreaterThan(5), { timeout: 60_000, interval: 20 });
  await outage.begin();
  await bed.wakeUps.sendJobs(jobs.slice(FILES / 2));
  const endMs = performance.now() + OUTAGE_MS;
  while (performance.now() < endMs) {
    expect(await Promise.all(processes.map((one) => one.health()))).toEqual([200, 200]);
    await delay(500);
  }
  await outage.end();
  await vi.waitFor(async () => expect(await completed()).toBe(FILES), { timeout: BACK_WITHIN_MS, interval: 200 });
  expect(await count(bed.sql`SELECT max(step_attempts)::int AS n FROM jobs`)).toBe(1);
  expect(await count(bed.sql`SELECT count(*)::int AS n FROM attempts WHERE outcome <> 'succeeded'`)).toBe(0);
  expect(await count(bed.sql`SELECT count(*)::int AS n FROM dead_letters`)).toBe(0);
  await vi.waitFor(async () => expect(await findRowViolations(bed.sql, { isAtRest: true })).toEqual([]), {
    // Events that were leased when the database went wait for the end of their lease.
    timeout: 90_000,
    interval: 200,
  });
  expect(processes.map(({ child }) => child.exitCode)).toEqual([null, null]);
}

const signalServer = (signal: NodeJS.Signals) => {
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
};

const endSessions = () =>
  bed.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'longshore-%'`;

test('a server that stops and goes on', async () => {
  await startProcesses({ DATABASE_URL: proxy.url });
  await expectBackFrom({ begin: () => signalServer('SIGSTOP'), end: () => signalServer('SIGCONT') });
}, 300_000);

test('a server that stops for longer than leases last', async () => {
  await startProcesses({ DATABASE_URL: proxy.url, LONGSHORE_LEASE_MS: '5000' });
  await expectBackFrom({ begin: () => signalServer('SIGSTOP'), end: () => signalServer('SIGCONT') });
}, 300_000);

test('a host that is silent, and another in its place', async () => {
  await startProcesses({ DATABASE_URL: proxy.url });
  await expectBackFrom({ begin: proxy.hush, end: proxy.speak });
}, 300_000);

test('connections that are forgotten on the way', async () => {
  await startProcesses({ DATABASE_URL: proxy.url });
  await expectBackFrom({ begin: proxy.forget, end: () => {} });
}, 300_000);

test('sessions on a server that is read-only after a failover', async () => {
  await startProcesses({ DATABASE_URL: proxy.url });
  await expectBackFrom({
    async begin() {
      await bed.sql`ALTER DATABASE longshore SET default_transaction_read_only = on`;
      await endSessions();
    },
    end: () => bed.sql`ALTER DATABASE longshore RESET default_transaction_read_only`,
  });
}, 300_000);

test('a host name that does not resolve for a while', async () => {
  const file = join(directory, 'name');
  await writeFile(file, '');
  const url = new URL(proxy.url);
  url.hostname = 'database.test';
  await startProcesses({ DATABASE_URL: url.href, NODE_OPTIONS: `--import ${VANISHING_NAME.href}?while=${file}` });
  await expectBackFrom({
    async begin() {
      await rm(file);
      await endSessions();
    },
    end: () => writeFile(file, ''),
  });
}, 300_000);
