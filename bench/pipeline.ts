/**
 * `npm run bench -- pipeline`: files per second through the whole fleet, from put to terminal state, against its parts' ceilings.
 *
 * 1. The fleet is the one that `npm start` runs, in a home of its own that is thrown away. Commits are durable as they are there.
 * 2. Files are put straight into landing, into one directory and over fifty in turn, and walk validate, deliver and confirm. The figures are
 *    those of all floods together; `filesPerSecondBy` compares one directory with fifty in the same run.
 * 3. Throughput is measured while files arrive as fast as the store takes them; latency once more at half that rate, because
 *    in a flood it only says how long the flood was.
 * 4. `ratio` is the measured rate over the rate that the scarcest part allows by itself: a file needs one round of put, copy and
 *    delete and as much again of reads and copies, three queue hops, and the statements that were counted.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type Stack, startStack } from '#local/stack.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { parseSizeBytes } from '#shared/definitions/size.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { applyTenantRoute } from './apply-tenant-route.ts';
import { countRequests, eachProcess, round } from './fleet-requests.ts';
import { type Ceilings, measureQueueHops, measureS3Rounds, measureStatements } from './part-ceilings.ts';
import { type Percentiles, percentiles } from './percentiles.ts';
import { cpuMs, peakRssMb } from './read-metrics.ts';

const TENANT = 'bench';
/** Each so often: first and last differ by how warm everything is. */
const FLOODS_OF_EACH = 2;
const PUTS_SIDE_BY_SIDE = 16;
/** Files of the latency phase: enough for a 99th percentile. */
const LATENCY_FILES = 1_000;
const TERMINAL_TIMEOUT_MS = 600_000;

const ROUTE = `
kind: route
tenant: ${TENANT}
name: all
match: { path: "inbound/**" }
steps:
  - validate: { maxSize: 100MB, namePattern: "[a-z0-9-]+\\\\.csv" }
  - deliver: {}
  - confirm: {}
`;

export interface PipelineBenchOptions {
  readonly files: number;
  readonly size: string;
  /** In turn, e.g. `[1, 50]`. */
  readonly directories: readonly number[];
  /** Rows of finished files and jobs to put into the tables first. */
  readonly finished: number;
  readonly json: boolean;
}

