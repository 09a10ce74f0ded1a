/** Batches while routers and workers are killed: each file in one batch, each batch closed once, full, and carried to its end. */
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceDueBatches } from '#shared/batches/advance-batches.ts';
import { closeDueBatches } from '#shared/batches/close-batches.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { wakeFiles } from '#shared/jobs/wake-files.ts';
import { createWakeUpSenders, type WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { queueName } from '#shared/runtime/config/resource-names.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';

const ROUTER = new URL('main.ts', import.meta.url);
const WORKER = new URL('../partner-worker/main.ts', import.meta.url);
const FILES = 40;
const PER_BATCH = 10;
const KILLS = 2;

let bed: WorkBed;
let clients: { destroy(): void }[];
let s3: S3Client;
let senders: WakeUpSenders;

beforeAll(async () => {
  bed = await startWorkBed();
  await seedRoutes(bed.sql, { routes: [] });
  const { AWS_ENDPOINT_URL_S3: endpoint = '', AWS_ENDPOINT_URL_SQS: queues = '', AWS_REGION: region = '' } = bed.env;
  const credentials = {
    accessKeyId: bed.env.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: bed.env.AWS_SECRET_ACCESS_KEY ?? '',
  };
  s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  const sqs = new SQSClient({ endpoint: queues, region, credentials });
  clients = [s3, sqs];
  const name = queueName(bed.env.LONGSHORE_PREFIX ?? '', 'ingest');
  const ingest = (await resolveQueueUrls({ client: sqs, names: [name] }))[name] ?? '';
  const logger = createLogger({ service: 'test', level: 'error' });
  senders = createWakeUpSenders({ client: sqs, queueUrls: { ingest }, fairQueues: true, logger });
});

afterAll(async () => {
  for (const client of clients) client.destroy();
  await bed.stop();
});

async function sendFiles(): Promise<void> {
  const objects = await Promise.all(
    Array.from({ length: FILES }, async (_, index) => {
      const name = `f${index}.csv`;
      const [bucket, key, body] = [bed.bucket('landing'), `acme/inbound/${name}`, `id\n${index}\n`];
      const { VersionId, ETag } = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
      return arrivedObject({ bucket, key, name, sizeBytes: body.length, versionId: VersionId ?? '', etag: ETag ?? '' });
    }),
  );
  await senders.sendFiles((await registerFiles(bed.sql, objects, 'test')).files);
}

/** As the sweeper would. */
async function tick(): Promise<void> {
  const options = { actor: 'test', window: 1_000, limit: 100 };
  const { jobs } = await closeDueBatches(bed.sql, options);
  await bed.sql`UPDATE batches SET look_at = now() WHERE state = 'RUNNING'`;
  const advanced = await advanceDueBatches(bed.sql, options);
  await bed.wakeUps.sendJobs([...jobs, ...advanced.jobs]);
  const bounds = { limit: 1_000, missing: 1_000, graceMs: 3_000, boundMs: 3_000, actor: 'test' };
  await senders.sendFiles((await wakeFiles(bed.sql, bounds)).filter(({ queue }) => queue === 'ingest'));
  await bed.sweep();
}

async function killUntil(main: URL, isDone: () => Promise<boolean>): Promise<void> {
  let worker: WorkerProcess | undefined;
  let kills = 0;
  const endMs = performance.now() + 150_000;
  while (!(await isDone())) {
    if (performance.now() > endMs) throw new Error('not so in time');
    worker ??= await bed.startWorker(main);
    await delay(50 + 37 * kills);
    if (kills < KILLS) {
      await worker.end('SIGKILL');
      worker = undefined;
      kills += 1;
    }
    await tick();
  }
  await worker?.end('SIGKILL');
}

test('killed routers and workers leave no file out of its batch, and none in two', { timeout: 360_000 }, async () => {
  const definition = {
    ...{ kind: 'route', tenant: 'acme', name: 'together', match: { path: 'inbound/**' }, steps: [{ deliver: {} }] },
    ...{ batch: { count: PER_BATCH, maxConcurrency: 3 }, retry: { maxAttempts: 20, firstDelay: 0, jitter: 'none' } },
  };
  await applyRoute(bed.sql, { tenantId: 'acme', name: 'together', definition, definitionHash: 'h' }, 'test');
  await sendFiles();
  const countClosed = async () =>
    (await bed.sql`SELECT id FROM batches WHERE state <> 'OPEN' AND files = ${PER_BATCH}`).length === FILES / PER_BATCH;
  await killUntil(ROUTER, countClosed);
  const countEnded = async () =>
    (await bed.sql`SELECT id FROM batches WHERE state = 'SUCCEEDED'`).length === FILES / PER_BATCH;
  await killUntil(WORKER, countEnded);
  expect(await bed.sql`SELECT batch_id, count(DISTINCT file_id)::int AS files FROM jobs GROUP BY batch_id`).toEqual(
    Array.from({ length: FILES / PER_BATCH }, () => ({ batch_id: expect.any(String), files: PER_BATCH })),
  );
  const events = await bed.sql`
    SELECT type, count(*)::int, count(DISTINCT detail ->> 'batch')::int AS batches FROM audit_events WHERE type LIKE 'batch.%' GROUP BY type ORDER BY type`;
  expect(events.map(({ type, count, batches }) => [type, count, batches])).toEqual([
    ['batch.closed', 4, 4],
    ['batch.succeeded', 4, 4],
  ]);
  expect(await bed.countVersions('delivered')).toBe(FILES);
  expect(await findRowViolations(bed.sql, { isAtRest: false })).toEqual([]);
});
