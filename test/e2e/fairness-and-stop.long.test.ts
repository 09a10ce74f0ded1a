/** Under load: services that are asked to stop do so in time and lose nothing, and one tenant's flood keeps no other waiting. */
import pLimit from 'p-limit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serviceNames, startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import type { KnownFile } from '#testkit/checks/find-bucket-violations.ts';
import { knownFiles, makeFile, makeFiles, type TestFile } from '#testkit/seeds/known-files.ts';

const FLOODING = 'acme';
const OTHER = 'globex';
const routeOf = (tenant: string) => `
kind: route
tenant: ${tenant}
name: copies
match: { path: "**" }
steps: [{ deliver: {} }, { confirm: }]
`;
const LARGE_BYTES = 100_000;
const STOP_BOUND_MS = 60_000;
const PUTS_AT_ONCE = 24;

let fleet: TestFleet;
let sentCount = 0;
const known = new Map<string, KnownFile>();

beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [FLOODING, OTHER],
    routes: [FLOODING, OTHER].map(routeOf).join('---'),
    env: {
      all: {
        LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(LARGE_BYTES),
        // A flood is in the queues for longer than other tests' files; its wake-ups are not lost.
        LONGSHORE_SWEEP_BOUND_MS: '60000',
      },
    },
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

async function putAll(tenant: string, files: readonly TestFile[]): Promise<void> {
  sentCount += files.length;
  for (const [key, file] of knownFiles(tenant, files)) known.set(key, file);
  const limit = pLimit(PUTS_AT_ONCE);
  await Promise.all(files.map(({ path, body }) => limit(() => fleet.put(`${tenant}/${path}`, body))));
}

test('a service that is asked to stop under load exits in time, and nothing is lost, failed or done twice', async () => {
  for (const name of serviceNames(fleet.stack)) {
    const large = Array.from({ length: 5 }, (_, index) =>
      makeFile(`stop/${name}-${index}.bin`, LARGE_BYTES + 1 + index),
    );
    await putAll(FLOODING, [...makeFiles(45, 'stop', name), ...large]);
    const child = fleet.stack.processes[name]!;
    const before = child.pid!;
    child.kill('SIGTERM');
    await fleet.waitUntil(`${name} has ended`, () => !isAlive(before), STOP_BOUND_MS);
    await fleet.waitUntil(`${name} runs again`, () => child.pid !== undefined && child.pid !== before, STOP_BOUND_MS);
  }
  await fleet.untilAllEnded(sentCount, 240_000);
  expect(await checkGuarantees(fleet, { known, queuesTimeoutMs: 75_000 })).toEqual([]);
  const states = await fleet.sql`SELECT status, count(*)::int FROM files GROUP BY 1`;
  expect([...states]).toEqual([{ status: 'COMPLETED', count: sentCount }]);
  const spent =
    await fleet.sql`SELECT outcome, code, cause, message FROM attempts WHERE outcome NOT IN ('succeeded', 'wait')`;
  expect([...spent]).toEqual([]);
}, 600_000);

test("a flood of 2,000 files of one tenant does not hold up another tenant's 20", async () => {
  const directories = Array.from({ length: 40 }, (_, index) => `flood/${index}`);
  const flood = putAll(
    FLOODING,
    directories.flatMap((directory) => makeFiles(50, directory, 'file')),
  );
  await fleet.waitUntil('the flood stands in the queues', async () => (await floodOf('registered')) >= 500, 240_000);
  const before = await floodOf('ended');
  const begunAt = performance.now();
  await putAll(OTHER, makeFiles(20, 'calm', 'file'));
  await fleet.waitUntil(
    'the other tenant is served',
    async () => {
      const [row] = await fleet.sql<{ count: number }[]>`
        SELECT count(*)::int FROM files WHERE tenant_id = ${OTHER} AND status = 'COMPLETED'`;
      return row?.count === 20;
    },
    240_000,
  );
  const waitedMs = performance.now() - begunAt;
  const after = await floodOf('ended');
  await flood;
  await fleet.untilAllEnded(sentCount, 480_000);
  // Order and not speed: when the 20 were done, most of what stood before them was not.
  expect(
    after - before,
    `20 files took ${Math.round(waitedMs)} ms, ${after - before} of the flood meanwhile`,
  ).toBeLessThan((2_000 - before) / 2);
  expect(await checkGuarantees(fleet, { known })).toEqual([]);
}, 900_000);

async function floodOf(what: 'registered' | 'ended'): Promise<number> {
  const [row] = await fleet.sql<{ registered: number; ended: number }[]>`
    SELECT count(*)::int AS registered, count(*) FILTER (WHERE status = 'COMPLETED')::int AS ended
    FROM files WHERE key LIKE ${`${FLOODING}/flood/%`}`;
  return row?.[what] ?? 0;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
