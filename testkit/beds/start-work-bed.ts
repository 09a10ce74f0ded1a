/**
 * For tests of the services that run jobs: a database, queues and an object store that are real, files in landing with their jobs,
 * workers as processes, and a sweeper's clock that wakes what was lost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { CopyObjectCommand, GetObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { giveDueTurns } from '#shared/jobs/give-turns.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { wakeFiles } from '#shared/jobs/wake-files.ts';
import { wakeJobs } from '#shared/jobs/wake-jobs.ts';
import { createWakeUpSenders, type WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { sweepRecords } from '#shared/records/sweep-records.ts';
import { wakeChunks } from '#shared/records/wake-chunks.ts';
import { MEMORY_VARIABLES, memoryFlags } from '#shared/runtime/config/memory.ts';
import {
  BUCKET_IDS,
  type BucketId,
  bucketName,
  WORK_QUEUE_IDS,
  type WorkQueue,
} from '#shared/runtime/config/resource-names.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { findRowViolations, type Violation } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedFiles } from '#testkit/seeds/seed-routed-files.ts';
import { startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';

const PREFIX = 'bed';
const WORK_TABLES = [
  ...['tenants', 'job_steps', 'attempts', 'audit_events', 'outbox', 'transfers', 'transfer_parts'],
  ...['records', 'record_chunks', 'record_attempts', 'record_keys'],
];
/** Short, so that a killed worker's jobs are taken over within a test's patience. */
const LEASE_MS = 2_000;
const READY_TIMEOUT_MS = 120_000;
const PATIENCE_MS = 100_000;
/** Looks are statements: more of them would take the processor from what is waited for. */
const LOOK_MS = 25;
const SWEPT_EVERY = 8;

