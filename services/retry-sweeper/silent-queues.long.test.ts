import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { startTcpProxy } from '#testkit/servers/start-tcp-proxy.ts';

/** Twice what a tick may wait for silent queues; one that waited for each request of its 21 would hang for 210 seconds. */
const HANGING_MS = 60_000;
const SILENCE_MS = HANGING_MS + 15_000;

test('a sweeper lives through silent queues for longer than a clock may hang, with wake-ups on their way to a FIFO queue', async () => {
  const bed = await startSweeperTestBed();
  const place = await bed.begin();
  const proxy = await startTcpProxy(bed.fauxqs.endpoint);
  for (const [name, value] of Object.entries({ ...bed.env, AWS_ENDPOINT_URL_SQS: proxy.url })) vi.stubEnv(name, value);
  await seedTenant(bed.sql);
  const { sweeper } = bed.createSweeper(place.prefix, { LONGSHORE_SWEEP_COUNT_MS: '5000' }, { hangingMs: HANGING_MS });
  await sweeper.start();
  await vi.waitFor(async () => expect((await sweeper.readiness()).ok).toBe(true), { timeout: 60_000 });
  await seedJobs(bed.sql, { count: 210, window: 0 });
  await bed.sql`UPDATE jobs SET queue = 'work'`;
  proxy.hush();
  const endMs = performance.now() + SILENCE_MS;
  while (performance.now() < endMs) {
    expect(sweeper.liveness()).toEqual({ ok: true, detail: 'alive' });
    await delay(1_000);
  }
  proxy.speak();
  await vi.waitFor(async () => expect(await bed.count(place.queues.work.url)).toBe(210), { timeout: 60_000 });
  await sweeper.stop();
  await proxy.stop();
  await bed.stop();
  vi.unstubAllEnvs();
}, 400_000);
