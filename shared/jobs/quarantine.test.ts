import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
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
import { releaseJobs } from './release-jobs.ts';
import { reopenJobs } from './reopen-jobs.ts';
import { requeueFiles } from './requeue-files.ts';
import type { WokenJob } from './route-files.ts';

let database: TestDatabase;
let sql: Sql;
let runner: TestRunner;
let outcomes: StepOutcome[] = [];
let released: boolean[] = [];

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
  [outcomes, released] = [[], []];
  const take = async ({ step }: { step: { isReleased: boolean } }): Promise<StepOutcome> => {
    released.push(step.isReleased);
    return outcomes.shift() ?? { type: 'succeeded' };
  };
  runner = createTestRunner({ sql, steps: { validate: take, deliver: take } });
  runner.start();
});
afterEach(async () => {
  await runner.stop();
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

const INFECTED: StepOutcome = { type: 'failed', code: 'SCAN_ERROR', cause: 'SCAN_INFECTED', message: 'Eicar.' };
const LATE: StepOutcome = { type: 'failed', code: 'VALIDATION_ERROR', cause: 'FILE_EMPTY', message: 'Empty.' };
const HELD: StepOutcome = { type: 'wait', afterMs: 86_400_000, reason: 'HELD', output: { verdict: 'too-large' } };

async function seed(...routes: string[][]): Promise<WokenJob[]> {
  await seedRoutes(sql, { routes });
  return await seedFiles(sql);
}

async function work(...jobs: WokenJob[]): Promise<void> {
  for (const job of jobs) await runner.handle(jobDue(job), neverStops);
}

async function file() {
  const [row] = await sql`SELECT status, error_cause AS cause, archived_at IS NOT NULL AS "isArchived" FROM files`;
  return row;
}

test('a file in which a virus was found is quarantined, whatever its other jobs come to after it', async () => {
  const jobs = await seed(['deliver'], ['deliver'], ['deliver']);
  outcomes = [{ type: 'succeeded' }, INFECTED, LATE];
  await work(...jobs);
  expect(await file()).toEqual({ status: 'QUARANTINED', cause: 'SCAN_INFECTED', isArchived: true });
  const events =
    await sql`SELECT body ->> 'type' AS type FROM outbox WHERE topic = 'failure' AND body ->> 'type' LIKE 'file.%'`;
  expect(events.map(({ type }) => type)).toEqual(['file.quarantined']);
});

test('a quarantined file is not routed again, but a job of it can be retried, and ends it otherwise', async () => {
  const [job] = await seed(['deliver']);
  outcomes = [INFECTED];
  await work(job!);
  const [{ id } = { id: '' }] = await sql<{ id: string }[]>`SELECT id FROM files`;
  expect(await requeueFiles(sql, { fileIds: [id], actor: 'operator:desk', reason: 'again' })).toEqual([]);
  outcomes = [INFECTED];
  const again = () => reopenJobs(sql, { jobIds: [job!.id], actor: 'operator:desk', reason: 'new signatures' });
  await work(...(await again()));
  expect(await file()).toMatchObject({ status: 'QUARANTINED' });
  await work(...(await again()));
  expect(await file()).toMatchObject({ status: 'COMPLETED', cause: null });
});

test('a release counts for the step that held the job, and for no other', async () => {
  const [job] = await seed(['validate', 'deliver']);
  const release = () => releaseJobs(sql, { jobIds: [job!.id], actor: 'operator:desk', reason: 'seen' });
  outcomes = [HELD];
  await work(job!);
  const [step] = await sql`SELECT output FROM job_steps`;
  expect(step?.output).toEqual({ verdict: 'too-large' });
  outcomes = [{ type: 'succeeded' }, HELD];
  await work(...(await release()));
  expect(await file()).toMatchObject({ status: 'PROCESSING' });
  await work(...(await release()));
  expect(released).toEqual([false, true, false, true]);
  expect(await file()).toMatchObject({ status: 'COMPLETED' });
});
