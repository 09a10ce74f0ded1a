/** An upload of unknown length whose worker is killed, stolen or stopped: it is seen while it moves, and nothing of it is left. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { type CopyBed, PART_BYTES, startCopyBed } from '#testkit/beds/copy-bed.ts';
import { createCopyRunner } from '#testkit/beds/copy-process.ts';
import { jobDue, neverStops, until } from '#testkit/beds/job-runner.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import type { S3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { findTransfers } from './find-transfers.ts';

const PROCESS = fileURLToPath(new URL('../../testkit/beds/copy-process.ts', import.meta.url));
const SIZE = 6 * PART_BYTES + 1;
const IN_FLIGHT = 2;

let bed: CopyBed;
let sql: Sql;
let proxy: S3FaultProxy;
let store: ObjectStore;
let source: Parameters<typeof arrivedObject>[0];
let sha256: string;

beforeAll(async () => {
  bed = await startCopyBed({ partsInFlight: IN_FLIGHT });
  ({ sql, proxy, store } = bed);
  const content = randomBytes(SIZE);
  sha256 = createHash('sha256').update(content).digest('hex');
  const packed = gzipSync(content, { level: 0 });
  const target = { bucket: bucketName('test', 'landing'), key: 'acme/inbound/large.bin.gz' };
  const { versionId = '', etag } = await store.put({ target, body: packed });
  source = { ...target, name: 'large.bin.gz', versionId, etag, sizeBytes: packed.length };
});

afterAll(() => bed.stop());

beforeEach(() => bed.clear());

afterEach(async () => expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]));

async function seedTransform(): Promise<WokenJob> {
  await seedRoutes(sql, { routes: [['transform']] });
  const [job] = await seedFiles(sql, { objects: [arrivedObject(source)], isLarge: true });
  if (job === undefined) throw new Error('no job was made');
  return job;
}

async function killInTheMiddle(job: WokenJob): Promise<void> {
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(bed.copyOf(job))], { stdio: 'inherit' });
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
  await bed.endLease(job);
  const { runner, close } = createCopyRunner(bed.copyOf(job));
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
});

test('its bytes and their rate are written while they move, and nothing of the time left', async () => {
  const job = await seedTransform();
  const { runner, close } = createCopyRunner(bed.copyOf(job));
  // So that one part takes some seconds: what is told then is within it.
  proxy.spoil(({ operation, count }) =>
    operation === 'UploadPart' && count === 4 ? { type: 'slow-request', bytesPerSecond: 1_000_000 } : undefined,
  );
  const handled = runner.handle(jobDue(job), neverStops);
  await until(async () => {
    const [seen] = await findTransfers(sql, job.id);
    return (seen?.bytesDone ?? 0) % PART_BYTES > 0 && (seen?.bytesPerSecond ?? 0) > 0 && seen?.secondsLeft === null;
  }, 60_000);
  await handled;
  await expectMade();
  await close();
});

test('a worker whose job was stolen neither completes nor aborts: the holder does', async () => {
  const job = await seedTransform();
  const [slow, fast] = [createCopyRunner(bed.copyOf(job)), createCopyRunner(bed.copyOf(job))];
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
  await bed.endLease(job);
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
});

test('a worker that is told to stop writes that it aborts, and leaves no upload', async () => {
  const job = await seedTransform();
  const { runner, close } = createCopyRunner(bed.copyOf(job));
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
});

test('a part that fails for a passing reason is sent again by itself', async () => {
  const job = await seedTransform();
  const { runner, close } = createCopyRunner(bed.copyOf(job));
  proxy.spoil(({ operation, count }) =>
    operation === 'UploadPart' && count % 3 === 0 ? { type: 'status', status: 503 } : undefined,
  );
  await runner.handle(jobDue(job), neverStops);
  await expectMade();
  expect(await sql`SELECT outcome FROM attempts`).toEqual([{ outcome: 'succeeded' }]);
  await close();
});
