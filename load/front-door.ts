/**
 * `npm run load -- front-door`: one tenant sends a steady stream of files over SFTP into one directory, then a burst.
 *
 * 1. Clients are ssh2 and, where it is installed, OpenSSH's `sftp`: one steady file in twelve and every second connection of the
 *    burst are its own.
 * 2. A stage is timed from the moment a client begins to put a file, or from the stage before. In the burst that is the
 *    beginning of the burst for all files of an OpenSSH connection, because `sftp` takes them as one batch.
 * 3. Every accepted file must have one row that is COMPLETED, and one version in the delivered bucket. The listing is compared with
 *    what the clients were answered, not with the database.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ListObjectVersionsCommand, type ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import type { Endpoints, TenantAccess } from '#local/launcher/endpoints.ts';
import { REGION } from '#local/launcher/process-plan.ts';
import { ensureTenants } from '#local/launcher/tenant-access.ts';
import { startStack } from '#local/stack.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { isOpensshInstalled, quoted, runOpensshBatch } from '#testkit/servers/openssh-sftp.ts';
import { connectSftp, type SftpClient } from '#testkit/servers/sftp-client.ts';
import { applyTenantDocuments } from '../bench/apply-tenant-documents.ts';
import { percentiles } from '../bench/percentiles.ts';
import { sumCounter } from '../bench/read-metrics.ts';
import { findMissedBounds, type PhaseResult, STAGES, type Stage, type StageTimes } from './judge-front-door.ts';

const TENANT = 'front-door';
const DIRECTORY = 'inbound';
const LANDING = bucketName('longshore', 'landing');
const DELIVERED = bucketName('longshore', 'delivered');
const STEADY_CONNECTIONS = 4;
const BURST_CONNECTIONS = 20;
const OPENSSH_EVERY = 12;
const PUT_TIMEOUT_MS = 300_000;
const DRAIN_TIMEOUT_MS = 600_000;
const LOOK_EVERY_MS = 1_000;

const ROUTE = `
kind: route
tenant: ${TENANT}
name: all
match: { path: "${DIRECTORY}/**" }
steps:
  - validate: { maxSize: 100MB }
  - deliver: {}
  - confirm: {}
`;

export interface FrontDoorOptions {
  readonly minutes: number;
  readonly rate: number;
  readonly burst: number;
  readonly size: number;
  /** Of a fleet that runs. */
  readonly home?: string;
  readonly json: boolean;
}

export interface FrontDoorResult {
  readonly clients: readonly string[];
  readonly steady: PhaseResult;
  readonly burst: PhaseResult | undefined;
  readonly gatewayRssMbBefore: number;
  readonly missed: readonly string[];
}

