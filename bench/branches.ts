/**
 * `npm run bench -- branches`: what five parallel steps cost in SQL, against the same five in line.
 *
 * 1. The steps do nothing. Both routes run through the job engine on the PostgreSQL of `npm start`, on disk, in turn, in one process;
 *    wake-ups go straight back to the engine.
 * 2. A branch is a job below its own, whose row comes with its first outcome.
 * 3. A file costs what its registration and routing cost, which are the same for both, and what its job costs.
 * 4. The tables have a history: PostgreSQL reads small ones whole, now for one route and now for the other. Autovacuum is off, since its
 *    processor time would count for the round that it falls into.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { startStack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import type { WorkWakeUp } from '#shared/jobs/wake-up-senders.ts';
import { parallelStep } from '#shared/steps/parallel/run.ts';
import { createTestRunner, type FakeStep } from '#testkit/beds/job-runner.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { connectForBench } from './connect-for-bench.ts';
import { insertFinishedFiles } from './finished-files.ts';
import { round } from './fleet-requests.ts';
import { cpuMs } from './read-metrics.ts';

const STEPS = 5;
const POOL_MAX = 8;
/** Jobs that one worker has in hand. */
const SLOTS = 32;
/** As the router takes them. */
const SEED_ROWS = 100;
const STEP = { deliver: { bucket: 'delivered' } };

const SHAPES = {
  inLine: Array.from({ length: STEPS }, () => STEP),
  parallel: [
    { parallel: { branches: Object.fromEntries(Array.from({ length: STEPS }, (_, nth) => [`b${nth}`, [STEP]])) } },
  ],
};
type Shape = keyof typeof SHAPES;

export interface BranchesBenchOptions {
  readonly files: number;
  readonly rounds: number;
  /** Files that ended before. */
  readonly finished: number;
  readonly json: boolean;
}

interface Cost {
  /** Each is a transaction. */
  readonly statements: number;
  readonly postgresCpuMs: number;
  /** Of that, for the job: its claim, its steps, and the file's end. */
  readonly jobCpuMs: number;
  readonly workerCpuMs: number;
}

export async function runBranchesBench(options: BranchesBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const stack = await startStack({ home, portBase: 'free', services: [] });
    const sql = connectForBench(stack.env.DATABASE_URL, POOL_MAX);
    try {
      const result = await measure(sql, stack.processes.postgres?.pid ?? 0, options);
      console.log(options.json ? JSON.stringify(result) : describe(result));
    } finally {
      await sql.end({ timeout: 5 });
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function measure(sql: Sql, postgres: number, { files, rounds, finished }: BranchesBenchOptions) {
  await seedRoutes(sql);
  await sql`ALTER SYSTEM SET autovacuum = off`;
  await sql`SELECT pg_reload_conf()`;
  await insertFinishedFiles(sql, 'acme', finished, finished + 1);
  const costs: Record<Shape, Cost[]> = { inLine: [], parallel: [] };
  for (let index = 0; index < rounds; index += 1) {
    for (const shape of index % 2 === 0 ? (['inLine', 'parallel'] as const) : (['parallel', 'inLine'] as const))
      costs[shape].push(await run(sql, { shape, files, postgres, name: `${shape.toLowerCase()}-${index}` }));
  }
  const [inLine, parallel] = [median(costs.inLine), median(costs.parallel)];
  return {
    ...{ files, rounds, finished, inLine, parallel },
    statements: round(parallel.statements / inLine.statements),
    postgresCpu: round(parallel.postgresCpuMs / inLine.postgresCpuMs),
    jobCpu: round(parallel.jobCpuMs / inLine.jobCpuMs),
    wanted: 1.3,
  };
}

interface Round {
  readonly shape: Shape;
  readonly files: number;
  readonly postgres: number;
  readonly name: string;
}

async function run(sql: Sql, { shape, files, postgres, name }: Round): Promise<Cost> {
  await sql`UPDATE routes SET disabled_at = now() WHERE disabled_at IS NULL`;
  const definition = { kind: 'route', tenant: 'acme', name, match: { path: ['**'] }, steps: SHAPES[shape] };
  await applyRoute(sql, { tenantId: 'acme', name, definition, definitionHash: name }, 'bench');
  const before = await read(sql, postgres);
  const wakeUps: WorkWakeUp[] = [];
  for (let seeded = 0; seeded < files; seeded += SEED_ROWS) {
    const jobs = await seedFiles(sql, { count: Math.min(SEED_ROWS, files - seeded), window: files });
    wakeUps.push(...jobs.map(({ id, tenantId, wake }) => ({ type: 'job.due' as const, jobId: id, tenantId, wake })));
  }
  const noop: FakeStep = async () => ({ type: 'succeeded' });
  const runner = createTestRunner({ sql, steps: { deliver: noop, parallel: parallelStep.run as FakeStep } });
  const routed = await read(sql, postgres);
  runner.start();
  const slots = pLimit(SLOTS);
  // With their branches no more at a time than the admission window lets in: there is no sweeper for the rest.
  for (let begun = 0; begun < files; begun += SEED_ROWS) {
    let due = wakeUps.slice(begun, begun + SEED_ROWS);
    for (; due.length > 0; due = runner.sent['partner-steps'].splice(0))
      await Promise.all(due.map((message) => slots(() => runner.handle(message, NEVER))));
  }
  await runner.stop();
  const after = await read(sql, postgres);
  const [open] = await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM files WHERE status <> 'COMPLETED'`;
  if (open?.count !== 0) throw new Error(`${name}: ${open?.count} files are not completed`);
  return {
    statements: round((after.statements - before.statements) / files),
    postgresCpuMs: round((after.postgresMs - before.postgresMs) / files),
    jobCpuMs: round((after.postgresMs - routed.postgresMs) / files),
    workerCpuMs: round((after.workerMs - routed.workerMs) / files),
  };
}

const NEVER = new AbortController().signal;

/** A session keeps its statistics to itself for up to ten seconds, unless it is told to give them. */
async function read(sql: Sql, postgres: number) {
  await Promise.all(Array.from({ length: POOL_MAX }, () => sql`SELECT pg_stat_force_next_flush(), pg_sleep(0.2)`));
  const [row] = await sql<{ statements: number }[]>`
    SELECT xact_commit::float8 AS statements FROM pg_stat_database WHERE datname = current_database()`;
  const { user, system } = process.cpuUsage();
  return { statements: row?.statements ?? 0, postgresMs: await cpuMs(postgres), workerMs: (user + system) / 1_000 };
}

function median(costs: readonly Cost[]): Cost {
  return costs.toSorted((a, b) => a.postgresCpuMs - b.postgresCpuMs)[Math.floor(costs.length / 2)] as Cost;
}

function describe(result: Awaited<ReturnType<typeof measure>>): string {
  const line = (name: string, { statements, postgresCpuMs, jobCpuMs, workerCpuMs }: Cost) =>
    `${name}  ${statements} statements a file, PostgreSQL ${postgresCpuMs} ms, of it ${jobCpuMs} for the job, worker ${workerCpuMs} ms`;
  return [
    `${result.rounds} rounds of ${result.files} files with ${STEPS} steps each way, ${result.finished} files in the tables`,
    line('in line ', result.inLine),
    line('parallel', result.parallel),
    `parallel over in line: statements ${result.statements}, PostgreSQL's CPU ${result.postgresCpu} (wanted ${result.wanted}), for the jobs alone ${result.jobCpu}`,
  ].join('\n');
}