export interface WorkerProcess {
  readonly child: ChildProcess;
  /** The fields of its log lines. */
  readonly lines: readonly Record<string, unknown>[];
  metrics(): Promise<string>;
  /** The status of `/healthz`. */
  health(): Promise<number>;
  /** Resolves to the exit code, null after a signal. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface WorkBed {
  readonly sql: Sql;
  /** For a proxy before it. */
  readonly databaseUrl: string;
  readonly s3Url: string;
  /** What a worker's configuration is read from. */
  readonly env: Readonly<Record<string, string>>;
  readonly wakeUps: WakeUpSenders;
  bucket(id: BucketId): string;
  /** Puts objects into landing, and makes their files and jobs. Resolves to the jobs; nothing is woken yet. */
  putFiles(options: { count: number; bodyOf: (index: number) => Buffer; isLarge?: boolean }): Promise<WokenJob[]>;
  /** Nothing is left of the test before, but objects. */
  clear(): Promise<void>;
  readObject(id: BucketId, key: string): Promise<Buffer>;
  copyObject(
    source: { readonly bucket: string; readonly key: string; readonly versionId: string },
    target: { readonly bucket: string; readonly key: string },
  ): Promise<void>;
  /** Bodies as they are. */
  sendRaw(queue: 'partner-steps', bodies: readonly string[]): Promise<void>;
  /** Versions and delete markers of a bucket. */
  countVersions(id: BucketId): Promise<number>;
  startWorker(main: URL, env?: Readonly<Record<string, string>>): Promise<WorkerProcess>;
  /** One round of what the retry-sweeper does for open rows. */
  sweep(): Promise<void>;
  /** Sweeps meanwhile, as the fleet does: a killed worker takes messages with it for as long as their visibility lasts. */
  sweepUntil(condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Until that many files are completed. */
  untilCompleted(count: number): Promise<void>;
  /** Guarantees that the rows break; nothing publishes here, so that events may wait. */
  violations(): Promise<Violation[]>;
  stop(): Promise<void>;
}

export interface WorkBedOptions {
  /** Of the server that all tests share when absent. */
  readonly createDatabase?: () => Promise<TestDatabase>;
}

export async function startWorkBed({ createDatabase = createTestDatabase }: WorkBedOptions = {}): Promise<WorkBed> {
  const [database, fauxqs, s3] = await Promise.all([createDatabase(), startFauxqs(), startTestServer()]);
  const databaseConfig = {
    DATABASE_URL: database.url,
    DATABASE_POOL_MAX: 2,
    DATABASE_PREPARE: true,
    DATABASE_STATEMENT_TIMEOUT_MS: 60_000,
  };
  const sql = connectDatabase(databaseConfig, 'work-bed', { keepsPlans: true });
  const queues = await createQueues({ client: fauxqs.sqs, prefix: PREFIX });
  for (const id of BUCKET_IDS) s3.server.createBucket(bucketName(PREFIX, id));
  const queueUrls = Object.fromEntries(WORK_QUEUE_IDS.map((id) => [id, queues[id].url])) as Record<WorkQueue, string>;
  const logger = createLogger({ service: 'work-bed', level: 'error' });
  const wakeUps = createWakeUpSenders({ client: fauxqs.sqs, queueUrls, fairQueues: true, logger });
  const workers: WorkerProcess[] = [];
  const bucket = (id: BucketId) => bucketName(PREFIX, id);
  const fleet = {
    ...fauxqs.env,
    DATABASE_URL: database.url,
    AWS_ENDPOINT_URL_S3: s3.server.url,
    AWS_ACCESS_KEY_ID: TEST_CREDENTIAL.accessKeyId,
    AWS_SECRET_ACCESS_KEY: TEST_CREDENTIAL.secretAccessKey,
    ...MEMORY_VARIABLES,
    LONGSHORE_PREFIX: PREFIX,
    LONGSHORE_S3_PATH_STYLE: 'true',
    LONGSHORE_HTTP_HOST: '127.0.0.1',
    LONGSHORE_HTTP_PORT: '0',
    LONGSHORE_LEASE_MS: String(LEASE_MS),
    LONGSHORE_DRAIN_MS: '6000',
  };

  async function putFile(body: Buffer): Promise<Parameters<typeof seedFiles>[1]> {
    const name = `${randomUUID()}.csv`;
    const target = { Bucket: bucket('landing'), Key: `acme/inbound/${name}` };
    const put = await s3.client.send(new PutObjectCommand({ ...target, Body: body }));
    return {
      objects: [
        {
          id: randomUUID(),
          tenantId: 'acme',
          bucket: target.Bucket,
          key: target.Key,
          versionId: put.VersionId ?? '',
          name,
          sizeBytes: body.length,
          etag: put.ETag ?? '',
          source: 's3',
          uploadedAt: '2026-01-02T03:04:05Z',
          orderKey: 'acme/inbound',
          status: 'QUEUED',
        },
      ],
    };
  }

  async function sweepQueue(queue: WorkQueue): Promise<void> {
    const options = { window: 1_000, limit: 1_000, missing: 1_000, graceMs: LEASE_MS, boundMs: LEASE_MS };
    await wakeUps.sendJobs(await wakeJobs(sql, { ...options, queue, actor: 'test' }));
  }

  async function sweepChunks(): Promise<void> {
    await wakeUps.sendChunks(await sweepRecords(sql, { limit: 1_000, actor: 'test' }));
    const options = { window: 8, limit: 1_000, missing: 1_000, graceMs: LEASE_MS, boundMs: LEASE_MS };
    await wakeUps.sendChunks(await wakeChunks(sql, options));
  }

  async function sweep(): Promise<void> {
    await wakeUps.sendJobs(await giveDueTurns(sql, { window: 1_000, limit: 1_000, actor: 'test' }));
    for (const queue of WORK_QUEUE_IDS) await sweepQueue(queue);
    await sweepChunks();
    const options = { limit: 1_000, missing: 0, graceMs: LEASE_MS, boundMs: LEASE_MS, actor: 'test' };
    const files = await wakeFiles(sql, options);
    await wakeUps.sendArchives(files.flatMap(({ queue, ...file }) => (queue === 'ingest' ? [] : [{ ...file, queue }])));
  }

  async function sweepUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    for (let round = 0; !(await condition()); round += 1) {
      if (performance.now() > endMs) {
        const jobs = await sql`SELECT state, step_kind, error_cause, count(*)::int FROM jobs GROUP BY 1, 2, 3`;
        const records = await sql`SELECT state, error_cause, count(*)::int FROM records GROUP BY 1, 2`;
        throw new Error(`not so in time; jobs: ${JSON.stringify(jobs)}; records: ${JSON.stringify(records)}`);
      }
      if (round % SWEPT_EVERY === 0) await sweep();
      await delay(LOOK_MS);
    }
  }

