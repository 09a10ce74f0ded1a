/** Branches over a real database: their own tries and outcomes, one join for any order and any repetition, cancelling, retrying, killing. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import type { BranchState } from '#shared/jobs/start-branches.ts';
import { wakeParents } from '#shared/jobs/wake-parents.ts';
import { outcomeOf, parallelStep } from '#shared/steps/parallel/run.ts';
import { runStep } from '#shared/steps/run/run.ts';
import type { StepContext } from '#shared/steps/step-context.ts';
import {
  connectTestDatabase,
  createTestRunner,
  type FakeStep,
  neverStops,
  type TestRunner,
  until,
} from '#testkit/beds/job-runner.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';

let database: TestDatabase;
let sql: Sql;
const runners: TestRunner[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox');
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
});

afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.stop();
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

const parallel = (options: Record<string, unknown> = {}) => ({
  parallel: { branches: { bank: [{ stage: {} }, { deliver: {} }], archive: [{ deliver: {} }] }, ...options },
});

async function seed(steps: readonly unknown[], more: Record<string, unknown> = {}): Promise<string> {
  await seedRoutes(sql, { routes: [] });
  await apply('main', { match: { path: ['**'] }, steps, ...more });
  const [job] = await seedFiles(sql);
  if (job === undefined) throw new Error('no job was made');
  return job.id;
}

function apply(name: string, more: Record<string, unknown>) {
  const definition = {
    kind: 'route',
    tenant: 'acme',
    name,
    retry: { maxAttempts: 2, firstDelay: 0, jitter: 'none' },
    ...more,
  };
  return applyRoute(sql, { tenantId: 'acme', name, definition, definitionHash: randomUUID() }, 'test');
}

/** Waits at its first try, as for a circuit breaker. */
function waitOnce(): FakeStep {
  let tries = 0;
  return async () => {
    tries += 1;
    return tries === 1 ? { type: 'wait', afterMs: 60_000, reason: 'breaker-open' } : { type: 'succeeded' };
  };
}

function startRunner(steps: Record<string, FakeStep> = {}, leaseMs = 30_000, stepDeadlineMs?: number): TestRunner {
  const succeed: FakeStep = async ({ step }) => ({ type: 'succeeded', output: { of: step.kind } });
  const runner = createTestRunner({
    sql,
    leaseMs,
    ...(stepDeadlineMs !== undefined && { stepDeadlineMs }),
    steps: {
      ...{ validate: succeed, stage: succeed, deliver: succeed, confirm: succeed },
      parallel: (context) => parallelStep.run(context as never),
      run: (context) => runStep.run(context as never),
      ...steps,
    },
  });
  runner.start();
  runners.push(runner);
  return runner;
}

/** Handles wake-ups until none is left: what the queue would bring, and what the clocks would wake. */
async function runAll(runner: TestRunner, first: readonly string[]): Promise<void> {
  const seen = new Set<string>();
  let due: { jobId: string; wake: number }[] = first.map((jobId) => ({ jobId, wake: 1 }));
  for (let round = 0; round < 100; round += 1) {
    for (const { jobId, wake } of due) {
      seen.add(`${jobId}:${wake}`);
      await runner.handle({ type: 'job.due', jobId, tenantId: 'acme', wake }, neverStops);
    }
    const sent = runner.sent['partner-steps'].flatMap((message) => (message.type === 'job.due' ? [message] : []));
    due = sent.filter(({ jobId, wake }) => !seen.has(`${jobId}:${wake}`));
    if (due.length === 0) {
      const later = await sql<{ id: string }[]>`
        SELECT id FROM jobs WHERE (state = 'WAITING' AND next_action_at <= now()) OR (state = 'PENDING' AND woken_at IS NULL)`;
      if (later.length === 0) return;
      due = later.map(({ id }) => ({ jobId: id, wake: -round }));
    }
  }
  throw new Error('it does not come to an end');
}

interface Row {
  readonly id: string;
  readonly branch: string | null;
  readonly state: string;
  readonly cause: string | null;
  readonly reason: string | null;
  readonly generation: number;
}

const readJobs = () => sql<Row[]>`
  SELECT id, branch, state, error_cause AS cause, wait_reason AS reason, generation FROM jobs ORDER BY depth, branch, id`;

