/** A byte that is another on its way from the store: nothing is made of it, nobody is told that the file is wrong, and the next try is true. */
import { gzipSync } from 'node:zlib';
import type { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { createRecordStore } from '#shared/records/create-record-store.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestClient } from '#testkit/servers/s3-server.ts';
import { type S3FaultProxy, startS3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { parseOptions } from './parse/options.ts';
import { parseStep } from './parse/run.ts';
import type { RecordStore } from './record-store.ts';
import { transformOptions } from './transform/options.ts';
import { transformStep } from './transform/run.ts';

let bench: StepBench;
/** The bench, read and written through the proxy. */
let far: StepBench;
let proxy: S3FaultProxy;
let client: S3Client;
let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  bench = await startStepBench();
  proxy = await startS3FaultProxy(bench.s3.server.url);
  client = createTestClient(proxy.url);
  far = { ...bench, store: createObjectStore({ client }) };
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
  await seedTenant(sql);
});

afterAll(async () => {
  client.destroy();
  await sql.end({ timeout: 5 });
  await database.drop();
  await proxy.stop();
  await bench.stop();
});

/** The first byte of the first whole read is another. */
function damageOnce(): void {
  proxy.spoil(({ operation, count }) =>
    operation === 'GetObject' && count === 1 ? { type: 'flipped-reply' } : undefined,
  );
}

describe('a transform', () => {
  const transform = (object: ObjectLocation, ops: unknown[]) =>
    runStep(far, { step: transformStep, kind: transformOptions, options: { ops }, object });

  test.each([
    ['gunzip, whose first byte says what it is', gzipSync('id,name\n1,a\n'), { gunzip: {} }, 'id,name\n1,a\n'],
    [
      'csv-to-ndjson, to which any byte is as good',
      Buffer.from('id,name\n1,a\n'),
      { 'csv-to-ndjson': {} },
      '{"id":"1","name":"a"}\n',
    ],
  ])('by %s', async (what, body, op, made) => {
    const object = await bench.land(`in/${what.slice(0, 4)}.gz`, body);
    damageOnce();
    expect(await transform(object, [op])).toMatchObject({ type: 'retry', cause: 'CHECKSUM_MISMATCH' });
    const outcome = await transform(object, [op]);
    if (outcome.type !== 'succeeded' || outcome.object === undefined) throw new Error(JSON.stringify(outcome));
    expect((await bench.read(outcome.object)).toString()).toBe(made);
    expect(
      (await bench.store.listVersions({ bucket: outcome.object.bucket, prefix: outcome.object.key })).items,
    ).toHaveLength(1);
  });

  test('of a file that is wrong itself fails as ever', async () => {
    const object = await bench.land('in/wrong.gz', 'no gzip');
    proxy.spoil(() => undefined);
    expect(await transform(object, [{ gunzip: {} }])).toMatchObject({ type: 'failed', cause: 'ARCHIVE_CORRUPT' });
  });
});

describe('the records of a file', () => {
  beforeEach(() => sql`DELETE FROM record_keys`);

  const layoutOf = (columns: object[]) =>
    recordsSchema.parse({
      format: 'fixed',
      recordLength: 8,
      businessKey: ['key'],
      columns,
      onReject: { action: 'reject-rows', upToShare: 1 },
    });
  const keyAt = (from: number) => ({ name: 'key', from, length: 4, required: true });
  const amountAt = (from: number) => ({ name: 'amount', from, length: 4, type: 'integer' });

  async function recordStore(): Promise<{ store: RecordStore; jobId: string }> {
    const [seeded] = await seedJobs(sql);
    const [job] = await claimJobs(sql, {
      jobIds: [seeded?.id ?? ''],
      token: crypto.randomUUID(),
      worker: 'test/1',
      service: 'partner-worker',
      queue: 'partner-steps',
      kinds: ['deliver'],
      leaseMs: 60_000,
    });
    if (job === undefined) throw new Error('the job could not be claimed');
    const store = createRecordStore({ sql, job, window: 8, leaseMs: 60_000, onWoken: () => {} });
    return { store, jobId: job.id };
  }

  test.each([
    // The damaged byte makes another key of the first, and no number of the second.
    ['that would have been carried', [keyAt(1), amountAt(5)], 'k0010007\nk0020008\n', '7'],
    ['that would have been rejected', [amountAt(1), keyAt(5)], '-007k001\n0008k002\n', '-7'],
  ])('keep none of a damaged read %s', async (_what, columns, text, amount) => {
    const { store, jobId } = await recordStore();
    const object = await bench.land(`in/${jobId}.dat`, text);
    const parse = () =>
      runStep(far, {
        step: parseStep,
        kind: parseOptions,
        object,
        records: { layout: layoutOf(columns), failJobAt: 1, store },
      });
    damageOnce();
    expect(await parse()).toMatchObject({ type: 'retry', cause: 'CHECKSUM_MISMATCH' });
    expect(await store.count()).toEqual({ accepted: 0, rejected: 0, duplicates: 0 });
    expect(await sql`SELECT 1 FROM record_keys WHERE job_id = ${jobId}`).toHaveLength(0);
    expect(await sql`SELECT 1 FROM record_chunks WHERE job_id = ${jobId}`).toHaveLength(0);
    expect(await parse()).toMatchObject({ type: 'succeeded' });
    expect(await sql`SELECT state, "values" FROM records WHERE job_id = ${jobId} ORDER BY line`).toEqual([
      { state: 'PENDING', values: { key: 'k001', amount } },
      { state: 'PENDING', values: { key: 'k002', amount: '8' } },
    ]);
  });
});
