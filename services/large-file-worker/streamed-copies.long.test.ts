import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findTransfers } from '#shared/transfers/find-transfers.ts';
import { until } from '#testkit/beds/job-runner.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { MOST_WORKER_RSS_BYTES, peakRssBytes } from '#testkit/checks/peak-rss.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';

const MAIN = new URL('main.ts', import.meta.url);

let bed: WorkBed;

beforeAll(async () => {
  bed = await startWorkBed();
  await seedRoutes(bed.sql, { routes: [['deliver']] });
  await bed.sql`UPDATE route_versions SET definition = jsonb_set(definition, '{steps}', '[{"deliver": {"copy": "streamed"}}]')`;
});

afterAll(() => bed.stop());

test('four streamed copies side by side are written down, counted, and hold no more memory than a worker may', async () => {
  const body = randomBytes(60_000_000);
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

  for (const { id } of jobs) {
    const [copy, archive] = await findTransfers(bed.sql, id);
    expect(copy).toMatchObject({ purpose: 'deliver', plan: 'streamed', state: 'DONE', bytesDone: body.length });
    expect(archive).toMatchObject({ purpose: 'archive', plan: 'server-side', state: 'DONE', stepSeq: null });
  }
  // The SDK sends CRC32 with what it puts, and the store keeps that.
  const receipts = await bed.sql`
    SELECT DISTINCT output #>> '{copy,sha256}' AS sha256, output #>> '{copy,proof}' AS proof FROM job_steps WHERE kind = 'deliver'`;
  expect(receipts).toEqual([{ sha256: createHash('sha256').update(body).digest('hex'), proof: 'CRC32' }]);
  expect(await worker.metrics()).toContain('longshore_copied_bytes_total{plan="streamed"} 240000000');
  const violations = await findRowViolations(bed.sql, { isAtRest: true });
  expect(violations.filter(({ rule }) => rule !== 'every event left the outbox')).toEqual([]);
  if (process.platform === 'linux')
    expect(await peakRssBytes(worker.child.pid)).toBeLessThanOrEqual(MOST_WORKER_RSS_BYTES);
});
