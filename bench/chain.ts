/**
 * `npm run bench -- chain`: chains of three no-op steps, by our job engine and queue library and by pg-boss,
 * on one PostgreSQL in one run.
 *
 * 1. PostgreSQL and the queue server are those that `npm start` runs, on disk, in a home that is thrown away. Every commit of both sides is
 *    durable (`synchronous_commit` on), and both have as many connections.
 * 2. What the first step needs is there before a round begins: jobs and their wake-ups, or jobs of the first queue.
 * 3. The sides run in this process, in turn; each side's median counts. CPU is this process's, PostgreSQL's and the queue server's.
 * 4. pg-boss fetches and completes whole batches at the settings that were fastest here. `ratio` is to a handler that sends each job's
 *    successor on its own; next to it, one that sends a batch's successors in one `insert`, which all fail or succeed together. Neither keeps
 *    what Longshore does of each step: attempt, output, audit event and outbox row.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { type Stack, startStack } from '#local/stack.ts';
import { createQueueMetrics } from '#shared/queue/queue-metrics.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { queueName } from '#shared/runtime/config/resource-names.ts';
import { createLongshoreChain } from './chain-longshore.ts';
import { createPgBossChain, startPgBoss } from './chain-pg-boss.ts';
import type { ChainSide } from './chain-side.ts';
import { connectForBench } from './connect-for-bench.ts';
import { round } from './fleet-requests.ts';
import { cpuMs } from './read-metrics.ts';

const ROUND_TIMEOUT_MS = 300_000;
const STEPS = 3;
const POOL_MAX = 8;
const SLOTS = 200;
const PG_BOSS = { batchSize: 200, concurrency: 2 };

export interface ChainBenchOptions {
  readonly chains: number;
  readonly rounds: number;
  readonly json: boolean;
}

interface ChainRate {
  readonly jobsPerSecond: number;
  /** Processor time of one chain by process. */
  readonly cpuMsPerChain: Readonly<Record<string, number>>;
}

interface ChainResult {
  readonly chains: number;
  readonly rounds: number;
  readonly longshore: ChainRate;
  readonly pgBoss: ChainRate;
  /** Sends on whole batches. */
  readonly pgBossBatches: ChainRate;
  /** Jobs per second over pg-boss's. */
  readonly ratio: number;
  readonly ratioToBatches: number;
  readonly wantedRatio: number;
}

export async function runChainBench(options: ChainBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const stack = await startStack({ home, portBase: 'free', services: [] });
    try {
      const result = await measureChains(stack, options);
      console.log(options.json ? JSON.stringify(result) : describe(result));
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function measureChains(stack: Stack, { chains, rounds }: ChainBenchOptions): Promise<ChainResult> {
  const { env } = stack;
  const databaseUrl = env.DATABASE_URL ?? '';
  const sql = connectForBench(databaseUrl, POOL_MAX);
  const metrics = createQueueMetrics(new Registry());
  const client = createSqsClient({
    region: env.AWS_REGION ?? '',
    endpoint: env.AWS_ENDPOINT_URL_SQS ?? '',
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' },
    metrics,
  });
  const name = queueName(env.LONGSHORE_PREFIX ?? '', 'partner-steps');
  const queueUrl = (await resolveQueueUrls({ client, names: [name] }))[name] ?? '';
  const boss = await startPgBoss(databaseUrl, POOL_MAX);
  try {
    const sides = {
      longshore: await createLongshoreChain({ sql, client, queueUrl, metrics, slots: SLOTS }),
      pgBoss: await createPgBossChain({ ...PG_BOSS, boss, name: 'chain', sends: 'one' }),
      pgBossBatches: await createPgBossChain({ ...PG_BOSS, boss, name: 'batches', sends: 'batch' }),
    };
    const names = Object.keys(sides) as (keyof typeof sides)[];
    const measured = new Map(names.map((side) => [side, [] as ChainRate[]]));
    for (let index = 0; index < rounds; index += 1) {
      for (const side of index % 2 === 0 ? names : names.toReversed()) {
        measured.get(side)?.push(await measure(stack, sides[side], chains));
      }
    }
    for (const side of names) {
      const ended = await sides[side].countEnded();
      if (ended !== chains * rounds) throw new Error(`${side}: ${ended} of ${chains * rounds} chains ended`);
    }
    const [longshore, pgBoss, pgBossBatches] = names.map((side) => median(measured.get(side) ?? [])) as [
      ChainRate,
      ChainRate,
      ChainRate,
    ];
    return {
      chains,
      rounds,
      longshore,
      pgBoss,
      pgBossBatches,
      ratio: round(longshore.jobsPerSecond / pgBoss.jobsPerSecond),
      ratioToBatches: round(longshore.jobsPerSecond / pgBossBatches.jobsPerSecond),
      wantedRatio: 1,
    };
  } finally {
    await boss.stop({ timeout: 5_000 });
    client.destroy();
    await sql.end({ timeout: 5 });
  }
}

async function measure({ processes }: Stack, side: ChainSide, chains: number): Promise<ChainRate> {
  await side.seed(chains);
  const before = await readCpu(processes);
  const startedMs = performance.now();
  const running = side.start(chains);
  await Promise.race([running.ended, sleep(ROUND_TIMEOUT_MS, undefined, { ref: false }).then(failRound)]);
  const tookMs = performance.now() - startedMs;
  await running.stop();
  const after = await readCpu(processes);
  const perChain = Object.entries(after).map(
    ([name, ms]) => [name, round((ms - (before[name] ?? 0)) / chains)] as const,
  );
  return {
    jobsPerSecond: Math.round((chains * STEPS * 1_000) / tookMs),
    cpuMsPerChain: { ...Object.fromEntries(perChain), total: round(perChain.reduce((sum, [, ms]) => sum + ms, 0)) },
  };
}

async function readCpu(processes: Stack['processes']): Promise<Record<string, number>> {
  const { user, system } = process.cpuUsage();
  const [postgres, queues] = await Promise.all(
    [processes.postgres, processes.queues].map((part) => cpuMs(part?.pid ?? 0)),
  );
  return { worker: (user + system) / 1_000, postgres: postgres ?? 0, queues: queues ?? 0 };
}

function failRound(): never {
  throw new Error(`A round did not end within ${ROUND_TIMEOUT_MS} ms.`);
}

/** The round of median speed. */
function median(rates: readonly ChainRate[]): ChainRate {
  const sorted = rates.toSorted((a, b) => a.jobsPerSecond - b.jobsPerSecond);
  return sorted[Math.floor(sorted.length / 2)] as ChainRate;
}

function describe(result: ChainResult): string {
  const line = (name: string, { jobsPerSecond, cpuMsPerChain }: ChainRate) =>
    `${name}  ${jobsPerSecond} jobs/s; CPU per chain (ms) ${Object.entries(cpuMsPerChain)
      .map(([part, ms]) => `${part} ${ms}`)
      .join(', ')}`;
  return [
    `${result.rounds} rounds of ${result.chains} chains of ${STEPS} steps on each side`,
    line('longshore               ', result.longshore),
    line('pg-boss                 ', result.pgBoss),
    line('pg-boss, batches sent on', result.pgBossBatches),
    `ratio                     ${result.ratio} (wanted ${result.wantedRatio}); to batches ${result.ratioToBatches}`,
  ].join('\n');
}
