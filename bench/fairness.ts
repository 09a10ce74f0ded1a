/**
 * `npm run bench -- fairness`: what the worst content of one tenant costs another one's small files.
 *
 * 1. Small files go at a steady rate, in turn alone and with hostile files of one format: the ratio of the two p95 is of one
 *    run on one machine.
 * 2. Hostile files are as costly to read as the limits let in, of every step that reads them; so many are open at any time, for as long as
 *    small files go. They are copied from another bucket: to make and send them would cost this process, which measures, its own time.
 * 3. XML comes in requests to the store, as many side by side. Its documents are as long as the store takes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { SERVICE_NAMES } from '#local/launcher/processes.ts';
import type { Stack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { contentOf, HOSTILE_FILES, type HostileFile, STEP_OF_READER } from '#testkit/seeds/hostile-files.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { round } from './fleet-requests.ts';
import { percentiles } from './percentiles.ts';
import { readGauge, sumCounter } from './read-metrics.ts';
import { type FlowBench, mean, sendFiles } from './send-files.ts';
import { withHome, withStack } from './with-stack.ts';

const HOSTILE = 'mallory';
const WARM_UP_FILES = 50;
/** Of each hostile format: code that runs for the first time is slow, whoever brings it. */
const WARM_UP_MS = 1_000;
const DIRECTORIES = 5;
const LARGEST_BYTES = 16_777_216;
/** The longest document that the store takes. */
const XML_BYTES = 8_388_608;
const XML_DEADLINE_MS = 60_000;
const LAG = 'nodejs_eventloop_lag_p99_seconds';
const LEASES_LOST = ['longshore_leases_lost_total', 'longshore_queue_leases_lost_total'];
const SAMPLE_MS = 1_000;

export interface FairnessBenchOptions {
  /** Small files of each turn. */
  readonly files: number;
  readonly perSecond: number;
  /** Of each format: turns without hostile files, and as many with them. */
  readonly turns: number;
  /** Hostile files at a time. */
  readonly hostile: number;
  /** All when absent. */
  readonly formats?: readonly string[] | undefined;
  readonly json: boolean;
}

interface FormatResult {
  readonly hostileFiles: number;
  /** From the begin of the put to the terminal state. */
  readonly p95Ms: { readonly alone: number; readonly loaded: number };
  readonly ratio: number;
}

interface FairnessResult {
  readonly files: number;
  readonly turns: number;
  readonly byFormat: Readonly<Record<string, FormatResult>>;
  /** Of the p99 of each second, by service: what 95 % of the seconds stayed within, and the worst second. */
  readonly lagMs: Readonly<Record<string, { readonly p95: number; readonly worst: number }>>;
  readonly leasesLost: number;
  readonly wanted: { readonly ratio: number; readonly lagMs: number; readonly leasesLost: number };
}

export async function runFairnessBench(options: FairnessBenchOptions): Promise<void> {
  const result = await withHome((home) =>
    withStack({ home }, (stack, bench) => measureFairness(stack, bench, options)),
  );
  console.log(options.json ? JSON.stringify(result) : describe(result));
}

