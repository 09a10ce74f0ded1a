/** Content of unknown length, four files side by side: whole, and no more in memory than a worker may hold. */
import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { until } from '#testkit/beds/job-runner.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { MOST_WORKER_RSS_BYTES, peakRssBytes } from '#testkit/checks/peak-rss.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';

const MAIN = new URL('main.ts', import.meta.url);
/** A peak also depends on when the collector runs, by some 30 MB in one of eight runs; what holds a part too many does so in each. */
const MOST_MEASUREMENTS = 3;

test('four files that are unpacked side by side come whole, and hold no more memory than a worker may', async () => {
  const peaks: number[] = [];
  do {
    const bed = await startWorkBed();
    try {
      peaks.push(await unpackFour(bed));
    } finally {
      await bed.stop();
    }
  } while (Math.min(...peaks) > MOST_WORKER_RSS_BYTES && peaks.length < MOST_MEASUREMENTS);
  expect(Math.min(...peaks), peaks.join()).toBeLessThanOrEqual(MOST_WORKER_RSS_BYTES);
}, 360_000);

/** Resolves to the worker's peak of memory in bytes, 0 where the system does not tell. */
async function unpackFour(bed: WorkBed): Promise<number> {
  await seedRoutes(bed.sql, { routes: [['deliver']] });
  await bed.sql`UPDATE route_versions SET definition = jsonb_set(definition, '{steps}',
    '[{"transform": {"ops": [{"gunzip": {}}]}}, {"deliver": {}}]')`;
  const content = randomBytes(100_000_000);
  const body = gzipSync(content, { level: 0 });
  const jobs = await bed.putFiles({ count: 4, bodyOf: () => body, isLarge: true });
  const worker = await bed.startWorker(MAIN, {
    LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: '6000000',
    LONGSHORE_TENANT_SHARE_PERCENT: '100',
    // A machine that is busy with other tests must not cost it its jobs.
    LONGSHORE_LEASE_MS: '30000',
  });
  await bed.wakeUps.sendJobs(jobs);
  await until(async () => {
    await bed.sweep();
    return (await bed.sql`SELECT 1 FROM files WHERE status = 'COMPLETED'`).length === 4;
  }, 90_000);

  const sha256 = createHash('sha256').update(content).digest('hex');
  const delivered = await bed.sql<{ key: string }[]>`
    SELECT output ->> 'key' AS key FROM job_steps WHERE kind = 'deliver'`;
  expect(delivered).toHaveLength(4);
  for (const { key } of delivered) {
    const read = await bed.readObject('delivered', key);
    expect(createHash('sha256').update(read).digest('hex')).toBe(sha256);
  }
  const violations = await findRowViolations(bed.sql, { isAtRest: true });
  expect(violations.filter(({ rule }) => rule !== 'every event left the outbox')).toEqual([]);
  return process.platform === 'linux' ? await peakRssBytes(worker.child.pid) : 0;
}
