import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import type { TransferFacts, TransferLog } from '#shared/files/copies/transfer-log.ts';
import { type ClaimedJob, claimJobs } from '#shared/jobs/claim-jobs.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { connectTestDatabase, until } from '#testkit/beds/job-runner.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { findTransfers } from './find-transfers.ts';
import { claimOrphans, endOrphan, findOwnedUploads } from './orphaned-transfers.ts';
import { transferLogOf } from './transfer-log-of.ts';

let database: TestDatabase;
let sql: Sql;
let job: ClaimedJob;
let log: TransferLog;

const FACTS: TransferFacts = {
  plan: 'streamed',
  target: { bucket: 'test-delivered', key: 'acme/large.bin' },
  sourceEtag: '"abc"',
  sizeBytes: 100,
  partBytes: 10,
};
const PART = { number: 1, etag: '"p1"', checksum: 'c1', sizeBytes: 10 };

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'audit_events', 'outbox', 'transfers', 'transfer_parts');
  await seedTenant(sql);
  const [seeded] = await seedJobs(sql);
  job = await claim(seeded?.id ?? '');
  log = logOf(job);
});

async function claim(jobId: string): Promise<ClaimedJob> {
  const [claimed] = await claimJobs(sql, {
    jobIds: [jobId],
    token: randomUUID(),
    worker: 'test/1',
    service: 'large-file-worker',
    queue: 'partner-steps',
    kinds: ['deliver'],
    leaseMs: 30_000,
  });
  if (claimed === undefined) throw new Error('the job could not be claimed');
  return claimed;
}