interface StageRates {
  readonly ingestor: number;
  readonly router: number;
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
  const sizeBytes = parseSizeBytes(options.size);
  if (sizeBytes === undefined) throw new Error(`not a size: ${options.size}`);
  const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' };
  const sql = connectDatabase(
    {
      DATABASE_URL: env.DATABASE_URL ?? '',
      DATABASE_POOL_MAX: 8,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 120_000,
    },
    'bench',
  );
  const s3 = new S3Client({
    region: env.AWS_REGION ?? '',
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? '',
    credentials,
    forcePathStyle: true,
  });
  try {
    await applyTenantRoute(sql, TENANT, ROUTE);
    await insertFinishedFiles(sql, options.finished);
    const body = randomBytes(sizeBytes);
    const bench: Bench = { sql, s3, body, bucket: bucketName(env.LONGSHORE_PREFIX ?? '', 'landing') };

    await sendFiles(bench, { files: 200, directory: 'warm-up', directories: 50 });
    const before = await countRequests(stack, sql);
    const cpuBefore = await eachProcess(stack, cpuMs);
    const floods: (Flow & { readonly directories: number })[] = [];
    const rounds = options.directories.length * FLOODS_OF_EACH;
    for (let round = 0; round < rounds; round += 1) {
      const directories = options.directories[round % options.directories.length] as number;
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
          { region: env.AWS_REGION ?? '', endpoint: env.AWS_ENDPOINT_URL_SQS ?? '', credentials },
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
      sizeBytes,
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
    s3.destroy();
    await sql.end({ timeout: 5 });
  }
}

/** Files that ended long ago, with their jobs, steps and attempts, so that the tables have the size of a fleet in use. */
async function insertFinishedFiles(sql: Sql, count: number): Promise<void> {
  if (count === 0) return;
  await sql`
    WITH route AS (SELECT r.id, v.id AS version FROM routes r JOIN route_versions v ON v.route_id = r.id WHERE r.tenant_id = ${TENANT}),
    old AS (
      INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, status, order_key,
        order_seq, routed_at, job_count, archived_at, archive_bucket, archive_key, archive_version_id, finished_at, wakes)
      SELECT uuid_v7(), ${TENANT}, 'old', ${TENANT} || '/old/' || n, n::text, n::text, 4096, md5(n::text), 's3', now() - interval '1 day',
        'COMPLETED', 'old', nextval('file_order'), now(), 1, now(), 'old', n::text, 'v', now(), 1
      FROM generate_series(1, ${count}::int) AS n RETURNING id),
    done AS (
      INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_seq, step_count, max_attempts,
        queue, wakes, finished_at)
      SELECT uuid_v7(), ${TENANT}, old.id, route.id, route.version, 'SUCCEEDED', 'confirm', 2, 3, 3, 'partner-steps', 1, now()
      FROM old, route RETURNING id),
    steps AS (
      INSERT INTO job_steps (job_id, seq, kind, state, attempts, started_at, finished_at)
      SELECT done.id, s, 'deliver', 'SUCCEEDED', 1, now(), now() FROM done, generate_series(0, 2) AS s)
    INSERT INTO attempts (tenant_id, job_id, generation, step_seq, step_kind, attempt, outcome, worker, started_at, duration_ms)
    SELECT ${TENANT}, done.id, 1, s, 'deliver', 1, 'succeeded', 'bench', now(), 1 FROM done, generate_series(0, 2) AS s`;
  await sql`ANALYZE`;
}

interface Bench {
  readonly sql: Sql;
  readonly s3: S3Client;
  readonly body: Buffer;
  readonly bucket: string;
}

interface Flow {
  readonly filesPerSecond: number;
  readonly stagesPerSecond: StageRates;
  readonly latencyMs: Percentiles;
}

interface FilesToSend {
  readonly files: number;
  /** Beginning of the names of the directories. */
  readonly directory: string;
  readonly directories: number;
  readonly perSecond?: number;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Puts files, at most `perSecond` where given, and waits until each has reached its terminal state. Times are from the begin of
 * each put by this process's clock: the store's events tell whole seconds.
 */
async function sendFiles(bench: Bench, { files, directory, directories, perSecond }: FilesToSend): Promise<Flow> {
  const prefix = `${TENANT}/inbound/${directory}-`;
  const startedMs = performance.now();
  const putAtMs = new Map<string, number>();
  let next = 0;
  await Promise.all(
    Array.from({ length: PUTS_SIDE_BY_SIDE }, async () => {
      while (next < files) {
        const index = next;
        next += 1;
        if (perSecond !== undefined) {
          await sleep(Math.max(0, startedMs + (index * 1_000) / perSecond - performance.now()));
        }
        const key = `${prefix}${index % directories}/${randomUUID()}.csv`;
        putAtMs.set(key, Date.now());
        await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: key, Body: bench.body }));
      }
    }),
  );
  await untilTerminal(bench.sql, prefix, files);
  const rows = await bench.sql<{ key: string; registeredAt: Date; routedAt: Date; finishedAt: Date }[]>`
    SELECT key, uuid_extract_timestamp(id) AS "registeredAt", routed_at AS "routedAt", finished_at AS "finishedAt"
    FROM files WHERE tenant_id = ${TENANT} AND starts_with(key, ${prefix})`;
  const latencies = rows.map((row) => row.finishedAt.getTime() - (putAtMs.get(row.key) ?? Number.NaN));
  const firstPutMs = Math.min(...putAtMs.values());
  const lastFinishMs = Math.max(...rows.map((row) => row.finishedAt.getTime()));
  const rateOf = (times: readonly Date[]) => {
    const ms = times.map((time) => time.getTime());
    return round((files * 1_000) / (Math.max(...ms) - Math.min(...ms)));
  };
  return {
    filesPerSecond: (files * 1_000) / (lastFinishMs - firstPutMs),
    stagesPerSecond: {
      ingestor: rateOf(rows.map(({ registeredAt }) => registeredAt)),
      router: rateOf(rows.map(({ routedAt }) => routedAt)),
    },
    latencyMs: percentiles(latencies),
  };
}

async function untilTerminal(sql: Sql, prefix: string, files: number): Promise<void> {
  const deadline = performance.now() + TERMINAL_TIMEOUT_MS;
  for (;;) {
    const [row] = await sql<{ completed: number; bad: number }[]>`
      SELECT count(*) FILTER (WHERE status = 'COMPLETED')::int AS completed,
        count(*) FILTER (WHERE status IN ('FAILED', 'QUARANTINED'))::int AS bad
      FROM files WHERE tenant_id = ${TENANT} AND starts_with(key, ${prefix})`;
    if (row?.completed === files) return;
    if ((row?.bad ?? 0) > 0) throw new Error(`${row?.bad} files did not complete`);
    if (performance.now() > deadline) throw new Error(`only ${row?.completed} of ${files} files completed in time`);
    await sleep(200);
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
