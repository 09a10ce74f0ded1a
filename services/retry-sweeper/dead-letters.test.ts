import { randomUUID } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { uploadFailed } from '#local/sftp/transfer-event.ts';
import { applySftpUser } from '#shared/definitions/apply-sftp-users.ts';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, seedJobs, seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';

let bed: SweeperTestBed;
let place: Awaited<ReturnType<SweeperTestBed['begin']>>;
let sweeper: Service;

beforeAll(async () => {
  bed = await startSweeperTestBed();
});
afterAll(() => bed.stop());

beforeEach(async () => {
  for (const [name, value] of Object.entries(bed.env)) vi.stubEnv(name, value);
  place = await bed.begin();
  sweeper = bed.createSweeper(place.prefix).sweeper;
  await seedTenant(bed.sql);
});

afterEach(async () => {
  await sweeper.stop();
  await emptyTables(
    bed.sql,
    'files',
    'routes',
    'sftp_users',
    'attempts',
    'audit_events',
    'outbox',
    'dead_letters',
    'records',
    'record_chunks',
  );
  vi.unstubAllEnvs();
});

interface LetterRow {
  readonly queue: string;
  readonly state: string;
  readonly reason: string;
  readonly receiveCount: number;
  readonly body: string;
  readonly jobId: string | null;
  readonly fileId: string | null;
  readonly tenantId: string | null;
}

function until(condition: () => Promise<void>): Promise<void> {
  return vi.waitFor(condition, { timeout: 60_000, interval: 50 });
}

async function letters(count: number): Promise<LetterRow[]> {
  return await vi.waitFor(
    async () => {
      const rows = await bed.sql<LetterRow[]>`
        SELECT queue, state, reason, receive_count AS "receiveCount", body, job_id AS "jobId", file_id AS "fileId",
          tenant_id AS "tenantId"
        FROM dead_letters ORDER BY queue, created_at`;
      expect(rows).toHaveLength(count);
      return [...rows];
    },
    { timeout: 60_000, interval: 50 },
  );
}

function dueMessage(jobId: string): string {
  return JSON.stringify({ type: 'job.due', v: 1, jobId, tenantId: TEST_TENANT, wake: 1 });
}

test('parks what no service could read, from every queue, once and with an explanation', async () => {
  await Promise.all(QUEUE_IDS.map((queue) => bed.send(place.queues[queue].deadLetterUrl, 'no JSON: \u00e9', queue)));
  await sweeper.start();
  const rows = await letters(QUEUE_IDS.length);
  expect(rows.map(({ queue }) => queue).sort()).toEqual([...QUEUE_IDS].sort());
  for (const row of rows) {
    expect(row).toMatchObject({ state: 'PARKED', receiveCount: 3, body: 'no JSON: \u00e9' });
    expect(row.reason).toContain('MESSAGE_INVALID');
  }
  await until(async () => {
    for (const queue of QUEUE_IDS) expect(await bed.count(place.queues[queue].deadLetterUrl)).toBe(0);
  });
  const events = await bed.sql`SELECT type FROM audit_events WHERE type LIKE 'dead-letter.%'`;
  expect(events.map(({ type }) => type)).toEqual(QUEUE_IDS.map(() => 'dead-letter.parked'));
});

test('records the action of an SFTP session that a dead event reports, and parks no letter for it', async () => {
  const detail = {
    'session-id': 'dead-session',
    username: 'somebody',
    'end-timestamp': '2026-03-04T05:06:07.000Z',
    'file-path': `/outbound/${TEST_TENANT}/answer.csv`,
    bytes: 7,
  };
  const type = 'SFTP Server File Download Completed';
  const event = { id: 'dead-event', time: '2026-03-04T05:06:07Z', source: 'aws.transfer', 'detail-type': type, detail };
  await bed.send(place.queues.landing.deadLetterUrl, JSON.stringify(event), 'landing');
  await sweeper.start();
  expect(await letters(1)).toMatchObject([{ queue: 'landing', state: 'REDRIVEN' }]);
  const actions =
    await bed.sql`SELECT action, size_bytes::int AS bytes FROM sftp_actions WHERE session_id = 'dead-session'`;
  expect([...actions]).toEqual([{ action: 'download', bytes: 7 }]);
});

test('lets the clocks wake the open row that a dead wake-up names', async () => {
  const [job] = await seedJobs(bed.sql);
  await bed.send(place.queues['partner-steps'].deadLetterUrl, dueMessage(job!.id), 'partner-steps');
  await sweeper.start();
  expect(await letters(1)).toMatchObject([{ state: 'REDRIVEN', jobId: job!.id, tenantId: TEST_TENANT }]);
  await until(async () =>
    expect(await bed.bodies(place.queues['partner-steps'].url)).toMatchObject([
      { type: 'job.due', jobId: job!.id, wake: 2 },
    ]),
  );
});

