/** What a job says that it waits for while a partner of its records is paused. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { controlPartner } from '#shared/partners/control-partner.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { claimOne, nextTry, outcomeOf } from '#testkit/beds/process-records.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import {
  claimForRecords,
  newRecord,
  seedParsingJob,
  seedPausedPartner,
  storeStep,
} from '#testkit/seeds/seed-records.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { beginRecords } from './begin-records.ts';
import { insertRecords } from './insert-records.ts';
import { notePaused } from './note-paused.ts';
import { openRecords } from './open-records.ts';
import { settleChunks } from './settle-chunks.ts';
import { storeRecordOutcomes } from './store-record-outcomes.ts';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
});
afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});
beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox', 'records', 'record_chunks');
  await seedTenant(sql);
  await seedPausedPartner(sql);
});

const ACTOR = { actor: 'partner-worker' };
const say = (verb: 'pause' | 'resume') =>
  controlPartner(sql, { tenantId: 'acme', name: 'rfi', verb, reason: 'a test', actor: 'operator:test' });
const note = (jobId: string) => notePaused(sql, { tenantId: 'acme', jobId, partner: 'rfi' }, ACTOR);
const reasonOf = async (id: string) =>
  (await sql<{ reason: string | null }[]>`SELECT wait_reason AS reason FROM jobs WHERE id = ${id}`)[0]?.reason;
const noted = () => sql`SELECT detail FROM audit_events WHERE type = 'records.paused'`;

/** A job that waits for two records, each in its chunk. */
async function waitingJob(reason = 'RECORDS', delayMs = 300_000) {
  const parsing = await seedParsingJob(sql);
  for (const line of [1, 2])
    await insertRecords(sql, { jobId: parsing.id, epoch: parsing.epoch, records: [newRecord(line, `["k${line}"]`)] });
  await storeStep(sql, parsing, { type: 'next-step', stepSeq: 1, stepKind: 'call' });
  const job = { ...parsing, stepSeq: 1, stepKind: 'call' };
  const opened = await openRecords(sql, { jobId: job.id, epoch: job.epoch, window: 4 });
  await storeStep(sql, job, { type: 'later', delayMs, countsAttempt: false, reason });
  return { job, opened };
}

async function endOne(chunkId: string): Promise<void> {
  const chunk = await claimOne(sql, chunkId);
  for (const record of chunk.records) {
    const at = nextTry(chunk, record);
    await beginRecords(sql, [{ ...at, intent: false }]);
    await storeRecordOutcomes(sql, [outcomeOf(chunk, at, { type: 'success' })], { worker: 'w' });
  }
  await settleChunks(sql, [{ chunkId, epoch: chunk.epoch, delayMs: 0 }], ACTOR);
}

test('it is said, once in a pause, and taken back by the resume', async () => {
  const { job } = await waitingJob();
  for (const _ of [1, 2]) await note(job.id);
  expect(await reasonOf(job.id)).toBe('PARTNER_PAUSED');
  await sql`UPDATE jobs SET wait_reason = 'RECORDS' WHERE id = ${job.id}`;
  await note(job.id);
  expect(await noted()).toEqual([{ detail: { partner: 'rfi' } }]);
  await say('resume');
  expect(await reasonOf(job.id)).toBe('RECORDS');
  await note(job.id);
  expect(await reasonOf(job.id)).toBe('RECORDS');
  await say('pause');
  await note(job.id);
  expect(await noted()).toHaveLength(2);
});

test('a job that looks at its records during a pause is given the reason by its step', async () => {
  const { job, opened } = await waitingJob();
  expect(opened).toMatchObject({ openRecords: 2, isPaused: true });
  await say('resume');
  await sql`UPDATE jobs SET next_action_at = now() WHERE id = ${job.id}`;
  const again = await claimForRecords(sql, job.id);
  expect(await openRecords(sql, { jobId: again.id, epoch: again.epoch, window: 4 })).toMatchObject({ isPaused: false });
});

test('a reason that came after the resume goes with the next chunk that ends', async () => {
  const { job } = await waitingJob('PARTNER_PAUSED');
  const chunks = await sql<{ id: string }[]>`SELECT id FROM record_chunks WHERE job_id = ${job.id} ORDER BY id`;
  await endOne(chunks[0]!.id);
  expect(await reasonOf(job.id)).toBe('PARTNER_PAUSED');
  await sql`UPDATE partners SET paused_at = NULL`;
  await endOne(chunks[1]!.id);
  expect(await reasonOf(job.id)).toBeNull();
});

test('one that would wait so although its last record ended meanwhile goes on at once', async () => {
  const parsing = await seedParsingJob(sql);
  await insertRecords(sql, { jobId: parsing.id, epoch: parsing.epoch, records: [newRecord(1, '["k"]')] });
  await storeStep(sql, parsing, { type: 'next-step', stepSeq: 1, stepKind: 'call' });
  const job = { ...parsing, stepSeq: 1, stepKind: 'call' };
  await openRecords(sql, { jobId: job.id, epoch: job.epoch, window: 4 });
  const [chunk] = await sql<{ id: string }[]>`SELECT id FROM record_chunks WHERE job_id = ${job.id}`;
  await endOne(chunk!.id);
  await storeStep(sql, job, { type: 'later', delayMs: 300_000, countsAttempt: false, reason: 'PARTNER_PAUSED' });
  expect(await sql`SELECT next_action_at <= now() AS is_due FROM jobs WHERE id = ${job.id}`).toEqual([
    { is_due: true },
  ]);
});
