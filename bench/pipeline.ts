/**
 * `npm run bench -- pipeline`: files per second through the whole fleet, from put to terminal state, against its parts' ceilings.
 *
 * 1. The fleet is the one that `npm start` runs, in its own home that is thrown away. Commits are durable as they are there.
 * 2. Files are put straight into landing, into one directory and over fifty in turn, and walk validate, deliver and confirm. The figures are
 *    those of all floods together; `filesPerSecondBy` compares one directory with fifty in the same run.
 * 3. Throughput is measured while files arrive as fast as the store takes them; latency once more at half that rate, because
 *    in a flood it only says how long the flood was.
 * 4. `ratio` is the measured rate over the rate that the scarcest part allows on its own: a file needs one round of put, copy and
 *    delete and as much again of reads and copies, three queue hops, and the statements that were counted.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, startStack } from '#local/stack.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { insertFinishedFiles } from './finished-files.ts';
import { countRequests, eachProcess, round } from './fleet-requests.ts';
import { type Ceilings, measureQueueHops, measureS3Rounds, measureStatements } from './part-ceilings.ts';
import type { Percentiles } from './percentiles.ts';
import { cpuMs, peakRssMb } from './read-metrics.ts';
import { type Flow, mean, openFlow, type StageRates, sendFiles, TENANT } from './send-files.ts';

/** Each so often, and every other time in the reverse order: a later flood meets a warmer fleet. */
const FLOODS_OF_EACH = 4;
/** Files of the latency phase: enough for a 99th percentile. */
const LATENCY_FILES = 1_000;

export interface PipelineBenchOptions {
  readonly files: number;
  readonly size: string;
  /** In turn, e.g. `[1, 50]`. */
  readonly directories: readonly number[];
  /** Rows of finished files and jobs to put into the tables first. */
  readonly finished: number;
  readonly json: boolean;
}

export interface PipelineResult {
  readonly files: number;
  readonly sizeBytes: number;
  readonly finishedBefore: number;
  readonly filesPerSecond: number;
  /** By the number of directories. */
  readonly filesPerSecondBy: Readonly<Record<string, number>>;
  /** The first over the last of `directories`. */
  readonly directoryRatio: number;
  /** From put to terminal state, at half of the measured rate. */
  readonly latencyMs: Percentiles;
  /** The same in the flood. */
  readonly floodLatencyMs: Percentiles;
  /** What the first two services reached in the flood, each from its first file to its last; the sender bounds them too. */
  readonly stagesPerSecond: StageRates;
  readonly perFile: { readonly sqs: number; readonly s3: number; readonly sql: number };
  readonly peakRssMb: Readonly<Record<string, number>>;
  /** Processor time of each process, and of all, for one file; the sender's is not in it. */
  readonly cpuMsPerFile: Readonly<Record<string, number>>;
  readonly ceilings: Ceilings;
  readonly ratio: number;
}

