/** What ending a job from outside takes along: the wait of its parent, and chunks of records that were made meanwhile. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { BRANCHES } from '#shared/steps/step-outcome.ts';
import { runBehind } from '#testkit/checks/run-behind.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { claimForRecords, seedRecords, storeStep } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { cancelJobs, failSpentJobs } from './end-jobs.ts';
import { startBranches } from './start-branches.ts';

let sql: Sql;

useTestDatabase((opened) => {
  sql = opened;
});

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox', 'records', 'record_chunks');
  await seedTenant(sql);
});

test('a branch that fails for its dead letter ends the wait of its parent', async () => {
  const [woken] = await seedJobs(sql, { stepCount: 2 });
  const parent = await claimForRecords(sql, woken?.id ?? '');
  const { id: jobId, epoch, stepSeq, routeId, routeVersionId } = parent;
  const branch = { id: randomUUID(), branch: 'bank', stepKind: 'deliver', stepCount: 1, maxAttempts: 1 };
  const branches = [{ ...branch, routeId, routeVersionId, lane: 'standard' as const, queue: 'partner-steps' as const }];
  const object = { bucket: 'test-landing', key: 'a', versionId: '1' } as never;
  await startBranches(sql, [{ jobId, epoch, stepSeq, branches, object, inputs: {} }], { actor: 'test' });
  await storeStep(sql, parent, { type: 'later', delayMs: 300_000, countsAttempt: false, reason: BRANCHES });
  await sql`UPDATE jobs SET step_attempts = max_attempts WHERE id = ${branch.id}`;
  expect((await failSpentJobs(sql, { jobIds: [branch.id], actor: 'retry-sweeper' })).jobIds).toEqual([branch.id]);
  expect(await sql`SELECT state FROM jobs WHERE id = ${jobId}`).toMatchObject([{ state: 'PENDING' }]);
});

test('a chunk of records that was made while the cancellation waited for the job goes with it', async () => {
  const { job } = await seedRecords(sql, { records: 3 });
  const { jobIds } = await runBehind(
    sql,
    async (worker) => {
      await worker`SELECT 1 FROM jobs WHERE id = ${job.id} FOR UPDATE`;
      await worker`INSERT INTO record_chunks
        SELECT (jsonb_populate_record(c, jsonb_build_object('id', ${randomUUID()}::text))).* FROM record_chunks c`;
    },
    () => cancelJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'wrong file' }),
  );
  expect(jobIds).toEqual([job.id]);
  expect(await sql`SELECT 1 FROM record_chunks`).toHaveLength(0);
});
