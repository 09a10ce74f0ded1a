/**
 * `npm run bench -- large`: a large copy, by the store and streamed, against rclone and against the bare ceiling, in one run.
 *
 * 1. One store, that of `npm start`, in its own process; each measurement in its own process, whose peak of memory is read.
 * 2. Rounds alternate and the median of each counts: caches and machine warm up, and nobody is to profit from that.
 * 3. rclone's time has its start in it, as for whoever calls it; ours is that of a copy in a running worker, with its HEAD and check.
 * 4. The ceiling of a streamed copy is reading and writing so many bytes at the same time, with nothing from one to the other.
 */
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseSizeBytes } from '#shared/definitions/size.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { MEMORY_VARIABLES, memoryFlags } from '#shared/runtime/config/memory.ts';
import type { LargeMeasured, LargeMeasurement } from './large-copy-process.ts';
import { peakRssMb } from './read-metrics.ts';

export interface LargeBenchOptions {
  readonly size: string;
  readonly rounds: number;
  readonly json: boolean;
}

interface Rate {
  readonly mbPerSecond: number;
  readonly peakRssMb: number;
}

interface LargeResult {
  readonly sizeBytes: number;
  readonly serverSide: Rate;
  readonly streamed: Rate;
  /** Four copies side by side; the rate of all together. */
  readonly streamedFour: Rate;
  /** Null where it is not installed. */
  readonly rclone: { readonly serverSideMbPerSecond: number; readonly streamedMbPerSecond: number } | null;
  readonly ceiling: {
    readonly getMbPerSecond: number;
    readonly putMbPerSecond: number;
    readonly bothMbPerSecond: number;
  };
  readonly ratios: {
    readonly serverSideToRclone: number | null;
    readonly streamedToRclone: number | null;
    readonly streamedToCeiling: number;
  };
}

const CREDENTIALS = { accessKeyId: 'bench', secretAccessKey: 'bench-secret' };
const BUCKETS = { source: 'bench-source', target: 'bench-target' };
const KEY = 'large.bin';
const READY_TIMEOUT_MS = 20_000;
const PIECE_BYTES = 1024 ** 2;
const run = promisify(execFile);

export async function runLargeBench({ size, rounds, json }: LargeBenchOptions): Promise<void> {
  const sizeBytes = parseSizeBytes(size);
  if (sizeBytes === undefined) throw new Error(`not a size: ${size}`);
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  const server = await startServer(home);
  try {
    const result = await measureAll({ endpoint: server.url, home, sizeBytes, rounds });
    console.log(json ? JSON.stringify(result) : describe(result));
  } finally {
    const exited = once(server.child, 'exit');
    server.child.kill('SIGKILL');
    await exited;
    await rm(home, { recursive: true, force: true });
  }
}

interface Bench {
  readonly endpoint: string;
  readonly home: string;
  readonly sizeBytes: number;
  readonly rounds: number;
}

