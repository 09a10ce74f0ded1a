import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import { cancelJobs } from '#shared/jobs/end-jobs.ts';
import { giveDueTurns } from '#shared/jobs/give-turns.ts';
import { reopenJobs } from '#shared/jobs/reopen-jobs.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { acknowledge, leave } from '#shared/queue/disposition.ts';
import type { StepContext } from '#shared/steps/step-context.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import {
  connectTestDatabase,
  createTestRunner,
  type FakeStep,
  jobDue,
  neverStops,
  type TestRunner,
  type TestRunnerOptions,
  until,
} from '#testkit/beds/job-runner.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';

let database: TestDatabase;
let sql: Sql;
const runners: TestRunner[] = [];
const children: TestProcess[] = [];

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
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const runner of runners.splice(0)) await runner.stop();
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

const succeed: FakeStep = async () => ({ type: 'succeeded' });
const failure = { code: 'DELIVERY_ERROR', cause: 'HTTP_503', message: 'The partner is busy.' };

function startRunner(options: Partial<TestRunnerOptions> & { steps?: Record<string, FakeStep> } = {}): TestRunner {
  const steps = { validate: succeed, deliver: succeed, confirm: succeed, stage: succeed, ...options.steps };
  const runner = createTestRunner({ sql, ...options, steps });
  runner.start();
  runners.push(runner);
  return runner;
}

async function seedOne(options: Parameters<typeof seedFiles>[1] = {}): Promise<WokenJob> {
  const [job] = await seedFiles(sql, options);
  if (job === undefined) throw new Error('no job was made');
  return job;
}

interface JobRow {
  readonly state: string;
  readonly queue: string;
  readonly epoch: number;
  readonly stepSeq: number;
  readonly stepAttempts: number;
  readonly errorCode: string | null;
  readonly errorCause: string | null;
  readonly waitReason: string | null;
  readonly fileStatus: string;
  readonly archiveKey: string | null;
}

async function readJob({ id }: { readonly id: string }): Promise<JobRow> {
  const [row] = await sql<JobRow[]>`
    SELECT j.state, j.queue, j.epoch, j.step_seq AS "stepSeq", j.step_attempts AS "stepAttempts", j.error_code AS "errorCode",
      j.error_cause AS "errorCause", j.wait_reason AS "waitReason", f.status AS "fileStatus", f.archive_key AS "archiveKey"
    FROM jobs j JOIN files f ON f.id = j.file_id WHERE j.id = ${id}`;
  if (row === undefined) throw new Error('the job is gone');
  return row;
}

/** As the sweeper does when a job's time has come. */
async function makeDue({ id }: { readonly id: string }): Promise<void> {
  await sql`UPDATE jobs SET next_action_at = now() WHERE id = ${id} AND state = 'WAITING'`;
}

