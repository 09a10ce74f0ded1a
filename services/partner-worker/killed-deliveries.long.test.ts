/** Deliveries of the partner-worker while it is killed, again and again. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';

const MAIN = new URL('main.ts', import.meta.url);

let bed: WorkBed;
let worker: WorkerProcess | undefined;
beforeAll(async () => {
  bed = await startWorkBed();
});
afterAll(() => bed.stop());
afterEach(async () => await worker?.end('SIGKILL'));

const bodyOf = (index: number) => Buffer.from(`id,name\n${index},${'x'.repeat(index * 7)}\n`);

test('killed again and again under load, it delivers every file exactly once', { timeout: 300_000 }, async () => {
  // A job can be under way in each of the kills.
  await seedRoutes(bed.sql, { retry: { maxAttempts: 10 } });
  const before = await bed.countVersions('delivered');
  const jobs = await bed.putFiles({ count: 120, bodyOf });
  await bed.wakeUps.sendJobs(jobs);
  for (let kill = 0; kill < 4; kill += 1) {
    const running = await bed.startWorker(MAIN);
    worker = running;
    await bed.sweepUntil(() => running.lines.filter(({ msg }) => msg === 'job handled').length > 3);
    await running.end('SIGKILL');
  }
  worker = await bed.startWorker(MAIN);
  await bed.untilCompleted(120);
  expect(await bed.violations()).toEqual([]);
  expect((await bed.countVersions('delivered')) - before).toBe(120);
  expect(await bed.countVersions('landing')).toBe(0);
});
