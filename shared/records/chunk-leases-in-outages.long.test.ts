/** Leases of chunks that run out because the database is down: they cost no try of any record. */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';
import { startRecordBed } from '../../testkit/beds/record-bed.ts';

let bed: Awaited<ReturnType<typeof startRecordBed>>;
let proxy: TcpProxy;
let cutSql: Sql;
beforeAll(async () => {
  bed = await startRecordBed();
  proxy = await startTcpProxy(bed.databaseUrl);
  cutSql = connectTestDatabase(proxy.url);
});
afterAll(async () => {
  await cutSql.end({ timeout: 5 });
  await proxy.stop();
  await bed.stop();
});
beforeEach(() => bed.reset());
afterEach(() => {
  proxy.speak();
  return bed.endRunners();
});

const states = () =>
  bed.sql`SELECT state, step, max(tries) AS tries, count(*)::int FROM records GROUP BY state, step ORDER BY state`;
const NO_SECOND_TRY = { maxSweeps: 0 };
const chunkRows = () => bed.sql`SELECT epoch, lease_until FROM record_chunks`;

/** The database is down from the first call on until the lease has run out; the call is answered as `play` says. */
async function runThroughOutage(calls: readonly string[], play: (isLost: Promise<void>) => Promise<unknown>) {
  const { chunks } = await bed.seed({ records: 3, calls, retry: NO_SECOND_TRY });
  const runner = bed.startRunner({ sql: cutSql, leaseMs: 3_000 });
  const isLost = Promise.withResolvers<void>();
  bed.partner.plays(async (_call, response) => {
    proxy.hush();
    await Promise.race([play(isLost.promise), once(response, 'close')]);
  });
  const running = runner.run(chunks);
  const isOver = /longshore_leases_lost_total\{kind="chunk"\} 1/;
  await vi.waitFor(async () => expect(await runner.registry.metrics()).toMatch(isOver), { timeout: 60_000 });
  isLost.resolve();
  bed.partner.plays(() => undefined);
  proxy.speak();
  await running;
  return { runner, chunks };
}

test('a call that may be repeated is given up, and made again', async () => {
  const { runner, chunks } = await runThroughOutage(['validate'], () => bed.partner.hold());
  expect(await states()).toMatchObject([{ state: 'PENDING', tries: 0, count: 3 }]);
  expect(await chunkRows()).toMatchObject([{ epoch: 1, lease_until: null }]);
  await bed.sql`UPDATE record_chunks SET next_action_at = now()`;
  await runner.run(chunks);
  expect(await states()).toMatchObject([{ state: 'SUCCESS', tries: 1, count: 3 }]);
});

test('a call that was answered is stored, and the next one is not begun', async () => {
  const { runner, chunks } = await runThroughOutage(['validate', 'assign'], async () => {});
  expect(await states()).toMatchObject([{ state: 'PENDING', step: 1, tries: 0, count: 3 }]);
  await bed.sql`UPDATE record_chunks SET next_action_at = now()`;
  await runner.run(chunks);
  expect(await states()).toMatchObject([{ state: 'SUCCESS', step: 1, tries: 1, count: 3 }]);
  expect(bed.partner.calls.map(({ operation }) => operation).sort()).toEqual([
    ...Array(3).fill('assign'),
    ...Array(3).fill('validate'),
  ]);
});

test('a call that may not be repeated is let end, and is not ambiguous', async () => {
  await runThroughOutage(['redeem'], (isLost) => isLost);
  expect(await states()).toMatchObject([{ state: 'SUCCESS', tries: 1, count: 3 }]);
  expect(bed.partner.calls).toHaveLength(3);
  expect(await chunkRows()).toHaveLength(0);
});
