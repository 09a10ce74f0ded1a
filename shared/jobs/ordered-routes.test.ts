/** Lines of ordered routes: whose turn it is, what a failed file holds back, and how an operator opens a line. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, type SeedJobsOptions, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { type ClaimedJob, claimJobs } from './claim-jobs.ts';
import { cancelJobs } from './end-jobs.ts';
import { giveDueTurns, giveTurns as giveTurnsOf } from './give-turns.ts';
import type { JobLine } from './job-lines.ts';
import { registerFiles } from './register-files.ts';
import { reopenJobs } from './reopen-jobs.ts';
import { routeFiles } from './route-files.ts';
import { skipJobs } from './skip-jobs.ts';
import { storeOutcomes } from './store-outcomes.ts';
import { countStandingJobs, wakeJobs } from './wake-jobs.ts';

let sql: Sql;

useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 3 },
);

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_lines', 'job_steps', 'attempts', 'audit_events', 'outbox');
  await seedTenant(sql);
});

afterEach(async () => {
  expect(await findRowViolations(sql, { isAtRest: false })).toEqual([]);
});

const word = (id: string) => ({ jobIds: [id], actor: 'operator:test', reason: 'test' });
/** Seconds of the day of the uploads. */
const at = (second: number) => new Date(Date.UTC(2026, 0, 2, 3, 0, second)).toISOString();
const named = (name: string, second: number, orderKey = 'acme/inbound') => ({
  name,
  key: `${orderKey}/${name}`,
  uploadedAt: at(second),
  orderKey,
});

async function seed(options: SeedJobsOptions): Promise<void> {
  expect(await seedJobs(sql, { isOrdered: true, ...options })).toEqual([]);
}

/** Names of the files whose jobs got the turn and a wake-up. */
async function giveTurns(window = 100): Promise<string[]> {
  const given = await giveDueTurns(sql, { limit: 100, window, actor: 'test' });
  const rows = await sql<
    { name: string }[]
  >`SELECT name FROM files WHERE id = ANY(${given.map(({ fileId }) => fileId)}::uuid[])`;
  return rows.map(({ name }) => name).sort();
}

async function idOf(name: string): Promise<string> {
  const [row] = await sql<
    { id: string }[]
  >`SELECT j.id FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.name = ${name}`;
  if (row === undefined) throw new Error(`no job for ${name}`);
  return row.id;
}

async function claim(name: string): Promise<ClaimedJob | undefined> {
  const [job] = await claimJobs(sql, {
    jobIds: [await idOf(name)],
    token: randomUUID(),
    worker: 'test/1',
    service: 'partner-worker',
    queue: 'partner-steps',
    kinds: ['deliver'],
    leaseMs: 60_000,
  });
  return job;
}

/** Runs the job of a file; resolves to the names of those that get the turn by its end. */
async function run(name: string, type: 'succeeded' | 'failed' = 'succeeded'): Promise<string[]> {
  const job = await claim(name);
  if (job === undefined) throw new Error(`${name} cannot be claimed`);
  const error = { code: 'DELIVERY_ERROR', cause: 'OBJECT_STORE_UNAVAILABLE', message: 'The store did not answer.' };
  const { successors } = await storeOutcomes(
    sql,
    [
      {
        jobId: job.id,
        epoch: job.epoch,
        stepSeq: job.stepSeq,
        stepKind: job.stepKind,
        attempt: job.stepAttempts,
        generation: job.generation,
        outcome: type,
        startedAt: new Date(),
        durationMs: 1,
        next: { type },
        ...(type === 'failed' && { error }),
      },
    ],
    { worker: 'test/1', service: 'partner-worker', leaseMs: 60_000, archivesLarge: false, token: randomUUID() },
  );
  const rows = await sql<{ name: string }[]>`
    SELECT name FROM files WHERE id = ANY(${successors.map(({ fileId }) => fileId)}::uuid[])`;
  return rows.map((row) => row.name);
}