/** @returns whether every bound was kept. */
export async function runFrontDoorLoad(options: FrontDoorOptions): Promise<boolean> {
  if (options.home !== undefined) return await loadHome(options.home, options);
  const home = await mkdtemp(join(tmpdir(), 'longshore-load-'));
  try {
    const stack = await startStack({ home, portBase: 'free' });
    try {
      return await loadHome(home, options);
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function loadHome(home: string, options: FrontDoorOptions): Promise<boolean> {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const keys = join(home, 'keys');
  const [credentials] = JSON.parse(await readFile(join(keys, 's3-credentials.json'), 'utf8'));
  const database = { DATABASE_POOL_MAX: 4, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 };
  const sql = connectDatabase({ DATABASE_URL: endpoints.postgres, ...database }, 'load');
  const s3 = createS3Client({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: endpoints.s3,
    region: REGION,
    credentials,
  });
  try {
    const { [TENANT]: access } = await ensureTenants(sql, keys, [{ id: TENANT }]);
    if (access === undefined) throw new Error(`the tenant ${TENANT} was not registered`);
    await applyTenantDocuments(sql, TENANT, ROUTE);
    const result = await load({ sql, s3, endpoints, access }, options);
    console.log(options.json ? JSON.stringify(result) : describe(result));
    return result.missed.length === 0;
  } finally {
    s3.destroy();
    await sql.end({ timeout: 5 });
  }
}

interface Fleet {
  readonly sql: Sql;
  readonly s3: ReturnType<typeof createS3Client>;
  readonly endpoints: Endpoints;
  readonly access: TenantAccess;
}

interface Put {
  readonly name: string;
  readonly atMs: number;
  readonly refusal?: string;
}

async function load(fleet: Fleet, options: FrontDoorOptions): Promise<FrontDoorResult> {
  const isOpenssh = isOpensshInstalled();
  const body = randomBytes(options.size);
  const directory = await mkdtemp(join(tmpdir(), 'longshore-load-file-'));
  const bodyFile = join(directory, 'body');
  try {
    await writeFile(bodyFile, body);
    const senders = { ...fleet, body, bodyFile, isOpenssh };
    const gatewayRssMbBefore = await readGatewayRssMb(fleet);
    const steady = await measure(fleet, () => sendSteadily(senders, options));
    const burst = options.burst === 0 ? undefined : await measure(fleet, () => sendBurst(senders, options.burst));
    return {
      clients: isOpenssh ? ['ssh2', 'OpenSSH sftp'] : ['ssh2 (OpenSSH sftp is not installed: skipped)'],
      steady,
      burst,
      gatewayRssMbBefore,
      missed: findMissedBounds(steady, burst),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Senders extends Fleet {
  readonly body: Buffer;
  readonly bodyFile: string;
  readonly isOpenssh: boolean;
}

async function sendSteadily(senders: Senders, { minutes, rate }: FrontDoorOptions): Promise<Put[]> {
  const clients = await connect(senders, STEADY_CONNECTIONS);
  try {
    const count = Math.round(minutes * 60 * rate);
    const startedMs = performance.now();
    const puts: Promise<Put[]>[] = [];
    for (let index = 0; index < count; index += 1) {
      await sleep(Math.max(0, startedMs + (index * 1_000) / rate - performance.now()));
      const isOpensshTurn = senders.isOpenssh && index % OPENSSH_EVERY === 0;
      const client = clients[index % clients.length] as SftpClient;
      puts.push(isOpensshTurn ? putByOpenssh(senders, 1) : putBySsh2(senders, client, 1));
    }
    return (await Promise.all(puts)).flat();
  } finally {
    for (const client of clients) client.close();
  }
}

async function sendBurst(senders: Senders, count: number): Promise<Put[]> {
  const opensshCount = senders.isOpenssh ? BURST_CONNECTIONS / 2 : 0;
  const clients = await connect(senders, BURST_CONNECTIONS - opensshCount);
  try {
    const shares = Array.from({ length: BURST_CONNECTIONS }, (_, index) =>
      Math.floor((count + index) / BURST_CONNECTIONS),
    );
    const puts = shares.map((share, index) => {
      const client = clients[index];
      return client === undefined ? putByOpenssh(senders, share) : putBySsh2(senders, client, share);
    });
    return (await Promise.all(puts)).flat();
  } finally {
    for (const client of clients) client.close();
  }
}

async function connect({ endpoints, access }: Senders, count: number): Promise<SftpClient[]> {
  const clients: SftpClient[] = [];
  try {
    for (let index = 0; index < count; index += 1) {
      clients.push(await connectSftp(endpoints.sftp, access, PUT_TIMEOUT_MS));
    }
    await clients[0]?.makeDirectory(`/${DIRECTORY}`);
    return clients;
  } catch (error) {
    for (const client of clients) client.close();
    throw error;
  }
}

/** All at once over one connection. */
async function putBySsh2({ body }: Senders, client: SftpClient, count: number): Promise<Put[]> {
  const putOne = async (): Promise<Put> => {
    const put = { name: `${randomUUID()}.csv`, atMs: Date.now() };
    return await client.put(`/${DIRECTORY}/${put.name}`, body).then(
      () => put,
      (error: unknown) => ({ ...put, refusal: String(error) }),
    );
  };
  return await Promise.all(Array.from({ length: count }, putOne));
}

/** One after the other over one connection, as `sftp` does. A batch that breaks off counts as refused as a whole. */
async function putByOpenssh({ endpoints, access, bodyFile }: Senders, count: number): Promise<Put[]> {
  const atMs = Date.now();
  const puts = Array.from({ length: count }, (): Put => ({ name: `${randomUUID()}.csv`, atMs }));
  const lines = puts.map(({ name }) => `put ${quoted(bodyFile)} ${quoted(`/${DIRECTORY}/${name}`)}`);
  return await runOpensshBatch(endpoints.sftp, access, lines, PUT_TIMEOUT_MS).then(
    () => puts,
    (error: unknown) => puts.map((put) => ({ ...put, refusal: String(error) })),
  );
}

/** Sends, waits until all that was accepted has ended, and holds it against the database and the delivered bucket. */
async function measure(fleet: Fleet, send: () => Promise<Put[]>): Promise<PhaseResult> {
  let gatewayRssMb = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      gatewayRssMb = Math.max(gatewayRssMb, await readGatewayRssMb(fleet).catch(() => 0));
      await sleep(LOOK_EVERY_MS);
    }
  })();
  try {
    const puts = await send();
    const accepted = puts.filter(({ refusal }) => refusal === undefined);
    const rows = await untilEnded(fleet.sql, accepted);
    const versions = await countDelivered(fleet);
    const rowsOf = Map.groupBy(rows, ({ key }) => key);
    const ended = accepted.map(({ name, atMs }) => {
      const key = keyOf(name);
      const files = rowsOf.get(key) ?? [];
      const delivered = versions.get(key) ?? 0;
      const isLost = delivered === 0 || !files.some(({ status }) => status === 'COMPLETED');
      return { atMs, file: files[0], isLost, isDoubled: delivered > 1 || files.length > 1 };
    });
    const stages = ended.flatMap(({ atMs, file, isLost }) => (file === undefined || isLost ? [] : timesOf(atMs, file)));
    const archivedMs = rows.map(({ archivedAt }) => archivedAt?.getTime() ?? 0);
    return {
      sent: puts.length,
      refused: puts.length - accepted.length,
      refusals: [...new Set(puts.flatMap(({ refusal }) => refusal ?? []))].slice(0, 3),
      lost: ended.filter(({ isLost }) => isLost).length,
      doubled: ended.filter(({ isDoubled }) => isDoubled).length,
      tookSeconds: Math.round((Math.max(...archivedMs) - Math.min(...puts.map(({ atMs }) => atMs))) / 100) / 10,
      stagesMs: Object.fromEntries(
        STAGES.map((stage) => [stage, percentiles(stages.map((times) => times[stage]))]),
      ) as unknown as StageTimes,
      gatewayRssMb,
    };
  } finally {
    isOver = true;
    await watching;
  }
}

interface FileRow {
  readonly key: string;
  readonly status: string;
  readonly registeredAt: Date;
  readonly routedAt: Date | null;
  readonly claimedAt: Date | null;
  readonly deliveredAt: Date | null;
  readonly archivedAt: Date | null;
}

function timesOf(putAtMs: number, file: FileRow): Record<Stage, number>[] {
  const { registeredAt, routedAt, claimedAt, deliveredAt, archivedAt } = file;
  if (routedAt === null || claimedAt === null || deliveredAt === null || archivedAt === null) return [];
  return [
    {
      registered: registeredAt.getTime() - putAtMs,
      routed: routedAt.getTime() - registeredAt.getTime(),
      claimed: claimedAt.getTime() - routedAt.getTime(),
      delivered: deliveredAt.getTime() - claimedAt.getTime(),
      archived: archivedAt.getTime() - deliveredAt.getTime(),
      'put to delivered': deliveredAt.getTime() - putAtMs,
    },
  ];
}

/** The rows of `puts`, once each is archived or time is up: what is missing then is lost. */
async function untilEnded(sql: Sql, puts: readonly Put[]): Promise<FileRow[]> {
  const keys = puts.map(({ name }) => keyOf(name));
  const deadline = performance.now() + DRAIN_TIMEOUT_MS;
  for (;;) {
    const [row] = await sql<{ ended: number }[]>`
      SELECT count(*)::int AS ended FROM files
      WHERE bucket = ${LANDING} AND key = ANY(${keys}) AND (archived_at IS NOT NULL OR status IN ('FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE'))`;
    if ((row?.ended ?? 0) >= keys.length || performance.now() > deadline) break;
    await sleep(LOOK_EVERY_MS);
  }
  return await sql<FileRow[]>`
    SELECT f.key, f.status, uuid_extract_timestamp(f.id) AS "registeredAt", f.routed_at AS "routedAt", f.archived_at AS "archivedAt",
      steps.claimed_at AS "claimedAt", steps.delivered_at AS "deliveredAt"
    FROM files f LEFT JOIN LATERAL (
      SELECT min(s.started_at) AS claimed_at, max(s.finished_at) FILTER (WHERE s.kind = 'deliver') AS delivered_at
      FROM jobs j JOIN job_steps s ON s.job_id = j.id WHERE j.file_id = f.id) steps ON true
    WHERE f.bucket = ${LANDING} AND f.key = ANY(${keys})`;
}

async function countDelivered({ s3 }: Fleet): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let page: ListObjectVersionsCommandOutput | undefined;
  do {
    const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page ?? {};
    page = await s3.send(
      new ListObjectVersionsCommand({ Bucket: DELIVERED, Prefix: `${TENANT}/`, KeyMarker, VersionIdMarker }),
    );
    for (const { Key = '' } of page.Versions ?? []) counts.set(Key, (counts.get(Key) ?? 0) + 1);
  } while (page.IsTruncated === true);
  return counts;
}

function keyOf(name: string): string {
  return `${TENANT}/${DIRECTORY}/${name}`;
}

async function readGatewayRssMb({ endpoints }: Fleet): Promise<number> {
  const page = endpoints.metrics.sftp;
  if (page === undefined) throw new Error('endpoints.json names no metrics page of the SFTP gateway');
  return Math.round((await sumCounter([page], 'process_resident_memory_bytes')) / 1e6);
}

function describe({ clients, steady, burst, gatewayRssMbBefore, missed }: FrontDoorResult): string {
  const phase = (name: string, each: PhaseResult) => [
    `${name}: ${each.sent} files in ${each.tookSeconds} s; ${each.refused} refused, ${each.lost} lost, ${each.doubled} doubled; gateway ${each.gatewayRssMb} MB`,
    ...each.refusals.map((refusal) => `  refused: ${refusal}`),
    ...STAGES.map(
      (stage) => `  ${stage.padEnd(16)} p50 ${each.stagesMs[stage].p50} ms, p95 ${each.stagesMs[stage].p95} ms`,
    ),
  ];
  return [
    `clients: ${clients.join(', ')}; gateway ${gatewayRssMbBefore} MB before`,
    ...phase('steady', steady),
    ...(burst === undefined ? [] : phase('burst', burst)),
    ...(missed.length === 0 ? ['every bound was kept'] : missed.map((each) => `MISSED ${each}`)),
  ].join('\n');
}