async function startServer(home: string): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const credentials = join(home, 'credentials.json');
  await writeFile(credentials, JSON.stringify([{ ...CREDENTIALS, name: 'bench' }]), { mode: 0o600 });
  const child = spawn(process.execPath, [fileURLToPath(new URL('../local/s3/main.ts', import.meta.url))], {
    env: {
      LONGSHORE_S3_DIRECTORY: join(home, 's3'),
      LONGSHORE_S3_PORT: '0',
      LONGSHORE_S3_CREDENTIALS_FILE: credentials,
      LONGSHORE_S3_BUCKETS: Object.values(BUCKETS).join(','),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
  const [line] = (await once(lines, 'line', { signal })) as [string];
  return { url: (JSON.parse(line) as { url: string }).url, child };
}

async function measureAll(bench: Bench): Promise<LargeResult> {
  await putSource(bench);
  const hasRclone = await run('rclone', ['version']).then(
    () => true,
    () => false,
  );
  const samples = new Map<string, { ms: number[]; peakRssMb: number }>();
  const add = (name: string, { ms, peakRssMb: peak }: Sample): void => {
    const sample = samples.get(name) ?? { ms: [], peakRssMb: 0 };
    sample.ms.push(ms);
    samples.set(name, { ...sample, peakRssMb: Math.max(sample.peakRssMb, peak) });
  };
  for (let round = 0; round < bench.rounds; round += 1) {
    add('server-side', await measureProcess(bench, 'server-side'));
    if (hasRclone) add('rclone server-side', await measureRclone(bench, []));
    add('streamed', await measureProcess(bench, 'streamed'));
    if (hasRclone) add('rclone streamed', await measureRclone(bench, ['--disable', 'copy']));
    for (const what of ['get', 'put', 'get-and-put'] as const) add(what, await measureProcess(bench, what));
  }
  add('four', await measureProcess(bench, 'streamed', 4));
  const rate = (name: string, copies = 1): Rate => {
    const { ms, peakRssMb: peak } = samples.get(name) ?? { ms: [], peakRssMb: 0 };
    return { mbPerSecond: Math.round((copies * bench.sizeBytes) / 1e3 / median(ms)), peakRssMb: peak };
  };
  const timesFaster = (ours: string, other: string): number => round2(timeOf(other) / timeOf(ours));
  const timeOf = (name: string): number => median(samples.get(name)?.ms ?? []);
  return {
    sizeBytes: bench.sizeBytes,
    serverSide: rate('server-side'),
    streamed: rate('streamed'),
    streamedFour: rate('four', 4),
    rclone: hasRclone
      ? {
          serverSideMbPerSecond: rate('rclone server-side').mbPerSecond,
          streamedMbPerSecond: rate('rclone streamed').mbPerSecond,
        }
      : null,
    ceiling: {
      getMbPerSecond: rate('get').mbPerSecond,
      putMbPerSecond: rate('put').mbPerSecond,
      bothMbPerSecond: rate('get-and-put').mbPerSecond,
    },
    ratios: {
      serverSideToRclone: hasRclone ? timesFaster('server-side', 'rclone server-side') : null,
      streamedToRclone: hasRclone ? timesFaster('streamed', 'rclone streamed') : null,
      streamedToCeiling: timesFaster('streamed', 'get-and-put'),
    },
  };
}

function storeOf({ endpoint }: Bench) {
  const client = createS3Client({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint,
    region: 'us-east-1',
    credentials: CREDENTIALS,
  });
  return { client, store: createObjectStore({ client }) };
}

async function putSource(bench: Bench): Promise<void> {
  const { client, store } = storeOf(bench);
  const piece = randomBytes(PIECE_BYTES);
  async function* content(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bench.sizeBytes; at += PIECE_BYTES) {
      yield piece.subarray(0, Math.min(PIECE_BYTES, bench.sizeBytes - at));
    }
  }
  await store.upload({ target: { bucket: BUCKETS.source, key: KEY }, body: content(), expectedBytes: bench.sizeBytes });
  client.destroy();
}

/** What a round wrote would fill the disk. */
async function emptyTarget(bench: Bench): Promise<void> {
  const { client, store } = storeOf(bench);
  const { items } = await store.listVersions({ bucket: BUCKETS.target });
  await store.deleteVersions(BUCKETS.target, items);
  client.destroy();
}

interface Sample {
  readonly ms: number;
  readonly peakRssMb: number;
}

async function measureProcess(bench: Bench, what: LargeMeasurement['what'], copies = 1): Promise<Sample> {
  const measurement: LargeMeasurement = {
    what,
    endpoint: bench.endpoint,
    credentials: CREDENTIALS,
    source: { bucket: BUCKETS.source, key: KEY, sizeBytes: bench.sizeBytes },
    targetBucket: BUCKETS.target,
    copies,
  };
  const program = fileURLToPath(new URL('large-copy-process.ts', import.meta.url));
  const child = fork(program, [JSON.stringify(measurement)], {
    env: MEMORY_VARIABLES,
    execArgv: [...memoryFlags('large-file-worker')],
  });
  const ended = once(child, 'exit');
  const [measured] = (await Promise.race([
    once(child, 'message'),
    ended.then(([code]) => Promise.reject(new Error(`the measurement ended with ${code}`))),
  ])) as [LargeMeasured];
  const peak = await peakRssMb(child.pid ?? 0);
  child.disconnect();
  await ended;
  await emptyTarget(bench);
  return { ms: measured.ms, peakRssMb: peak };
}

async function measureRclone(bench: Bench, options: readonly string[]): Promise<Sample> {
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: bench.home,
    RCLONE_CONFIG_S3_TYPE: 's3',
    RCLONE_CONFIG_S3_PROVIDER: 'Other',
    RCLONE_CONFIG_S3_ENDPOINT: bench.endpoint,
    RCLONE_CONFIG_S3_REGION: 'us-east-1',
    RCLONE_CONFIG_S3_FORCE_PATH_STYLE: 'true',
    RCLONE_CONFIG_S3_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    RCLONE_CONFIG_S3_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
  };
  const [from, to] = [`s3:${BUCKETS.source}/${KEY}`, `s3:${BUCKETS.target}/${KEY}`];
  const startedMs = performance.now();
  await run('rclone', ['copyto', ...options, from, to], { env });
  const ms = performance.now() - startedMs;
  await emptyTarget(bench);
  return { ms, peakRssMb: 0 };
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

function describe({ sizeBytes, serverSide, streamed, streamedFour, rclone, ceiling, ratios }: LargeResult): string {
  const line = (name: string, { mbPerSecond, peakRssMb: peak }: Rate): string =>
    `${name.padEnd(28)} ${String(mbPerSecond).padStart(7)} MB/s, at most ${peak} MB of memory`;
  return [
    `One file of ${(sizeBytes / 1e6).toFixed(0)} MB`,
    line('by the store', serverSide),
    line('streamed', streamed),
    line('streamed, four at once', streamedFour),
    rclone === null
      ? 'rclone is not installed'
      : `rclone: by the store ${rclone.serverSideMbPerSecond} MB/s, streamed ${rclone.streamedMbPerSecond} MB/s`,
    `ceiling: reading ${ceiling.getMbPerSecond} MB/s, writing ${ceiling.putMbPerSecond} MB/s, both at once ${ceiling.bothMbPerSecond} MB/s`,
    `ratios: by the store to rclone ${ratios.serverSideToRclone ?? '-'} (aim 1.0), streamed to rclone ${ratios.streamedToRclone ?? '-'} (aim 1.0), streamed to the ceiling ${ratios.streamedToCeiling} (aim 0.8)`,
  ].join('\n');
}