/** Runs a statement up to its first look at the clock, when it has read its rows; then `meanwhile`, then the rest of it. */
async function haltAtClock<T>(statement: (through: Sql) => Promise<T>, meanwhile: () => Promise<void>): Promise<T> {
  await sql.unsafe(`CREATE SCHEMA halting; CREATE FUNCTION halting.now() RETURNS timestamptz
    LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN pg_catalog.now(); END $$`);
  const session = await sql.reserve();
  await session`SET search_path = halting, pg_catalog, public`;
  try {
    const { ended } = await sql.begin(async (gate) => {
      await gate`SELECT pg_advisory_xact_lock(1)`;
      const running = { ended: statement(session) };
      await vi.waitFor(
        async () => {
          const halted = await gate`SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()`;
          expect(halted).toHaveLength(1);
        },
        { timeout: 60_000, interval: 5 },
      );
      await meanwhile();
      return running;
    });
    return await ended;
  } finally {
    await session`RESET search_path`;
    session.release();
    await sql`DROP SCHEMA halting CASCADE`;
  }
}

/** Everything that the clock of jobs finds to wake, with every bound at nothing. */
const wakeAll = () =>
  wakeJobs(sql, {
    queue: 'partner-steps',
    window: 100,
    limit: 100,
    missing: 100,
    graceMs: 0,
    boundMs: 0,
    actor: 'test',
  });

describe('the order', () => {
  test('is that of the uploads, one at a time, whatever the names and the order of handling', async () => {
    await seed({ objects: [named('b.csv', 2), named('a.csv', 3)] });
    await seed({ objects: [named('c.csv', 1)] });
    expect(await claim('b.csv')).toBeUndefined();
    expect(await giveTurns()).toEqual(['c.csv']);
    expect(await giveTurns()).toEqual([]);
    expect(await claim('b.csv')).toBeUndefined();
    expect(await run('c.csv')).toEqual(['b.csv']);
    expect(await run('b.csv')).toEqual(['a.csv']);
    expect(await run('a.csv')).toEqual([]);
    expect(await giveTurns()).toEqual([]);
    expect(await sql`SELECT 1 FROM job_lines`).toHaveLength(0);
  });

  test('holds when another sweeper gave the turn after this one had read the line', async () => {
    await seed({ objects: [named('a.csv', 1), named('b.csv', 2)] });
    const lines = await sql<JobLine[]>`SELECT order_key AS "orderKey", route_id AS "routeId" FROM job_lines`;
    const late = await haltAtClock(
      (through) => giveTurnsOf(through, lines, { window: 100, actor: 'test' }),
      async () => expect(await giveTurns()).toEqual(['a.csv']),
    );
    expect(late).toEqual([]);
    await sql`UPDATE job_lines SET look_at = now()`;
    expect(await giveTurns()).toEqual([]);
    expect(await run('a.csv')).toEqual(['b.csv']);
  });

  test('of uploads that ended at one moment is that of their registration', async () => {
    await seed({ objects: [named('z.csv', 1), named('m.csv', 1)] });
    await seed({ objects: [named('a.csv', 1)] });
    expect(await giveTurns()).toEqual(['z.csv']);
    expect(await run('z.csv')).toEqual(['m.csv']);
    expect(await run('m.csv')).toEqual(['a.csv']);
  });

  test('waits out the settling time, in which an earlier file can still come', async () => {
    const now = new Date().toISOString();
    const before = new Date(Date.now() - 1_000).toISOString();
    await seed({ objects: [{ ...named('late.csv', 0), uploadedAt: now }], settleMs: 60_000 });
    expect(await giveTurns()).toEqual([]);
    await seed({ objects: [{ ...named('early.csv', 0), uploadedAt: before }], settleMs: 0 });
    expect(await giveTurns()).toEqual(['early.csv']);
    expect(await run('early.csv')).toEqual([]);
    await sql`UPDATE jobs SET next_action_at = now() WHERE awaits_turn`;
    await sql`UPDATE job_lines SET look_at = now()`;
    expect(await giveTurns()).toEqual(['late.csv']);
  });

  test('counts the settling time from the registration when a clock ran ahead', async () => {
    await seed({ objects: [{ ...named('ahead.csv', 0), uploadedAt: '2100-01-01T00:00:00Z' }] });
    expect(await giveTurns()).toEqual(['ahead.csv']);
  });

  test.each(['QUEUED', 'UPLOADED'] as const)(
    'waits for an earlier file of the directory that is %s',
    async (status) => {
      const earlier = arrivedObject({ ...named('early.csv', 1), status, quietMs: 60_000 });
      const elsewhere = arrivedObject({ ...named('else.csv', 1, 'acme/other'), status: 'QUEUED' });
      await registerFiles(sql, [earlier, elsewhere], 'test');
      await seed({ objects: [named('late.csv', 2)] });
      expect(await giveTurns()).toEqual([]);
      await sql`UPDATE files SET status = 'QUEUED' WHERE id = ${earlier.id}`;
      const error = { code: 'NO_ROUTE', cause: 'PATH_MISMATCH', message: 'No route takes it.' };
      await routeFiles(sql, [{ fileId: earlier.id, isLarge: false, jobs: [], error }], 'test');
      expect(await giveTurns()).toEqual(['late.csv']);
    },
  );

  test('is by the end of the transfer, which says more than the object’s time in whole seconds', async () => {
    const object = arrivedObject({ ...named('a.csv', 1), status: 'UPLOADED', quietMs: 60_000 });
    await registerFiles(sql, [object], 'test');
    const endedAt = '2026-01-02T03:00:01.750Z';
    await registerFiles(sql, [{ ...object, id: randomUUID(), status: 'QUEUED', uploadedAt: endedAt }], 'test');
    const [file] = await sql<{ uploadedAt: Date }[]>`SELECT uploaded_at AS "uploadedAt" FROM files`;
    expect(file?.uploadedAt.toISOString()).toBe(endedAt);
  });

  test('is not waited for by files that came before', async () => {
    await seed({ objects: [named('early.csv', 1)] });
    await registerFiles(sql, [arrivedObject(named('late.csv', 2))], 'test');
    expect(await giveTurns()).toEqual(['early.csv']);
  });
});

