/**
 * `npm run bench -- records`: rows per second from an object to PENDING records, and calls per second through three partner APIs.
 *
 * 1. The fleet is the one that `npm start` runs, in its own home that is thrown away. Commits are durable as they are there.
 * 2. Rows are measured by the parse step's own time, against `psql \copy` of the very same rows into the very same table, in the same run.
 * 3. Calls are measured from the first to the end of the last, against Node's HTTP client on the same simulator at the same concurrency,
 *    which is measured before and after: once with a partner that takes its time, as partners do, and once with one that takes none,
 *    where both are one thread's processor time and nothing else.
 * 4. A neighbour is measured twice: alone, and while another tenant's partner answers nothing.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type Stack, startStack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { measureBareCalls } from './bare-calls.ts';
import { connectForBench } from './connect-for-bench.ts';
import { countRequests, eachProcess, round } from './fleet-requests.ts';
import { cpuMs, peakRssMb } from './read-metrics.ts';

const CONCURRENCY = 32;
const TIMEOUT_MS = 900_000;
const POLL_MS = 250;
const LEAST_CPU_MS = 0.005;

export interface RecordsBenchOptions {
  readonly rows: number;
  readonly records: number;
  /** Of each of the simulator's replies. */
  readonly latency: number;
  readonly json: boolean;
}

export interface MeasuredCalls {
  readonly calls: number;
  readonly concurrency: number;
  readonly latencyMs: number;
  readonly callsPerSecond: number;
  readonly bareCallsPerSecond: number;
  readonly ratio: number;
  readonly perCall: { readonly sql: number; readonly sqs: number };
  readonly cpuMsPerCall: Readonly<Record<string, number>>;
}

export interface RecordsResult {
  readonly parse: {
    readonly rows: number;
    readonly bytes: number;
    readonly rowsPerSecond: number;
    /** Null where `psql` is not installed. */
    readonly copyRowsPerSecond: number | null;
    readonly ratio: number | null;
    readonly peakRssMb: number;
    /** Of the partner-worker. */
    readonly cpuMsPerThousandRows: number;
  };
  readonly calls: MeasuredCalls;
  readonly callsWithoutLatency: MeasuredCalls;
  readonly neighbour: {
    readonly callsPerSecond: number;
    /** While another tenant's partner hangs. */
    readonly besideHangingPartner: number;
    readonly ratio: number;
  };
  readonly peakRssMb: Readonly<Record<string, number>>;
}

