/**
 * A large copy whose worker is killed again and again, stolen or cancelled. It has one part for each that a kill may leave;
 * `LONGSHORE_TEST_KILLED_COPY_BYTES=2000000000` makes it larger. Whole copies of 3 GB are in `large-files.long.test.ts`.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import type { CopyPlan } from '#shared/files/copies/transfer-log.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { acknowledge } from '#shared/queue/disposition.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { type CopyBed, PART_BYTES, startCopyBed } from '#testkit/beds/copy-bed.ts';
import { createCopyRunner } from '#testkit/beds/copy-process.ts';
import { jobDue, neverStops } from '#testkit/beds/job-runner.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import type { S3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { findTransfers } from './find-transfers.ts';

const PROCESS = fileURLToPath(new URL('../../testkit/beds/copy-process.ts', import.meta.url));
const IN_FLIGHT = 3;
const KILLS = repeatTimes(20);
/** A life ends when one part has been answered, so it leaves at most that and those in flight. */
const FEWEST_PARTS = KILLS * (IN_FLIGHT + 1) + 1;
const SIZE = Math.max(FEWEST_PARTS * PART_BYTES + 1, Number(process.env.LONGSHORE_TEST_KILLED_COPY_BYTES ?? 0));
const PIECE = 1024 ** 2;
const PATIENCE_MS = 240_000 + SIZE / 5_000;

let bed: CopyBed;
let sql: Sql;
let proxy: S3FaultProxy;
let store: ObjectStore;
let source: Source;
/** For what needs no twenty lives. */
let smaller: Source;

beforeAll(async () => {
  bed = await startCopyBed({ partsInFlight: IN_FLIGHT });
  ({ sql, proxy, store } = bed);
  source = await landLarge('large.bin', SIZE);
  smaller = await landLarge('smaller.bin', 10 * PART_BYTES);
}, PATIENCE_MS);

afterAll(() => bed.stop());

beforeEach(() => bed.clear());

afterEach(async () => expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]));

type Source = Awaited<ReturnType<typeof landLarge>>;

/** No two pieces are the same, so that parts in the wrong order would show. */
async function landLarge(name: string, sizeBytes: number) {
  const hash = createHash('sha256');
  const target = { bucket: bucketName('test', 'landing'), key: `acme/inbound/${name}` };
  const piece = randomBytes(PIECE);
  async function* content(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < sizeBytes; at += PIECE) {
      const bytes = Buffer.from(piece.subarray(0, Math.min(PIECE, sizeBytes - at)));
      if (bytes.length >= 8) bytes.writeDoubleBE(at, 0);
      hash.update(bytes);
      yield bytes;
    }
  }
  const { versionId = '', etag } = await store.upload({ target, body: content(), expectedBytes: sizeBytes });
  return { ...target, name, versionId, etag, sizeBytes, sha256: hash.digest('hex') };
}

async function seedCopy(plan: CopyPlan, object: Source): Promise<WokenJob> {
  // With the attempts that a route has by default.
  await seedRoutes(sql, { routes: [['deliver']] });
  await sql`UPDATE route_versions SET definition = jsonb_set(definition, '{steps}', ${JSON.stringify([{ deliver: { copy: plan, key: `{{ tenant }}/${plan}/${randomUUID()}` } }])}::text::jsonb)`;
  const { sha256: _, ...arrived } = object;
  const [job] = await seedFiles(sql, { objects: [arrivedObject(arrived)], isLarge: true });
  if (job === undefined) throw new Error('no job was made');
  return job;
}

/** Runs a worker process, and kills it when the store has answered a request of that kind. */
async function live(job: WokenJob, killAt?: 'UploadPart' | 'HeadObject'): Promise<void> {
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(bed.copyOf(job))], { stdio: 'inherit' });
  const before = new Map(proxy.counts);
  proxy.onAnswered(({ operation, count }) => {
    // What the life before had in flight may be answered late.
    const isOwn = count > (before.get(operation) ?? 0);
    if (killAt !== undefined && isOwn && operation.startsWith(killAt)) child.kill('SIGKILL');
  });
  const [code] = await once(child, 'exit');
  expect({ code, ...(await readJob(job)) }).toMatchObject({ code: killAt === undefined ? 0 : null });
}