test('of two files of one instant, the later waits for the earlier until that is routed', async () => {
  await seed({ objects: [named('a.csv', 10), named('b.csv', 10)] });
  const a = await idOf('a.csv');
  await sql`UPDATE files SET order_seq = CASE name WHEN 'a.csv' THEN 1 ELSE 2 END`;
  await sql`UPDATE jobs SET order_seq = 2`;
  await sql`DELETE FROM jobs WHERE id = ${a}`;
  await sql`UPDATE files SET status = 'QUEUED', routed_at = NULL, job_count = 0, open_jobs = 0 WHERE name = 'a.csv'`;
  expect(await giveTurns()).toEqual([]);
  await sql`UPDATE files SET order_seq = 3 WHERE name = 'a.csv'`;
  await sql`UPDATE job_lines SET look_at = now()`;
  expect(await giveTurns()).toEqual(['b.csv']);
});

describe('a failed file', () => {
  beforeEach(async () => {
    await seed({ objects: [named('head.csv', 1), named('next.csv', 2), named('last.csv', 3)] });
    expect(await giveTurns()).toEqual(['head.csv']);
  });

  test('holds back its own line alone, which is given no wake-up and no place in the admission window', async () => {
    await run('head.csv', 'failed');
    expect(await wakeAll()).toEqual([]);
    expect(await giveTurns()).toEqual([]);
    expect(await countStandingJobs(sql, 'partner-steps')).toEqual({ standing: 0, running: 0 });
    await seed({ objects: [named('there.csv', 9, 'acme/other')] });
    expect(await giveTurns()).toEqual(['there.csv']);
    const [unordered] = await seedJobs(sql, { window: 2 });
    expect(unordered).toBeDefined();
    await sql`UPDATE job_lines SET look_at = now()`;
    expect(await giveTurns()).toEqual([]);
    expect(
      await sql`SELECT 1 FROM audit_events WHERE type = 'job.woken' AND job_id = ${await idOf('next.csv')}`,
    ).toEqual([]);
  });

  test('is passed where the route says so', async () => {
    await sql`UPDATE jobs SET head_failure = 'skip'`;
    expect(await run('head.csv', 'failed')).toEqual(['next.csv']);
  });

  test('is skipped by an operator, once, and not while its job runs', async () => {
    await claim('head.csv');
    expect(await skipJobs(sql, word(await idOf('head.csv')))).toEqual([]);
    await sql`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'RUNNING'`;
    await run('head.csv', 'failed');
    expect(await skipJobs(sql, word(await idOf('next.csv')))).toEqual([]);
    expect(await skipJobs(sql, word(await idOf('head.csv')))).toEqual([await idOf('head.csv')]);
    expect(await skipJobs(sql, word(await idOf('head.csv')))).toEqual([]);
    expect(await giveTurns()).toEqual(['next.csv']);
    const events = await sql`SELECT actor, detail ->> 'reason' AS reason FROM audit_events WHERE type = 'job.skipped'`;
    expect(events).toEqual([{ actor: 'operator:test', reason: 'test' }]);
    expect((await sql`SELECT state FROM jobs WHERE id = ${await idOf('head.csv')}`)[0]?.state).toBe('FAILED');
  });

  test('keeps the turn when it is retried', async () => {
    await run('head.csv', 'failed');
    expect(await reopenJobs(sql, word(await idOf('head.csv')))).toMatchObject([{ isWoken: true }]);
    expect(await giveTurns()).toEqual([]);
    expect(await run('head.csv')).toEqual(['next.csv']);
  });

  test('that was skipped takes its old place when it is retried', async () => {
    await run('head.csv', 'failed');
    await skipJobs(sql, word(await idOf('head.csv')));
    expect(await giveTurns()).toEqual(['next.csv']);
    expect(await reopenJobs(sql, word(await idOf('head.csv')))).toMatchObject([{ isWoken: false }]);
    expect(await giveTurns()).toEqual([]);
    expect(await claim('head.csv')).toBeUndefined();
    expect(await run('next.csv')).toEqual(['head.csv']);
    expect(await run('head.csv')).toEqual(['last.csv']);
  });
});