async function countOf(type: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM audit_events WHERE type = ${type}`;
  return row?.count ?? 0;
}

describe('walking on', () => {
  test('carries a file through all its steps and into the archive on one message, each outcome stored before the next step', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const seen: unknown[] = [];
    const observe: FakeStep = async ({ step, job: { id } }) => {
      const done = await sql`SELECT kind, state FROM job_steps WHERE job_id = ${id} ORDER BY seq`;
      const [row] = await sql`SELECT state, step_kind FROM jobs WHERE id = ${id}`;
      seen.push([step.kind, done.map(({ kind, state }) => `${kind} ${state}`), row?.state, row?.step_kind]);
      return { type: 'succeeded' };
    };
    const runner = startRunner({ steps: { validate: observe, deliver: observe, confirm: observe } });
    expect(await runner.handle(jobDue(job), neverStops)).toEqual(acknowledge);
    expect(seen).toEqual([
      ['validate', [], 'RUNNING', 'validate'],
      ['deliver', ['validate SUCCEEDED'], 'RUNNING', 'deliver'],
      ['confirm', ['validate SUCCEEDED', 'deliver SUCCEEDED'], 'RUNNING', 'confirm'],
    ]);
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', epoch: 1, fileStatus: 'COMPLETED' });
    expect(Object.values(runner.sent).flat()).toEqual([]);
  });

  test('gives each step what the steps before it made, and a key that is its own', async () => {
    await seedRoutes(sql, { routes: [['stage', 'deliver', 'confirm']] });
    const job = await seedOne();
    const staged = { bucket: 'test-staging', key: 'copy', versionId: 's1', sizeBytes: 9 };
    const contexts: StepContext<unknown>[] = [];
    const record =
      (outcome: StepOutcome): FakeStep =>
      async (context) => {
        contexts.push(context);
        return outcome;
      };
    const runner = startRunner({
      steps: {
        stage: record({ type: 'succeeded', object: staged, output: { copied: true } }),
        deliver: record({ type: 'succeeded', output: { key: 'x' } }),
        confirm: record({ type: 'succeeded' }),
      },
    });
    await runner.handle(jobDue(job), neverStops);
    const [stage, deliver, confirm] = contexts;
    expect(stage?.object).toMatchObject({ bucket: 'test-landing', key: stage?.file.key, sizeBytes: 1_000 });
    expect(deliver).toMatchObject({
      object: staged,
      outputs: { stage: { copied: true } },
      options: { bucket: 'delivered' },
    });
    expect(confirm).toMatchObject({ object: staged, outputs: { stage: { copied: true }, deliver: { key: 'x' } } });
    expect(new Set(contexts.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    expect(contexts.map(({ step }) => step.isFirstTry)).toEqual([true, true, true]);
    const [started] = await sql`SELECT started_at FROM jobs WHERE id = ${job.id}`;
    expect(stage?.now).toEqual(started?.started_at);
  });

  test('hands a long step over to the queue of long work and takes the short one after it back', async () => {
    await seedRoutes(sql);
    const job = await seedOne({ isLarge: true });
    const short = startRunner();
    const long = startRunner({ queue: 'work' });
    await short.handle(jobDue(job), neverStops);
    expect(await readJob(job)).toMatchObject({ state: 'PENDING', queue: 'work', stepSeq: 1, stepAttempts: 0 });
    const [toLong] = short.sent.work;
    expect(toLong).toMatchObject({ jobId: job.id, wake: 2 });
    await long.handle(jobDue({ ...job, wake: 2 }), neverStops);
    expect(long.sent['partner-steps']).toMatchObject([{ jobId: job.id, wake: 3 }]);
    await short.handle(jobDue({ ...job, wake: 3 }), neverStops);
    const archiveDue = short.sent.work[1];
    expect(archiveDue).toMatchObject({ type: 'file.archive-due', fileId: job.fileId });
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', fileStatus: 'PROCESSING' });
    if (archiveDue !== undefined) await long.handle(archiveDue, neverStops);
    expect(await readJob(job)).toMatchObject({ fileStatus: 'COMPLETED' });
  });

  test('a wake-up that cannot be sent costs the outcome nothing', async () => {
    await seedRoutes(sql);
    const job = await seedOne({ isLarge: true });
    const runner = startRunner({ isSendingBroken: true });
    expect(await runner.handle(jobDue(job), neverStops)).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({ state: 'PENDING', queue: 'work' });
    expect(await runner.registry.metrics()).toContain('longshore_wake_ups_unsent_total 1');
  });

  test('many jobs side by side need few statements and are each handled once, whatever repeats', async () => {
    await seedRoutes(sql);
    const jobs = await seedFiles(sql, { count: 60 });
    let runs = 0;
    const count: FakeStep = async () => {
      runs += 1;
      return { type: 'succeeded' };
    };
    const runner = startRunner({ steps: { validate: count, deliver: count, confirm: count } });
    await Promise.all([...jobs, ...jobs].map((job) => runner.handle(jobDue(job), neverStops)));
    expect(runs).toBe(180);
    expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
    const [states] = await sql`SELECT count(*)::int AS jobs FROM jobs WHERE state = 'SUCCEEDED' AND epoch = 1`;
    expect(states?.jobs).toBe(60);
    const metrics = await runner.registry.metrics();
    const statements = [...metrics.matchAll(/^longshore_group_commit_rows_count\{.*\} (\d+)$/gm)].map(([, n]) =>
      Number(n),
    );
    expect(statements.reduce((sum, n) => sum + n, 0)).toBeLessThan(60);
    expect(metrics).toContain('longshore_files_total{tenant="acme",route="route-0",outcome="succeeded"} 60');
    expect(metrics).toContain('longshore_file_bytes_total{tenant="acme",route="route-0",outcome="succeeded"} 60000');
  });

  test('the end of an ordered job wakes its successor', async () => {
    await seedRoutes(sql, { isOrdered: true });
    expect(await seedFiles(sql, { count: 2 })).toEqual([]);
    const [first] = await giveDueTurns(sql, { limit: 10, window: 10, actor: 'test' });
    const [second] = await sql<WokenJob[]>`
      SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, 1 AS wake FROM jobs WHERE awaits_turn`;
    if (first === undefined || second === undefined) throw new Error('two jobs were to be made');
    const runner = startRunner();
    expect(await runner.handle(jobDue(second), neverStops)).toEqual(acknowledge);
    expect(await readJob(second)).toMatchObject({ state: 'PENDING' });
    await runner.handle(jobDue(first), neverStops);
    expect(runner.sent['partner-steps']).toMatchObject([{ jobId: second.id }]);
    await runner.handle(jobDue(second), neverStops);
    expect(await readJob(second)).toMatchObject({ state: 'SUCCEEDED' });
  });
});

describe('after a failover', () => {
  const lateReplicas = { afterMs: 30_000, mayCome: () => true };

  test('a step whose object has not come waits for it, counts no attempt, and no try is taken for the first', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const tries: unknown[] = [];
    const gone = { type: 'failed', ...failure, cause: 'SOURCE_GONE' } as const;
    const runner = startRunner({
      lateReplicas,
      steps: {
        deliver: async ({ step }) => {
          tries.push([step.attempt, step.isFirstTry]);
          return tries.length === 1 ? gone : { type: 'succeeded' };
        },
      },
    });
    await runner.handle(jobDue(job), neverStops);
    const [waiting] = await sql`SELECT state, wait_reason AS reason FROM jobs`;
    expect(waiting).toEqual({ state: 'WAITING', reason: 'REPLICA_AWAITED' });
    await makeDue(job);
    await runner.handle(jobDue({ ...job, wake: 2 }), neverStops);
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', fileStatus: 'COMPLETED' });
    expect(tries).toEqual([
      [1, false],
      [1, false],
    ]);
  });

  test('a file whose original has not come is archived later', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const archive = async () => {
      throw new ObjectStoreError('not-found', 'it is not there');
    };
    await startRunner({ lateReplicas, archive }).handle(jobDue(job), neverStops);
    const [file] = await sql`SELECT status, next_action_at > now() AS later FROM files`;
    expect(file).toEqual({ status: 'PROCESSING', later: true });
  });
});

describe('trying again', () => {
  test('a retry waits as the route says, counts, and ends as failed when the attempts are spent', async () => {
    await seedRoutes(sql, { retry: { maxAttempts: 3, firstDelay: 2_000, jitter: 'none' } });
    const job = await seedOne();
    const attempts: unknown[] = [];
    const keys = new Set<string>();
    const runner = startRunner({
      steps: {
        deliver: async ({ step, idempotencyKey }) => {
          attempts.push([step.attempt, step.isFirstTry]);
          keys.add(idempotencyKey);
          return { type: 'retry', ...failure };
        },
      },
    });
    const delays: number[] = [];
    for (let wake = 1; wake <= 3; wake += 1) {
      expect(await runner.handle(jobDue({ ...job, wake }), neverStops)).toEqual(acknowledge);
      const [row] = await sql`SELECT extract(epoch FROM next_action_at - updated_at)::float8 AS delay FROM jobs`;
      delays.push(Math.round(row?.delay ?? 0));
      await makeDue(job);
    }
    expect(delays).toEqual([2, 4, 0]);
    expect(attempts).toEqual([
      [1, true],
      [2, false],
      [3, false],
    ]);
    expect(keys.size).toBe(1);
    expect(await readJob(job)).toMatchObject({
      state: 'FAILED',
      errorCode: 'DELIVERY_ERROR',
      errorCause: 'HTTP_503',
      fileStatus: 'FAILED',
    });
  });

  test('a job that is not due is left alone and its message acknowledged', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    let runs = 0;
    const runner = startRunner({
      steps: {
        validate: async () => {
          runs += 1;
          return { type: 'retry', afterMs: 60_000, ...failure };
        },
      },
    });
    await runner.handle(jobDue(job), neverStops);
    expect(await runner.handle(jobDue(job), neverStops)).toEqual(acknowledge);
    expect(runs).toBe(1);
  });

  test('waiting counts no attempt, however often', async () => {
    await seedRoutes(sql, { retry: { maxAttempts: 2 } });
    const job = await seedOne();
    const attempts: number[] = [];
    const runner = startRunner({
      steps: {
        validate: async ({ step }) => {
          attempts.push(step.attempt);
          return attempts.length < 6 ? { type: 'wait', afterMs: 1_000, reason: 'MARKER' } : { type: 'succeeded' };
        },
      },
    });
    for (let wake = 1; wake <= 6; wake += 1) {
      expect(await runner.handle(jobDue({ ...job, wake }), neverStops)).toEqual(acknowledge);
      await makeDue(job);
    }
    expect(attempts).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED' });
  });

  test('a step that throws is a retry with a cause, and the runner lives on', async () => {
    await seedRoutes(sql, { retry: { maxAttempts: 1 } });
    const [bad, good] = await seedFiles(sql, { count: 2 });
    if (bad === undefined || good === undefined) throw new Error('two jobs were to be made');
    const runner = startRunner({
      steps: {
        validate: async ({ job }) => {
          if (job.id === bad.id) throw new TypeError('undefined is not a function: secret-token');
          return { type: 'succeeded' };
        },
      },
    });
    await Promise.all([bad, good].map((job) => runner.handle(jobDue(job), neverStops)));
    expect(await readJob(bad)).toMatchObject({
      state: 'FAILED',
      errorCode: 'VALIDATION_ERROR',
      errorCause: 'INTERNAL',
    });
    expect(await readJob(good)).toMatchObject({ state: 'SUCCEEDED' });
    const [stored] = await sql`SELECT error_message FROM jobs WHERE id = ${bad.id}`;
    expect(stored?.error_message).not.toContain('secret-token');
  });

  test('an ambiguous effect fails the job at once and is never repeated', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const runner = startRunner({ steps: { deliver: async () => ({ type: 'ambiguous', ...failure }) } });
    await runner.handle(jobDue(job), neverStops);
    expect(await readJob(job)).toMatchObject({ state: 'FAILED', errorCause: 'HTTP_503', stepAttempts: 1 });
    const [attempt] = await sql`SELECT outcome FROM attempts WHERE step_kind = 'deliver'`;
    expect(attempt?.outcome).toBe('ambiguous');
  });

  test('a step past its deadline is told to stop and tried again later', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    let isAborted = false;
    const runner = startRunner({
      stepDeadlineMs: 50,
      steps: {
        validate: ({ signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              isAborted = true;
              reject(signal.reason);
            });
          }),
      },
    });
    await runner.handle(jobDue(job), neverStops);
    expect(isAborted).toBe(true);
    expect(await readJob(job)).toMatchObject({ state: 'WAITING', errorCause: 'STEP_DEADLINE_EXCEEDED' });
  });

  test('a reopened job goes on from its failed step with the same key, knowing that it is no first try', async () => {
    await seedRoutes(sql, { retry: { maxAttempts: 1 } });
    const job = await seedOne();
    const tries: unknown[] = [];
    const runner = startRunner({
      steps: {
        deliver: async ({ step, idempotencyKey, object, job: { generation } }) => {
          tries.push([idempotencyKey, generation, step.attempt, step.isFirstTry, object.bucket]);
          return generation === 1 ? { type: 'failed', ...failure } : { type: 'succeeded' };
        },
      },
    });
    await runner.handle(jobDue(job), neverStops);
    const [reopened] = await reopenJobs(sql, {
      jobIds: [job.id],
      actor: 'operator:test',
      reason: 'the partner is back',
    });
    if (reopened === undefined) throw new Error('the job was not reopened');
    await runner.handle(jobDue(reopened), neverStops);
    const key = (tries[0] as unknown[])[0];
    expect(tries).toEqual([
      [key, 1, 1, true, 'test-landing'],
      [key, 2, 1, false, 'test-archive'],
    ]);
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', fileStatus: 'COMPLETED' });
  });
});

describe('what cannot be run or stored', () => {
  test('a route version that cannot be compiled fails its jobs with a clear code', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    await sql`UPDATE route_versions SET definition = '{"name": "by hand"}'`;
    const runner = startRunner();
    expect(await runner.handle(jobDue(job), neverStops)).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({
      state: 'FAILED',
      errorCode: 'ROUTE_INVALID',
      errorCause: 'ROUTE_INVALID',
    });
  });

  test('a job at a step that its route does not have fails with a clear code', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    await sql`UPDATE jobs SET step_seq = 7`;
    await startRunner().handle(jobDue(job), neverStops);
    expect(await readJob(job)).toMatchObject({
      state: 'FAILED',
      errorCode: 'ROUTE_INVALID',
      errorCause: 'ROUTE_STEP_MISMATCH',
    });
  });

  test('kinds that this version does not know are left for another worker', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    await sql`UPDATE jobs SET step_kind = 'teleport'`;
    expect(await startRunner().handle(jobDue(job), neverStops)).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({ state: 'PENDING', stepAttempts: 0 });
  });

  test('an outcome that is no JSON becomes a failure, and those stored beside it are kept', async () => {
    await seedRoutes(sql);
    const jobs = await seedFiles(sql, { count: 12 });
    const circular: Record<string, unknown> = {};
    circular.itself = circular;
    const bad = jobs[4] as WokenJob;
    const runner = startRunner({
      steps: {
        validate: async ({ job }) =>
          job.id === bad.id ? { type: 'succeeded', output: circular } : { type: 'succeeded' },
      },
    });
    await Promise.all(jobs.map((job) => runner.handle(jobDue(job), neverStops)));
    expect(await readJob(bad)).toMatchObject({ state: 'FAILED', errorCause: 'OUTCOME_REFUSED' });
    for (const job of jobs) if (job !== bad) expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED' });
  });

  test('what the database refuses in one row costs only that row', async () => {
    await seedRoutes(sql);
    const jobs = await seedFiles(sql, { count: 10 });
    await sql.unsafe(`
      CREATE OR REPLACE FUNCTION refuse_marked() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF new.output ->> 'marked' = 'yes' AND new.state = 'SUCCEEDED' THEN RAISE SQLSTATE '23514'; END IF; RETURN new; END $$;
      CREATE TRIGGER refuse_marked BEFORE INSERT ON job_steps FOR EACH ROW EXECUTE FUNCTION refuse_marked()`);
    try {
      const marked = jobs[4] as WokenJob;
      const runner = startRunner({
        steps: {
          validate: async ({ job }) =>
            job.id === marked.id ? { type: 'succeeded', output: { marked: 'yes' } } : { type: 'succeeded' },
        },
      });
      await Promise.all(jobs.map((job) => runner.handle(jobDue(job), neverStops)));
      expect(await readJob(marked)).toMatchObject({
        state: 'FAILED',
        errorCode: 'VALIDATION_ERROR',
        errorCause: 'OUTCOME_REFUSED',
      });
      for (const job of jobs) if (job !== marked) expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED' });
    } finally {
      await sql.unsafe('DROP TRIGGER refuse_marked ON job_steps; DROP FUNCTION refuse_marked()');
    }
  });
});

describe('leases', () => {
  test('a job cancelled by an operator is aborted at the next renewal, and its outcome changes nothing', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    let isAborted = false;
    const runner = startRunner({
      leaseMs: 6_000,
      steps: {
        validate: async ({ signal }) => {
          await cancelJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'not wanted' });
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          isAborted = true;
          return { type: 'succeeded' };
        },
      },
    });
    expect(await runner.handle(jobDue(job), neverStops)).toEqual(leave);
    expect(isAborted).toBe(true);
    expect(await readJob(job)).toMatchObject({ state: 'CANCELLED' });
    expect(await runner.registry.metrics()).toContain('longshore_leases_lost_total{kind="job"} 1');
  });

  test('a step longer than its lease keeps the job, because the lease is renewed', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const runner = startRunner({
      leaseMs: 4_000,
      steps: {
        validate: async () => {
          await new Promise((resolve) => setTimeout(resolve, 5_000));
          return { type: 'succeeded' };
        },
      },
    });
    expect(await runner.handle(jobDue(job), neverStops)).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', epoch: 1 });
  });

  test('the outcome of a worker that was taken over changes nothing, and it does not walk on', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const entered = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const stale: string[] = [];
    const slow = startRunner({
      worker: 'slow/1',
      steps: {
        validate: async () => {
          stale.push('validate');
          entered.resolve();
          await goOn.promise;
          return { type: 'failed', ...failure };
        },
        deliver: async () => {
          stale.push('deliver');
          return { type: 'succeeded' };
        },
      },
    });
    const slowEnd = slow.handle(jobDue(job), neverStops);
    await entered.promise;
    await sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = ${job.id}`;
    const firstTries: boolean[] = [];
    const fresh = startRunner({
      worker: 'fresh/1',
      steps: {
        validate: async ({ step }) => {
          firstTries.push(step.isFirstTry);
          return { type: 'succeeded' };
        },
      },
    });
    await fresh.handle(jobDue(job), neverStops);
    goOn.resolve();
    expect(await slowEnd).toEqual(leave);
    expect(firstTries).toEqual([false]);
    expect(stale).toEqual(['validate']);
    expect(await readJob(job)).toMatchObject({
      state: 'SUCCEEDED',
      epoch: 2,
      fileStatus: 'COMPLETED',
      errorCode: null,
    });
    expect(await countOf('file.completed')).toBe(1);
  });
});

