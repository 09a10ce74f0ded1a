/** A large file of the lane platinum while 24 others are copied. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';

const MAIN = new URL('main.ts', import.meta.url);
const PARTNER_WORKER = new URL('../partner-worker/main.ts', import.meta.url);
/** Leases that a busy machine does not lose: a lost one costs the urgent file its place. */
const SETTINGS = { LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: '6000000', LONGSHORE_LEASE_MS: '30000' };

let bed: WorkBed;
beforeAll(async () => {
  bed = await startWorkBed();
  await seedRoutes(bed.sql);
});
afterAll(() => bed.stop());

test('a large file of the lane platinum does not wait behind a flood of large ones, nor does its archive copy', async () => {
  const body = randomBytes(7_000_000);
  const jobs = await bed.putFiles({ count: 25, bodyOf: () => body, isLarge: true });
  await bed.sql`UPDATE jobs SET step_seq = 1, step_kind = 'deliver', queue = 'work'`;
  const urgent = jobs.at(-1)!;
  await bed.sql`UPDATE jobs SET lane = 'platinum', queue = 'platinum-work' WHERE id = ${urgent.id}`;
  const flood = jobs.slice(0, -1).map((job) => ({ ...job, queue: 'work' as const }));
  await bed.wakeUps.sendJobs(flood);
  await bed.wakeUps.sendJobs([{ ...urgent, queue: 'platinum-work' }]);
  await Promise.all([
    bed.startWorker(MAIN, { ...SETTINGS, LONGSHORE_SLOTS: '1' }),
    bed.startWorker(PARTNER_WORKER, SETTINGS),
  ]);
  await bed.untilCompleted(25);

  const files = await bed.sql<{ id: string; queue: string }[]>`SELECT id, queue FROM files ORDER BY finished_at`;
  const place = files.findIndex(({ id }) => id === urgent.fileId);
  expect(place).toBeLessThan(12);
  expect(files.map(({ queue }) => queue)).toEqual(
    files.map((_, index) => (index === place ? 'platinum-work' : 'work')),
  );
  const [row] = await bed.sql`SELECT processed_by AS "processedBy" FROM jobs WHERE id = ${urgent.id}`;
  expect(row?.processedBy).toBe('large-file-worker');
});