export async function runRecordsBench(options: RecordsBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const stack = await startStack({ home, portBase: 'free', env: { all: { LOG_LEVEL: 'info' } } });
    try {
      const result = await measureRecords(stack, options, home);
      console.log(options.json ? JSON.stringify(result) : describe(result));
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

interface Bench {
  readonly stack: Stack;
  readonly sql: Sql;
  readonly s3: S3Client;
  readonly landing: string;
  readonly simulator: string;
  readonly home: string;
}

async function measureRecords(stack: Stack, options: RecordsBenchOptions, home: string): Promise<RecordsResult> {
  const { env } = stack;
  const sql = connectForBench(env.DATABASE_URL, 4);
  const s3 = new S3Client({
    region: env.AWS_REGION ?? '',
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? '',
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' },
    forcePathStyle: true,
  });
  const landing = bucketName(env.LONGSHORE_PREFIX ?? '', 'landing');
  const bench: Bench = { stack, sql, s3, landing, simulator: stack.endpoints.partnerSimulator, home };
  try {
    for (const tenant of ['bench', 'hanging'])
      await applyTenantDocuments(sql, tenant, ROUTE_FILE(tenant, bench.simulator));
    const parse = await measureParse(bench, options.rows);
    await processRecords(bench, { tenant: 'bench', name: 'warm-up', records: 5_000 });
    const callsWithoutLatency = await measureCalls(bench, 'at once', options.records, 0);
    const calls = await measureCalls(bench, 'in time', options.records, options.latency);
    const neighbour = await measureNeighbour(bench, options.records);
    return { parse, calls, callsWithoutLatency, neighbour, peakRssMb: await eachProcess(stack, peakRssMb) };
  } finally {
    s3.destroy();
    await sql.end({ timeout: 5 });
  }
}

async function setLatency({ simulator }: Bench, latencyMs: number): Promise<void> {
  const body = JSON.stringify({ latencies: latencyMs === 0 ? [] : [{ api: '*', fromMs: latencyMs, toMs: latencyMs }] });
  const reply = await fetch(`${simulator}/_behaviour`, { method: 'PUT', body, signal: AbortSignal.timeout(5_000) });
  if (!reply.ok) throw new Error(`the simulator answered HTTP ${reply.status}`);
}

const ROUTE_FILE = (tenant: string, origin: string) => `
kind: partner
tenant: ${tenant}
name: desk
baseUrl: ${origin}
timeout: 5s
limits: { concurrency: ${CONCURRENCY} }
operations:
  validate:
    method: POST
    path: /validation
    idempotent: true
    body: { recordKey: "{{ record.id }}", isin: "{{ record.isin }}", coupon: "{{ record.coupon }}", remark: "{{ record.remark }}" }
    judge: [{ when: { status: 200, body: { status: VALID } }, is: success }]
    output: { reference: reference }
  assignments:
    method: GET
    path: /assignments
    idempotent: true
    query: { recordKey: "{{ record.id }}", isin: "{{ record.isin }}" }
    judge: [{ when: { status: 200, body: { status: OK } }, is: success }]
    output: { assignment: assignments.0.id }
  verify:
    method: POST
    path: /baec/coupon-verifications
    idempotent: true
    body: { recordKey: "{{ record.id }}", isin: "{{ record.isin }}", coupon: "{{ record.coupon }}", validation: "{{ replies.validate.reference }}" }
    judge: [{ when: { status: 200, body: { verified: true } }, is: success }]
---
kind: route
tenant: ${tenant}
name: rows
match: { path: "inbound/**" }
records:
  format: csv
  columns:
    - { name: id, required: true }
    - { name: isin, required: true, pattern: "[A-Z]{2}[0-9]{10}" }
    - { name: coupon, type: integer }
    - { name: rate, type: decimal }
    - { name: due, type: date }
    - { name: holder }
    - { name: remark }
steps:
  - parse: {}
  - call: { partner: desk, operation: validate, code: VALIDATION_ERROR }
  - call: { partner: desk, operation: assignments, code: ASSIGNMENTS_ERROR }
  - call: { partner: desk, operation: verify, code: VERIFICATION_ERROR }
`;

function csvOf(name: string, rows: number, remark: string): Buffer {
  const lines = ['id,isin,coupon,rate,due,holder,remark'];
  for (let row = 1; row <= rows; row += 1) {
    lines.push(
      `${name}-${row},XS${String(row).padStart(10, '0')},${row % 40},${row % 7}.25,2026-03-31,Holder ${row % 5_000},${remark}`,
    );
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

interface SentFile {
  readonly tenant: string;
  readonly name: string;
  readonly records: number;
  readonly remark?: string;
}

/** Resolves to the file's job once it was routed. */
async function sendFile({ s3, sql, landing }: Bench, { tenant, name, records, remark = 'none' }: SentFile) {
  const key = `${tenant}/inbound/${name}.csv`;
  const body = csvOf(name, records, remark);
  await s3.send(new PutObjectCommand({ Bucket: landing, Key: key, Body: body }));
  const jobId = await until(async () => {
    const [row] = await sql<{ id: string }[]>`
      SELECT j.id FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.key = ${key}`;
    return row?.id;
  }, `${key} was not routed`);
  return { jobId, bytes: body.length };
}

async function until<Value>(look: () => Promise<Value | undefined>, otherwise: string): Promise<Value> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${otherwise} in time`);
    await sleep(POLL_MS);
  }
}

/** The job is cancelled once it is parsed: its calls are not what is measured here. */
async function measureParse(bench: Bench, rows: number): Promise<RecordsResult['parse']> {
  const { sql, stack } = bench;
  const workerCpuMs = async () => (await eachProcess(stack, cpuMs))['partner-worker'] ?? 0;
  const cpuBefore = await workerCpuMs();
  const { jobId, bytes } = await sendFile(bench, { tenant: 'bench', name: 'rows', records: rows });
  const durationMs = await until(async () => {
    const [row] = await sql<{ durationMs: number }[]>`
      SELECT duration_ms AS "durationMs" FROM attempts WHERE job_id = ${jobId} AND step_kind = 'parse' AND outcome = 'succeeded'`;
    return row?.durationMs;
  }, 'the rows were not parsed');
  await cancelJobs(sql, { jobIds: [jobId], actor: 'bench', reason: 'parsed' });
  const cpuMsPerThousandRows = round(((await workerCpuMs()) - cpuBefore) / (rows / 1_000));
  const { 'partner-worker': peak = 0 } = await eachProcess(stack, peakRssMb);
  const rowsPerSecond = (rows * 1_000) / durationMs;
  const copyRowsPerSecond = await measureCopy(bench, jobId, rows);
  // What follows is measured on tables of an ordinary size.
  await sql`DELETE FROM records`;
  await sql`DELETE FROM record_keys`;
  await sql.unsafe('VACUUM ANALYZE records, record_keys');
  return {
    rows,
    bytes,
    rowsPerSecond: Math.round(rowsPerSecond),
    copyRowsPerSecond,
    ratio: copyRowsPerSecond === null ? null : round(rowsPerSecond / copyRowsPerSecond),
    peakRssMb: peak,
    cpuMsPerThousandRows,
  };
}

/** What `measureCopy` makes. */
export const COPIED_JOB = '00000000-0000-7000-8000-000000000001';
const COLUMNS =
  `line, created_at, tenant_id, chunk_id, state, step, tries, has_intent, key_generation, business_key, "values", replies,
  reference, error_code, error_cause, error_message, next_attempt_at, updated_at`.replace(/\s+/g, ' ');

/** Rows per second of `psql \copy`, of a job's very rows into the very table; null where psql is not installed. */
export async function measureCopy(
  { sql, stack, home }: Pick<Bench, 'sql' | 'stack' | 'home'>,
  jobId: string,
  rows: number,
): Promise<number | null> {
  const psql = promisify(execFile);
  const run = (command: string) => psql('psql', [stack.env.DATABASE_URL ?? '', '-q', '-c', command]);
  const file = join(home, 'rows.tsv');
  try {
    await run(
      `\\copy (SELECT '${COPIED_JOB}'::uuid, ${COLUMNS} FROM records WHERE job_id = '${jobId}' ORDER BY line) TO '${file}'`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  await sql`CHECKPOINT`;
  const startedMs = performance.now();
  await run(`\\copy records (job_id, ${COLUMNS}) FROM '${file}'`);
  return Math.round((rows * 1_000) / (performance.now() - startedMs));
}

interface Carried {
  readonly calls: number;
  readonly callsPerSecond: number;
}

async function processRecords(bench: Bench, file: SentFile): Promise<Carried> {
  const { sql } = bench;
  const { jobId } = await sendFile(bench, file);
  await until(async () => {
    const [row] = await sql<{ state: string }[]>`
      SELECT state FROM jobs WHERE id = ${jobId} AND finished_at IS NOT NULL`;
    return row;
  }, `the records of ${file.name} did not end`);
  const [row] = await sql<{ calls: number; succeeded: number; seconds: number }[]>`
    SELECT count(*)::int AS calls, count(*) FILTER (WHERE outcome = 'succeeded')::int AS succeeded,
      extract(epoch FROM max(started_at + duration_ms * interval '1 ms') - min(started_at))::float8 AS seconds
    FROM record_attempts WHERE job_id = ${jobId}`;
  if (row === undefined || row.succeeded !== file.records * 3) {
    throw new Error(`${row?.succeeded} of ${file.records * 3} calls succeeded`);
  }
  return { calls: row.calls, callsPerSecond: row.calls / row.seconds };
}

async function measureCalls(bench: Bench, name: string, records: number, latencyMs: number): Promise<MeasuredCalls> {
  const { stack, sql, simulator } = bench;
  await setLatency(bench, latencyMs);
  const bare = (run: string) =>
    measureBareCalls({
      origin: simulator,
      records,
      concurrency: CONCURRENCY,
      run: `${name} ${run}`.replaceAll(' ', '-'),
    });
  const bareBefore = await bare('before');
  const before = await countRequests(stack, sql);
  const cpuBefore = await eachProcess(stack, cpuMs);
  const carried = await processRecords(bench, { tenant: 'bench', name: name.replaceAll(' ', '-'), records });
  const cpuAfter = await eachProcess(stack, cpuMs);
  const after = await countRequests(stack, sql);
  const bareCallsPerSecond = (bareBefore + (await bare('after'))) / 2;
  return {
    calls: carried.calls,
    concurrency: CONCURRENCY,
    latencyMs,
    callsPerSecond: Math.round(carried.callsPerSecond),
    bareCallsPerSecond: Math.round(bareCallsPerSecond),
    ratio: round(carried.callsPerSecond / bareCallsPerSecond),
    perCall: {
      sql: round((after.sql - before.sql) / carried.calls),
      sqs: round((after.sqs - before.sqs) / carried.calls),
    },
    cpuMsPerCall: Object.fromEntries(
      Object.entries(cpuAfter).map(([name, ms]) => [
        name,
        Math.round(((ms - (cpuBefore[name] ?? 0)) * 1_000) / carried.calls) / 1_000,
      ]),
    ),
  };
}

/** Both runs are the same but for the other tenant, whose every call waits for its timeout. */
async function measureNeighbour(bench: Bench, records: number): Promise<RecordsResult['neighbour']> {
  const alone = await processRecords(bench, { tenant: 'bench', name: 'alone', records });
  const { jobId } = await sendFile(bench, {
    tenant: 'hanging',
    name: 'hanging',
    records: 10_000,
    remark: 'SIM:V:timeout',
  });
  await until(async () => {
    const [row] = await bench.sql`SELECT 1 FROM record_attempts WHERE job_id = ${jobId} LIMIT 1`;
    return row;
  }, 'the hanging partner was not called');
  const nextToHanging = await processRecords(bench, { tenant: 'bench', name: 'nextToHanging', records });
  await cancelJobs(bench.sql, { jobIds: [jobId], actor: 'bench', reason: 'measured' });
  return {
    callsPerSecond: Math.round(alone.callsPerSecond),
    besideHangingPartner: Math.round(nextToHanging.callsPerSecond),
    ratio: round(nextToHanging.callsPerSecond / alone.callsPerSecond),
  };
}

function describe({ parse, calls, callsWithoutLatency, neighbour, peakRssMb: peak }: RecordsResult): string {
  const each = (values: Readonly<Record<string, number>>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  /** The sum says how many calls the processors of this machine could make at most, were they here for nothing else. */
  const cpuOf = (byProcess: Readonly<Record<string, number>>) => {
    const spent = Object.entries(byProcess).filter(([, ms]) => ms >= LEAST_CPU_MS);
    const total = spent.reduce((sum, [, ms]) => sum + ms, 0);
    const most = Math.round((availableParallelism() * 1_000) / total);
    return `${each(Object.fromEntries(spent))}; total ${total.toFixed(3)}, ${most} calls per second at most`;
  };
  const carried = (measured: MeasuredCalls) =>
    `${measured.callsPerSecond} of ${measured.calls}; bare client ${measured.bareCallsPerSecond}; ratio ${measured.ratio} ` +
    `(concurrency ${measured.concurrency}, latency ${measured.latencyMs} ms; SQL ${measured.perCall.sql}, SQS ${measured.perCall.sqs} per call)`;
  return [
    `rows per second       ${parse.rowsPerSecond} (${parse.rows} rows, ${Math.round(parse.bytes / 1e6)} MB); \\copy ${parse.copyRowsPerSecond ?? 'not installed'}; ratio ${parse.ratio ?? '-'}`,
    `while parsing         RSS ${parse.peakRssMb} MB, CPU ${parse.cpuMsPerThousandRows} ms per 1,000 rows`,
    `calls per second      ${carried(calls)}`,
    `without latency       ${carried(callsWithoutLatency)}`,
    `CPU per call (ms)     ${cpuOf(callsWithoutLatency.cpuMsPerCall)}`,
    `next to a hanging one  ${neighbour.besideHangingPartner} calls per second, alone ${neighbour.callsPerSecond}; ratio ${neighbour.ratio}`,
    `peak RSS (MB)         ${each(peak)}`,
  ].join('\n');
}