describe('a worker killed with kill -9', () => {
  const workerFile = fileURLToPath(new URL('../../testkit/beds/worker-process.ts', import.meta.url));

  async function startHanging(job: WokenJob, where: 'step' | 'archive', leaseMs: number): Promise<TestProcess> {
    const arguments_ = [workerFile, database.url, job.id, String(leaseMs), where];
    const child = startProcess(arguments_);
    children.push(child);
    await child.untilLine(/./);
    return child;
  }

  async function kill(child: TestProcess): Promise<void> {
    await child.end('SIGKILL');
  }

  test('in the middle of a step: the next worker tries it again and knows that it is no first try', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    await kill(await startHanging(job, 'step', 1_000));
    const tries: unknown[] = [];
    const runner = startRunner({
      steps: {
        validate: async ({ step }) => {
          tries.push([step.attempt, step.isFirstTry]);
          return { type: 'succeeded' };
        },
      },
    });
    await until(async () => {
      await runner.handle(jobDue(job), neverStops);
      return (await readJob(job)).state === 'SUCCEEDED';
    });
    expect(tries).toEqual([[2, false]]);
    expect(await readJob(job)).toMatchObject({ epoch: 2, fileStatus: 'COMPLETED' });
  });

  test('while it lives, nobody takes its job, however long the step runs', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    // Two thirds of a lease are what a renewal may be late by.
    await startHanging(job, 'step', 5_000);
    const runner = startRunner();
    const endMs = performance.now() + 6_000;
    while (performance.now() < endMs) {
      await runner.handle(jobDue(job), neverStops);
      expect(await readJob(job)).toMatchObject({ state: 'RUNNING', epoch: 1 });
    }
  });

  test('in each attempt: the step is not run any more and the job fails, saying so', async () => {
    await seedRoutes(sql, { retry: { maxAttempts: 2 } });
    const job = await seedOne();
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await until(async () => {
        const [row] = await sql`SELECT state = 'PENDING' OR lease_until < now() AS free FROM jobs WHERE id = ${job.id}`;
        return row?.free === true;
      });
      // Longer than a busy machine takes from the claim to the step.
      await kill(await startHanging(job, 'step', 2_000));
    }
    let runs = 0;
    const runner = startRunner({
      steps: {
        validate: async () => {
          runs += 1;
          return { type: 'succeeded' };
        },
      },
    });
    await until(async () => {
      await runner.handle(jobDue(job), neverStops);
      return (await readJob(job)).state === 'FAILED';
    });
    expect(runs).toBe(0);
    expect(await readJob(job)).toMatchObject({
      errorCode: 'VALIDATION_ERROR',
      errorCause: 'ATTEMPTS_SPENT',
      fileStatus: 'FAILED',
    });
  });

  test('in the middle of the archive copy: the next worker archives the file, once', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    await kill(await startHanging(job, 'archive', 5_000));
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', fileStatus: 'PROCESSING' });
    const runner = startRunner();
    await until(async () => {
      await runner.handle({ type: 'file.archive-due', fileId: job.fileId, tenantId: 'acme', wake: 2 }, neverStops);
      return (await readJob(job)).fileStatus === 'COMPLETED';
    });
    expect(await countOf('file.completed')).toBe(1);
  });
});

