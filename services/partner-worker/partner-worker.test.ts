import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { archiveKey } from '#shared/files/archive-object.ts';
import { planRuns } from '#shared/jobs/plan-runs.ts';
import { resendJobs } from '#shared/jobs/resend-jobs.ts';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { loadPartnerWorkerConfig } from './config.ts';

const MAIN = new URL('main.ts', import.meta.url);

let bed: WorkBed;
let worker: WorkerProcess | undefined;

beforeAll(async () => {
  bed = await startWorkBed();
});

afterAll(() => bed.stop());

beforeEach(async () => {
  await bed.clear();
  await seedRoutes(bed.sql);
});

afterEach(async () => {
  await worker?.end('SIGKILL');
  worker = undefined;
});

const expectSound = async () => expect(await bed.violations()).toEqual([]);

function sumOf(metrics: string, name: string, labels = ''): number {
  const pattern = new RegExp(`^${name}\\{[^}]*${labels}[^}]*\\} (\\d+)$`, 'gm');
  return [...metrics.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

const bodyOf = (index: number) => Buffer.from(`id,name\n${index},${'x'.repeat(index * 7)}\n`);

test('200 files are delivered byte by byte, archived and gone from landing, at few statements and requests each', async () => {
  const jobs = await bed.putFiles({ count: 200, bodyOf });
  worker = await bed.startWorker(MAIN, { LONGSHORE_LEASE_MS: '30000' });
  await bed.wakeUps.sendJobs(jobs);
  await bed.untilCompleted(200);
  await expectSound();

  const files = await bed.sql<{ id: string; key: string; name: string; archiveKey: string }[]>`
    SELECT id, key, name, archive_key AS "archiveKey" FROM files ORDER BY created_at, id`;
  expect(await bed.countVersions('landing')).toBe(0);
  const bodies = new Set(Array.from({ length: 200 }, (_, index) => bodyOf(index).toString()));
  for (const file of files) {
    const delivered = await bed.readObject('delivered', file.key);
    expect(bodies.delete(delivered.toString())).toBe(true);
    expect(file.archiveKey).toBe(
      archiveKey({ ...file, tenantId: 'acme', receivedAt: new Date('2026-01-02T03:04:05Z') }),
    );
    expect(await bed.readObject('archive', file.archiveKey)).toEqual(delivered);
  }

  const metrics = await worker.metrics();
  const statements = sumOf(metrics, 'longshore_group_commit_rows_count');
  expect(statements / 200).toBeLessThan(2);
  expect(sumOf(metrics, 'longshore_s3_requests_total') / 200).toBeLessThanOrEqual(5);
  expect(sumOf(metrics, 'longshore_file_seconds_count', 'class="small",outcome="completed"')).toBe(200);
  const rssMb = Number(/^process_resident_memory_bytes (\d+)$/m.exec(metrics)?.[1]) / 1e6;
  expect(rssMb).toBeLessThan(200);
  // A line comes after the rows that it tells of.
  await expect.poll(() => worker?.lines.filter(({ msg }) => msg === 'job handled')).toHaveLength(200);
  expect(worker.lines.find(({ msg }) => msg === 'job handled')).toMatchObject({
    tenant: 'acme',
    state: 'succeeded',
    step: 'confirm',
    attempt: 1,
    archive: 'archived',
  });
});

test('on SIGTERM under load it exits in time, and what it left is done by the next one without an attempt counted', async () => {
  const jobs = await bed.putFiles({ count: 120, bodyOf });
  // No lease ends meanwhile: an attempt that is counted is one that was not given back.
  worker = await bed.startWorker(MAIN, { LONGSHORE_LEASE_MS: '30000' });
  await bed.wakeUps.sendJobs(jobs);
  const { lines } = worker;
  await bed.sweepUntil(() => lines.some(({ msg }) => msg === 'job handled'));
  expect(await worker.end('SIGTERM')).toBe(0);
  expect(lines.at(-1)).toMatchObject({ msg: 'service stopped' });
  const [running] = await bed.sql`SELECT count(*)::int AS jobs FROM jobs WHERE state = 'RUNNING'`;
  expect(running?.jobs).toBe(0);
  worker = await bed.startWorker(MAIN, { LONGSHORE_LEASE_MS: '30000' });
  await bed.untilCompleted(120);
  await expectSound();
  expect(await bed.sql`SELECT step_kind, attempt, outcome, code FROM attempts WHERE attempt > 1`).toEqual([]);
});

test('a worker killed between archive copy and delete is followed by one that only deletes', async () => {
  const [job] = await bed.putFiles({ count: 1, bodyOf: () => randomBytes(5_000) });
  if (job === undefined) throw new Error('no job was made');
  const [file] = await bed.sql<{ id: string; key: string; name: string; bucket: string; versionId: string }[]>`
    SELECT id, key, name, bucket, version_id AS "versionId" FROM files`;
  if (file === undefined) throw new Error('no file was made');
  // As the killed worker left it: the job done, the copy made, the lease run out.
  const target = archiveKey({ ...file, tenantId: 'acme', receivedAt: new Date('2026-01-02T03:04:05Z') });
  await bed.copyObject(file, { bucket: bed.bucket('archive'), key: target });
  await bed.sql`UPDATE jobs SET state = 'SUCCEEDED', finished_at = now()`;
  await bed.sql`UPDATE files SET open_jobs = 0, epoch = 1, lease_until = now() - interval '1 second'`;
  const archivedBefore = await bed.countVersions('archive');

  worker = await bed.startWorker(MAIN);
  await bed.untilCompleted(1);
  expect(await bed.countVersions('landing')).toBe(0);
  expect(await bed.countVersions('archive')).toBe(archivedBefore);
});

test('garbage in its queue disturbs no job', async () => {
  const jobs = await bed.putFiles({ count: 20, bodyOf });
  worker = await bed.startWorker(MAIN);
  await bed.sendRaw('partner-steps', ['not json', '{"type":"job.due","v":1,"jobId":"x"}', '{"type":"job.due","v":99}']);
  await bed.wakeUps.sendJobs([...jobs, ...jobs]);
  await bed.wakeUps.sendJobs([{ ...(jobs[0] as (typeof jobs)[number]), id: crypto.randomUUID() }]);
  await bed.untilCompleted(20);
  await expectSound();
});

test('a faulty configuration names every fault', () => {
  const load = () => loadPartnerWorkerConfig({ DATABASE_URL: 'mysql://x', LONGSHORE_SLOTS: '0' });
  expect(load).toThrow(/AWS_REGION(.|\n)*LONGSHORE_SLOTS|LONGSHORE_SLOTS(.|\n)*AWS_REGION/);
});

test('a file that is sent again as new is delivered once more, from the archive, with a key of its own', async () => {
  const before = await bed.countVersions('delivered');
  const [job] = await bed.putFiles({ count: 1, bodyOf });
  worker = await bed.startWorker(MAIN, { LONGSHORE_LEASE_MS: '30000' });
  await bed.wakeUps.sendJobs([job!]);
  await bed.untilCompleted(1);
  const routes = new RouteCache({
    load: async (id) => (await loadRouteDefinitions(bed.sql, [id])).get(id)?.definition,
  });
  const { runs } = await planRuns(bed.sql, routes, [job!.id]);
  const [again] = await resendJobs(bed.sql, { runs, actor: 'test', reason: 'lost at the partner' });
  expect(await resendJobs(bed.sql, { runs, actor: 'test', reason: 'twice' })).toEqual([]);
  await bed.wakeUps.sendJobs([again!]);
  await bed.untilCompleted(1);
  await expectSound();
  const delivered = await bed.sql<{ jobId: string; was: boolean }[]>`
    SELECT job_id AS "jobId", (output ->> 'wasThere')::boolean AS was FROM job_steps WHERE kind = 'deliver' ORDER BY finished_at`;
  expect(delivered).toEqual([
    { jobId: job!.id, was: false },
    { jobId: again!.id, was: false },
  ]);
  expect(await bed.countVersions('delivered')).toBe(before + 2);
});