async function measureFairness(stack: Stack, bench: FlowBench, options: FairnessBenchOptions): Promise<FairnessResult> {
  const { files, perSecond, turns, hostile, formats } = options;
  await applyTenantDocuments(bench.sql, HOSTILE, hostileDocuments(stack.endpoints.partnerSimulator));
  const known = [...(await fileFloods(stack, bench)), xmlFlood(bench)];
  const floods = known.filter(({ format }) => formats?.includes(format) ?? true);
  if (floods.length < (formats?.length ?? 1))
    throw new Error(
      `not all of these are formats: ${formats?.join(', ')}; there are ${known.map(({ format }) => format).join(', ')}`,
    );
  await sendFiles(bench, { files: WARM_UP_FILES, directory: 'warm-up', directories: DIRECTORIES });
  for (const flood of floods) await flood.send(hostile, AbortSignal.timeout(WARM_UP_MS));
  await untilHostileEnded(bench);
  const pages = SERVICE_NAMES.flatMap((service) => stack.endpoints.metrics[service] ?? []);
  const leasesLost = async () =>
    (await Promise.all(LEASES_LOST.map((counter) => sumCounter(pages, counter)))).reduce((sum, each) => sum + each, 0);
  const lostBefore = await leasesLost();
  const measured = new Map(
    floods.map(({ format }) => [format, { alone: [], loaded: [], hostileFiles: 0 } as Measured]),
  );
  const lags = new Map<string, number[]>();
  for (let turn = 0; turn < turns; turn += 1) {
    for (const flood of floods) {
      const into = measured.get(flood.format) as Measured;
      const flow = { files, perSecond, directories: DIRECTORIES };
      const name = `${flood.format.replaceAll(' ', '-')}-${turn}`;
      into.alone.push((await sendFiles(bench, { ...flow, directory: `alone-${name}` })).latencyMs.p95);
      const stopping = new AbortController();
      const sampling = sampleLags(stack, lags, stopping.signal);
      const sending = flood.send(hostile, stopping.signal);
      into.loaded.push((await sendFiles(bench, { ...flow, directory: `loaded-${name}` })).latencyMs.p95);
      stopping.abort();
      into.hostileFiles += await sending;
      await sampling;
      await untilHostileEnded(bench);
    }
  }
  return {
    files,
    turns,
    byFormat: Object.fromEntries(
      [...measured].map(([format, { alone, loaded, hostileFiles }]) => {
        const p95Ms = { alone: Math.round(mean(alone)), loaded: Math.round(mean(loaded)) };
        return [format, { hostileFiles, p95Ms, ratio: round(p95Ms.loaded / p95Ms.alone) }];
      }),
    ),
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

interface Measured {
  readonly alone: number[];
  readonly loaded: number[];
  hostileFiles: number;
}

interface HostileFlood {
  readonly format: string;
  /** Keeps so many open until the signal; resolves to how many were sent. */
  send(atOnce: number, signal: AbortSignal): Promise<number>;
}

/** One route for each reader. What is parsed is not called: calls are limited by the partner. */
function hostileDocuments(simulator: string): string {
  const layouts = new Map(
    Object.values(HOSTILE_FILES).flatMap((file) => (file.layout ? [[formatOf(file), file.layout] as const] : [])),
  );
  const routeOf = (name: string, rest: string) =>
    `kind: route\ntenant: ${HOSTILE}\nname: ${name.replaceAll(' ', '-')}\nmatch: { path: "${name.replaceAll(' ', '-')}/**" }\n${rest}\n`;
  return [
    `kind: partner\ntenant: ${HOSTILE}\nname: desk\nbaseUrl: ${simulator}\nlimits: { concurrency: 1, ratePerSecond: 1 }
operations: { ask: { method: POST, path: /validation, idempotent: true, body: {} } }\n`,
    ...Object.entries(STEP_OF_READER).map(([name, step]) => routeOf(name, `steps: [${step}, { deliver: {} }]`)),
    ...[...layouts].map(([name, layout]) =>
      routeOf(
        name,
        `records: ${JSON.stringify(layout)}\nsteps: [{ parse: {} }, { call: { partner: desk, operation: ask, code: VALIDATION_ERROR } }]`,
      ),
    ),
  ].join('---\n');
}

function formatOf({ reader, layout }: HostileFile): string {
  return layout === undefined ? reader : `records ${layout.format}`;
}

async function fileFloods(stack: Stack, bench: FlowBench): Promise<HostileFlood[]> {
  const { s3, sql, bucket } = bench;
  const holding = bucketName(stack.env.LONGSHORE_PREFIX ?? '', 'staging');
  const keys = new Map<string, string[]>();
  for (const [name, file] of Object.entries(HOSTILE_FILES)) {
    const key = `hostile/${name.replaceAll(' ', '-')}`;
    await s3.send(new PutObjectCommand({ Bucket: holding, Key: key, Body: await contentOf(file, LARGEST_BYTES) }));
    keys.set(formatOf(file), [...(keys.get(formatOf(file)) ?? []), key]);
  }
  let sent = 0;
  return [...keys].map(([format, sources]) => ({
    format,
    async send(atOnce, signal) {
      const before = sent;
      while (!signal.aborted) {
        await cancelParsed(bench);
        for (let open = await countOpen(sql); open < atOnce && !signal.aborted; open += 1) {
          const source = sources[sent % sources.length];
          const to = { Bucket: bucket, Key: `${HOSTILE}/${format.replaceAll(' ', '-')}/${sent}` };
          await s3.send(new CopyObjectCommand({ ...to, CopySource: `${holding}/${source}` }));
          sent += 1;
        }
        await sleep(200);
      }
      return sent - before;
    },
  }));
}

async function cancelParsed({ sql }: FlowBench): Promise<void> {
  const parsed = await sql<{ id: string }[]>`
    SELECT id FROM jobs WHERE tenant_id = ${HOSTILE} AND step_kind = 'call' AND state = 'WAITING'`;
  if (parsed.length === 0) return;
  await cancelJobs(sql, { jobIds: parsed.map(({ id }) => id), actor: 'bench', reason: 'parsed' });
}

async function countOpen(sql: Sql): Promise<number> {
  const [row] = await sql<{ open: number }[]>`
    SELECT count(*)::int AS open FROM files
    WHERE tenant_id = ${HOSTILE} AND status IN ('UPLOADED', 'QUEUED', 'PROCESSING')`;
  return row?.open ?? 0;
}

async function untilHostileEnded(bench: FlowBench): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    await cancelParsed(bench);
    if ((await countOpen(bench.sql)) === 0) return;
    await sleep(500);
  }
  throw new Error('hostile files did not end within 5 minutes');
}