describe('the archive', () => {
  test('two routes of one file archive it once, whichever ends last', async () => {
    await seedRoutes(sql, { routes: [['deliver'], ['validate', 'deliver']] });
    const jobs = await seedFiles(sql, { count: 20 });
    const archived: string[] = [];
    const runner = startRunner({
      archive: async ({ id, key }) => {
        archived.push(id);
        return { bucket: 'test-archive', key, versionId: 'a' };
      },
    });
    await Promise.all(jobs.map((job) => runner.handle(jobDue(job), neverStops)));
    expect(jobs).toHaveLength(40);
    expect([...archived].sort()).toEqual([...new Set(jobs.map(({ fileId }) => fileId))].sort());
    expect(await countOf('file.completed')).toBe(20);
    expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
  });

  test('a copy that fails is tried again later, with a growing delay, and the message is not held', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    let tries = 0;
    const runner = startRunner({
      archive: async ({ key }) => {
        tries += 1;
        if (tries <= 2) throw new Error('SlowDown');
        return { bucket: 'test-archive', key, versionId: 'a' };
      },
    });
    const delays: number[] = [];
    expect(await runner.handle(jobDue(job), neverStops)).toEqual(acknowledge);
    for (let wake = 2; wake <= 3; wake += 1) {
      const [row] = await sql`SELECT extract(epoch FROM next_action_at - updated_at)::float8 AS delay FROM files`;
      delays.push(Math.round(row?.delay));
      await sql`UPDATE files SET next_action_at = now()`;
      const message = { type: 'file.archive-due', fileId: job.fileId, tenantId: 'acme', wake } as const;
      expect(await runner.handle(message, neverStops)).toEqual(acknowledge);
    }
    expect(delays).toEqual([5, 10]);
    expect(await readJob(job)).toMatchObject({ fileStatus: 'COMPLETED' });
  });
});