  return {
    sql,
    databaseUrl: database.url,
    s3Url: s3.server.url,
    env: fleet,
    wakeUps,
    bucket,
    async putFiles({ count, bodyOf, isLarge = false }) {
      const seeds = [];
      for (let index = 0; index < count; index += 1) seeds.push(await putFile(bodyOf(index)));
      return await seedFiles(sql, { objects: seeds.flatMap((seed) => seed?.objects ?? []), isLarge });
    },
    async clear() {
      await emptyTables(sql, ...WORK_TABLES);
      await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
    },
    async readObject(id, key) {
      const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: bucket(id), Key: key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    async copyObject({ bucket: from, key, versionId }, target) {
      const CopySource = `${from}/${encodeURIComponent(key)}?versionId=${versionId}`;
      await s3.client.send(new CopyObjectCommand({ Bucket: target.bucket, Key: target.key, CopySource }));
    },
    async sendRaw(queue, bodies) {
      for (const MessageBody of bodies) {
        await fauxqs.sqs.send(new SendMessageCommand({ QueueUrl: queueUrls[queue], MessageBody }));
      }
    },
    async countVersions(id) {
      const page = await s3.client.send(new ListObjectVersionsCommand({ Bucket: bucket(id) }));
      return (page.Versions?.length ?? 0) + (page.DeleteMarkers?.length ?? 0);
    },
    async startWorker(main, env = {}) {
      const worker = await startWorkerProcess(main, { ...fleet, ...env });
      workers.push(worker);
      return worker;
    },
    sweep,
    sweepUntil,
    async untilCompleted(count) {
      await sweepUntil(async () => {
        const [row] = await sql<{ done: number }[]>`SELECT count(*)::int AS done FROM files WHERE status = 'COMPLETED'`;
        return row?.done === count;
      });
    },
    async violations() {
      const found = await findRowViolations(sql, { isAtRest: true, hasManyRows: true });
      return found.filter(({ rule }) => rule !== 'every event left the outbox');
    },
    async stop() {
      await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
      await sql.end({ timeout: 5 });
      await Promise.all([database.drop(), fauxqs.stop(), s3.stop()]);
    },
  };
}

/** Of the folder that its program is in. */
function serviceOf(main: URL): string {
  return main.pathname.split('/').at(-2) ?? '';
}

async function startWorkerProcess(main: URL, env: Readonly<Record<string, string>>): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [...memoryFlags(serviceOf(main)), main.pathname], {
    env: withCompileCache(env),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: Record<string, unknown>[] = [];
  const started = Promise.withResolvers<number>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const fields = JSON.parse(line) as Record<string, unknown>;
    lines.push(fields);
    if (fields.msg === 'service started') started.resolve(Number(fields.port));
  });
  const port = await Promise.race([
    started.promise,
    exited.then(() => Promise.reject(new Error(`the worker ended at once: ${JSON.stringify(lines.at(-1))}`))),
    delay(READY_TIMEOUT_MS, undefined, { ref: false }).then(() =>
      Promise.reject(new Error('the worker did not start')),
    ),
  ]);
  return {
    child,
    lines,
    metrics: async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    health: async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status,
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await exited;
      }
      return child.exitCode;
    },
  };
}
