/** The admission window: what a tenant sets going beyond it waits, however it was set going, and another tenant's work passes. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { settleChunks } from '#shared/records/settle-chunks.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { claimJobs } from './claim-jobs.ts';
import { cancelJobs } from './end-jobs.ts';
import { releaseJobs } from './release-jobs.ts';
import { reopenJobs } from './reopen-jobs.ts';
import { storeOutcomes } from './store-outcomes.ts';
import { wakeJobs } from './wake-jobs.ts';

let sql: Sql;

useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 2 },
);

beforeEach(async () => {
  await emptyTables(
    sql,
    'tenants',
    'job_lines',
    'job_steps',
    'attempts',
    'audit_events',
    'outbox',
    'records',
    'record_chunks',
    'record_keys',
  );
  await seedTenant(sql);
  await seedTenant(sql, { tenantId: 'globex' });
});

const word = (jobIds: readonly string[]) => ({ jobIds, actor: 'operator:test', reason: 'test' });

const wake = (window: number, queue: 'partner-steps' | 'work' = 'partner-steps') =>
  wakeJobs(sql, { queue, window, limit: 500, missing: 0, graceMs: 5_000, boundMs: 90_000, actor: 'test' });

test('due retries of one tenant fill its window and no more, and another tenant’s are woken beside them', async () => {
  await seedJobs(sql, { count: 2_000, window: 0 });
  await seedJobs(sql, { count: 5, window: 0, tenantId: 'globex' });
  await sql`UPDATE jobs SET state = 'WAITING', next_action_at = now() - CASE WHEN tenant_id = 'acme' THEN interval '1 hour' ELSE interval '1 s' END`;
  const woken = await wake(300);
  const of = (tenant: string) => woken.filter(({ tenantId }) => tenantId === tenant).length;
  expect([of('acme'), of('globex')]).toEqual([300, 5]);
  expect(await wake(300)).toEqual([]);
});

test('due retries and new files of one tenant share its window', async () => {
  await seedJobs(sql, { count: 4, window: 0 });
  await sql`UPDATE jobs SET state = 'WAITING', next_action_at = now() - interval '1 s'`;
  await seedJobs(sql, { count: 4, window: 0 });
  expect(await wake(6)).toHaveLength(6);
  expect(await wake(6)).toEqual([]);
});

test('a job that changes queues while the window of the other one is full waits there without a wake-up', async () => {
  const [standing] = await seedJobs(sql);
  await sql`UPDATE jobs SET queue = 'work'`;
  const [moving] = await seedJobs(sql, { stepCount: 2 });
  const who = { worker: 'test/1', service: 'partner-worker', queue: 'partner-steps', kinds: ['deliver'] } as const;
  const [job] = await claimJobs(sql, { ...who, jobIds: [moving?.id ?? ''], token: randomUUID(), leaseMs: 60_000 });
  if (job === undefined || standing === undefined) throw new Error('two jobs were expected');
  const outcome = {
    jobId: job.id,
    epoch: job.epoch,
    stepSeq: 0,
    stepKind: 'deliver',
    attempt: 1,
    generation: 1,
    outcome: 'succeeded',
    startedAt: new Date(),
    durationMs: 1,
    next: { type: 'hand-over', stepSeq: 1, stepKind: 'deliver', queue: 'work' },
  } as const;
  const options = { worker: 'test/1', service: 'partner-worker', leaseMs: 60_000, archivesLarge: false, window: 1 };
  const { jobs } = await storeOutcomes(sql, [outcome], { ...options, token: randomUUID() });
  expect(jobs).toMatchObject([{ state: 'PENDING', wake: null }]);
  expect(await wake(1, 'work')).toEqual([]);
  await cancelJobs(sql, word([standing.id]));
  expect(await wake(1, 'work')).toMatchObject([{ id: job.id }]);
});

test('jobs that are retried or released at once are woken as far as there is room', async () => {
  const jobs = await seedJobs(sql, { count: 6 });
  const ids = jobs.map(({ id }) => id);
  await cancelJobs(sql, word(ids.slice(0, 3)));
  await sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', woken_at = NULL, next_action_at = now() + interval '1 day'
    WHERE id = ANY(${ids.slice(3)}::uuid[])`;
  const isWoken = (rows: readonly { readonly isWoken: boolean }[]) => rows.map((row) => row.isWoken);
  expect(isWoken(await reopenJobs(sql, word(ids.slice(0, 3)), 2)).sort()).toEqual([false, true, true]);
  expect(isWoken(await releaseJobs(sql, word(ids.slice(3)), 3)).sort()).toEqual([false, false, true]);
  expect(await wake(3)).toEqual([]);
  expect(await wake(6)).toHaveLength(3);
});

test('a job whose last record ended while the window is full waits for the clock, and is woken where there is room', async () => {
  const settleLast = async (window: number) => {
    const { job, chunks } = await seedRecords(sql, { records: 1 });
    await sql`UPDATE jobs SET state = 'WAITING', woken_at = NULL WHERE id = ${job.id}`;
    await sql`UPDATE records SET state = 'SUCCESS' WHERE job_id = ${job.id}`;
    const chunkId = chunks[0]?.id ?? '';
    const [chunk] = await sql<{ epoch: number }[]>`SELECT epoch FROM record_chunks WHERE id = ${chunkId}`;
    const settled = await settleChunks(sql, [{ chunkId, epoch: chunk?.epoch ?? 0, delayMs: 0 }], {
      actor: 'test',
      window,
    });
    return { id: job.id, settled };
  };
  await seedJobs(sql, { count: 3, window: 3 });
  const late = await settleLast(3);
  expect(late.settled).toMatchObject({ settled: [{ isDone: true }], jobs: [] });
  expect([...(await sql`SELECT state, woken_at, wakes FROM jobs WHERE id = ${late.id}`)]).toMatchObject([
    { state: 'PENDING', woken_at: null },
  ]);
  expect(await wake(3)).toEqual([]);
  expect((await wake(4)).map(({ id }) => id)).toEqual([late.id]);
  const early = await settleLast(10);
  expect(early.settled.jobs.map(({ id }) => id)).toEqual([early.id]);
});
