/**
 * Routes with branches, a route that they run, products and content steps, by workers that are killed all the time: each branch, child and
 * product is made once, each join decides once, and what comes out is what would have come without a kill.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { routeDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';

const MAIN = new URL('main.ts', import.meta.url);
const KILLS = repeatTimes(6);
const FILES = 8;
const ROWS = 2_000;
const LONGEST_LIFE_MS = 900;

const FLOW = [
  {
    convert: { from: 'csv', to: 'json', map: { id: '{{ record.id }}', label: '{{ record.id }} of {{ record.file }}' } },
  },
  { index: {} },
  { archive: { tier: 'glacier' } },
  {
    parallel: {
      branches: {
        bank: [{ stage: {} }, { deliver: { key: '{{ tenant }}/bank/{{ name }}' } }, { confirm: {} }],
        audit: [{ transform: { ops: [{ zip: {} }] } }, { deliver: { key: '{{ tenant }}/audit/{{ name }}' } }],
      },
    },
  },
  { run: { route: 'below' } },
  { deliver: { key: '{{ tenant }}/main/{{ name }}' }, when: 'steps.run.state == "SUCCEEDED"' },
];
const PACKED = [
  { transform: { ops: [{ zip: { name: 'inner.csv' } }] } },
  { unpack: { into: 'products/{{ stem }}' } },
  { deliver: { key: '{{ tenant }}/packed/{{ name }}' } },
];
const BELOW = [{ deliver: { key: '{{ tenant }}/below/{{ name }}' } }];

let bed: WorkBed;

beforeAll(async () => {
  bed = await startWorkBed();
  await seedRoutes(bed.sql, { routes: [] });
  await apply('flow', { match: { path: '**' }, steps: FLOW });
  await apply('packed', { match: { path: '**' }, steps: PACKED });
});
afterAll(() => bed?.stop());

async function apply(name: string, route: object): Promise<void> {
  const common = { kind: 'route', tenant: 'acme', name, retry: { maxAttempts: 100, firstDelay: '100ms' } };
  const definition = routeDocumentSchema.parse({ ...common, ...route });
  await applyRoute(bed.sql, { tenantId: 'acme', name, definition, definitionHash: name }, 'test');
}

async function countOpen(): Promise<number> {
  const [row] = await bed.sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM files WHERE parent_file_id IS NULL AND status IN ('UPLOADED', 'QUEUED', 'PROCESSING')`;
  return row?.n ?? 0;
}

const rowsOf = (file: number) =>
  `id,file\n${Array.from({ length: ROWS }, (_none, index) => `${index},${file}\n`).join('')}`;

test(`${KILLS} kills make no branch, child or product twice, and lose none`, async () => {
  const jobs = await bed.putFiles({ count: FILES, bodyOf: (index) => Buffer.from(rowsOf(index)) });
  // Runs below the other, and takes no file on its own.
  await apply('below', { runOnly: true, steps: BELOW });
  const env = { LONGSHORE_SLOTS: '4' };
  await bed.wakeUps.sendJobs(jobs);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const worker = await bed.startWorker(MAIN, env);
    await bed.sweep();
    await delay(Math.random() * LONGEST_LIFE_MS);
    await worker.end('SIGKILL');
  }
  await bed.startWorker(MAIN, env);
  const poll = { timeout: 240_000, interval: 500 };
  await expect
    .poll(async () => {
      await bed.sweep();
      return await countOpen();
    }, poll)
    .toBe(0);

  const states = await bed.sql<{ route: string; branch: string | null; state: string; n: number }[]>`
    SELECT r.name AS route, j.branch, j.state, count(*)::int AS n FROM jobs j JOIN routes r ON r.id = j.route_id
    GROUP BY 1, 2, 3 ORDER BY 1, 2 NULLS FIRST`;
  expect(states.map(({ route, branch, state, n }) => [route, branch, state, n])).toEqual([
    ['below', null, 'SUCCEEDED', FILES],
    ['flow', null, 'SUCCEEDED', FILES],
    ['flow', 'audit', 'SUCCEEDED', FILES],
    ['flow', 'bank', 'SUCCEEDED', FILES],
    ['packed', null, 'SUCCEEDED', FILES],
  ]);
  const joins = await bed.sql<{ kind: string; jobs: number; n: number }[]>`
    SELECT step_kind AS kind, count(DISTINCT job_id)::int AS jobs, count(*)::int AS n FROM attempts
    WHERE step_kind IN ('parallel', 'run') AND outcome = 'succeeded' GROUP BY 1 ORDER BY 1`;
  expect(joins).toEqual(['parallel', 'run'].map((kind) => ({ kind, jobs: FILES, n: FILES })));
  const products = await bed.sql<{ parents: number; n: number }[]>`
    SELECT count(DISTINCT parent_file_id)::int AS parents, count(*)::int AS n FROM files WHERE parent_file_id IS NOT NULL`;
  expect(products).toEqual([{ parents: FILES, n: FILES }]);
  const converted = await bed.sql<
    { output: Record<string, unknown> }[]
  >`SELECT output FROM job_steps WHERE kind = 'convert'`;
  expect(converted.map(({ output }) => [output.recordsIn, output.recordsOut])).toEqual(Array(FILES).fill([ROWS, ROWS]));
  expect(await bed.sql`SELECT file_id FROM file_texts`).toHaveLength(FILES);
  // One version at each final name: bank, audit, below, main, packed.
  expect(await bed.countVersions('delivered')).toBe(FILES * 5);
  // Originals, what `archive` kept, and products.
  expect(await bed.countVersions('archive')).toBe(FILES * 3);
  const delivered = await bed.sql<{ key: string; name: string }[]>`
    SELECT s.output ->> 'key' AS key, f.name FROM job_steps s JOIN jobs j ON j.id = s.job_id JOIN files f ON f.id = j.file_id
    WHERE s.kind = 'deliver' AND s.output ->> 'key' LIKE 'acme/main/%'`;
  const labels = new Set<string>();
  for (const { key } of delivered) {
    const records = JSON.parse((await bed.readObject('delivered', key)).toString()) as { id: string; label: string }[];
    expect(records).toHaveLength(ROWS);
    labels.add(records[0]?.label ?? '');
  }
  expect([...labels].sort()).toEqual(Array.from({ length: FILES }, (_none, file) => `0 of ${file}`));
  const violations = await findRowViolations(bed.sql, { isAtRest: false });
  expect(violations).toEqual([]);
}, 300_000);
