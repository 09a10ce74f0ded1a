/** What the clocks of jobs, files, chunks and records do with a row that was woken often, or that the database refuses to change. */
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { sweepRecords } from '#shared/records/sweep-records.ts';
import { wakeChunks } from '#shared/records/wake-chunks.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { claimJobs } from './claim-jobs.ts';
import { registerFiles } from './register-files.ts';
import { reopenJobs } from './reopen-jobs.ts';
import type { OnRefused } from './wake-chosen.ts';
import { wakeFiles } from './wake-files.ts';
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
    'job_steps',
    'attempts',
    'audit_events',
    'outbox',
    'records',
    'record_chunks',
    'record_keys',
  );
  await seedTenant(sql);
});

/** Sent long ago: past every bound. */
const LONG_AGO = () => sql`now() - interval '10 days'`;
/** The next wake-up of such a row does not fit its column. */
const POISONED = 2_147_483_647;

interface Clock {
  /** Rows whose wake-up was lost; resolves to their ids. */
  seed(): Promise<string[]>;
  setWakes(ids: readonly string[], wakes: number): Promise<unknown>;
  /** Resolves to the ids woken. */
  wake(onRefused?: OnRefused, through?: Sql): Promise<string[]>;
}

const options = { limit: 100, missing: 0, window: 100, graceMs: 5_000, boundMs: 90_000 };
const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id).sort();

const CLOCKS: Record<string, Clock> = {
  jobs: {
    seed: async () => idsOf(await seedJobs(sql, { count: 5 })),
    setWakes: (ids, wakes) =>
      sql`UPDATE jobs SET wakes = ${wakes}, woken_at = ${LONG_AGO()} WHERE id = ANY(${[...ids]}::uuid[])`,
    wake: async (onRefused, through = sql) =>
      idsOf(
        await wakeJobs(through, { ...options, queue: 'partner-steps', actor: 'test', ...(onRefused && { onRefused }) }),
      ),
  },
  'settled files': {
    seed: async () => {
      const objects = Array.from({ length: 5 }, () => arrivedObject());
      return idsOf((await registerFiles(sql, objects, 'test')).files);
    },
    setWakes: (ids, wakes) =>
      sql`UPDATE files SET wakes = ${wakes}, woken_at = ${LONG_AGO()} WHERE id = ANY(${[...ids]}::uuid[])`,
    wake: async (onRefused, through = sql) =>
      idsOf(await wakeFiles(through, { ...options, actor: 'test', ...(onRefused && { onRefused }) })),
  },
  'files that wait for their archive': {
    seed: async () => {
      const jobs = await seedJobs(sql, { count: 5 });
      await sql`UPDATE jobs SET state = 'SUCCEEDED', finished_at = now()`;
      await sql`UPDATE files SET open_jobs = 0`;
      return jobs.map(({ fileId }) => fileId).sort();
    },
    setWakes: (ids, wakes) =>
      sql`UPDATE files SET wakes = ${wakes}, woken_at = ${LONG_AGO()} WHERE id = ANY(${[...ids]}::uuid[])`,
    wake: async (onRefused, through = sql) =>
      idsOf(await wakeFiles(through, { ...options, actor: 'test', ...(onRefused && { onRefused }) })),
  },
  'chunks of records': {
    seed: async () => {
      await seedRecords(sql, { records: 450, window: 5 });
      return idsOf(await sql<{ id: string }[]>`SELECT id FROM record_chunks`);
    },
    setWakes: (ids, wakes) =>
      sql`UPDATE record_chunks SET wakes = ${wakes}, woken_at = ${LONG_AGO()} WHERE id = ANY(${[...ids]}::uuid[])`,
    wake: async (onRefused, through = sql) =>
      idsOf(await wakeChunks(through, { ...options, ...(onRefused && { onRefused }) })),
  },
};

/** Statements as `sql` runs them, the second of them not before `until`. */
function heldBeforeItsSecondStatement(of: Sql, { onHeld, until }: { onHeld(): void; until: Promise<void> }): Sql {
  let statements = 0;
  return new Proxy(of, {
    apply(target, self, given) {
      const made: unknown = Reflect.apply(target, self, given);
      if (!(made instanceof Promise)) return made;
      const run = made.then.bind(made);
      // Only what is run is awaited; a fragment of another statement is not.
      // biome-ignore lint/suspicious/noThenProperty: a query of this client runs when it is awaited
      made.then = ((...handlers: Parameters<typeof run>) => {
        statements += 1;
        if (statements !== 2) return run(...handlers);
        onHeld();
        return until.then(() => run(...handlers));
      }) as typeof made.then;
      return made;
    },
  });
}

