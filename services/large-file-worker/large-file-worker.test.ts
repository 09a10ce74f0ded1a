import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { loadLargeFileWorkerConfig } from './config.ts';

const MAIN = new URL('main.ts', import.meta.url);
/** The other half of a large file's way; a process, as in the fleet. */
const PARTNER_WORKER = new URL('../partner-worker/main.ts', import.meta.url);
/** Files above it are copied in parts. */
const THRESHOLD = { LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: '6000000' };

let bed: WorkBed;
let workers: WorkerProcess[] = [];

beforeAll(async () => {
  bed = await startWorkBed();
});

afterAll(() => bed.stop());

beforeEach(async () => {
  await emptyTables(
    bed.sql,
    'tenants',
    'job_steps',
    'attempts',
    'audit_events',
    'outbox',
    'transfers',
    'transfer_parts',
  );
  await bed.sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}')`;
  await seedRoutes(bed.sql);
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
  workers = [];
});

async function start(main: URL, env: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
  const worker = await bed.startWorker(main, { ...THRESHOLD, ...env });
  workers.push(worker);
  return worker;
}

async function untilCompleted(count: number): Promise<void> {
  const endMs = performance.now() + 100_000;
  for (;;) {
    const [row] = await bed.sql<{ done: number }[]>`SELECT count(*)::int AS done FROM files WHERE status = 'COMPLETED'`;
    if (row?.done === count) return;
    if (performance.now() > endMs) throw new Error(`${row?.done} of ${count} files completed`);
    await bed.sweep();
    await delay(200);
  }
}

test('a large file goes from hand to hand: checked short, copied long, confirmed short, archived long', async () => {
  const body = randomBytes(9_000_000);
  const jobs = await bed.putFiles({ count: 3, bodyOf: () => body, isLarge: true });
  const [large, partner] = [await start(MAIN), await start(PARTNER_WORKER)];
  await bed.wakeUps.sendJobs(jobs);
  await untilCompleted(3);

  const steps = await bed.sql<{ kind: string; service: string; count: number }[]>`
    SELECT step_kind AS kind, split_part(worker, '/', 1) AS service, count(*)::int AS count FROM attempts
    GROUP BY 1, 2 ORDER BY 1`;
  expect(steps).toEqual([
    { kind: 'confirm', service: 'partner-worker', count: 3 },
    { kind: 'deliver', service: 'large-file-worker', count: 3 },
    { kind: 'validate', service: 'partner-worker', count: 3 },
  ]);
  expect(large.lines.filter(({ msg, archive }) => msg === 'archive handled' && archive === 'archived')).toHaveLength(3);
  expect(partner.lines.filter(({ msg }) => msg === 'archive handled')).toEqual([]);
  const files = await bed.sql<
    { key: string; archiveKey: string }[]
  >`SELECT key, archive_key AS "archiveKey" FROM files`;
  for (const file of files) {
    expect((await bed.readObject('delivered', file.key)).equals(body)).toBe(true);
    expect((await bed.readObject('archive', file.archiveKey)).equals(body)).toBe(true);
  }
  expect(await bed.countVersions('landing')).toBe(0);
  const violations = await findRowViolations(bed.sql, { isAtRest: true });
  expect(violations.filter(({ rule }) => rule !== 'every event left the outbox')).toEqual([]);
});

test('a large file of the lane platinum does not wait behind a flood of large ones, nor does its archive copy', async () => {
  const body = randomBytes(7_000_000);
  const jobs = await bed.putFiles({ count: 25, bodyOf: () => body, isLarge: true });
  await bed.sql`UPDATE jobs SET step_seq = 1, step_kind = 'deliver', queue = 'work'`;
  const urgent = jobs.at(-1)!;
  await bed.sql`UPDATE jobs SET lane = 'platinum', queue = 'platinum-work' WHERE id = ${urgent.id}`;
  const flood = jobs.slice(0, -1).map((job) => ({ ...job, queue: 'work' as const }));
  await bed.wakeUps.sendJobs(flood);
  await bed.wakeUps.sendJobs([{ ...urgent, queue: 'platinum-work' }]);
  await Promise.all([start(MAIN, { LONGSHORE_SLOTS: '1' }), start(PARTNER_WORKER)]);
  await untilCompleted(25);

  const files = await bed.sql<{ id: string; queue: string }[]>`SELECT id, queue FROM files ORDER BY finished_at`;
  const place = files.findIndex(({ id }) => id === urgent.fileId);
  expect(place).toBeLessThan(12);
  expect(files.map(({ queue }) => queue)).toEqual(
    files.map((_, index) => (index === place ? 'platinum-work' : 'work')),
  );
  const [row] = await bed.sql`SELECT processed_by AS "processedBy" FROM jobs WHERE id = ${urgent.id}`;
  expect(row?.processedBy).toBe('large-file-worker');
});

test('an idle worker ends at SIGTERM within its drain time', async () => {
  const worker = await start(MAIN);
  expect(await worker.end('SIGTERM')).toBe(0);
  expect(worker.lines.at(-1)).toMatchObject({ msg: 'service stopped', isClean: true });
});

test('its step deadline stays below the 12 hours for which a queue can keep a message hidden', () => {
  const required = { DATABASE_URL: 'postgres://x/y', AWS_REGION: 'us-east-1' };
  expect(loadLargeFileWorkerConfig(required).LONGSHORE_STEP_DEADLINE_MS).toBe(36_000_000);
  const load = () => loadLargeFileWorkerConfig({ ...required, LONGSHORE_STEP_DEADLINE_MS: '50000000' });
  expect(load).toThrow('LONGSHORE_STEP_DEADLINE_MS');
});
