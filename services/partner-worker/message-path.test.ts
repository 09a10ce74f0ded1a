/**
 * The path of one message, measured: which modules run from its receive to the `UPDATE` that stores the outcome of its step. The page that
 * walks it has to name them all.
 */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { jobDue } from '#shared/messages/wake-ups.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { loadPartnerWorkerConfig } from './config.ts';
import { createPartnerWorker } from './service.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MOST_MODULES = 12;

let bed: WorkBed;

beforeAll(async () => {
  bed = await startWorkBed();
  await bed.sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('unassigned', 'unassigned', '{}') ON CONFLICT DO NOTHING`;
  await seedRoutes(bed.sql);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await bed.stop();
});

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

/** A step's way to the queues of others, made with each step's context. */
const TARGET = 'shared/queue/publish-messages.ts';

/** Of the queue, the engine and the transitions: the step's own code and what it uses have their own pages. */
function modulesThatRan({ result }: Coverage): string[] {
  return result
    .filter(({ functions }) => functions.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0))
    .map(({ url }) => relative(ROOT, url.startsWith('file:') ? fileURLToPath(url) : url))
    .filter(
      (path) =>
        /^shared\/(queue|worker|jobs|definitions|db\/run-statements|runtime\/[^/]+\.ts)/.test(path) && path !== TARGET,
    );
}

/** The numbered list is the path; the other links are what its modules use. */
function modulesOfPage(): { path: string[]; all: string[] } {
  const page = readFileSync(join(ROOT, 'docs/design/map.md'), 'utf8');
  const section = page.split(/^## /m).find((part) => part.startsWith('One message')) ?? '';
  const linked = (text: string) => [...text.matchAll(/\]\(\.\.\/\.\.\/([^)]+)\)/g)].map(([, path]) => path ?? '');
  const numbered = [...section.matchAll(/^\d+\. .*/gm)].flatMap(([line]) => linked(line).slice(0, 1));
  return { path: numbered, all: linked(section) };
}

test('the map names every module that a message passes, and no more than twelve carry it', {
  timeout: 120_000,
}, async () => {
  for (const [name, value] of Object.entries(bed.env)) vi.stubEnv(name, value);
  const registry = new Registry();
  const worker = createPartnerWorker({
    config: loadPartnerWorkerConfig({ ...bed.env, LONGSHORE_LEASE_MS: '60000' }),
    logger: createLogger({ service: 'partner-worker', level: 'error' }),
    registry,
  });
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  await worker.start();
  const [first, second] = await bed.putFiles({ count: 2, bodyOf: () => Buffer.from('id\n1\n') });
  const send = ({ id, tenantId, wake }: NonNullable<typeof first>) =>
    bed.sendRaw('partner-steps', [jobDue.encode({ type: 'job.due', jobId: id, tenantId, wake })]);
  if (first === undefined || second === undefined) throw new Error('no jobs were made');
  // So that the route is compiled, and the connections are made.
  await send(first);
  await vi.waitFor(
    async () =>
      expect(await registry.metrics()).toMatch(
        /longshore_queue_handled_total\{[^}]*disposition="acknowledge"[^}]*\} 1\n/,
      ),
    { timeout: 60_000 },
  );

  // The statement that stores the outcome stops at this lock, before anything that follows it.
  const blocker = await bed.sql.reserve();
  await blocker`BEGIN`;
  await blocker`LOCK TABLE attempts IN EXCLUSIVE MODE`;
  await session.post('Profiler.takePreciseCoverage');
  await send(second);
  await vi.waitFor(
    async () => {
      const waiting = await bed.sql`
        SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
      expect(waiting).toHaveLength(1);
    },
    { timeout: 60_000 },
  );
  const ran = modulesThatRan((await session.post('Profiler.takePreciseCoverage')) as unknown as Coverage);
  await blocker`ROLLBACK`;
  blocker.release();
  session.disconnect();
  await worker.stop();

  const { path, all } = modulesOfPage();
  // Transitions are made of parts that several share; the page names the folder.
  const unnamed = ran.filter((module) => !module.startsWith('shared/jobs/') && !all.includes(module));
  expect(unnamed, 'modules to be named on the page').toEqual([]);
  expect(path.filter((module) => !ran.includes(module))).toEqual([]);
  expect(path.length).toBeLessThanOrEqual(MOST_MODULES);
});
