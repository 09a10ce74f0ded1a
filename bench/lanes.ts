/**
 * `npm run bench -- lanes`: what a flood in the lane bronze costs the files of the lane platinum.
 *
 * 1. Platinum files go at a steady rate, alone before and after the flood, and for as long as it arrives and is processed: the ratio of the two p95
 *    is of one run on one machine.
 * 2. The flood goes into one directory as fast as the store takes it, and is copied there: to make and send it would cost this process, which
 *    measures, its own time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CopyObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Stack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { round } from './fleet-requests.ts';
import { percentiles } from './percentiles.ts';
import { type FileTimes, type FlowBench, sendFiles, TENANT } from './send-files.ts';
import { withHome, withStack } from './with-stack.ts';

const FLOODING = 'bulk';
const WARM_UP_FILES = 50;
const COPIES_SIDE_BY_SIDE = 8;
/** Of platinum files that are waited for together. */
const TURN_FILES = 20;
const FLOOD_TIMEOUT_MS = 1_800_000;

export interface LanesBenchOptions {
  /** Of the flood. */
  readonly files: number;
  /** Platinum files, alone. */
  readonly alone: number;
  readonly perSecond: number;
  /** Lane of the flood. */
  readonly flood: string;
  readonly json: boolean;
}

interface LanesResult {
  readonly flood: {
    readonly files: number;
    readonly lane: string;
    readonly arrivedSeconds: number;
    readonly seconds: number;
  };
  /** From the begin of the put to the terminal state. */
  readonly platinum: { readonly alone: Measured; readonly loaded: Measured };
  readonly ratio: number;
  readonly wanted: { readonly ratio: number };
}

interface Measured {
  readonly files: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Of each stage, after the one before it. */
  readonly stagesP95Ms: Readonly<Record<'stored' | 'registered' | 'routed' | 'finished', number>>;
}

export async function runLanesBench(options: LanesBenchOptions): Promise<void> {
  const result = await withHome((home) => withStack({ home }, (stack, bench) => measureLanes(stack, bench, options)));
  console.log(options.json ? JSON.stringify(result) : describe(result));
}

async function measureLanes(stack: Stack, bench: FlowBench, options: LanesBenchOptions): Promise<LanesResult> {
  const { files, alone: aloneFiles, perSecond, flood } = options;
  const routeOf = (tenant: string, lane: string) =>
    `kind: route\ntenant: ${tenant}\nname: all\nmatch: { path: "inbound/**" }\npriority: ${lane}\nsteps: [{ validate: { maxSize: 100MB } }, { deliver: {} }, { confirm: {} }]\n`;
  await applyTenantDocuments(bench.sql, TENANT, routeOf(TENANT, 'platinum'));
  await applyTenantDocuments(bench.sql, FLOODING, routeOf(FLOODING, flood));
  await sendFiles(bench, { files: WARM_UP_FILES, directory: 'warm-up', directories: 1 });
  const sendAlone = (name: string) => sendSteadily(bench, { name, perSecond, isOver: (sent) => sent >= aloneFiles });
  const beforeMs = await sendAlone('before');
  const startedMs = performance.now();
  let arrivedSeconds = 0;
  let isCarried = false;
  let floodSeconds = 0;
  const carried = (async () => {
    await sendFlood(stack, bench, files);
    arrivedSeconds = secondsSince(startedMs);
    await untilCarried(bench.sql, files);
    floodSeconds = secondsSince(startedMs);
    isCarried = true;
  })();
  const [loadedMs] = await Promise.all([
    sendSteadily(bench, { name: 'loaded', perSecond, isOver: () => isCarried }),
    carried,
  ]);
  const afterMs = await sendAlone('after');
  const platinum = { alone: summarise([...beforeMs, ...afterMs]), loaded: summarise(loadedMs) };
  return {
    flood: { files, lane: flood, arrivedSeconds, seconds: floodSeconds },
    platinum,
    ratio: round(platinum.loaded.p95Ms / platinum.alone.p95Ms),
    wanted: { ratio: 2 },
  };
}

interface Steadily {
  readonly name: string;
  readonly perSecond: number;
  readonly isOver: (sent: number) => boolean;
}

/** Turn after turn, so that a flood ends it in time; resolves to what each file took. */
async function sendSteadily(bench: FlowBench, { name, perSecond, isOver }: Steadily): Promise<FileTimes[]> {
  const times: FileTimes[] = [];
  for (let turn = 0; !isOver(times.length); turn += 1) {
    const flow = await sendFiles(bench, {
      ...{ files: TURN_FILES, perSecond },
      ...{ directory: `${name}-${turn}`, directories: 1 },
    });
    times.push(...flow.times);
  }
  return times;
}

async function sendFlood({ env }: Stack, { s3, bucket, body }: FlowBench, files: number): Promise<void> {
  const holding = bucketName(env.LONGSHORE_PREFIX ?? '', 'staging');
  await s3.send(new PutObjectCommand({ Bucket: holding, Key: 'flood', Body: body }));
  let next = 0;
  await Promise.all(
    Array.from({ length: COPIES_SIDE_BY_SIDE }, async () => {
      while (next < files) {
        const to = { Bucket: bucket, Key: `${FLOODING}/inbound/flood/${next}.csv` };
        next += 1;
        await s3.send(new CopyObjectCommand({ ...to, CopySource: `${holding}/flood` }));
      }
    }),
  );
}

async function untilCarried(sql: Sql, files: number): Promise<void> {
  const deadline = performance.now() + FLOOD_TIMEOUT_MS;
  for (;;) {
    const [row] = await sql<{ ended: number; open: number }[]>`
      SELECT count(*)::int AS ended FROM files WHERE tenant_id = ${FLOODING} AND status = 'COMPLETED'`;
    if (row?.ended === files) return;
    if (performance.now() > deadline) throw new Error(`only ${row?.ended} files of the flood completed in time`);
    await sleep(1_000);
  }
}

function summarise(times: readonly FileTimes[]): Measured {
  const { p50, p95 } = percentiles(times.map(({ finishedMs }) => finishedMs));
  const p95Of = (of: (each: FileTimes) => number) => Math.round(percentiles(times.map(of)).p95);
  return {
    files: times.length,
    p50Ms: Math.round(p50),
    p95Ms: Math.round(p95),
    stagesP95Ms: {
      stored: p95Of(({ storedMs }) => storedMs),
      registered: p95Of(({ storedMs, registeredMs }) => registeredMs - storedMs),
      routed: p95Of(({ registeredMs, routedMs }) => routedMs - registeredMs),
      finished: p95Of(({ routedMs, finishedMs }) => finishedMs - routedMs),
    },
  };
}

function secondsSince(startedMs: number): number {
  return Math.round((performance.now() - startedMs) / 1_000);
}

function describe({ flood, platinum, ratio, wanted }: LanesResult): string {
  const row = (name: string, { files, p50Ms, p95Ms, stagesP95Ms: stages }: Measured) =>
    `  ${name}  p50 ${p50Ms} ms, p95 ${p95Ms} ms (${files} files); p95 until stored ${stages.stored}, registered ${stages.registered}, routed ${stages.routed}, finished ${stages.finished}`;
  return [
    `platinum files, alone and during a flood of ${flood.files} files in the lane ${flood.lane}`,
    row('alone ', platinum.alone),
    row('loaded', platinum.loaded),
    `  ratio of the p95  ${ratio} (wanted at most ${wanted.ratio})`,
    `the flood arrived within ${flood.arrivedSeconds} s and was processed within ${flood.seconds} s`,
  ].join('\n');
}
