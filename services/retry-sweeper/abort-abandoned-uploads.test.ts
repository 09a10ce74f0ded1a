import { randomUUID } from 'node:crypto';
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { abortAbandonedUploads } from './abort-abandoned-uploads.ts';

const HOUR_MS = 3_600_000;

let bed: SweeperTestBed;
let bucket: string;
let landingBucket: string;
let store: ObjectStore;

beforeAll(async () => {
  bed = await startSweeperTestBed();
  store = createObjectStore({ client: bed.s3.client });
  await seedTenant(bed.sql);
});
afterAll(() => bed.stop());
beforeEach(async () => {
  ({ bucket } = await bed.begin());
  ({ bucket: landingBucket } = await bed.begin());
  await bed.s3.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'acme/half-copied.bin' }));
});
afterEach(async () => {
  await emptyTables(bed.sql, 'files', 'pulls', 'transfers', 'uploads', 'audit_events', 'outbox');
});

/** As it would be looked at `laterMs` from now, with an hour of patience. */
const abort = (laterMs: number) =>
  abortAbandonedUploads({
    sql: bed.sql,
    store,
    buckets: [bucket],
    landingBucket,
    youngestMs: HOUR_MS,
    logger: createLogger({ service: 'test', level: 'fatal' }),
    signal: AbortSignal.timeout(60_000),
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

test('in landing aborts the upload of a pull that nobody wrote down, and none of a sender', async () => {
  const begin = async (key: string) => {
    const { UploadId = '' } = await bed.s3.client.send(
      new CreateMultipartUploadCommand({ Bucket: landingBucket, Key: key }),
    );
    return UploadId;
  };
  const pull = async (key: string, createdAt: string, uploadId: string | null = null) => {
    const [{ id = '' } = {}] = await bed.sql<{ id: string }[]>`
      INSERT INTO pulls (tenant_id, project, remote, remote_path, status, created_at)
      VALUES (${TEST_TENANT}, 'P', 'r', ${`/${key}`}, 'TRIGGERED', now() + ${createdAt}::interval) RETURNING id`;
    await bed.sql`
      INSERT INTO transfers (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, bucket, key, upload_id, source_etag,
        part_bytes, worker)
      VALUES (${id}, 0, 'pull', 'pull', ${TEST_TENANT}, ${id}, 1, 'COPYING', 'pulled', ${landingBucket}, ${key}, ${uploadId}, 'e', 1, 'w')`;
    return id;
  };
  await begin('killed-before-it-was-noted');
  await pull('killed-before-it-was-noted', '-1 hour');
  await pull('goes-on', '-1 hour', await begin('goes-on'));
  await begin('older-than-the-pull');
  await pull('older-than-the-pull', '1 hour');
  await begin('of-a-sender');
  await pull('of-an-http-sender', '-1 hour');
  await bed.sql`
    INSERT INTO uploads ${bed.sql({
      ...{ id: randomUUID(), tenant_id: TEST_TENANT, bucket: landingBucket, key: 'of-an-http-sender', source: 'http' },
      ...{ uploaded_by: 'u', state: 'OPEN', store_upload_id: await begin('of-an-http-sender') },
      expires_at: new Date(Date.now() + HOUR_MS),
    })}`;
  const keys = async () =>
    (await store.listMultipartUploads({ bucket: landingBucket })).items.map(({ key }) => key).sort();
  const senders = ['goes-on', 'of-a-sender', 'of-an-http-sender', 'older-than-the-pull'];
  const all = ['killed-before-it-was-noted', ...senders].sort();
  const held = await pull('held', '-1 hour');
  await bed.sql`UPDATE pulls SET status = 'RUNNING', started_at = created_at, lease_until = 'infinity' WHERE id = ${held}`;
  await abort(2 * HOUR_MS);
  expect(await keys()).toEqual(all);
  await bed.sql`UPDATE pulls SET status = 'COMPLETED', lease_until = NULL, completed_at = now() WHERE id = ${held}`;
  await abort(2 * HOUR_MS);
  expect(await keys()).toEqual(senders);
});
