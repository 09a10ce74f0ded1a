/** Statements that were committed and whose replies never came: their repeats continue with what was stored, and no attempt is spent. */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { acknowledge } from '#shared/queue/disposition.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import {
  connectTestDatabase,
  createTestRunner,
  type FakeStep,
  jobDue,
  neverStops,
} from '../../testkit/beds/job-runner.ts';

const NO_SECOND_TRY = { maxAttempts: 1 };

let database: TestDatabase;
let proxy: TcpProxy;
let sql: Sql;
let cutSql: Sql;
let ran: string[];
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startTcpProxy(database.url);
  sql = connectTestDatabase(database.url);
  cutSql = connectTestDatabase(proxy.url);
});
afterAll(async () => {
  await Promise.all([sql.end({ timeout: 5 }), cutSql.end({ timeout: 5 })]);
  await proxy.stop();
  await database.drop();
});
beforeEach(async () => {
  ran = [];
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox');
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
});
afterEach(async () => {
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

const succeed: FakeStep = async ({ step }) => {
  ran.push(step.kind);
  return { type: 'succeeded' };
};

/** Handles the jobs through the proxy; resolves when the runner is done with them. */
async function run(
  jobs: readonly WokenJob[],
  steps: Record<string, FakeStep> = {},
  options: { leaseMs?: number } = {},
) {
  const runner = createTestRunner({
    sql: cutSql,
    steps: { validate: succeed, deliver: succeed, confirm: succeed, stage: succeed, ...steps },
    ...options,
  });
  runner.start();
  const handled = await Promise.all(jobs.map((job) => runner.handle(jobDue(job), neverStops)));
  await runner.stop();
  return { handled, sent: runner.sent };
}

const jobRows = () => sql`SELECT state, epoch, step_attempts AS attempts, error_cause AS cause FROM jobs`;
async function eventCounts() {
  const rows = await sql`SELECT type, count(*)::int FROM audit_events WHERE job_id IS NOT NULL GROUP BY type`;
  return Object.fromEntries(rows.map(({ type, count }) => [type, count]));
}

/** As the statement's parameter has it. */
const storing = (move: string) => proxy.loseReply(`"move":"${move}"`);

test('a job walks on, and ends with its file, when no reply of its outcomes comes, even where it has one attempt', async () => {
  await seedRoutes(sql, { retry: NO_SECOND_TRY });
  const lost = [storing('next-step'), storing('succeeded')];
  const { handled } = await run(await seedFiles(sql));
  await Promise.all(lost);
  expect(handled).toEqual([acknowledge]);
  expect(ran).toEqual(['validate', 'deliver', 'confirm']);
  expect([...(await jobRows())]).toEqual([{ state: 'SUCCEEDED', epoch: 1, attempts: 1, cause: null }]);
  expect([...(await sql`SELECT status, archive_attempts AS archived FROM files`)]).toEqual([
    { status: 'COMPLETED', archived: 1 },
  ]);
  expect(await eventCounts()).toMatchObject({ 'step.succeeded': 2, 'job.succeeded': 1 });
  expect(await sql`SELECT 1 FROM attempts`).toHaveLength(3);
});

test('jobs of one statement all go on when its reply is lost', async () => {
  await seedRoutes(sql, { retry: NO_SECOND_TRY });
  const jobs = await seedFiles(sql, { count: 40 });
  const lost = [storing('next-step'), storing('next-step'), storing('succeeded')];
  await run(jobs);
  await Promise.all(lost);
  expect(ran).toHaveLength(120);
  const states = await sql`SELECT state, max(epoch) AS epoch, count(*)::int FROM jobs GROUP BY state`;
  expect([...states]).toEqual([{ state: 'SUCCEEDED', epoch: 1, count: 40 }]);
  expect(await eventCounts()).toMatchObject({ 'step.succeeded': 80, 'job.succeeded': 40 });
});

test('a job that changes hands is woken there, and one that failed is not tried again', async () => {
  await seedRoutes(sql, { routes: [['validate', 'stage']], retry: NO_SECOND_TRY });
  const [long] = await seedFiles(sql, { isLarge: true });
  const handedOver = storing('hand-over');
  const { sent } = await run([long as WokenJob]);
  await handedOver;
  const wakes = [...sent.work, ...sent['partner-steps']];
  expect(wakes).toMatchObject([{ type: 'job.due', jobId: long?.id }]);
});

test.each<[string, StepOutcome, object]>([
  ['later', { type: 'wait', afterMs: 60_000, reason: 'held back' }, { state: 'WAITING', attempts: 0 }],
  [
    'failed',
    { type: 'failed', code: 'VALIDATION_ERROR', cause: 'HTTP_503', message: 'no' } as StepOutcome,
    { state: 'FAILED', attempts: 1, cause: 'HTTP_503' },
  ],
])('an outcome that leads to "%s" is stored once', async (move, outcome, expected) => {
  await seedRoutes(sql, { retry: NO_SECOND_TRY });
  const lost = storing(move);
  const { handled } = await run(await seedFiles(sql), { validate: async () => outcome });
  await lost;
  expect(handled).toEqual([acknowledge]);
  expect(await jobRows()).toMatchObject([{ epoch: 1, ...expected }]);
  expect(await sql`SELECT 1 FROM attempts`).toHaveLength(1);
});

test('an outcome is stored after an outage that lasted longer than its lease', async () => {
  await seedRoutes(sql, { retry: NO_SECOND_TRY });
  const validate: FakeStep = async () => {
    proxy.hush();
    setTimeout(() => proxy.speak(), 4_000);
    return { type: 'succeeded' };
  };
  const { handled } = await run(await seedFiles(sql), { validate }, { leaseMs: 1_000 });
  expect(handled).toEqual([acknowledge]);
  expect([...(await jobRows())]).toEqual([{ state: 'SUCCEEDED', epoch: 1, attempts: 1, cause: null }]);
});

test('a step that is ended because its lease could not be renewed in an outage counts no attempt', async () => {
  await seedRoutes(sql, { retry: NO_SECOND_TRY });
  const validate: FakeStep = async ({ signal }) => {
    proxy.hush();
    await once(signal, 'abort');
    proxy.speak();
    throw signal.reason;
  };
  await run(await seedFiles(sql), { validate }, { leaseMs: 3_000 });
  expect(await jobRows()).toMatchObject([{ state: 'WAITING', epoch: 1, attempts: 0 }]);
});

test.each([
  ['gone', Object.assign(new Error('gone'), { code: 'CONNECTION_CLOSED' })],
  ['silent', new LongshoreError('DEPENDENCY_UNAVAILABLE', 'PostgreSQL did not answer within 5000 ms.')],
])('a step whose own statement finds the database %s counts no attempt', async (_how, error) => {
  await seedRoutes(sql, { retry: NO_SECOND_TRY });
  const validate: FakeStep = () => Promise.reject(error);
  await run(await seedFiles(sql), { validate });
  expect(await jobRows()).toMatchObject([{ state: 'WAITING', attempts: 0 }]);
});

test('a repeat that overtakes its own statement waits for it and goes on with what it stored', async () => {
  await seedRoutes(sql, { retry: NO_SECOND_TRY });
  const [job] = await seedFiles(sql);
  const { promise: letGo, resolve: release } = Promise.withResolvers<void>();
  const { promise: isHeld, resolve: held } = Promise.withResolvers<void>();
  const blocked = async () =>
    (
      await sql<{ count: number }[]>`
        SELECT count(*)::int FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%store%'`
    )[0]?.count;
  let blocking: Promise<unknown> | undefined;
  const validate: FakeStep = async () => {
    blocking = sql.begin(async (lock) => {
      await lock`SELECT 1 FROM jobs FOR UPDATE`;
      held();
      await letGo;
    });
    await isHeld;
    return { type: 'succeeded' };
  };
  const running = run([job as WokenJob], { validate });
  await vi.waitFor(async () => expect(await blocked()).toBe(1), { timeout: 60_000, interval: 20 });
  proxy.cut();
  await vi.waitFor(async () => expect(await blocked()).toBe(2), { timeout: 60_000, interval: 20 });
  release();
  expect((await running).handled).toEqual([acknowledge]);
  await blocking;
  expect(await jobRows()).toMatchObject([{ state: 'SUCCEEDED', epoch: 1 }]);
  expect(await eventCounts()).toMatchObject({ 'step.succeeded': 2, 'job.succeeded': 1 });
});
