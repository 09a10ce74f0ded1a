import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
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
  await bed.clear();
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

test('a large file goes from hand to hand: checked short, copied long, confirmed short, archived long', async () => {
  const body = randomBytes(9_000_000);
  const jobs = await bed.putFiles({ count: 3, bodyOf: () => body, isLarge: true });
  const [large, partner] = [await start(MAIN), await start(PARTNER_WORKER)];
  await bed.wakeUps.sendJobs(jobs);
  await bed.untilCompleted(3);

  const steps = await bed.sql<{ kind: string; service: string; count: number }[]>`
    SELECT step_kind AS kind, split_part(worker, '/', 1) AS service, count(*)::int AS count FROM attempts
    GROUP BY 1, 2 ORDER BY 1`;
  expect(steps).toEqual([
    { kind: 'confirm', service: 'partner-worker', count: 3 },
    { kind: 'deliver', service: 'large-file-worker', count: 3 },
    { kind: 'validate', service: 'partner-worker', count: 3 },
  ]);
  // A line comes after the rows that it tells of.
  await expect
    .poll(() => large.lines.filter(({ msg, archive }) => msg === 'archive handled' && archive === 'archived'))
    .toHaveLength(3);
  expect(partner.lines.filter(({ msg }) => msg === 'archive handled')).toEqual([]);
  const files = await bed.sql<
    { key: string; archiveKey: string }[]
  >`SELECT key, archive_key AS "archiveKey" FROM files`;
  for (const file of files) {
    expect((await bed.readObject('delivered', file.key)).equals(body)).toBe(true);
    expect((await bed.readObject('archive', file.archiveKey)).equals(body)).toBe(true);
  }
  expect(await bed.countVersions('landing')).toBe(0);
  expect(await bed.violations()).toEqual([]);
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
