import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import {
  connectTestDatabase,
  createTestRunner,
  jobDue,
  neverStops,
  type TestRunner,
} from '#testkit/beds/job-runner.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { rejectHeldJobs } from './end-jobs.ts';
import { isReleased, releaseJobs } from './release-jobs.ts';
import { reopenJobs } from './reopen-jobs.ts';
import type { WokenJob } from './route-files.ts';

let database: TestDatabase;
let sql: Sql;
let runner: TestRunner | undefined;
let delivered = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url, { poolMax: 1 });
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox');
  delivered = 0;
});

afterEach(async () => {
  await runner?.stop();
  runner = undefined;
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

async function seedHeld(hold: unknown, options: { isLarge?: boolean; isDuplicate?: boolean } = {}): Promise<WokenJob> {
  await seedRoutes(sql, { routes: [['deliver']] });
  await sql`UPDATE route_versions SET definition = definition || ${sql.json({ hold: hold as string })}`;
  const [job] = await seedFiles(sql, { isLarge: options.isLarge ?? false });
  if (job === undefined) throw new Error('no job was made');
  if (options.isDuplicate) await sql`UPDATE files SET duplicate_of = ${job.fileId}`;
  return job;
}

/** The worker of the job's queue takes it up. */
async function work(job: WokenJob): Promise<void> {
  runner ??= createTestRunner({
    sql,
    queue: job.queue,
    steps: {
      deliver: async () => {
        delivered += 1;
        return { type: 'succeeded' };
      },
    },
  });
  runner.start();
  await runner.handle(jobDue(job), neverStops);
}

async function stateOf({ id }: { readonly id: string }) {
  const [row] = await sql`
    SELECT state, wait_reason AS "waitReason", step_attempts AS attempts, next_action_at > now() + interval '23 hours' AS "isLater"
    FROM jobs WHERE id = ${id}`;
  return row;
}

const word = (job: WokenJob, reason = 'looked at') => ({ jobIds: [job.id], actor: 'operator:desk', reason });

describe('a route', () => {
  test.each([
    ['never', { isLarge: true, isDuplicate: true }, false],
    ['large', { isLarge: true }, true],
    ['large', { isDuplicate: true }, false],
    ['flagged', { isDuplicate: true }, true],
    ['flagged', { isLarge: true }, false],
    [['large', 'flagged'], { isDuplicate: true }, true],
    [['large', 'flagged'], {}, false],
    ['always', {}, true],
  ])('with hold: %j and a file %j', async (hold, file, isHeld) => {
    const job = await seedHeld(hold, file);
    await work(job);
    expect(delivered).toBe(isHeld ? 0 : 1);
    if (isHeld)
      expect(await stateOf(job)).toEqual({ state: 'WAITING', waitReason: 'HELD', attempts: 0, isLater: true });
    else expect(await stateOf(job)).toMatchObject({ state: 'SUCCEEDED' });
  });
});

test('a held job says so in an event of its own, goes on when it is released, and is not held again by a retry', async () => {
  const job = await seedHeld('large', { isLarge: true });
  await work(job);
  const events = await sql`SELECT body ->> 'type' AS type FROM outbox WHERE body ->> 'jobId' = ${job.id}`;
  expect(events.map(({ type }) => type)).toEqual(['job.held']);
  const [released] = await releaseJobs(sql, word(job));
  if (released === undefined) throw new Error('the job was not released');
  await work(released);
  expect(await stateOf(job)).toMatchObject({ state: 'SUCCEEDED' });
  expect(delivered).toBe(1);
});

test('a rejected job fails, and waits for a person again when it is retried', async () => {
  const job = await seedHeld('always');
  await work(job);
  await rejectHeldJobs(sql, word(job, 'not ours'));
  expect(await stateOf(job)).toMatchObject({ state: 'FAILED' });
  const [reopened] = await reopenJobs(sql, word(job));
  if (reopened === undefined) throw new Error('the job was not reopened');
  await work(reopened);
  expect(await stateOf(job)).toMatchObject({ state: 'WAITING', waitReason: 'HELD' });
  expect(delivered).toBe(0);
});

test('a release from before the file was read does not count for what is found in it', async () => {
  const job = await seedHeld('always');
  await work(job);
  await releaseJobs(sql, word(job));
  expect(await isReleased(sql, job.id)).toBe(true);
  await sql`INSERT INTO job_steps (job_id, seq, kind, state, attempts, started_at, finished_at)
    VALUES (${job.id}, 1, 'parse', 'SUCCEEDED', 1, now(), now() + interval '1 second')`;
  expect(await isReleased(sql, job.id)).toBe(false);
});
