import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { registerFiles } from '#shared/jobs/register-files.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';

let bed: SweeperTestBed;
let place: Awaited<ReturnType<SweeperTestBed['begin']>>;
let proxy: TcpProxy;
let sweeper: Service | undefined;

beforeAll(async () => {
  bed = await startSweeperTestBed();
});
afterAll(() => bed.stop());

beforeEach(async () => {
  place = await bed.begin();
  proxy = await startTcpProxy(bed.fauxqs.endpoint);
  const env = { ...bed.env, AWS_ENDPOINT_URL_SQS: proxy.url };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  await seedTenant(bed.sql);
});

afterEach(async () => {
  await sweeper?.stop();
  await proxy.stop();
  await emptyTables(bed.sql, 'files', 'routes', 'attempts', 'audit_events', 'outbox', 'dead_letters');
  vi.unstubAllEnvs();
});

const start = async () => {
  sweeper = bed.createSweeper(place.prefix).sweeper;
  await sweeper.start();
  return sweeper;
};
const until = (condition: () => Promise<void>) => vi.waitFor(condition, { timeout: 60_000, interval: 50 });
const untilOutboxIsEmpty = () => until(async () => expect(await bed.sql`SELECT 1 FROM outbox`).toHaveLength(0));
const arrive = () => registerFiles(bed.sql, [arrivedObject()], 'test');
/** Of jobs that wait for the clock; woken ones count as lost as soon as the queue answers. */
const wokenJobs = async () =>
  (await bed.sql<{ woken: number }[]>`SELECT count(*)::int AS woken FROM jobs WHERE woken_at IS NOT NULL`)[0]?.woken;

test('a sweeper starts while the queues are silent, does all else, and takes them up when they answer', async () => {
  proxy.hush();
  await seedJobs(bed.sql, { count: 30, window: 0 });
  await arrive();
  const { liveness, readiness } = await start();
  await untilOutboxIsEmpty();
  expect(liveness().ok).toBe(true);
  expect(await readiness()).toEqual({ ok: false, detail: 'the queues do not answer' });
  // Marked as woken they would have to be found missing first.
  expect(await wokenJobs()).toBe(0);
  await bed.send(place.queues.landing.deadLetterUrl, 'not an event', 'landing');
  proxy.speak();
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBe(30));
  await until(async () => expect(await bed.sql`SELECT state FROM dead_letters`).toEqual([{ state: 'PARKED' }]));
  expect((await readiness()).ok).toBe(true);
});

test('queues that fall silent stop what is sent to them and nothing else', async () => {
  const { liveness } = await start();
  await arrive();
  await untilOutboxIsEmpty();
  proxy.hush();
  await seedJobs(bed.sql, { count: 700, window: 0 });
  for (let arrivals = 0; arrivals < 3; arrivals += 1) {
    await arrive();
    await untilOutboxIsEmpty();
  }
  // The one set that was on its way, not another with every tick.
  expect(await wokenJobs()).toBeLessThanOrEqual(500);
  expect(liveness().ok).toBe(true);
  proxy.speak();
  await until(async () => expect(await bed.count(place.queues['partner-steps'].url)).toBe(700));
});