async function readJob({ id }: WokenJob): Promise<Record<string, unknown>> {
  const [row] =
    await sql`SELECT state, step_attempts, step_tries, error_cause, error_message FROM jobs WHERE id = ${id}`;
  return row ?? {};
}

async function findOutput({ id }: WokenJob): Promise<Record<string, unknown>> {
  const [row] = await sql<{ output: Record<string, unknown> }[]>`SELECT output FROM job_steps WHERE job_id = ${id}`;
  return row?.output ?? {};
}

async function expectDelivered(job: WokenJob, { sha256 }: Source): Promise<void> {
  const { bucket, key } = (await findOutput(job)) as { bucket: string; key: string };
  const hash = createHash('sha256');
  for await (const piece of store.readStream({ bucket, key })) hash.update(piece);
  expect(hash.digest('hex')).toBe(sha256);
  expect((await store.listVersions({ bucket, prefix: key })).items).toHaveLength(1);
  expect((await store.listMultipartUploads({ bucket, prefix: key })).items).toEqual([]);
}

describe.each(['server-side', 'streamed'] as const)('a %s copy', (plan) => {
  test(
    `whose worker is killed ${KILLS} times is whole, with at most the parts in flight copied again each time`,
    async () => {
      const job = await seedCopy(plan, source);
      for (let kill = 1; kill <= KILLS; kill += 1) {
        await live(job, 'UploadPart');
        await bed.endLease(job);
      }
      await live(job);
      // The first life's parts were seen by the second alone; every other takeover is after progress.
      expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', step_attempts: 2, step_tries: KILLS + 1 });
      const sent = (proxy.counts.get('UploadPart') ?? 0) + (proxy.counts.get('UploadPartCopy') ?? 0);
      const parts = Math.ceil(SIZE / PART_BYTES);
      expect(sent).toBeGreaterThanOrEqual(parts);
      expect(sent).toBeLessThanOrEqual(parts + KILLS * IN_FLIGHT);
      await expectDelivered(job, source);
      expect(await findTransfers(sql, job.id)).toMatchObject([
        { state: 'DONE', plan, resumes: KILLS, bytesDone: SIZE },
      ]);
      expect(await findOutput(job)).toMatchObject({
        verifiedBy: 'checksum',
        copy: { plan, proof: 'CRC64NVME', parts },
      });
    },
    PATIENCE_MS,
  );

  test('that kills its worker where it stands fails once its attempts are spent, whatever it had done before', async () => {
    const job = await seedCopy(plan, smaller);
    for (const killAt of ['UploadPart', 'UploadPart', 'HeadObject', 'HeadObject'] as const) {
      await live(job, killAt);
      await bed.endLease(job);
    }
    await live(job);
    expect(await readJob(job)).toMatchObject({ state: 'FAILED', error_cause: 'ATTEMPTS_SPENT', step_tries: 5 });
  });

  test('that kills its worker before anything is done fails after its attempts', async () => {
    const job = await seedCopy(plan, smaller);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await live(job, 'HeadObject');
      await bed.endLease(job);
    }
    await live(job);
    expect(await readJob(job)).toMatchObject({ state: 'FAILED', error_cause: 'ATTEMPTS_SPENT', step_tries: 4 });
    expect(await findTransfers(sql, job.id)).toEqual([]);
  });

  test('whose job is stolen in the middle is completed once, by who holds the job', async () => {
    const job = await seedCopy(plan, smaller);
    const [slow, fast] = [createCopyRunner(bed.copyOf(job)), createCopyRunner(bed.copyOf(job))];
    const stolen = Promise.withResolvers<void>();
    // All that the first has in flight stands still once one part is done, so that it cannot be done before it is robbed.
    proxy.spoil(({ operation, count }) =>
      operation.startsWith('UploadPart') && count > 1 && count <= 1 + IN_FLIGHT ? { type: 'silent' } : undefined,
    );
    proxy.onAnswered(({ operation }) => operation.startsWith('UploadPart') && stolen.resolve());
    const first = slow.runner.handle(jobDue(job), neverStops);
    await stolen.promise;
    await bed.endLease(job);
    const second = fast.runner.handle(jobDue({ ...job, wake: 2 }), neverStops);
    await Promise.all([first, second]);
    await expectDelivered(job, smaller);
    const [row] = await sql`SELECT state, epoch FROM jobs`;
    expect(row).toEqual({ state: 'SUCCEEDED', epoch: 2 });
    expect(proxy.counts.get('AbortMultipartUpload')).toBeUndefined();
    await Promise.all([slow.close(), fast.close()]);
  });

  test('over which nothing moves gives its slot up, and goes on where it was when it is tried again', async () => {
    const job = await seedCopy(plan, smaller);
    const [impatient, next] = [
      createCopyRunner({ ...bed.copyOf(job), stallMs: 500 }),
      createCopyRunner(bed.copyOf(job)),
    ];
    proxy.spoil(({ operation, count }) =>
      operation.startsWith('UploadPart') && count > 4 ? { type: 'silent' } : undefined,
    );
    expect(await impatient.runner.handle(jobDue(job), neverStops)).toEqual(acknowledge);
    const [waiting] =
      await sql`SELECT state, wait_reason, lease_until, next_action_at IS NOT NULL AS has_time FROM jobs`;
    expect(waiting).toEqual({
      state: 'WAITING',
      wait_reason: 'OBJECT_STORE_UNAVAILABLE',
      lease_until: null,
      has_time: true,
    });
    proxy.spoil(() => undefined);
    await sql`UPDATE jobs SET next_action_at = now()`;
    await next.runner.handle(jobDue({ ...job, wake: 2 }), neverStops);
    await expectDelivered(job, smaller);
    const { copy } = (await findOutput(job)) as { copy: { resumedParts: number } };
    expect(copy.resumedParts).toBeGreaterThan(0);
    await Promise.all([impatient.close(), next.close()]);
  });

  test('that takes longer than its lease keeps its job, because the lease is renewed while bytes move', async () => {
    const job = await seedCopy(plan, smaller);
    const { runner, close } = createCopyRunner(bed.copyOf(job, 4_000));
    const other = createCopyRunner(bed.copyOf(job, 4_000));
    runner.start();
    // The reply of the store that copies has a few hundred bytes.
    const [operation, bytesPerSecond] = plan === 'streamed' ? ['GetObject', 800_000] : ['UploadPartCopy', 40];
    proxy.spoil((asked) =>
      asked.operation === operation && asked.count <= IN_FLIGHT ? { type: 'slow', bytesPerSecond } : undefined,
    );
    let renewals = 0;
    let lease = 0;
    const handled = runner.handle(jobDue(job), neverStops).then(() => 'ended' as const);
    const pause = () => new Promise<'paused'>((resolve) => setTimeout(() => resolve('paused'), 100));
    while ((await Promise.race([handled, pause()])) !== 'ended') {
      // Whoever else is woken finds a live lease.
      await other.runner.handle(jobDue({ ...job, wake: 2 }), neverStops);
      const [row] = await sql<
        { lease: number }[]
      >`SELECT extract(epoch FROM lease_until)::float8 AS lease FROM jobs WHERE state = 'RUNNING'`;
      if (row !== undefined && row.lease > lease) renewals += 1;
      lease = row?.lease ?? lease;
    }
    // More than one lease long.
    expect(renewals).toBeGreaterThan(3);
    const [row] = await sql`SELECT state, epoch FROM jobs`;
    expect(row).toEqual({ state: 'SUCCEEDED', epoch: 1 });
    await Promise.all([close(), other.close()]);
  });

  test('whose job is cancelled stops, and leaves its upload to the sweeper', async () => {
    const job = await seedCopy(plan, smaller);
    const { runner, close } = createCopyRunner(bed.copyOf(job, 900));
    runner.start();
    const begun = Promise.withResolvers<void>();
    proxy.onAnswered(({ operation }) => operation.startsWith('UploadPart') && begun.resolve());
    proxy.spoil(({ operation, count }) =>
      operation.startsWith('UploadPart') && count > 5 ? { type: 'stalled' } : undefined,
    );
    const handled = runner.handle(jobDue(job), neverStops);
    await begun.promise;
    await cancelJobs(sql, { jobIds: [job.id], actor: 'operator', reason: 'not wanted' });
    await handled;
    const [row] = await sql`SELECT state FROM jobs`;
    expect(row?.state).toBe('CANCELLED');
    expect(proxy.counts.get('AbortMultipartUpload')).toBeUndefined();
    expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'COPYING' }]);
    await close();
  });
});