describe.each(Object.entries(CLOCKS))('the clock of %s', (_name, clock) => {
  test('wakes a row once when two sweepers have read it', async () => {
    const ids = await clock.seed();
    await clock.setWakes(ids, 3);
    const late = await wakeAround(
      (through) => clock.wake(undefined, through),
      async () => expect(await clock.wake()).toEqual(ids),
    );
    expect(late).toEqual([]);
  });

  test('wakes rows that were woken two thousand times before', async () => {
    const ids = await clock.seed();
    await clock.setWakes(ids, 2_000);
    expect(await clock.wake()).toEqual(ids);
  });

  test('wakes the others when the database refuses one row, reports that one and does not meet it at once again', async () => {
    const ids = await clock.seed();
    await clock.setWakes(ids, 3);
    const [poisoned = '', ...others] = ids;
    await clock.setWakes([poisoned], POISONED);
    const refused: string[] = [];
    const onRefused = (id: string) => refused.push(id);
    expect(await clock.wake(onRefused)).toEqual(others);
    expect(await clock.wake(onRefused)).toEqual([]);
    expect(refused).toEqual([poisoned]);
  });
});

/** Runs a clock whose rows are read before `meanwhile` and woken after it. */
async function wakeAround<Woken>(
  clock: (through: Sql) => Promise<Woken>,
  meanwhile: () => Promise<void>,
): Promise<Woken> {
  const { promise: isRead, resolve: read } = Promise.withResolvers<void>();
  const { promise: mayWake, resolve: letWake } = Promise.withResolvers<void>();
  const late = clock(heldBeforeItsSecondStatement(sql, { onHeld: read, until: mayWake }));
  await isRead;
  await meanwhile();
  letWake();
  return await late;
}

test('a job that another worker took over since it was read is not woken', async () => {
  const [job] = await seedJobs(sql);
  if (job === undefined) throw new Error('no job was made');
  const claim = (leaseMs: number) => {
    const worker = { worker: 'test/1', service: 'test', kinds: ['deliver'], token: randomUUID(), leaseMs };
    return claimJobs(sql, { jobIds: [job.id], queue: job.queue, ...worker });
  };
  await claim(0);
  const woken = await wakeAround(
    (through) => wakeJobs(through, { ...options, queue: 'partner-steps', actor: 'test' }),
    async () => expect(await claim(60_000)).toHaveLength(1),
  );
  expect(woken).toEqual([]);
});

test('a file whose job was opened again since it was read is not woken for its archive', async () => {
  const [job] = await seedJobs(sql);
  await sql`UPDATE jobs SET state = 'FAILED', finished_at = now()`;
  await sql`UPDATE files SET open_jobs = 0, failed_jobs = 1`;
  const woken = await wakeAround(
    (through) => wakeFiles(through, { ...options, actor: 'test' }),
    async () => {
      const again = { jobIds: [job?.id ?? ''], actor: 'operator:test', reason: 'again' };
      expect(await reopenJobs(sql, again)).toHaveLength(1);
    },
  );
  expect(woken).toEqual([]);
});

test('records that the database refuses to sweep keep only their own job back', async () => {
  const { job: sound } = await seedRecords(sql, { records: 3 });
  const { job: poisoned } = await seedRecords(sql, { records: 3 });
  await sql`DELETE FROM record_chunks`;
  await sql`UPDATE records SET state = 'FAILED', chunk_id = NULL, next_attempt_at = now() - interval '1 s', error_code = 'X',
    error_cause = 'X', error_message = 'X'`;
  const name = `refuse_${randomUUID().replaceAll('-', '')}`;
  await sql.unsafe(`CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '22003'; END $$`);
  await sql.unsafe(`CREATE TRIGGER ${name} BEFORE INSERT ON record_chunks FOR EACH ROW
    WHEN (NEW.job_id = '${poisoned.id}') EXECUTE FUNCTION ${name}()`);
  try {
    const refused: string[] = [];
    const onRefused = (id: string) => refused.push(id);
    const sweep = () => sweepRecords(sql, { limit: 100, actor: 'test', onRefused });
    expect((await sweep()).map(({ jobId }) => jobId)).toEqual([sound.id]);
    expect(await sweep()).toEqual([]);
    expect(refused).toEqual([poisoned.id]);
  } finally {
    await sql.unsafe(`DROP TRIGGER ${name} ON record_chunks; DROP FUNCTION ${name}`);
  }
});