/** Documents that are refused only at their end. */
function xmlFlood({ s3, bucket }: FlowBench): HostileFlood {
  const part = '<Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag></Part>';
  const [begin, end] = ['<CompleteMultipartUpload>', '</CompleteMultipartUpload>'];
  const body = begin + part.repeat(Math.floor((XML_BYTES - begin.length - end.length) / part.length)) + end;
  return {
    format: 'xml',
    async send(atOnce, signal) {
      const at = { Bucket: bucket, Key: `${HOSTILE}/xml` };
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at));
      const url = await getSignedUrl(s3, new CompleteMultipartUploadCommand({ ...at, UploadId }));
      let sent = 0;
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          while (!signal.aborted) {
            const reply = await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(XML_DEADLINE_MS) });
            if (reply.status !== 400) throw new Error(`the store answered HTTP ${reply.status}: ${await reply.text()}`);
            await reply.arrayBuffer();
            sent += 1;
          }
        }),
      );
      return sent;
    },
  };
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

function describe({ files, turns, byFormat, lagMs, leasesLost, wanted }: FairnessResult): string {
  return [
    `${turns} turns of ${files} small files for each format, alone and with hostile files; wanted at most ${wanted.ratio}`,
    ...Object.entries(byFormat).map(
      ([format, { p95Ms, ratio, hostileFiles }]) =>
        `  ${format}  p95 alone ${p95Ms.alone} ms, loaded ${p95Ms.loaded} ms, ratio ${ratio} (${hostileFiles} hostile)`,
    ),
    `event loop lag, p99 of a second in ms (wanted under ${wanted.lagMs})`,
    ...Object.entries(lagMs).map(([service, { p95, worst }]) => `  ${service}  p95 ${p95}, worst ${worst}`),
    `leases lost  ${leasesLost} (wanted ${wanted.leasesLost})`,
  ].join('\n');
}
