/** An upload of unknown length whose worker is killed, stolen or stopped: it is seen while it moves, and nothing of it is left. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#local/postgres/test-database.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#local/s3/s3-test-server.ts';
import { BUCKET_IDS, bucketName } from '#shared/config/resource-names.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { connectTestDatabase, jobDue, neverStops, until } from '#shared/jobs/test-job-runner.ts';
import { findRowViolations } from '#shared/testing/find-row-violations.ts';
import { arrivedObject } from '#shared/testing/seed-jobs.ts';
import { seedFiles, seedRoutes } from '#shared/testing/seed-routed-files.ts';
import { type S3FaultProxy, startS3FaultProxy } from '#shared/testing/start-s3-fault-proxy.ts';
import { findTransfers } from './find-transfers.ts';
import { createCopyRunner, type TestCopy } from './test-copy-process.ts';

const PROCESS = fileURLToPath(new URL('test-copy-process.ts', import.meta.url));
const PART_BYTES = 5 * 1024 ** 2;
const SIZE = 6 * PART_BYTES + 1;
const IN_FLIGHT = 2;

let database: TestDatabase;
let sql: Sql;
let s3: S3TestServer;
let proxy: S3FaultProxy;
let store: ObjectStore;
let source: Parameters<typeof arrivedObject>[0];
let sha256: string;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
  s3 = await startTestServer();
  for (const id of BUCKET_IDS) s3.server.createBucket(bucketName('test', id));
  proxy = await startS3FaultProxy(s3.server.url);
  store = createObjectStore({ client: s3.client });
  const content = randomBytes(SIZE);
  sha256 = createHash('sha256').update(content).digest('hex');
  const packed = gzipSync(content, { level: 0 });
  const target = { bucket: bucketName('test', 'landing'), key: 'acme/inbound/large.bin.gz' };
  const { versionId = '', etag } = await store.put({ target, body: packed });
  source = { ...target, name: 'large.bin.gz', versionId, etag, sizeBytes: packed.length };
}, 60_000);

afterAll(async () => {
  await proxy.stop();
  await s3.stop();
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await sql`TRUNCATE tenants, routes, route_versions, files, jobs, job_steps, attempts, audit_events, outbox, transfers, transfer_parts CASCADE`;
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
  proxy.spoil(() => undefined);
});

afterEach(async () => {
  proxy.onAnswered(undefined);
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

async function seedTransform(): Promise<WokenJob> {
  await seedRoutes(sql, { routes: [['transform']] });
  const [job] = await seedFiles(sql, { objects: [arrivedObject(source)], isLarge: true });
  if (job === undefined) throw new Error('no job was made');
  return job;
}

function copyOf({ id }: WokenJob): TestCopy {
  const { accessKeyId, secretAccessKey } = TEST_CREDENTIAL;
  return {
    databaseUrl: database.url,
    s3Url: proxy.url,
    credentials: { accessKeyId, secretAccessKey },
    jobId: id,
    leaseMs: 60_000,
    partsInFlight: IN_FLIGHT,
    partBytes: PART_BYTES,
  };
}

const endLease = () => sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'RUNNING'`;

async function killInTheMiddle(job: WokenJob): Promise<void> {
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(copyOf(job))], { stdio: 'inherit' });
  proxy.onAnswered(({ operation, count }) => {
    if (operation === 'UploadPart' && count === IN_FLIGHT) child.kill('SIGKILL');
  });
  const [code] = await once(child, 'exit');
  expect(code).toBe(null);
  proxy.onAnswered(undefined);
}

async function openUploads(): Promise<string[]> {
  const { items } = await store.listMultipartUploads({ bucket: bucketName('test', 'staging') });
  return items.map(({ uploadId }) => uploadId);
}

async function expectMade(): Promise<void> {
  const [row] = await sql<{ state: string; output: { bucket: string; key: string; sha256: string } }[]>`
    SELECT j.state, s.output FROM jobs j JOIN job_steps s ON s.job_id = j.id`;
  expect(row).toMatchObject({ state: 'SUCCEEDED', output: { sha256, sizeBytes: SIZE } });
  const { bucket = '', key = '' } = row?.output ?? {};
  const hash = createHash('sha256');
  for await (const piece of store.readStream({ bucket, key })) hash.update(piece);
  expect(hash.digest('hex')).toBe(sha256);
  expect((await store.listVersions({ bucket, prefix: key })).items).toHaveLength(1);
  expect(await openUploads()).toEqual([]);
}

async function readUploadId(): Promise<string | null> {
  const [row] = await sql<{ id: string | null }[]>`SELECT upload_id AS id FROM transfers`;
  return row?.id ?? null;
}

test('a killed worker leaves an upload that is known, and whoever begins anew aborts it first', async () => {
  const job = await seedTransform();
  await killInTheMiddle(job);
  const left = await openUploads();
  expect(left).toEqual([await readUploadId()]);
  expect(await findTransfers(sql, job.id)).toMatchObject([
    { plan: 'unknown-length', state: 'COPYING', purpose: 'transform', bytesTotal: null, secondsLeft: null },
  ]);
  await endLease();
  const { runner, close } = createCopyRunner(copyOf(job));
  const asked: string[] = [];
  proxy.spoil(({ operation }) => {
    asked.push(operation);
    return undefined;
  });
  await runner.handle(jobDue({ ...job, wake: 2 }), neverStops);
  await expectMade();
  expect(asked.filter((operation) => operation === 'AbortMultipartUpload')).toHaveLength(1);
  expect(asked.indexOf('AbortMultipartUpload')).toBeLessThan(asked.indexOf('UploadPart'));
  expect(await readUploadId()).not.toBe(left[0]);
  expect(await findTransfers(sql, job.id)).toMatchObject([
    { plan: 'unknown-length', state: 'DONE', bytesDone: SIZE, bytesTotal: null, resumes: 0 },
  ]);
  await close();
}, 60_000);

test('its bytes and their rate are written while they move, and nothing of the time left', async () => {
  const job = await seedTransform();
  const { runner, close } = createCopyRunner(copyOf(job));
  // So that one part takes some seconds: what is told then is within it.
  proxy.spoil(({ operation, count }) =>
    operation === 'UploadPart' && count === 4 ? { type: 'slow-request', bytesPerSecond: 1_000_000 } : undefined,
  );
  const handled = runner.handle(jobDue(job), neverStops);
  await until(async () => {
    const [seen] = await findTransfers(sql, job.id);
    return (seen?.bytesDone ?? 0) % PART_BYTES > 0 && (seen?.bytesPerSecond ?? 0) > 0 && seen?.secondsLeft === null;
  }, 30_000);
  await handled;
  await expectMade();
  await close();
}, 60_000);

test('a worker whose job was stolen neither completes nor aborts: the holder does', async () => {
  const job = await seedTransform();
  const [slow, fast] = [createCopyRunner(copyOf(job)), createCopyRunner(copyOf(job))];
  const reached = Promise.withResolvers<void>();
  // The first worker hangs in its last part, until it hears that its job is another's.
  proxy.spoil(({ operation, partNumber, count }) => {
    if (operation !== 'UploadPart' || partNumber !== 7 || count !== 7) return undefined;
    reached.resolve();
    return { type: 'silent' };
  });
  const first = slow.runner.handle(jobDue(job), neverStops);
  await reached.promise;
  const stale = await readUploadId();
  await endLease();
  await fast.runner.handle(jobDue({ ...job, wake: 2 }), neverStops);
  await first;
  await expectMade();
  expect(await readUploadId()).not.toBe(stale);
  const [row] = await sql`SELECT state, epoch FROM jobs`;
  expect(row).toEqual({ state: 'SUCCEEDED', epoch: 2 });
  expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'DONE' }]);
  // One by the holder, of what the other had begun.
  expect(proxy.counts.get('AbortMultipartUpload')).toBe(1);
  expect(proxy.counts.get('CompleteMultipartUpload')).toBe(1);
  await Promise.all([slow.close(), fast.close()]);
}, 60_000);

test('a worker that is told to stop writes that it aborts, and leaves no upload', async () => {
  const job = await seedTransform();
  const { runner, close } = createCopyRunner(copyOf(job));
  const stop = new AbortController();
  proxy.onAnswered(({ operation }) => operation === 'UploadPart' && stop.abort());
  await runner.handle(jobDue(job), stop.signal);
  expect(await openUploads()).toEqual([]);
  expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'ABORTED' }]);
  const [row] = await sql`SELECT state, wait_reason FROM jobs`;
  expect(row).toEqual({ state: 'WAITING', wait_reason: 'WORKER_STOPPING' });
  proxy.onAnswered(undefined);
  await sql`UPDATE jobs SET next_action_at = now()`;
  await runner.handle(jobDue({ ...job, wake: 2 }), neverStops);
  await expectMade();
  await close();
}, 60_000);

test('a part that fails for a passing reason is sent again by itself', async () => {
  const job = await seedTransform();
  const { runner, close } = createCopyRunner(copyOf(job));
  proxy.spoil(({ operation, count }) =>
    operation === 'UploadPart' && count % 3 === 0 ? { type: 'status', status: 503 } : undefined,
  );
  await runner.handle(jobDue(job), neverStops);
  await expectMade();
  expect(await sql`SELECT outcome FROM attempts`).toEqual([{ outcome: 'succeeded' }]);
  await close();
}, 60_000);
