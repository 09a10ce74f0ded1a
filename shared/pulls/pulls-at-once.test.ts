/** Pulls that many ask for, wake and claim in the same moment. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { runBehind } from '#testkit/checks/run-behind.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { claimPull } from './claim-pulls.ts';
import { requestPull, retriggerPull } from './request-pulls.ts';
import { wakePulls } from './wake-pulls.ts';

let sql: Sql;
useTestDatabase(
  (connected) => {
    sql = connected;
  },
  { poolMax: 20 },
);

const FILE = { tenantId: 'acme', project: 'p', pipeline: '', remote: 'partner', remotePath: '/out/a.csv' };

beforeEach(async () => {
  await emptyTables(sql, 'pulls', 'remotes');
  await seedTenant(sql, { tenantId: 'acme', routes: 0 }).catch(() => undefined);
  await applyDefinition(
    sql,
    'remote',
    { tenantId: 'acme', name: FILE.remote, definition: {}, definitionHash: 'x' },
    'test',
  );
});

const ask = (project = 'p') => requestPull(sql, { ...FILE, project }, 'test');
const claim = (pullId: string, on = sql) =>
  claimPull(on, { pullId, token: randomUUID(), worker: 'w/1', service: 'w', leaseMs: 60_000 });
const atOnce = <Answer>(run: () => Promise<Answer>) => Promise.all(Array.from({ length: 20 }, run));

test('a file that twenty ask for at once is one pull, and once it has ended another one', async () => {
  for (let round = 1; round <= 3; round++) {
    const asked = await atOnce(() => ask());
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1);
    expect(asked.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await sql`SELECT 1 FROM pulls`).toHaveLength(round);
    await sql`UPDATE pulls SET status = 'COMPLETED', completed_at = now()`;
  }
  const [first] = await sql<{ id: string }[]>`SELECT id FROM pulls ORDER BY id LIMIT 1`;
  const again = { id: first!.id, tenantId: 'acme', reason: 'once more' };
  const triggered = await atOnce(() => retriggerPull(sql, again, 'test'));
  expect(triggered.filter((one) => one?.isNew)).toHaveLength(1);
  expect((await atOnce(() => ask())).every(({ id, isNew }) => id === first?.id && !isNew)).toBe(true);
});

test('a file is not fetched by two pulls at once, though both are claimed in the same moment', async () => {
  const pulls = await Promise.all(['a', 'b', 'c'].map(ask));
  const claimed = await Promise.all(pulls.map(({ id }) => claim(id)));
  expect(claimed.filter((pull) => pull !== undefined)).toHaveLength(1);
  await sql`UPDATE pulls SET lease_until = NULL, claim_token = NULL, status = 'TRIGGERED'`;
  const [first, second] = pulls;
  expect(
    await runBehind(
      sql,
      (worker) => claim(first!.id, worker),
      () => claim(second!.id),
    ),
  ).toBeUndefined();
});

test('a pull that two clocks find in the same moment is woken by one of them', async () => {
  await ask();
  await sql`UPDATE pulls SET woken_at = NULL, wakes = 0`;
  const woken = await atOnce(() => wakePulls(sql, { limit: 10, boundMs: 60_000 }));
  expect(woken.flat()).toHaveLength(1);
  expect(await sql`SELECT wakes FROM pulls`).toEqual([{ wakes: 1 }]);
});