describe('a line', () => {
  test('goes on when a job of it is cancelled, whether it has the turn or awaits it', async () => {
    await seed({ objects: [named('a.csv', 1), named('b.csv', 2), named('c.csv', 3)] });
    expect(await giveTurns()).toEqual(['a.csv']);
    await cancelJobs(sql, word(await idOf('b.csv')));
    expect(await giveTurns()).toEqual([]);
    await cancelJobs(sql, word(await idOf('a.csv')));
    expect(await giveTurns()).toEqual(['c.csv']);
    await reopenJobs(sql, word(await idOf('a.csv')));
    expect(await run('c.csv')).toEqual(['a.csv']);
  });

  test('goes on when the job that has the turn was ended by hand', async () => {
    await seed({ objects: [named('a.csv', 1), named('b.csv', 2)] });
    expect(await giveTurns()).toEqual(['a.csv']);
    await sql`UPDATE jobs SET state = 'CANCELLED', woken_at = NULL, finished_at = now() WHERE id = ${await idOf('a.csv')}`;
    await sql`UPDATE files SET open_jobs = 0, failed_jobs = 1, error_code = 'X' WHERE name = 'a.csv'`;
    await sql`UPDATE job_lines SET look_at = now()`;
    expect(await giveTurns()).toEqual(['b.csv']);
  });

  test('gives the turn while the admission window is full, and the clock lets the job in later', async () => {
    const [standing] = await seedJobs(sql, { window: 1 });
    await seed({ objects: [named('a.csv', 1)] });
    expect(await giveTurns(1)).toEqual([]);
    const woken = async () => (await wakeJobs(sql, { ...CLOCK, window: 1 })).map(({ id }) => id);
    expect(await woken()).toEqual([]);
    await cancelJobs(sql, word(standing?.id ?? ''));
    expect(await woken()).toEqual([await idOf('a.csv')]);
  });

  test('of one refused row keeps no other line back', async () => {
    await seed({ objects: [named('a.csv', 1), named('b.csv', 1, 'acme/other')] });
    await sql`UPDATE jobs SET wakes = 2147483647 WHERE id = ${await idOf('a.csv')}`;
    const refused: string[] = [];
    const options = { limit: 100, window: 100, actor: 'test', onRefused: (id: string) => refused.push(id) };
    expect((await giveDueTurns(sql, options)).map(({ id }) => id)).toEqual([await idOf('b.csv')]);
    expect(await giveDueTurns(sql, options)).toEqual([]);
    expect(refused).toHaveLength(1);
  });
});

const CLOCK = {
  queue: 'partner-steps',
  limit: 100,
  missing: 0,
  graceMs: 5_000,
  boundMs: 90_000,
  actor: 'test',
} as const;
