/** Files put straight into the landing of a running fleet, and what happened to them: for benchmarks of the whole fleet. */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Stack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { parseSizeBytes } from '#shared/definitions/size.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { connectForBench } from './connect-for-bench.ts';
import { round } from './fleet-requests.ts';
import { type Percentiles, percentiles } from './percentiles.ts';

export const TENANT = 'bench';
const PUTS_SIDE_BY_SIDE = 16;
const TERMINAL_TIMEOUT_MS = 600_000;
/** For a vacuum of many rows. */

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

export interface StageRates {
  readonly ingestor: number;
  readonly router: number;
}

export interface FlowBench {
  readonly sql: Sql;
  readonly s3: S3Client;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly body: Buffer;
  readonly bucket: string;
  close(): Promise<void>;
}

/** With the tenant and its route; `size` as in route files. */
export async function openFlow({ env }: Stack, size: string): Promise<FlowBench> {
  const sizeBytes = parseSizeBytes(size);
  if (sizeBytes === undefined) throw new Error(`not a size: ${size}`);
  const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' };
  const sql = connectForBench(env.DATABASE_URL, 8);
  const s3 = new S3Client({
    region: env.AWS_REGION ?? '',
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? '',
    credentials,
    forcePathStyle: true,
  });
  await applyTenantDocuments(sql, TENANT, ROUTE);
  return {
    sql,
    s3,
    credentials,
    body: randomBytes(sizeBytes),
    bucket: bucketName(env.LONGSHORE_PREFIX ?? '', 'landing'),
    async close() {
      s3.destroy();
      await sql.end({ timeout: 5 });
    },
  };
}

export interface FileTimes {
  /** The put has its answer. */
  readonly storedMs: number;
  readonly registeredMs: number;
  readonly routedMs: number;
  readonly finishedMs: number;
}

export interface Flow {
  readonly filesPerSecond: number;
  readonly stagesPerSecond: StageRates;
  readonly latencyMs: Percentiles;
  /** Of each file, from the begin of its put. */
  readonly times: readonly FileTimes[];
}

export interface FilesToSend {
  readonly files: number;
  /** Beginning of the names of the directories. */
  readonly directory: string;
  readonly directories: number;
  readonly perSecond?: number;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Puts files, at most `perSecond` where given, and waits until each has reached its terminal state. Times are from the begin of
 * each put by this process's clock: the store's events tell whole seconds.
 */
export async function sendFiles(
  bench: FlowBench,
  { files, directory, directories, perSecond }: FilesToSend,
): Promise<Flow> {
  const prefix = `${TENANT}/inbound/${directory}-`;
  const since = firstIdOf(Date.now());
  const startedMs = performance.now();
  const putAtMs = new Map<string, number>();
  const storedAtMs = new Map<string, number>();
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
        storedAtMs.set(key, Date.now());
      }
    }),
  );
  await untilTerminal(bench.sql, { prefix, since, files });
  const rows = await bench.sql<{ key: string; registeredAt: Date; routedAt: Date; finishedAt: Date }[]>`
    SELECT key, uuid_extract_timestamp(id) AS "registeredAt", routed_at AS "routedAt", finished_at AS "finishedAt"
    FROM files WHERE id >= ${since} AND starts_with(key, ${prefix})`;
  const times = rows.map(({ key, registeredAt, routedAt, finishedAt }): FileTimes => {
    const since = (at: Date) => at.getTime() - (putAtMs.get(key) ?? Number.NaN);
    const storedMs = (storedAtMs.get(key) ?? Number.NaN) - (putAtMs.get(key) ?? Number.NaN);
    return { storedMs, registeredMs: since(registeredAt), routedMs: since(routedAt), finishedMs: since(finishedAt) };
  });
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
    latencyMs: percentiles(times.map(({ finishedMs }) => finishedMs)),
    times,
  };
}

async function untilTerminal(
  sql: Sql,
  { prefix, since, files }: { readonly prefix: string; readonly since: string; readonly files: number },
): Promise<void> {
  const deadline = performance.now() + TERMINAL_TIMEOUT_MS;
  for (;;) {
    const [row] = await sql<{ completed: number; bad: number }[]>`
      SELECT count(*) FILTER (WHERE status = 'COMPLETED')::int AS completed,
        count(*) FILTER (WHERE status IN ('FAILED', 'QUARANTINED'))::int AS bad
      FROM files WHERE id >= ${since} AND starts_with(key, ${prefix})`;
    if (row?.completed === files) return;
    if ((row?.bad ?? 0) > 0) throw new Error(`${row?.bad} files did not complete`);
    if (performance.now() > deadline) throw new Error(`only ${row?.completed} of ${files} files completed in time`);
    await sleep(200);
  }
}

/** The least UUIDv7 of a time: what is counted is found by the primary key, whatever the table holds. */
function firstIdOf(ms: number): string {
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}
