/** The worst content that the limits let in costs no other tenant anything: its small files go through meanwhile, and no lease is lost. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { contentOf, HOSTILE_FILES, STEP_OF_READER } from '#testkit/seeds/hostile-files.ts';

const HOSTILE = 'mallory';
const OTHER = 'acme';
const routeOf = (tenant: string, name: string, step: string) => `
kind: route
tenant: ${tenant}
name: ${name}
match: { path: "${name}/**" }
steps: [${step}, { deliver: {} }, { confirm: }]
`;
const ROUTES = [
  routeOf(OTHER, 'small', `${STEP_OF_READER.rows}, ${STEP_OF_READER['csv-to-ndjson']}`),
  ...Object.entries(STEP_OF_READER).map(([name, step]) => routeOf(HOSTILE, name, step)),
].join('---');
const HOSTILE_FILES_BYTES = 16_777_216;
const SMALL_FILES = 40;

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [HOSTILE, OTHER],
    routes: ROUTES,
    env: { all: { LONGSHORE_LEASE_MS: '20000' } },
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

async function countOf(tenant: string, isEnded: boolean): Promise<number> {
  const [row] = await fleet.sql<{ count: number }[]>`
    SELECT count(*)::int FROM files WHERE tenant_id = ${tenant}
      AND (status IN ('COMPLETED', 'FAILED', 'QUARANTINED')) = ${isEnded}`;
  return row?.count ?? 0;
}

/** Of every service that exports none. */
async function withoutLag(): Promise<string[]> {
  const names: string[] = [];
  for (const [name, url] of Object.entries(fleet.stack.endpoints.metrics)) {
    const text = await (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text();
    if (!/^nodejs_eventloop_lag_p99_seconds(?:\{.*\})? \S+$/m.test(text)) names.push(name);
  }
  return names;
}

test("the worst content of one tenant keeps no other tenant's small files waiting, and takes no lease", async () => {
  const files = Object.entries(HOSTILE_FILES).filter(([, { reader }]) => reader !== 'records');
  const attack = (async () => {
    for (const [name, file] of files) {
      await fleet.put(
        `${HOSTILE}/${file.reader}/${name.replaceAll(' ', '-')}`,
        await contentOf(file, HOSTILE_FILES_BYTES),
      );
    }
  })();
  await fleet.waitUntil('the first of it is read', () => countOf(HOSTILE, false), 60_000);
  for (let index = 0; index < SMALL_FILES; index++) {
    await fleet.put(`${OTHER}/small/${index}.csv`, 'id,value\n1,2\n');
  }
  await fleet.waitUntil('the small files ended', async () => (await countOf(OTHER, true)) === SMALL_FILES, 120_000);
  await attack;
  await fleet.untilAllEnded(files.length + SMALL_FILES, 180_000);

  const unserved = await fleet.sql`SELECT key FROM files WHERE tenant_id = ${OTHER} AND status <> 'COMPLETED'`;
  expect([...unserved]).toEqual([]);
  const ends = await fleet.sql<{ cause: string }[]>`
    SELECT DISTINCT error_cause AS cause FROM files WHERE tenant_id = ${HOSTILE} AND error_cause IS NOT NULL ORDER BY 1`;
  expect(ends.map(({ cause }) => cause)).toEqual(['ARCHIVE_BOMB', 'CSV_RECORD_TOO_LONG']);
  const lost =
    await fleet.sql`SELECT step_kind, cause FROM attempts WHERE outcome NOT IN ('succeeded', 'wait', 'failed')`;
  expect([...lost]).toEqual([]);
  expect(await withoutLag()).toEqual([]);
}, 400_000);