test('lets the clocks wake the chunk of records that a dead wake-up names', async () => {
  const { chunks } = await seedRecords(bed.sql, { records: 3 });
  const [chunk] = chunks;
  const { id: chunkId, tenantId, wake } = chunk!;
  const body = JSON.stringify({ type: 'records.due', v: 1, chunkId, tenantId, wake });
  await bed.send(place.queues['partner-steps'].deadLetterUrl, body, 'partner-steps');
  await sweeper.start();
  expect(await letters(1)).toMatchObject([{ state: 'REDRIVEN', tenantId: TEST_TENANT }]);
  await until(async () =>
    expect(await bed.bodies(place.queues['partner-steps'].url)).toMatchObject([
      { type: 'records.due', chunkId, wake: 2 },
    ]),
  );
});

test('wakes a file again whose wake-up died', async () => {
  const {
    files: [file],
  } = await registerFiles(bed.sql, [arrivedObject()], 'test');
  const body = JSON.stringify({ type: 'file.settled', v: 1, fileId: file!.id, wake: 1 });
  await bed.send(place.queues.ingest.deadLetterUrl, body, 'ingest');
  await sweeper.start();
  expect(await letters(1)).toMatchObject([{ state: 'REDRIVEN', fileId: file!.id, tenantId: TEST_TENANT }]);
  await until(async () =>
    expect(await bed.bodies(place.queues.ingest.url)).toMatchObject([{ fileId: file!.id, wake: 2 }]),
  );
});

test('fails a job that nobody holds and that has no attempt left, and none that is held', async () => {
  const jobs = await seedJobs(bed.sql, { count: 2, maxAttempts: 1 });
  const [spent, held] = jobs as [(typeof jobs)[0], (typeof jobs)[0]];
  for (const [jobId, leaseMs] of [
    [spent.id, 1],
    [held.id, 60_000],
  ] as const) {
    const claimed = await claimJobs(bed.sql, {
      jobIds: [jobId],
      token: randomUUID(),
      worker: 'gone/1',
      service: 'partner-worker',
      queue: 'partner-steps',
      kinds: ['deliver'],
      leaseMs,
    });
    expect(claimed).toHaveLength(1);
  }
  await until(async () =>
    expect(await bed.sql`SELECT 1 FROM jobs WHERE id = ${spent.id} AND lease_until < now()`).toHaveLength(1),
  );
  for (const { id } of jobs)
    await bed.send(place.queues['partner-steps'].deadLetterUrl, dueMessage(id), 'partner-steps');
  await sweeper.start();
  const byJob = Object.fromEntries((await letters(2)).map((row) => [row.jobId, row]));
  expect(byJob[spent.id]).toMatchObject({ state: 'PARKED', reason: expect.stringContaining('was failed') });
  expect(byJob[held.id]).toMatchObject({ state: 'REDRIVEN', reason: expect.stringContaining('being run') });
  const rows = await bed.sql`SELECT id, state, error_code AS code FROM jobs`;
  expect(Object.fromEntries(rows.map(({ id, state, code }) => [id, [state, code]]))).toEqual({
    [spent.id]: ['FAILED', 'DEAD_LETTER'],
    [held.id]: ['RUNNING', null],
  });
  expect(await findRowViolations(bed.sql, { isAtRest: false })).toEqual([]);
});

test('parks a wake-up of a job that has ended or never was', async () => {
  const [ended] = await seedJobs(bed.sql);
  await cancelJobs(bed.sql, { jobIds: [ended!.id], actor: 'test', reason: 'test' });
  for (const id of [ended!.id, randomUUID()]) {
    await bed.send(place.queues.work.deadLetterUrl, dueMessage(id), 'work');
  }
  await sweeper.start();
  const rows = await letters(2);
  expect(rows.map(({ state }) => state)).toEqual(['PARKED', 'PARKED']);
  expect(rows.map(({ reason }) => reason).join()).toMatch(/has ended.*no such job|no such job.*has ended/);
});

test('handles a landing event that the ingestor had to give up', async () => {
  await applySftpUser(
    bed.sql,
    { username: 'u', tenantId: TEST_TENANT, publicKey: 'k', homePrefix: `${TEST_TENANT}/` },
    'test',
  );
  const key = `${TEST_TENANT}/cut.csv`;
  const { ETag, VersionId } = await bed.s3.client.send(
    new PutObjectCommand({ Bucket: place.bucket, Key: key, Body: 'par', Metadata: { 'user-agent': 'AWSTransfer' } }),
  );
  const event = uploadFailed(
    {
      server: { serverId: 's-1', region: 'us-east-1', account: '0' },
      session: { sessionId: 'x', username: 'u', clientIp: '::1' },
      startedAt: new Date(Date.now() - 1_000),
      endedAt: new Date(),
    },
    { bucket: place.bucket, key, bytes: 3, etag: ETag!.replaceAll('"', ''), failureCode: 'PARTIAL_UPLOAD' },
  );
  await bed.send(place.queues.landing.deadLetterUrl, JSON.stringify(event), 'landing');
  await sweeper.start();
  expect(await letters(1)).toMatchObject([{ state: 'REDRIVEN', tenantId: TEST_TENANT }]);
  const [file] = await bed.sql`SELECT status, error_code AS code, version_id AS "versionId" FROM files`;
  expect(file).toEqual({ status: 'QUARANTINED', code: 'PARTIAL_UPLOAD', versionId: VersionId });
});
