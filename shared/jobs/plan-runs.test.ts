/** What keeps a file from being processed on a route once more. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { planRuns } from './plan-runs.ts';

let sql: Sql;

useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 1 },
);

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox');
  await seedTenant(sql);
});

const unreadable = { find: async () => ({ ok: false }) as never };

async function seedEnded(): Promise<string> {
  const [job] = await seedJobs(sql);
  await sql`UPDATE jobs SET state = 'SUCCEEDED', finished_at = now()`;
  await sql`UPDATE files SET status = 'COMPLETED', open_jobs = 0, finished_at = now()`;
  return job?.id ?? '';
}

test.each([
  ['has not ended', 'JOB_NOT_ENDED', () => sql`UPDATE jobs SET state = 'PENDING', finished_at = NULL`],
  ['was sent again', 'JOB_SUPERSEDED', () => sql`UPDATE jobs SET superseded_by = ${randomUUID()}`],
  ['is of a disabled tenant', 'TENANT_DISABLED', () => sql`UPDATE tenants SET disabled_at = now()`],
  ['is on a disabled route', 'ROUTE_DISABLED', () => sql`UPDATE routes SET disabled_at = now()`],
  ['is on a route that this version cannot read', 'ROUTE_INVALID', () => sql`SELECT 1`],
])('a job that %s is not run again: %s', async (_what, code, change) => {
  const id = await seedEnded();
  await change();
  expect(await planRuns(sql, unreadable, [id])).toEqual({ runs: [], refused: { [id]: code } });
});
