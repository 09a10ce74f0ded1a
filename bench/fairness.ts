/**
 * `npm run bench -- fairness`: what the worst content of one tenant costs another one's small files.
 *
 * 1. Small files go at a steady rate, in turn alone and with hostile files: the ratio of the two p95 is of one
 *    run on one machine.
 * 2. Hostile files are as costly to read as the limits let in, of every step that reads them; so many are open at any time, for as long as small files go.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { SERVICE_NAMES } from '#local/launcher/processes.ts';
import { type Stack, startStack } from '#local/stack.ts';
import { HOSTILE_FILES, type HostileFile, piecesOf } from '#testkit/seeds/hostile-files.ts';
import { applyTenantRoute } from './apply-tenant-route.ts';
import { round } from './fleet-requests.ts';
import { percentiles } from './percentiles.ts';
import { readGauge, sumCounter } from './read-metrics.ts';
import { type FlowBench, mean, openFlow, sendFiles } from './send-files.ts';

const HOSTILE = 'mallory';
const WARM_UP_FILES = 50;
const DIRECTORIES = 5;
const LARGEST_BYTES = 16_777_216;
const LAG = 'nodejs_eventloop_lag_p99_seconds';
const LEASES_LOST = ['longshore_leases_lost_total', 'longshore_queue_leases_lost_total'];
const SAMPLE_MS = 1_000;

export interface FairnessBenchOptions {
  /** Small files of each turn. */
  readonly files: number;
  readonly perSecond: number;
  /** Turns without hostile files, and as many with them. */
  readonly turns: number;
  /** Hostile files at a time. */
  readonly hostile: number;
  readonly json: boolean;
}

interface FairnessResult {
  readonly files: number;
  readonly turns: number;
  readonly hostileFiles: number;
  /** From the begin of the put to the terminal state. */
  readonly p95Ms: { readonly alone: number; readonly loaded: number };
  readonly ratio: number;
  /** Of the p99 of each second, by service: what 95 % of the seconds stayed within, and the worst second. */
  readonly lagMs: Readonly<Record<string, { readonly p95: number; readonly worst: number }>>;
  readonly leasesLost: number;
  readonly wanted: { readonly ratio: number; readonly lagMs: number; readonly leasesLost: number };
}