async function readFile() {
  const [file] = await sql<{ status: string; open: number; failed: number }[]>`
    SELECT status, open_jobs AS open, failed_jobs AS failed FROM files`;
  return file;
}

const stateOf = (rows: readonly Row[]) =>
  Object.fromEntries(rows.map(({ branch, state }) => [branch ?? 'main', state]));

describe('parallel', () => {
  test('all branches run, each as a job of its own, and the job goes on with what came of each', async () => {
    const id = await seed([{ validate: {} }, parallel()]);
    const inputs: (readonly [kinds: readonly string[], key: string])[] = [];
    const runner = startRunner({
      deliver: async ({ outputs, object }) => {
        inputs.push([Object.keys(outputs).sort(), object.key]);
        return { type: 'succeeded', output: { key: 'there' } };
      },
    });
    await runAll(runner, [id]);
    const rows = await readJobs();
    expect(stateOf(rows)).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
    const [step] = await sql<{ output: { branches: Record<string, unknown> } }[]>`
      SELECT output FROM job_steps WHERE job_id = ${id} AND kind = 'parallel'`;
    expect(step?.output.branches).toMatchObject({
      bank: { state: 'SUCCEEDED', outputs: { stage: { of: 'stage' }, deliver: { key: 'there' } } },
      archive: { state: 'SUCCEEDED', outputs: { deliver: { key: 'there' } } },
    });
    expect(inputs.map(([kinds]) => kinds).sort()).toEqual([['stage', 'validate'], ['validate']]);
    expect(await readFile()).toEqual({ status: 'COMPLETED', open: 0, failed: 0 });
    const audit = await sql<
      { type: string }[]
    >`SELECT type FROM audit_events WHERE job_id = ${id} AND type = 'job.branched'`;
    expect(audit).toHaveLength(1);
  });

  test('a failed branch fails its job once all have ended; a retry repeats that branch alone', async () => {
    const id = await seed([parallel()]);
    const tried: string[] = [];
    let isBroken = true;
    const steps: Record<string, FakeStep> = {
      stage: async () => {
        tried.push('bank');
        if (!isBroken) return { type: 'succeeded' };
        return { type: 'failed', code: 'STAGING_ERROR', cause: 'SOURCE_GONE', message: 'It is gone.' };
      },
      deliver: async ({ job }) => {
        tried.push(job.id === id ? 'main' : 'deliver');
        return { type: 'succeeded' };
      },
    };
    await runAll(startRunner(steps), [id]);
    const failed = await readJobs();
    expect(failed[0]).toMatchObject({ state: 'FAILED', cause: 'BRANCH_FAILED' });
    expect(stateOf(failed)).toEqual({ main: 'FAILED', bank: 'FAILED', archive: 'SUCCEEDED' });
    expect(await readFile()).toEqual({ status: 'FAILED', open: 0, failed: 1 });

    isBroken = false;
    const branch = failed.find((row) => row.branch === 'bank');
    expect(await reopenJobs(sql, { jobIds: [branch?.id ?? ''], actor: 'test', reason: 'alone' })).toEqual([]);
    const before = tried.length;
    await reopenJobs(sql, { jobIds: [id], actor: 'test', reason: 'mended' });
    await runAll(startRunner(steps), [id]);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
    expect(tried.slice(before)).toEqual(['bank', 'deliver']);
    expect(await readFile()).toEqual({ status: 'COMPLETED', open: 0, failed: 0 });
  });

  test('onFailure: continue keeps the failure in the output, and the file completes', async () => {
    const id = await seed([parallel({ onFailure: 'continue' })]);
    const runner = startRunner({
      stage: async () => ({ type: 'failed', code: 'STAGING_ERROR', cause: 'SOURCE_GONE', message: 'It is gone.' }),
    });
    await runAll(runner, [id]);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'FAILED', archive: 'SUCCEEDED' });
    expect(await readFile()).toEqual({ status: 'COMPLETED', open: 0, failed: 0 });
  });

  test('join: any goes on with the first that succeeds; the file stays open until the others have ended', async () => {
    const id = await seed([parallel({ join: 'any' })]);
    let isReady = false;
    const steps: Record<string, FakeStep> = {
      stage: async () => (isReady ? { type: 'succeeded' } : { type: 'wait', afterMs: 60_000, reason: 'breaker-open' }),
    };
    await runAll(startRunner(steps), [id]);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'WAITING', archive: 'SUCCEEDED' });
    expect(await readFile()).toEqual({ status: 'PROCESSING', open: 1, failed: 0 });
    isReady = true;
    await sql`UPDATE jobs SET next_action_at = now() WHERE state = 'WAITING'`;
    await runAll(startRunner(steps), []);
    expect(await readFile()).toEqual({ status: 'COMPLETED', open: 0, failed: 0 });
  });

  test('cancelling passes down, and a cancelled job is retried with its branches', async () => {
    const id = await seed([parallel()]);
    let isReady = false;
    const steps: Record<string, FakeStep> = {
      stage: async () => (isReady ? { type: 'succeeded' } : { type: 'wait', afterMs: 60_000, reason: 'breaker-open' }),
    };
    await runAll(startRunner(steps), [id]);
    const { jobIds } = await cancelJobs(sql, { jobIds: [id], actor: 'test', reason: 'no longer needed' });
    expect(jobIds).toEqual([id]);
    expect(stateOf(await readJobs())).toEqual({ main: 'CANCELLED', bank: 'CANCELLED', archive: 'SUCCEEDED' });
    expect(await readFile()).toMatchObject({ open: 0, failed: 1 });
    isReady = true;
    await reopenJobs(sql, { jobIds: [id], actor: 'test', reason: 'needed after all' });
    await runAll(startRunner(steps), [id]);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
  });

  test('a branch whose parent was cancelled beside it ends at its next claim', async () => {
    const id = await seed([parallel()]);
    const runner = startRunner({ stage: waitOnce(), deliver: waitOnce() });
    await runner.handle({ type: 'job.due', jobId: id, tenantId: 'acme', wake: 1 }, neverStops);
    await sql`UPDATE jobs SET next_action_at = now() WHERE branch IS NOT NULL`;
    // As a kill between the two statements of a cancel leaves them.
    await sql`UPDATE jobs SET state = 'CANCELLED', finished_at = now(), next_action_at = NULL, epoch = epoch + 1, error_code = 'CANCELLED' WHERE id = ${id}`;
    await sql`UPDATE files SET open_jobs = open_jobs - 1, failed_jobs = 1, error_code = 'CANCELLED'`;
    await runAll(runner, []);
    const rows = await readJobs();
    expect(rows.slice(1).map(({ state, cause }) => [state, cause])).toEqual([
      ['FAILED', 'PARENT_CANCELLED'],
      ['FAILED', 'PARENT_CANCELLED'],
    ]);
  });

  test('a worker killed after it started the branches makes no second ones, and costs no attempt more than its own', async () => {
    const id = await seed([parallel()]);
    let isKilled = false;
    const steps: Record<string, FakeStep> = {
      parallel: async (context: StepContext<unknown>) => {
        const outcome = await parallelStep.run(context as never);
        if (isKilled) return outcome;
        isKilled = true;
        await sql`UPDATE jobs SET lease_until = now() - interval '1 s', claim_token = ${randomUUID()} WHERE id = ${id}`;
        throw new Error('killed');
      },
    };
    const killed = startRunner(steps);
    await killed.handle({ type: 'job.due', jobId: id, tenantId: 'acme', wake: 1 }, neverStops);
    await sql`UPDATE jobs SET next_action_at = now() WHERE id = ${id} AND state = 'WAITING'`;
    await runAll(startRunner(steps), [id]);
    await runAll(
      startRunner(steps),
      (await readJobs()).map((row) => row.id),
    );
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
    expect(await readJobs()).toHaveLength(3);
  });

  test('a join whose wake-up was never asked for is found when the wait ends by itself', async () => {
    const id = await seed([parallel()]);
    const runner = startRunner();
    await runAll(runner, [id]);
    expect(await wakeParents(sql, [id], { actor: 'test' })).toEqual([]);
    expect((await readJobs())[0]?.state).toBe('SUCCEEDED');
  });
});