describe('an original that was removed before it was archived', () => {
  const gone = async () => {
    throw new ObjectStoreError('not-found', 'landing/x is no longer there');
  };

  test('fails its file once, with a code, and is not looked for again', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const runner = startRunner({ archive: gone });
    await runner.handle(jobDue(job), neverStops);
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED', fileStatus: 'FAILED', archiveKey: null });
    const [file] = await sql`SELECT error_code, error_cause, finished_at, next_action_at, lease_until FROM files`;
    expect(file).toMatchObject({
      error_code: 'ARCHIVE_ERROR',
      error_cause: 'SOURCE_GONE',
      next_action_at: null,
      lease_until: null,
    });
    expect(file?.finished_at).toBeInstanceOf(Date);
    expect(await countOf('file.failed')).toBe(1);
  });

  test('leaves the reason of a failed job with its file', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const lost = { code: 'VALIDATION_ERROR', cause: 'SOURCE_GONE', message: 'The object is no longer there.' };
    const runner = startRunner({ archive: gone, steps: { validate: async () => ({ type: 'failed', ...lost }) } });
    await runner.handle(jobDue(job), neverStops);
    const [file] = await sql`SELECT status, error_code, error_cause FROM files`;
    expect(file).toEqual({ status: 'FAILED', error_code: 'VALIDATION_ERROR', error_cause: 'SOURCE_GONE' });
  });
});

