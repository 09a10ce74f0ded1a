/** Changes of a row that PostgreSQL makes next to it, without a new entry in every index of the table ("heap-only tuples"). */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { claimJobs } from './claim-jobs.ts';
import { leaseOutbox } from './outbox.ts';
import { renewLeases } from './renew-leases.ts';
import { storeOutcomes } from './store-outcomes.ts';

const LEASE_MS = 60_000;

let sql: Sql;
useTestDatabase((opened) => {
  sql = opened;
});

/** Of one table, by `run`. */
async function changesOf(table: string, run: (tx: Sql) => Promise<unknown>) {
  return await sql.begin(async (tx) => {
    const count = async () => {
      const [row] = await tx<{ changed: number; inPlace: number }[]>`
        SELECT n_tup_upd::int AS changed, n_tup_hot_upd::int AS "inPlace" FROM pg_stat_xact_user_tables WHERE relname = ${table}`;
      return row ?? { changed: 0, inPlace: 0 };
    };
    const before = await count();
    await run(tx as unknown as Sql);
    const after = await count();
    return { changed: after.changed - before.changed, inPlace: after.inPlace - before.inPlace };
  });
}

async function claimOne() {
  const [woken] = await seedJobs(sql);
  const [job] = await claimJobs(sql, {
    ...{ jobIds: [woken?.id ?? ''], token: randomUUID(), worker: 'test/1', service: 'partner-worker' },
    ...{ queue: 'partner-steps', kinds: ['deliver'], leaseMs: LEASE_MS },
  });
  if (job === undefined) throw new Error('nothing was claimed');
  return job;
}

test('a job that walks on, and a lease that is renewed, leave the indexes of jobs alone', async () => {
  await seedTenant(sql);
  const { id: jobId, epoch, stepSeq, stepKind, stepAttempts: attempt, generation } = await claimOne();
  const walked = await changesOf('jobs', (tx) =>
    storeOutcomes(
      tx,
      [
        {
          ...{ jobId, epoch, stepSeq, stepKind, attempt, generation, outcome: 'succeeded' },
          ...{ startedAt: new Date(), durationMs: 5 },
          next: { type: 'next-step', stepSeq: stepSeq + 1, stepKind: 'confirm' },
        },
      ],
      { worker: 'test/1', service: 'partner-worker', leaseMs: LEASE_MS, archivesLarge: false, token: randomUUID() },
    ),
  );
  expect(walked).toEqual({ changed: 1, inPlace: 1 });
  const none = { files: [], chunks: [], pulls: [] };
  const renewed = await changesOf('jobs', (tx) =>
    renewLeases(tx, { ...none, jobs: [{ id: jobId, epoch }], leaseMs: LEASE_MS }),
  );
  expect(renewed).toEqual({ changed: 1, inPlace: 1 });
});

test('the lease of an event leaves the indexes of the outbox alone, also in a full table', async () => {
  await sql`
    INSERT INTO outbox (event_id, topic, body)
    SELECT gen_random_uuid(), 'events', jsonb_build_object('data', repeat('x', 400)) FROM generate_series(1, 300)`;
  const leased = await changesOf('outbox', (tx) => leaseOutbox(tx, { limit: 200, leaseMs: LEASE_MS }));
  expect(leased).toEqual({ changed: 200, inPlace: 200 });
});