async function takeOver(): Promise<ClaimedJob> {
  await sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = ${job.id}`;
  return await claim(job.id);
}

function logOf({ id, epoch, tenantId, fileId, stepSeq }: ClaimedJob): TransferLog {
  return transferLogOf(sql, {
    owner: 'job',
    id,
    epoch,
    tenantId,
    fileId,
    seq: stepSeq,
    purpose: 'deliver',
    worker: 'test/1',
  });
}

async function begun(): Promise<void> {
  await log.begin(FACTS);
  await log.created(FACTS, 'upload-1');
  await log.progress({ parts: [PART], bytesDone: 10, bytesPerSecond: 5 });
}

describe('a transfer', () => {
  test('is new at first, and gives whoever takes it over its upload and parts', async () => {
    expect(await log.begin(FACTS)).toBeUndefined();
    await log.created(FACTS, 'upload-1');
    await log.progress({ parts: [PART], bytesDone: 10, bytesPerSecond: 5 });
    const next = logOf(await takeOver());
    // The plan and the part size of the next may be others; what was begun stays cut as it is.
    const left = await next.begin({ ...FACTS, partBytes: 20 });
    expect(left).toEqual({ ...FACTS, uploadId: 'upload-1', isAborting: false, parts: [PART] });
    expect(await findTransfers(sql, job.id)).toMatchObject([{ resumes: 1, bytesDone: 10 }]);
  });

  test('is nothing to a worker whose epoch is another: each of its calls throws and changes nothing', async () => {
    await begun();
    const holder = await takeOver();
    await logOf(holder).begin(FACTS);
    const before = await sql`SELECT * FROM transfers`;
    const calls = [
      () => log.begin(FACTS),
      () => log.created(FACTS, 'upload-of-a-stale-one'),
      () => log.progress({ parts: [{ ...PART, number: 2 }], bytesDone: 20, bytesPerSecond: 5 }),
      () => log.completing(),
      () => log.aborting(),
      () => log.done(),
      () => log.aborted(),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await sql`SELECT * FROM transfers`).toEqual(before);
    expect(await sql`SELECT number FROM transfer_parts`).toEqual([{ number: 1 }]);
  });

  test('lets one of two complete, also when both are about to', async () => {
    await begun();
    const next = logOf(await takeOver());
    await next.begin(FACTS);
    const ends = await Promise.allSettled([log.completing(), next.completing()]);
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  test('that somebody began to abort is told so to the next, which begins a new one', async () => {
    await begun();
    await log.aborting();
    const next = logOf(await takeOver());
    expect(await next.begin(FACTS)).toMatchObject({ isAborting: true, uploadId: 'upload-1' });
    await next.created(FACTS, 'upload-2');
    expect(await next.begin(FACTS)).toMatchObject({ isAborting: false, uploadId: 'upload-2', parts: [] });
  });

  test('repeats each call without harm, as after a lost reply', async () => {
    for (const _round of [1, 2]) {
      await begun();
      await log.completing();
      await log.done();
      await log.done();
    }
    expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'DONE', bytesDone: 100, resumes: 0 }]);
    expect(await sql`SELECT 1 FROM transfer_parts`).toHaveLength(0);
  });

  test('whose object a lost worker had completed is done, and is nothing to who does not hold the job', async () => {
    await log.found();
    expect(await findTransfers(sql, job.id)).toEqual([]);
    await begun();
    await log.completing();
    const next = logOf(await takeOver());
    await log.found();
    expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'COMPLETING' }]);
    await next.found();
    expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'DONE', bytesDone: 100, bytesPerSecond: 5 }]);
    expect(await sql`SELECT 1 FROM transfer_parts`).toHaveLength(0);
  });

  test('of unknown length is shown without a total, and is never gone on with', async () => {
    const stream: TransferFacts = { ...FACTS, plan: 'unknown-length', sizeBytes: null };
    expect(await log.begin(stream)).toBeUndefined();
    await log.created(stream, 'upload-1');
    await log.progress({ parts: [], bytesDone: 30, bytesPerSecond: 7 });
    const view = { plan: 'unknown-length', bytesDone: 30, bytesTotal: null, bytesPerSecond: 7, secondsLeft: null };
    expect(await findTransfers(sql, job.id)).toMatchObject([view]);
    // It is not progress: its takeover is an attempt.
    const taken = await takeOver();
    expect(taken.stepAttempts).toBe(2);
    expect(await logOf(taken).begin(stream)).toMatchObject({
      sizeBytes: null,
      uploadId: 'upload-1',
      isAborting: false,
    });
    await logOf(taken).done();
    expect(await findTransfers(sql, job.id)).toMatchObject([{ ...view, state: 'DONE', resumes: 0 }]);
  });

  test('that says which parts are finished is progress of its job', async () => {
    await begun();
    const taken = await takeOver();
    expect([taken.epoch, taken.stepAttempts]).toEqual([2, 1]);
    expect((await takeOver()).stepAttempts).toBe(2);
  });

  test('of which nothing was heard for long has no rate', async () => {
    await begun();
    await sql`UPDATE transfers SET updated_at = now() - interval '20 seconds'`;
    expect(await findTransfers(sql, job.id)).toMatchObject([{ bytesDone: 10, bytesPerSecond: 0, secondsLeft: null }]);
  });

  test('of an archive copy is bound to the epoch of its file', async () => {
    await sql`UPDATE files SET open_jobs = 0, epoch = 4, lease_until = now() + interval '1 minute'`;
    const archive = (epoch: number) =>
      transferLogOf(sql, {
        owner: 'file',
        id: job.fileId,
        epoch,
        tenantId: job.tenantId,
        fileId: job.fileId,
        seq: 0,
        purpose: 'archive',
        worker: 'test/1',
      });
    await archive(4).begin(FACTS);
    await expect(archive(3).begin(FACTS)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await findTransfers(sql, job.id)).toMatchObject([{ purpose: 'archive', stepSeq: null }]);
  });
});

describe('what is shown of a transfer', () => {
  test('is how far it is, how fast and how long it will take', async () => {
    expect(await findTransfers(sql, job.id)).toEqual([]);
    await begun();
    expect(await findTransfers(sql, job.id)).toMatchObject([
      {
        purpose: 'deliver',
        stepSeq: 0,
        plan: 'streamed',
        state: 'COPYING',
        bytesDone: 10,
        bytesTotal: 100,
        bytesPerSecond: 5,
        secondsLeft: 18,
        partBytes: 10,
      },
    ]);
    await log.completing();
    await log.done();
    expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'DONE', bytesDone: 100, secondsLeft: null }]);
  });
});

describe('an orphan', () => {
  const orphans = () => claimOrphans(sql, { limit: 10, claimMs: 60_000 });

  test('is no transfer of an open job, whatever its lease', async () => {
    await begun();
    await sql`UPDATE transfers SET updated_at = now() - interval '1 day'`;
    expect(await orphans()).toEqual([]);
    await sql`UPDATE jobs SET state = 'WAITING', lease_until = NULL, next_action_at = now() + interval '1 day'`;
    expect(await orphans()).toEqual([]);
    expect(await findOwnedUploads(sql, ['upload-1', 'upload-9'])).toEqual(new Set(['upload-1']));
  });

  test('is the transfer of a cancelled job: one sweeper gets it, and ends it', async () => {
    await begun();
    await cancelJobs(sql, { jobIds: [job.id], actor: 'operator', reason: 'not wanted' });
    let claimed: Awaited<ReturnType<typeof orphans>> = [];
    await until(async () => {
      const both = await Promise.all([orphans(), orphans()]);
      claimed = both.flat();
      return claimed.length > 0;
    });
    expect(claimed).toMatchObject([{ bucket: 'test-delivered', key: 'acme/large.bin', uploadId: 'upload-1' }]);
    expect(await orphans()).toEqual([]);
    for (const orphan of claimed) await endOrphan(sql, orphan);
    expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'ABORTED' }]);
    expect(await findOwnedUploads(sql, ['upload-1'])).toEqual(new Set());
  });

  test('that a worker took over meanwhile is not ended', async () => {
    await begun();
    await sql`UPDATE transfers SET updated_at = now() - interval '1 day'`;
    await sql`UPDATE jobs SET state = 'FAILED', lease_until = NULL, finished_at = now()`;
    const claimed = await orphans();
    await sql`UPDATE jobs SET state = 'PENDING', finished_at = NULL`;
    const next = logOf(await claim(job.id));
    expect(await next.begin(FACTS)).toMatchObject({ isAborting: true });
    await next.created(FACTS, 'upload-2');
    for (const orphan of claimed) await endOrphan(sql, orphan);
    expect(await findTransfers(sql, job.id)).toMatchObject([{ state: 'COPYING' }]);
  });
});