describe('in the hands of the parent’s worker', () => {
  const handle = (runner: TestRunner, jobId: string) =>
    runner.handle({ type: 'job.due', jobId, tenantId: 'acme', wake: 1 }, neverStops);
  const readTries = () => sql<{ kind: string; outcome: string }[]>`
    SELECT step_kind AS kind, outcome FROM attempts ORDER BY step_kind, outcome`;

  test('short branches run under the wake-up of their parent, which does not wait', async () => {
    const id = await seed([parallel(), { validate: {} }]);
    const runner = startRunner();
    await handle(runner, id);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
    expect(runner.sent['partner-steps']).toEqual([]);
    expect(await readTries()).toEqual([
      { kind: 'deliver', outcome: 'succeeded' },
      { kind: 'deliver', outcome: 'succeeded' },
      { kind: 'parallel', outcome: 'succeeded' },
      { kind: 'stage', outcome: 'succeeded' },
      { kind: 'validate', outcome: 'succeeded' },
    ]);
    const claims =
      await sql`SELECT epoch, step_tries AS tries, processed_by AS by, worker FROM jobs WHERE branch IS NOT NULL`;
    const claim = { epoch: 1, tries: 1, by: 'partner-worker', worker: 'test/1' };
    expect(claims).toEqual([claim, claim]);
  });

  test('one has no row before its first outcome, and its file counts it only where it goes on', async () => {
    const id = await seed([parallel()]);
    const isFree = Promise.withResolvers<void>();
    const runner = startRunner({
      stage: async () => isFree.promise.then(() => ({ type: 'succeeded' as const })),
      deliver: async () => ({ type: 'wait', afterMs: 60_000, reason: 'breaker-open' }),
    });
    const handled = handle(runner, id);
    await until(async () => stateOf(await readJobs()).archive === 'WAITING');
    expect(stateOf(await readJobs())).toEqual({ main: 'RUNNING', archive: 'WAITING' });
    expect(await readFile()).toMatchObject({ open: 2 });
    isFree.resolve();
    await handled;
    expect(stateOf(await readJobs())).toEqual({ main: 'WAITING', archive: 'WAITING', bank: 'WAITING' });
    expect(await readFile()).toMatchObject({ open: 3 });
  });

  test('what a branch writes under its job finds a row, which is this worker’s', async () => {
    const id = await seed([
      { parallel: { branches: { one: [{ stage: {} }], other: [{ stage: {} }], third: [{ deliver: {} }] } } },
    ]);
    const seen: unknown[] = [];
    const runner = startRunner({
      stage: async ({ effects, job }) => {
        await effects.begin(0);
        await effects.write(0, 'DONE', {});
        const rows = await sql`
          SELECT state, epoch, step_attempts AS attempts, step_tries AS tries, worker, lease_until > now() AS live
          FROM jobs WHERE id = ${job.id}`;
        seen.push(...rows);
        return { type: 'succeeded' };
      },
    });
    await handle(runner, id);
    const row = { state: 'RUNNING', epoch: 1, attempts: 1, tries: 1, worker: 'test/1', live: true };
    expect(seen).toEqual([row, row]);
    const branches = await sql`SELECT state, epoch, step_tries AS tries FROM jobs WHERE branch IS NOT NULL`;
    expect(branches).toEqual(Array.from({ length: 3 }, () => ({ state: 'SUCCEEDED', epoch: 1, tries: 1 })));
    expect(await sql`SELECT stage, epoch FROM effects`).toEqual(
      Array.from({ length: 2 }, () => ({ stage: 'DONE', epoch: 1 })),
    );
  });

  test('one that was begun by a worker that died before its first outcome is made again under the same id, and knows it', async () => {
    const id = await seed([parallel()]);
    const tries: (readonly [id: string, isFirstTry: boolean])[] = [];
    const isFree = Promise.withResolvers<void>();
    const died = startRunner({
      stage: async ({ job, step }) => {
        tries.push([job.id, step.isFirstTry]);
        await isFree.promise;
        return { type: 'succeeded', output: { of: 'the one that died' } };
      },
    });
    const handled = handle(died, id);
    await until(async () => stateOf(await readJobs()).archive === 'SUCCEEDED');
    await sql`UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'RUNNING'`;
    const next = startRunner({
      stage: async ({ job, step }) => {
        tries.push([job.id, step.isFirstTry]);
        return { type: 'succeeded' };
      },
    });
    await runAll(next, [id]);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
    const branchId = (await readJobs()).find(({ branch }) => branch === 'bank')?.id;
    expect(tries).toEqual([
      [branchId, true],
      [branchId, false],
    ]);
    // What the first one did is stale by now.
    isFree.resolve();
    await handled;
    expect(await sql`SELECT attempt, outcome FROM attempts WHERE step_kind = 'stage'`).toEqual([
      { attempt: 1, outcome: 'succeeded' },
    ]);
  });

  test('they run side by side', async () => {
    const id = await seed([parallel()]);
    const met = Promise.withResolvers<void>();
    let inside = 0;
    const meet: FakeStep = async () => {
      inside += 1;
      if (inside === 2) met.resolve();
      await met.promise;
      return { type: 'succeeded' };
    };
    await handle(startRunner({ stage: meet, deliver: meet }), id);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
  });

  test('a branch that waits lets its parent wait, and its end wakes the parent once', async () => {
    const id = await seed([parallel()]);
    const runner = startRunner({ stage: waitOnce() });
    await handle(runner, id);
    expect(stateOf(await readJobs())).toEqual({ main: 'WAITING', bank: 'WAITING', archive: 'SUCCEEDED' });
    await sql`UPDATE jobs SET next_action_at = now() WHERE branch = 'bank'`;
    await runAll(runner, []);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
    const woken = await sql`SELECT 1 FROM audit_events WHERE job_id = ${id} AND type = 'job.woken'`;
    expect(woken).toHaveLength(1);
  });

  test('what runs longer than its parent may wait goes on, and wakes it at its end', async () => {
    const id = await seed([parallel()]);
    const isFree = Promise.withResolvers<void>();
    const runner = startRunner(
      { stage: async () => isFree.promise.then(() => ({ type: 'succeeded' as const })) },
      30_000,
      100,
    );
    const handled = handle(runner, id);
    await until(async () => (await readJobs())[0]?.state === 'WAITING');
    isFree.resolve();
    await handled;
    await runAll(runner, []);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
  });

  test('a branch of the other class of steps, and all of a join of any, wait for a wake-up', async () => {
    const id = await seed([parallel({ join: 'any' })]);
    const runner = startRunner();
    await handle(runner, id);
    expect(stateOf(await readJobs())).toEqual({ main: 'WAITING', bank: 'PENDING', archive: 'PENDING' });
    expect(runner.sent['partner-steps']).toHaveLength(2);
    await runAll(runner, []);
    await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox');
    await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
    const branches = { long: [{ scan: {} }], short: [{ deliver: {} }] };
    const other = await seed([{ parallel: { branches } }]);
    await sql`UPDATE jobs SET is_large = true`;
    const second = startRunner({ scan: async () => ({ type: 'succeeded' }) });
    await handle(second, other);
    expect(second.sent.work).toHaveLength(2);
    expect(second.sent['partner-steps']).toEqual([]);
  });

  test('of a worker killed with branches in hand, the next one runs what had not ended, and joins once', async () => {
    const id = await seed([parallel(), { validate: {} }]);
    const joins: number[] = [];
    const hangs = startRunner({ stage: () => new Promise(() => {}) });
    void handle(hangs, id);
    await until(async () => stateOf(await readJobs()).archive === 'SUCCEEDED');
    // Its leases run out, as after kill -9; what it still does is stale.
    await sql`UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'RUNNING'`;
    const next = startRunner({
      validate: async () => {
        joins.push(1);
        return { type: 'succeeded' };
      },
    });
    const left = await readJobs();
    for (const { id: each } of left.toReversed()) await handle(next, each);
    await runAll(next, []);
    expect(stateOf(await readJobs())).toEqual({ main: 'SUCCEEDED', bank: 'SUCCEEDED', archive: 'SUCCEEDED' });
    expect(joins).toEqual([1]);
    expect(await readJobs()).toHaveLength(3);
  });
});