describe('the time of a file', () => {
  const at = async ({ registry }: TestRunner, name: string, labels: Readonly<Record<string, string>>) => {
    const { values } = await registry.getSingleMetric(name)!.get();
    const same = (one: Readonly<Record<string, unknown>>) =>
      Object.entries(labels).every(([label, value]) => one[label] === value);
    return values.filter((entry) => same(entry.labels)).map(({ value }) => value);
  };
  const endedBy = (runner: TestRunner, le: number | '+Inf', fileClass: string, outcome: string) =>
    at(runner, 'longshore_file_seconds', { le, class: fileClass, outcome } as Record<string, string>);
  const small = (runner: TestRunner, pace: string) => at(runner, 'longshore_small_files_total', { pace });

  async function arriveEarlier({ fileId }: WokenJob, seconds: number): Promise<void> {
    await sql`UPDATE files SET uploaded_at = now() - ${seconds}::int * interval '1 s' WHERE id = ${fileId}`;
  }

  test('runs from the end of its upload to its archive, and is counted once whatever comes again', async () => {
    await seedRoutes(sql);
    const [prompt, late] = await seedFiles(sql, { count: 2 });
    if (prompt === undefined || late === undefined) throw new Error('two jobs were to be made');
    await arriveEarlier(prompt, 12);
    await arriveEarlier(late, 50);
    const runner = startRunner();
    expect(await small(runner, 'late')).toEqual([0]);
    for (const job of [prompt, late, prompt, late]) {
      await runner.handle(jobDue(job), neverStops);
      const archiveDue = { type: 'file.archive-due', fileId: job.fileId, tenantId: 'acme', wake: 9 } as const;
      await runner.handle(archiveDue, neverStops);
    }
    expect(await endedBy(runner, 10, 'small', 'completed')).toEqual([0]);
    expect(await endedBy(runner, 45, 'small', 'completed')).toEqual([1]);
    expect(await endedBy(runner, '+Inf', 'small', 'completed')).toEqual([2]);
    expect(await small(runner, 'in time')).toEqual([1]);
    expect(await small(runner, 'late')).toEqual([1]);
  });

  test('is not counted again when a person reopens what had failed', async () => {
    await seedRoutes(sql, { retry: { maxAttempts: 1 } });
    const job = await seedOne();
    let isAway = true;
    const runner = startRunner({
      steps: { deliver: async () => (isAway ? { type: 'failed', ...failure } : { type: 'succeeded' }) },
    });
    await runner.handle(jobDue(job), neverStops);
    expect(await endedBy(runner, '+Inf', 'small', 'failed')).toEqual([1]);
    isAway = false;
    const [reopened] = await reopenJobs(sql, { jobIds: [job.id], actor: 'operator:test', reason: 'back' });
    if (reopened !== undefined) await runner.handle(jobDue(reopened), neverStops);
    expect(await readJob(job)).toMatchObject({ fileStatus: 'COMPLETED' });
    expect(await at(runner, 'longshore_file_seconds', { le: '+Inf' } as Record<string, string>)).toEqual([1]);
    expect(await small(runner, 'late')).toEqual([1]);
  });

  test('of what is large, has records or waited for a person is told apart', async () => {
    await seedRoutes(sql, { routes: [['deliver']] });
    const [records, released] = await seedFiles(sql, { count: 2 });
    const [large] = await seedFiles(sql, { isLarge: true });
    if (records === undefined || released === undefined || large === undefined) throw new Error('jobs were to be made');
    await sql`UPDATE jobs SET open_records = 0 WHERE id = ${records.id}`;
    await sql`UPDATE jobs SET released_at = now() WHERE id = ${released.id}`;
    const runner = startRunner();
    const long = startRunner({ queue: 'work' });
    for (const job of [records, released]) await runner.handle(jobDue(job), neverStops);
    await long.handle(jobDue(large), neverStops);
    expect(await endedBy(runner, '+Inf', 'records', 'completed')).toEqual([1]);
    expect(await endedBy(runner, '+Inf', 'attended', 'completed')).toEqual([1]);
    expect(await endedBy(long, '+Inf', 'large', 'completed')).toEqual([1]);
    expect(await small(runner, 'in time')).toEqual([0]);
  });
});