export async function runPipelineBench(options: PipelineBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const stack = await startStack({ home, portBase: 'free', env: { all: { LOG_LEVEL: 'info' } } });
    try {
      const result = await measurePipeline(stack, options);
      console.log(options.json ? JSON.stringify(result) : describe(result));
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function measurePipeline(stack: Stack, options: PipelineBenchOptions): Promise<PipelineResult> {
  const { env } = stack;
  const bench = await openFlow(stack, options.size);
  const { sql, s3, body } = bench;
  try {
    await insertFinishedFiles(sql, TENANT, options.finished);
    await sendFiles(bench, { files: 200, directory: 'warm-up', directories: 50 });
    const before = await countRequests(stack, sql);
    const cpuBefore = await eachProcess(stack, cpuMs);
    const floods: (Flow & { readonly directories: number })[] = [];
    const inTurn = [...options.directories, ...options.directories.toReversed()];
    const rounds = options.directories.length * FLOODS_OF_EACH;
    for (let round = 0; round < rounds; round += 1) {
      const directories = inTurn[round % inTurn.length] as number;
      const files = Math.ceil(options.files / rounds);
      floods.push({ directories, ...(await sendFiles(bench, { files, directory: `flood-${round}`, directories })) });
    }
    const sent = Math.ceil(options.files / rounds) * rounds;
    const filesPerSecond = mean(floods.map((flood) => flood.filesPerSecond));
    const rateBy = (directories: number) =>
      round(mean(floods.filter((flood) => flood.directories === directories).map((flood) => flood.filesPerSecond)));
    const flood = floods.at(-1) as Flow;
    const cpuAfter = await eachProcess(stack, cpuMs);
    const after = await countRequests(stack, sql);
    const calm = await sendFiles(bench, {
      files: Math.min(LATENCY_FILES, options.files),
      directory: 'calm',
      perSecond: filesPerSecond / 2,
      directories: 50,
    });

    const ceilings: Ceilings = {
      s3PutCopyDeletePerSecond: round(
        await measureS3Rounds(s3, { bucket: bucketName(env.LONGSHORE_PREFIX ?? '', 'staging'), body, rounds: 1_000 }),
      ),
      queueHopsPerSecond: round(
        await measureQueueHops(
          { region: env.AWS_REGION ?? '', endpoint: env.AWS_ENDPOINT_URL_SQS ?? '', credentials: bench.credentials },
          5_000,
        ),
      ),
      statementsPerSecond: round(await measureStatements(sql, 5_000)),
    };
    const perFile = {
      sqs: round((after.sqs - before.sqs) / sent),
      s3: round((after.s3 - before.s3) / sent),
      sql: round((after.sql - before.sql) / sent),
    };
    const scarcest = Math.min(
      ceilings.s3PutCopyDeletePerSecond / 2,
      ceilings.queueHopsPerSecond / 3,
      ceilings.statementsPerSecond / perFile.sql,
    );
    const cpu = Object.entries(cpuAfter).map(
      ([name, ms]) => [name, round((ms - (cpuBefore[name] ?? 0)) / sent)] as const,
    );
    const [fewest = 1, most = fewest] = [options.directories[0], options.directories.at(-1)];
    return {
      files: sent,
      sizeBytes: body.length,
      finishedBefore: options.finished,
      filesPerSecond: round(filesPerSecond),
      filesPerSecondBy: Object.fromEntries(options.directories.map((count) => [count, rateBy(count)])),
      directoryRatio: round(rateBy(fewest) / rateBy(most)),
      latencyMs: calm.latencyMs,
      floodLatencyMs: flood.latencyMs,
      stagesPerSecond: flood.stagesPerSecond,
      perFile,
      peakRssMb: await eachProcess(stack, peakRssMb),
      cpuMsPerFile: { ...Object.fromEntries(cpu), total: round(cpu.reduce((sum, [, ms]) => sum + ms, 0)) },
      ceilings,
      ratio: round(filesPerSecond / scarcest),
    };
  } finally {
    await bench.close();
  }
}

function describe(result: PipelineResult): string {
  const { latencyMs, perFile, ceilings } = result;
  const each = (values: Readonly<Record<string, number>>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  return [
    `${result.files} files of ${result.sizeBytes} bytes, ${result.finishedBefore} finished jobs in the tables`,
    `files per second      ${result.filesPerSecond}`,
    `by directories        ${each(result.filesPerSecondBy)}; ratio ${result.directoryRatio}`,
    `first stages          ingestor ${result.stagesPerSecond.ingestor}, router ${result.stagesPerSecond.router} files per second`,
    `latency (half load)   p50 ${latencyMs.p50} ms, p95 ${latencyMs.p95} ms, p99 ${latencyMs.p99} ms`,
    `requests per file     SQS ${perFile.sqs}, S3 ${perFile.s3}, SQL ${perFile.sql}`,
    `ceilings per second   S3 rounds ${ceilings.s3PutCopyDeletePerSecond}, queue hops ${ceilings.queueHopsPerSecond}, statements ${ceilings.statementsPerSecond}`,
    `ratio to the scarcest ${result.ratio}`,
    `peak RSS (MB)         ${each(result.peakRssMb)}`,
    `CPU per file (ms)     ${each(result.cpuMsPerFile)}`,
  ].join('\n');
}
