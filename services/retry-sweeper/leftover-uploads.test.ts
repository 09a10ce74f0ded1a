/** Leftovers of uploads, as the sweeper's process deals with them by its own defaults: what is a day old goes, unless an open job has it. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { BUCKET_IDS, type BucketId, bucketName } from '#shared/runtime/config/resource-names.ts';
import { transferLogOf } from '#shared/transfers/transfer-log-of.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';

const HOUR_MS = 3_600_000;

let bed: SweeperTestBed;
let prefix: string;
let sweeper: TestProcess | undefined;

beforeAll(async () => {
  bed = await startSweeperTestBed();
  ({ prefix } = await bed.begin());
  for (const id of BUCKET_IDS) if (id !== 'landing') bed.s3.server.createBucket(bucketName(prefix, id));
  await seedTenant(bed.sql);
});
afterAll(async () => {
  await sweeper?.end('SIGKILL');
  await bed.stop();
});

async function beginUpload(id: BucketId, key: string, ageHours: number): Promise<string> {
  const place = { Bucket: bucketName(prefix, id), Key: key };
  const { UploadId = '' } = await bed.s3.client.send(new CreateMultipartUploadCommand(place));
  const metadata = new DatabaseSync(join(bed.s3.directory, 'metadata.sqlite'), { timeout: 5_000 });
  metadata.prepare('UPDATE uploads SET created = ? WHERE id = ?').run(Date.now() - ageHours * HOUR_MS, UploadId);
  metadata.close();
  return UploadId;
}

async function openUploads(): Promise<string[]> {
  const lists = BUCKET_IDS.map((id) =>
    bed.s3.client.send(new ListMultipartUploadsCommand({ Bucket: bucketName(prefix, id) })),
  );
  return (await Promise.all(lists)).flatMap(({ Uploads = [] }) => Uploads.map(({ Key }) => Key ?? '')).sort();
}

/** Of a job that waits for its next try. */
async function giveToWaitingJob(uploadId: string, key: string): Promise<void> {
  const [seeded] = await seedJobs(bed.sql);
  const [job] = await claimJobs(bed.sql, {
    jobIds: [seeded?.id ?? ''],
    token: randomUUID(),
    worker: 'test/1',
    service: 'large-file-worker',
    queue: 'partner-steps',
    kinds: ['deliver'],
    leaseMs: 60_000,
  });
  if (job === undefined) throw new Error('the job could not be claimed');
  const { id, tenantId, fileId, epoch } = job;
  const owner = { owner: 'job', id, epoch, tenantId, fileId, seq: 0, purpose: 'deliver', worker: 'test/1' } as const;
  const log = transferLogOf(bed.sql, owner);
  const target = { bucket: bucketName(prefix, 'delivered'), key };
  const facts = { plan: 'server-side', target, sourceEtag: '"x"', sizeBytes: 100, partBytes: 10 } as const;
  await log.begin(facts);
  await log.created(facts, uploadId);
  await bed.sql`UPDATE jobs SET state = 'WAITING', lease_until = NULL, claim_token = NULL, next_action_at = now() + interval '2 days'`;
}

test('after a day a foreign upload goes; a younger one, a sender’s, and one of an open job however old stay', async () => {
  const kept = ['of-a-waiting-job', 'of-today', 'of-a-sender'].sort();
  await giveToWaitingJob(await beginUpload('delivered', 'of-a-waiting-job', 24 * 9), 'of-a-waiting-job');
  await beginUpload('delivered', 'of-today', 23);
  await beginUpload('landing', 'of-a-sender', 24 * 9);
  await beginUpload('delivered', 'foreign', 25);
  await beginUpload('archive', 'foreign-too', 24 * 9);
  sweeper = startProcess([fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: {
      PATH: process.env.PATH,
      ...bed.env,
      AWS_REGION: 'us-east-1',
      DATABASE_URL: bed.database.DATABASE_URL,
      LONGSHORE_PREFIX: prefix,
      LONGSHORE_S3_PATH_STYLE: 'true',
      LONGSHORE_HTTP_HOST: '127.0.0.1',
      LONGSHORE_HTTP_PORT: '0',
      // How often it looks; how old is too old is its own affair.
      LONGSHORE_RECONCILE_MS: '1000',
      LOG_LEVEL: 'silent',
    },
  });
  await expect.poll(openUploads).toEqual(kept);
  // One more round, that has seen them all.
  await beginUpload('staging', 'foreign', 25);
  await expect.poll(openUploads).toEqual(kept);
  const transfers = await bed.sql`SELECT state FROM transfers`;
  expect(transfers).toEqual([{ state: 'COPYING' }]);
});
