/** The allowance of a customer, over all processes of the API. */
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { createSharedRate } from './shared-rate.ts';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  const config = { DATABASE_POOL_MAX: 2, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 5_000 };
  sql = connectDatabase({ DATABASE_URL: database.url, ...config }, 'test');
});
afterAll(async () => {
  await sql?.end({ timeout: 5 });
  await database?.drop();
});
beforeEach(() => emptyTables(sql, 'api_rates'));

const HOUR_MS = 3_600_000;
const logger = pino({ level: 'silent' });
const createRate = (now?: () => number) => createSharedRate({ sql, max: 100, windowMs: HOUR_MS, logger, now });
type Rate = ReturnType<typeof createRate>;

function spendAll({ spend }: Rate, customer = 'tenant:acme', most = 1_000): number {
  for (let spent = 0; spent < most; spent += 1) if (!spend(customer).isAllowed) return spent;
  return most;
}

test('one process lets all of it in at once, and says how long to wait', async () => {
  const rate = createRate();
  expect(spendAll(rate)).toBe(100);
  const { isAllowed, secondsLeft } = rate.spend('tenant:acme');
  expect([isAllowed, secondsLeft > 1, secondsLeft <= 3_600]).toEqual([false, true, true]);
  expect(spendAll(rate, 'tenant:globex')).toBe(100);
  await rate.exchange();
  expect(spendAll(rate)).toBe(0);
});

test('what other processes let in is gone for this one, and of another customer it is not', async () => {
  const [first, second] = [createRate(), createRate()];
  expect(spendAll(first, 'tenant:acme', 60)).toBe(60);
  await first.exchange();
  expect(spendAll(second, 'tenant:acme', 1)).toBe(1);
  await second.exchange();
  let [fromFirst, fromSecond] = [60, 1];
  for (let round = 0; round < 10; round += 1) {
    fromFirst += spendAll(first);
    fromSecond += spendAll(second);
    await Promise.all([first.exchange(), second.exchange()]);
  }
  // The one that the second let in before it knew of the first is above the limit.
  expect(fromFirst + fromSecond).toBeLessThanOrEqual(101);
  expect(fromFirst + fromSecond).toBeGreaterThanOrEqual(98);
  expect(spendAll(second, 'tenant:globex')).toBe(100);
});

test('a process that has most of the requests gets most of what there is', async () => {
  const [busy, idle] = [createRate(), createRate()];
  spendAll(busy, 'tenant:acme', 1);
  spendAll(idle, 'tenant:acme', 1);
  let spent = 1;
  for (let round = 0; round < 10; round += 1) {
    await busy.exchange();
    await idle.exchange();
    spent += spendAll(busy);
  }
  expect(spent).toBeGreaterThanOrEqual(95);
  expect(spent).toBeLessThanOrEqual(100);
});

test('a new window begins with equal parts for those that served the customer in the one before', async () => {
  let at = Date.now();
  const [first, second] = [createRate(() => at), createRate(() => at)];
  for (const rate of [first, second]) spendAll(rate, 'tenant:acme', 1);
  for (const rate of [first, second, first]) await rate.exchange();
  at += HOUR_MS;
  expect([spendAll(first), spendAll(second)]).toEqual([50, 50]);
});

test('windows are those of the database, whatever the clock of the host says', async () => {
  const late = createRate(() => Date.now() - 7 * HOUR_MS);
  spendAll(late, 'tenant:acme', 1);
  await late.exchange();
  expect(spendAll(late)).toBe(100);
  await late.exchange();
  const right = createRate();
  spendAll(right, 'tenant:acme', 1);
  await right.exchange();
  expect(spendAll(right)).toBe(0);
});

test('without the database each process counts its own', async () => {
  const broken = (() => Promise.reject(new Error('away'))) as unknown as Sql;
  const rate = createSharedRate({ sql: broken, max: 100, windowMs: HOUR_MS, logger });
  expect(spendAll(rate, 'tenant:acme', 70)).toBe(70);
  await rate.exchange();
  expect(spendAll(rate)).toBe(30);
});