describe('stopping', () => {
  test('a step that is told to stop waits with no delay and counts no attempt', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const stop = new AbortController();
    const runner = startRunner({
      steps: {
        validate: ({ signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
            stop.abort();
          }),
      },
    });
    expect(await runner.handle(jobDue(job), stop.signal)).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({ state: 'WAITING', stepAttempts: 0, waitReason: 'WORKER_STOPPING' });
    await startRunner().handle(jobDue(job), neverStops);
    expect(await readJob(job)).toMatchObject({ state: 'SUCCEEDED' });
  });

  test('a branch that its worker gives back says so', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const givenBack = new LongshoreError('BRANCH_GIVEN_BACK', 'The branch had not begun behind its siblings.');
    expect(await startRunner().handle(jobDue(job), AbortSignal.abort(givenBack))).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({ state: 'WAITING', stepAttempts: 0, waitReason: 'BRANCH_GIVEN_BACK' });
  });

  test('a step that had succeeded is kept, and the job changes hands', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const stop = new AbortController();
    const runner = startRunner({
      steps: {
        validate: async () => {
          stop.abort();
          return { type: 'succeeded' };
        },
      },
    });
    expect(await runner.handle(jobDue(job), stop.signal)).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({ state: 'PENDING', stepSeq: 1, queue: 'partner-steps' });
    expect(runner.sent['partner-steps']).toHaveLength(1);
  });

  test('a step that ignores its signal does not keep the worker from stopping', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const stop = new AbortController();
    const runner = startRunner({
      steps: {
        validate: () => {
          stop.abort();
          return new Promise(() => {});
        },
      },
    });
    expect(await runner.handle(jobDue(job), stop.signal)).toEqual(acknowledge);
    expect(await readJob(job)).toMatchObject({ state: 'WAITING', stepAttempts: 0 });
  });

  test('an archive copy that is told to stop is left for another worker at once', async () => {
    await seedRoutes(sql);
    const job = await seedOne();
    const stop = new AbortController();
    const runner = startRunner({
      archive: (_file, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          stop.abort();
        }),
    });
    await runner.handle(jobDue(job), stop.signal);
    const message = { type: 'file.archive-due', fileId: job.fileId, tenantId: 'acme', wake: 2 } as const;
    await startRunner().handle(message, neverStops);
    expect(await readJob(job)).toMatchObject({ fileStatus: 'COMPLETED' });
  });
});