export async function runFairnessBench(options: FairnessBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const stack = await startStack({ home, portBase: 'free' });
    try {
      const bench = await openFlow(stack, '4KB');
      try {
        const result = await measureFairness(stack, bench, options);
        console.log(options.json ? JSON.stringify(result) : describe(result));
      } finally {
        await bench.close();
      }
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function measureFairness(stack: Stack, bench: FlowBench, options: FairnessBenchOptions): Promise<FairnessResult> {
  const { files, perSecond, turns, hostile } = options;
  await applyTenantRoute(bench.sql, HOSTILE, hostileRoutes());
  const contents = await Promise.all(
    Object.values(HOSTILE_FILES)
      .filter(({ reader }) => reader !== 'records')
      .map(contentOf),
  );
  await sendFiles(bench, { files: WARM_UP_FILES, directory: 'warm-up', directories: DIRECTORIES });
  const pages = SERVICE_NAMES.flatMap((service) => stack.endpoints.metrics[service] ?? []);
  const leasesLost = async () =>
    (await Promise.all(LEASES_LOST.map((counter) => sumCounter(pages, counter)))).reduce((sum, each) => sum + each, 0);
  const lostBefore = await leasesLost();
  const p95s = { alone: [] as number[], loaded: [] as number[] };
  const lags = new Map<string, number[]>();
  let hostileFiles = 0;
  for (let turn = 0; turn < turns; turn += 1) {
    const flow = { files, perSecond, directories: DIRECTORIES };
    p95s.alone.push((await sendFiles(bench, { ...flow, directory: `alone-${turn}` })).latencyMs.p95);
    const stopping = new AbortController();
    const sampling = sampleLags(stack, lags, stopping.signal);
    const sending = sendHostile(bench, { contents, atOnce: hostile, turn, signal: stopping.signal });
    p95s.loaded.push((await sendFiles(bench, { ...flow, directory: `loaded-${turn}` })).latencyMs.p95);
    stopping.abort();
    hostileFiles += await sending;
    await sampling;
    await untilHostileEnded(bench);
  }
  const p95Ms = { alone: Math.round(mean(p95s.alone)), loaded: Math.round(mean(p95s.loaded)) };
  return {
    files,
    turns,
    hostileFiles,
    p95Ms,
    ratio: round(p95Ms.loaded / p95Ms.alone),
    lagMs: Object.fromEntries(
      [...lags].map(([service, values]) => [
        service,
        { p95: Math.round(percentiles(values).p95), worst: Math.round(Math.max(...values)) },
      ]),
    ),
    leasesLost: (await leasesLost()) - lostBefore,
    wanted: { ratio: 2, lagMs: 200, leasesLost: 0 },
  };
}

interface HostileContent {
  /** The name of its route. */
  readonly route: string;
  readonly body: Buffer;
}

/** One a reader. */
function hostileRoutes(): string {
  const steps: Record<string, string> = {
    rows: '[{ validate: { csv: { everyRow: true } } }, { deliver: {} }]',
    'csv-to-ndjson': '[{ transform: { ops: [{ csv-to-ndjson: { maxRejected: 100000 } }] } }, { deliver: {} }]',
    gunzip: '[{ transform: { ops: [{ gunzip: }] } }, { deliver: {} }]',
  };
  return Object.entries(steps)
    .map(
      ([name, each]) =>
        `kind: route\ntenant: ${HOSTILE}\nname: ${name}\nmatch: { path: "${name}/**" }\nsteps: ${each}\n`,
    )
    .join('---\n');
}

async function contentOf({ reader, unit, sizeBytes, beginning }: HostileFile): Promise<HostileContent> {
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(unit, Math.min(sizeBytes, LARGEST_BYTES), beginning)) pieces.push(piece);
  return { route: reader, body: Buffer.concat(pieces) };
}

interface HostileFlow {
  readonly contents: readonly HostileContent[];
  readonly atOnce: number;
  readonly turn: number;
  readonly signal: AbortSignal;
}

/** Keeps so many hostile files open until the signal; resolves to how many were sent. */
async function sendHostile({ sql, s3, bucket }: FlowBench, flow: HostileFlow): Promise<number> {
  const { contents, atOnce, turn, signal } = flow;
  let sent = 0;
  while (!signal.aborted) {
    const [row] = await sql<{ open: number }[]>`
      SELECT count(*)::int AS open FROM files
      WHERE tenant_id = ${HOSTILE} AND status IN ('UPLOADED', 'QUEUED', 'PROCESSING')`;
    for (let open = row?.open ?? 0; open < atOnce && !signal.aborted; open += 1) {
      const { route, body } = contents[sent % contents.length] as HostileContent;
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `${HOSTILE}/${route}/${turn}-${sent}`, Body: body }));
      sent += 1;
    }
    await sleep(200);
  }
  return sent;
}

async function untilHostileEnded({ sql }: FlowBench): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const [row] = await sql<{ open: number }[]>`
      SELECT count(*)::int AS open FROM files
      WHERE tenant_id = ${HOSTILE} AND status IN ('UPLOADED', 'QUEUED', 'PROCESSING')`;
    if (row?.open === 0) return;
    await sleep(500);
  }
  throw new Error('hostile files did not end within 5 minutes');
}

/** Each reading is of the time since the one before it. */
async function sampleLags(stack: Stack, into: Map<string, number[]>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(SAMPLE_MS);
    await Promise.all(
      SERVICE_NAMES.map(async (service) => {
        const url = stack.endpoints.metrics[service];
        const seconds = url === undefined ? undefined : await readGauge(url, LAG);
        if (seconds !== undefined) into.set(service, [...(into.get(service) ?? []), seconds * 1_000]);
      }),
    );
  }
}

function describe({ files, turns, hostileFiles, p95Ms, ratio, lagMs, leasesLost, wanted }: FairnessResult): string {
  return [
    `${turns} turns of ${files} small files, alone and with hostile files (${hostileFiles} in all)`,
    `latency  p95 alone ${p95Ms.alone} ms, loaded ${p95Ms.loaded} ms, ratio ${ratio} (wanted at most ${wanted.ratio})`,
    `event loop lag, p99 of a second in ms (wanted under ${wanted.lagMs})`,
    ...Object.entries(lagMs).map(([service, { p95, worst }]) => `  ${service}  p95 ${p95}, worst ${worst}`),
    `leases lost  ${leasesLost} (wanted ${wanted.leasesLost})`,
  ].join('\n');
}
