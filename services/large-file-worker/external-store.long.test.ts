/** Deliveries to an external store by the fleet's processes: large files by the large-file-worker, small ones by the partner-worker. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findTransfers } from '#shared/transfers/find-transfers.ts';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import {
  FAR_BUCKET,
  FAR_CREDENTIAL,
  PART_BYTES,
  type StoreTestBed,
  startStoreTestBed,
} from '#testkit/beds/store-bed.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

const MAIN = new URL('main.ts', import.meta.url);
const PARTNER_WORKER = new URL('../partner-worker/main.ts', import.meta.url);
const PARTS = 12;

let bed: WorkBed;
let far: StoreTestBed;
let workers: WorkerProcess[] = [];

beforeAll(async () => {
  bed = await startWorkBed();
  // Workers read from the bed's own store.
  far = await startStoreTestBed({ url: 'http://127.0.0.1:9', credentials: TEST_CREDENTIAL });
});

afterAll(async () => {
  await far.stop();
  await bed.stop();
});

beforeEach(async () => {
  await bed.clear();
  await seedRoutes(bed.sql, {
    routes: [['deliver', 'confirm']],
    retry: { maxAttempts: 20, firstDelay: 0, maxDelay: 0 },
  });
  await bed.sql`UPDATE route_versions SET definition = jsonb_set(definition, '{steps}',
    ${JSON.stringify([{ deliver: { store: 'globex', externalBucket: FAR_BUCKET } }, { confirm: {} }])}::text::jsonb)`;
  await far.define({}, bed.sql);
});

afterEach(async () => {
  far.proxy.onAnswered(undefined);
  far.proxy.spoil(() => undefined);
  await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
  workers = [];
});

async function start(main: URL): Promise<WorkerProcess> {
  const worker = await bed.startWorker(main, {
    LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: '6000000',
    LONGSHORE_SECRETS_DIRECTORY: far.secretsDirectory,
    LONGSHORE_STORE_ADDRESSES: '127.0.0.0/8',
    LONGSHORE_COPY_PARTS: '2',
    LONGSHORE_COPY_PART_BYTES: String(PART_BYTES),
  });
  workers.push(worker);
  return worker;
}

async function expectSound(): Promise<void> {
  expect(await bed.violations()).toEqual([]);
  expect(await far.farUploads()).toEqual([]);
  const said = JSON.stringify([
    workers.flatMap(({ lines }) => lines),
    await bed.sql`SELECT * FROM audit_events`,
    await bed.sql`SELECT * FROM attempts`,
  ]);
  expect(said).not.toContain(FAR_CREDENTIAL.secretAccessKey);
  expect(said).not.toContain(FAR_CREDENTIAL.accessKeyId);
}

const keyOfFile = async () => (await bed.sql<{ key: string }[]>`SELECT key FROM files`)[0]?.key ?? '';

test('a worker killed in the middle costs the parts in flight, and the next one goes on at the far upload', async () => {
  const body = randomBytes(PARTS * PART_BYTES + 1);
  // As a small file: what a killed worker held of the FIFO queue of large ones would come again after a minute only.
  const jobs = await bed.putFiles({ count: 1, bodyOf: () => body });
  const first = await start(PARTNER_WORKER);
  const halfway = Promise.withResolvers<void>();
  far.proxy.onAnswered(({ operation, count }) => {
    if (operation === 'UploadPart' && count === PARTS / 2) halfway.resolve();
  });
  await bed.wakeUps.sendJobs(jobs);
  await halfway.promise;
  await first.end('SIGKILL');
  far.proxy.onAnswered(undefined);
  expect(await far.farUploads()).toHaveLength(1);
  await start(PARTNER_WORKER);
  await bed.untilCompleted(1);

  expect((await far.readFar(await keyOfFile())).equals(body)).toBe(true);
  expect(await far.farVersions(await keyOfFile())).toHaveLength(1);
  const [transfer] = await findTransfers(bed.sql, jobs[0]?.id ?? '');
  expect(transfer).toMatchObject({ purpose: 'deliver', plan: 'streamed', state: 'DONE', store: 'globex' });
  // A process that stands still for longer than its lease continues once more.
  const resumes = transfer?.resumes ?? 0;
  expect(resumes).toBeGreaterThanOrEqual(1);
  // Those that were answered before, and at most those in flight once more.
  expect(far.proxy.counts.get('UploadPart')).toBeLessThanOrEqual(PARTS + 1 + 2 * resumes);
  const [step] = await bed.sql<
    { output: Record<string, unknown> }[]
  >`SELECT output FROM job_steps WHERE kind = 'deliver'`;
  expect(step?.output).toMatchObject({ store: 'globex', copy: { proof: 'CRC32', plan: 'streamed', parts: PARTS + 1 } });
  await expectSound();
});

test('a large file goes by the large-file-worker and is confirmed by the other', async () => {
  const body = randomBytes(2 * PART_BYTES + 1);
  const jobs = await bed.putFiles({ count: 1, bodyOf: () => body, isLarge: true });
  await Promise.all([start(MAIN), start(PARTNER_WORKER)]);
  await bed.wakeUps.sendJobs(jobs);
  await bed.untilCompleted(1);
  expect((await far.readFar(await keyOfFile())).equals(body)).toBe(true);
  const steps = await bed.sql`SELECT step_kind, split_part(worker, '/', 1) AS service FROM attempts ORDER BY 1`;
  expect(steps).toEqual([
    { step_kind: 'confirm', service: 'partner-worker' },
    { step_kind: 'deliver', service: 'large-file-worker' },
  ]);
  await expectSound();
});

test('small files go by the partner-worker, and wait for a store that is away', async () => {
  const bodies = [randomBytes(10), Buffer.alloc(0), randomBytes(PART_BYTES + 100)];
  far.proxy.spoil(({ count }) => (count <= 4 ? { type: 'reset' } : undefined));
  const jobs = await bed.putFiles({ count: bodies.length, bodyOf: (index) => bodies[index] ?? Buffer.alloc(0) });
  await start(PARTNER_WORKER);
  await bed.wakeUps.sendJobs(jobs);
  await bed.untilCompleted(bodies.length);
  const files = await bed.sql<
    { key: string; sizeBytes: number }[]
  >`SELECT key, size_bytes::float8 AS "sizeBytes" FROM files`;
  for (const { key, sizeBytes } of files) {
    const body = bodies.find(({ length }) => length === sizeBytes);
    expect((await far.readFar(key)).equals(body ?? Buffer.alloc(1))).toBe(true);
    expect(await far.farVersions(key)).toHaveLength(1);
  }
  await expectSound();
});
