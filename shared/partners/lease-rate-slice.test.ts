import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { leaseRateSlice } from './lease-rate-slice.ts';
import { createRateSlices } from './rate-slices.ts';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  const config = { DATABASE_URL: database.url, DATABASE_POOL_MAX: 4, DATABASE_PREPARE: true };
  sql = connectDatabase({ ...config, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 }, 'rate-test');
  await seedTenant(sql, { routes: 0 });
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await sql`DELETE FROM partners`;
  await sql`INSERT INTO partners (tenant_id, name, definition, definition_hash, version, created_by)
    VALUES ('acme', 'globex', '{}', 'h', 1, 'test')`;
});

const ask = (ratePerSecond: number, partner = 'globex') =>
  leaseRateSlice(sql, { tenantId: 'acme', partner, ratePerSecond });

/** Seconds of the rate that are given away, from the database's now. */
async function givenSeconds(): Promise<number> {
  const [row] = await sql<{ seconds: number }[]>`
    SELECT extract(epoch FROM rate_given_until - now())::float8 AS seconds FROM partners`;
  return row?.seconds ?? Number.NaN;
}

test('a slice is worth its calls, and what is ahead is given away once', async () => {
  const begun = performance.now();
  const first = await ask(100);
  expect(first).toEqual({ calls: 75, forMs: expect.closeTo(750, 0) });
  const grants = await Promise.all(Array.from({ length: 12 }, () => ask(100)));
  const given = grants.reduce((sum, { calls }) => sum + calls, first.calls);
  const seconds = (performance.now() - begun) / 1_000;
  // Slices are whole: no further one begins within the time that may be given ahead, however long the asking took.
  expect(given % 75).toBe(0);
  expect(given).toBeLessThanOrEqual(100 * (seconds + 0.75));
  expect(grants.filter(({ calls }) => calls === 0).every(({ forMs }) => forMs > 0 && forMs <= 500)).toBe(true);
  expect(await givenSeconds()).toBeLessThanOrEqual(0.75);
});

test('a rate below one in a second is given call by call', async () => {
  expect(await ask(0.001)).toEqual({ calls: 1, forMs: expect.closeTo(1_000_000, 0) });
  expect(await ask(0.001)).toMatchObject({ calls: 0 });
  expect((await ask(0.001)).forMs).toBeGreaterThan(900_000);
});

test('a pause saves nothing up, and a partner that is gone is given nothing', async () => {
  await sql`UPDATE partners SET rate_given_until = now() - interval '1 hour'`;
  const [before] = await sql<{ seconds: number }[]>`SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds`;
  expect(await ask(10)).toMatchObject({ calls: 7 });
  const [row] = await sql<{ seconds: number }[]>`
    SELECT extract(epoch FROM rate_given_until)::float8 AS seconds FROM partners`;
  expect(row?.seconds).toBeGreaterThan(before?.seconds ?? Number.NaN);
  expect(await ask(10, 'initech')).toEqual({ calls: 0, forMs: 1_000 });
});

test('two tasks side by side make no more calls than the rate allows in their time', async () => {
  const [started] = await sql<{ at: Date }[]>`SELECT clock_timestamp() AS at`;
  const ratePerSecond = 400;
  let made = 0;
  const work = async (): Promise<void> => {
    const rate = createRateSlices(
      () => ask(ratePerSecond),
      () => performance.now(),
    );
    for (let grants = 0; grants < 300; ) {
      const answer = await rate.take();
      if (answer.type === 'granted') {
        grants += 1;
        made += 1;
      } else await new Promise((resolve) => setTimeout(resolve, answer.afterMs));
    }
  };
  await Promise.all([work(), work()]);
  const [row] = await sql<{ seconds: number }[]>`
    SELECT extract(epoch FROM rate_given_until - ${started?.at ?? new Date()}::timestamptz)::float8 AS seconds FROM partners`;
  expect(made).toBe(600);
  // Every call that was made is within the time that was given away.
  expect((row?.seconds ?? 0) * ratePerSecond).toBeGreaterThanOrEqual(made - 1);
});
