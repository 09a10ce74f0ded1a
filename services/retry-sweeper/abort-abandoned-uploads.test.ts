import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { abortAbandonedUploads } from './abort-abandoned-uploads.ts';

const HOUR_MS = 3_600_000;

let bed: SweeperTestBed;
let bucket: string;
let store: ObjectStore;

beforeAll(async () => {
  bed = await startSweeperTestBed();
  store = createObjectStore({ client: bed.s3.client });
  await seedTenant(bed.sql);
});
afterAll(() => bed.stop());
beforeEach(async () => {
  ({ bucket } = await bed.begin());
  await bed.s3.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'acme/half-copied.bin' }));
});
afterEach(async () => {
  await bed.sql`TRUNCATE files, jobs, audit_events, outbox CASCADE`;
});

/** As it would be looked at `laterMs` from now, with an hour of patience. */
const abort = (laterMs: number) =>
  abortAbandonedUploads({
    sql: bed.sql,
    store,
    buckets: [bucket],
    youngestMs: HOUR_MS,
    logger: createLogger({ service: 'test', level: 'fatal' }),
    signal: AbortSignal.timeout(20_000),
    now: () => Date.now() + laterMs,
  });
const countUploads = async () => (await store.listMultipartUploads({ bucket })).items.length;

test('aborts an upload that nobody completes, once it is old enough', async () => {
  expect([await abort(0), await countUploads()]).toEqual([0, 1]);
  expect([await abort(2 * HOUR_MS), await countUploads()]).toEqual([1, 0]);
});

test('leaves an upload alone that may be of a job or of an archive copy that is held', async () => {
  await seedJobs(bed.sql);
  await bed.sql`
    UPDATE jobs SET state = 'RUNNING', lease_until = 'infinity', claim_token = uuid_v7(), created_at = now() - interval '1 hour'`;
  expect([await abort(2 * HOUR_MS), await countUploads()]).toEqual([0, 1]);
  await bed.sql`UPDATE jobs SET state = 'SUCCEEDED', lease_until = NULL, finished_at = now()`;
  await bed.sql`UPDATE files SET open_jobs = 0, lease_until = 'infinity', routed_at = now() - interval '1 hour'`;
  expect([await abort(2 * HOUR_MS), await countUploads()]).toEqual([0, 1]);
  await bed.sql`UPDATE files SET lease_until = now() - interval '1 second'`;
  expect([await abort(2 * HOUR_MS), await countUploads()]).toEqual([1, 0]);
});

test('aborts what began before everything that is held now', async () => {
  await seedJobs(bed.sql);
  await bed.sql`
    UPDATE jobs SET state = 'RUNNING', lease_until = 'infinity', claim_token = uuid_v7(), created_at = now() + interval '30 minutes'`;
  expect([await abort(2 * HOUR_MS), await countUploads()]).toEqual([1, 0]);
});