describe('run', () => {
  test('a route that is run only takes no file, and is run by another one with what was found before it', async () => {
    const id = await seed([
      { validate: {} },
      { run: { route: 'below' } },
      { deliver: {}, when: 'steps.run.state == "SUCCEEDED"' },
    ]);
    await apply('below', { runOnly: true, steps: [{ stage: {} }] });
    let seen: unknown;
    const runner = startRunner({
      stage: async ({ outputs }) => {
        seen = outputs.validate;
        return { type: 'succeeded', output: { enriched: 7 } };
      },
    });
    await runAll(runner, [id]);
    expect(seen).toEqual({ of: 'validate' });
    expect((await readJobs()).map(({ state }) => state)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    const steps = await sql<{ kind: string; state: string; output: unknown }[]>`
      SELECT kind, state, output FROM job_steps WHERE job_id = ${id} ORDER BY seq`;
    expect(steps.map(({ kind, state }) => [kind, state])).toEqual([
      ['validate', 'SUCCEEDED'],
      ['run', 'SUCCEEDED'],
      ['deliver', 'SUCCEEDED'],
    ]);
    expect(steps[1]?.output).toMatchObject({ route: 'below', state: 'SUCCEEDED', outputs: { stage: { enriched: 7 } } });
  });

  test('a route that runs itself ends with RUN_TOO_DEEP, and one that is not there with NOT_FOUND', async () => {
    const id = await seed([{ run: { route: 'main' } }]);
    const runner = startRunner();
    await runAll(runner, [id]);
    const rows = await readJobs();
    expect(rows).toHaveLength(6);
    expect(rows.at(-1)).toMatchObject({ state: 'FAILED', cause: 'RUN_TOO_DEEP' });
    expect(rows[0]).toMatchObject({ state: 'FAILED', cause: 'BRANCH_FAILED' });
    await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox');
    await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
    const other = await seed([{ run: { route: 'nowhere' } }]);
    await runAll(startRunner(), [other]);
    expect((await readJobs())[0]).toMatchObject({ state: 'FAILED', cause: 'NOT_FOUND' });
  });
});

describe('when', () => {
  test('a step whose condition does not hold is skipped, and leaves no output behind', async () => {
    const id = await seed([
      { validate: {} },
      { stage: {}, when: 'steps.validate.rows > 3' },
      { deliver: {}, when: 'file.size > 0 and steps.stage == nil' },
    ]);
    await runAll(startRunner(), [id]);
    const steps = await sql<
      { kind: string; state: string }[]
    >`SELECT kind, state FROM job_steps WHERE job_id = ${id} ORDER BY seq`;
    expect(steps.map(({ kind, state }) => [kind, state])).toEqual([
      ['validate', 'SUCCEEDED'],
      ['stage', 'SKIPPED'],
      ['deliver', 'SUCCEEDED'],
    ]);
    expect((await readJobs())[0]?.state).toBe('SUCCEEDED');
  });
});

test.each([
  { join: 'all', onFailure: 'continue' },
  { join: 'any', onFailure: 'fail' },
] as const)('an infected branch fails the job with its cause: $join, $onFailure', (how) => {
  const branch = { jobId: '1', code: null, cause: null, message: null, quietMs: 0, outputs: {} };
  const infected = { ...branch, branch: 'one', state: 'FAILED', code: 'SCAN_ERROR', cause: 'SCAN_INFECTED' } as const;
  const outcome = outcomeOf([infected, { ...branch, branch: 'two', state: 'SUCCEEDED' }], how);
  expect(outcome).toMatchObject({ type: 'failed', cause: 'SCAN_INFECTED' });
});

test('a join is decided by the states alone: in any order of branches, looked at any number of times', () => {
  const state = fc.constantFrom('PENDING', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED');
  const options = fc.record({ join: fc.constantFrom('all', 'any'), onFailure: fc.constantFrom('fail', 'continue') });
  fc.assert(
    fc.property(
      fc.array(state, { minLength: 2, maxLength: 10 }),
      options,
      fc.infiniteStream(fc.nat()),
      (states, how, random) => {
        const branches = states.map(
          (each, index): BranchState => ({
            jobId: `${index}`,
            branch: `b${index}`,
            state: each as never,
            code: null,
            cause: null,
            quietMs: 0,
            message: null,
            outputs: {},
          }),
        );
        const shuffled = [...branches].sort(() => (random.next().value ?? 0) % 2 || -1);
        const first = outcomeOf(branches, how as never);
        expect(outcomeOf(shuffled, how as never).type).toBe(first.type);
        const isOpen = states.some((each) => ['PENDING', 'RUNNING', 'WAITING'].includes(each));
        const hasSucceeded = states.includes('SUCCEEDED');
        expect(first.type === 'wait').toBe(isOpen && !(how.join === 'any' && hasSucceeded));
      },
    ),
  );
});
