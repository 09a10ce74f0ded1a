import { randomUUID } from 'node:crypto';
import { CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import type { StoreDirectory } from '#shared/stores/store-directory.ts';
import { findTransfers } from '#shared/transfers/find-transfers.ts';
import { transferLogOf } from '#shared/transfers/transfer-log-of.ts';
import { until } from '#testkit/beds/job-runner.ts';
import { FAR_BUCKET, type StoreTestBed, startStoreTestBed } from '#testkit/beds/store-bed.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { abortAbandonedUploads } from './abort-abandoned-uploads.ts';
import { endOrphanedTransfers } from './end-orphaned-transfers.ts';

let bed: SweeperTestBed;
let bucket: string;
let store: ObjectStore;
let jobId: string;
let far: StoreTestBed;
let external: StoreDirectory;

beforeAll(async () => {
  bed = await startSweeperTestBed();
  far = await startStoreTestBed({ url: bed.s3.server.url, credentials: TEST_CREDENTIAL });
  external = far.openDirectory();
  store = createObjectStore({ client: bed.s3.client });
  await seedTenant(bed.sql);
});
afterAll(async () => {
  external.close();
  await far.stop();
  await bed.stop();
});
afterEach(() => far.proxy.spoil(() => undefined));

/** A job in the middle of a large copy, one part of which is there. */
beforeEach(async () => {
  ({ bucket } = await bed.begin());
  await emptyTables(bed.sql, 'files', 'audit_events', 'outbox', 'transfers', 'transfer_parts');
  const [seeded] = await seedJobs(bed.sql);
  jobId = seeded?.id ?? '';
  const [job] = await claimJobs(bed.sql, {
    jobIds: [jobId],
    token: randomUUID(),
    worker: 'test/1',
    service: 'large-file-worker',
    queue: 'partner-steps',
    kinds: ['deliver'],
    leaseMs: 60_000,
  });
  if (job === undefined) throw new Error('the job could not be claimed');
  const place = { Bucket: bucket, Key: 'acme/half-copied.bin' };
  const { UploadId = '' } = await bed.s3.client.send(new CreateMultipartUploadCommand(place));
  await bed.s3.client.send(new UploadPartCommand({ ...place, UploadId, PartNumber: 1, Body: 'part' }));
  const { tenantId, fileId, epoch } = job;
  const log = transferLogOf(bed.sql, {
    owner: 'job',
    id: jobId,
    epoch,
    tenantId,
    fileId,
    seq: 0,
    purpose: 'deliver',
    worker: 'test/1',
  });
  const target = { bucket, key: place.Key };
  const facts = { plan: 'server-side', target, sourceEtag: '"x"', sizeBytes: 100, partBytes: 10 } as const;
  await log.begin(facts);
  await log.created(facts, UploadId);
});

const sweep = () =>
  endOrphanedTransfers({
    sql: bed.sql,
    store,
    stores: external,
    logger: createLogger({ service: 'test', level: 'fatal' }),
    signal: AbortSignal.timeout(60_000),
  });
const countUploads = async () => (await store.listMultipartUploads({ bucket })).items.length;

test('aborts the upload of a job that an operator cancelled', async () => {
  expect([await sweep(), await countUploads()]).toEqual([0, 1]);
  await cancelJobs(bed.sql, { jobIds: [jobId], actor: 'operator', reason: 'not wanted' });
  await until(async () => (await sweep()) === 1);
  expect(await countUploads()).toBe(0);
  expect(await findTransfers(bed.sql, jobId)).toMatchObject([{ state: 'ABORTED' }]);
});

test('leaves the upload of a job that waits for its next try, however old, and so does the sweep of old uploads', async () => {
  await bed.sql`UPDATE transfers SET updated_at = now() - interval '3 days'`;
  await bed.sql`UPDATE jobs SET state = 'WAITING', lease_until = NULL, claim_token = NULL, next_action_at = now() + interval '1 hour'`;
  expect([await sweep(), await countUploads()]).toEqual([0, 1]);
  const old = {
    sql: bed.sql,
    store,
    buckets: [bucket],
    landingBucket: (await bed.begin()).bucket,
    youngestMs: 86_400_000,
    logger: createLogger({ service: 'test', level: 'fatal' }),
    signal: AbortSignal.timeout(60_000),
    now: () => Date.now() + 3 * 86_400_000,
  };
  expect([await abortAbandonedUploads(old), await countUploads()]).toEqual([0, 1]);
  await bed.sql`UPDATE transfers SET state = 'DONE'`;
  expect([await abortAbandonedUploads(old), await countUploads()]).toEqual([1, 0]);
});

test('aborts the upload at the external store where it is, and comes back to one that is away', async () => {
  const place = { bucket: FAR_BUCKET, key: 'acme/half-copied.bin' };
  await bed.sql`UPDATE transfers SET store = 'globex', bucket = ${place.bucket}, upload_id = ${await far.beginUpload(place.key)}`;
  await cancelJobs(bed.sql, { jobIds: [jobId], actor: 'operator', reason: 'not wanted' });
  far.proxy.spoil(() => ({ type: 'status', status: 501 }));
  await until(async () => {
    expect(await sweep()).toBe(0);
    return (await bed.sql`SELECT 1 FROM transfers WHERE state = 'ABORTING' AND next_action_at > now()`).length === 1;
  });
  expect(await far.farUploads()).toHaveLength(1);
  far.proxy.spoil(() => undefined);
  await bed.sql`UPDATE transfers SET next_action_at = now() - interval '1 second', updated_at = now() - interval '1 minute'`;
  await until(async () => (await sweep()) === 1);
  expect(await far.farUploads()).toEqual([]);
  expect(await findTransfers(bed.sql, jobId)).toMatchObject([{ state: 'ABORTED' }]);
});
