/** How previews find their rows in tables of 200,000: along an index, whatever the verb and its usual filters. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ActionFilter, subjectsOf } from '#shared/actions/action-subjects.ts';
import { fittingRows, leftRows } from '#shared/actions/preview-action.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';

let sql: Sql;
useTestDatabase(
  (given) => {
    sql = given;
  },
  { poolMax: 1, keepsPlans: false },
);

beforeAll(async () => {
  await seedTenant(sql);
  await seedTenant(sql, { tenantId: 'globex' });
  await sql`SET synchronous_commit = off`;
  await sql`SET session_replication_role = replica`;
  // Ids in the order of time, a second apart.
  await sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, order_key, status, routed_at,
      finished_at, archived_at, error_code, error_message, created_at)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
      CASE WHEN n % 3 = 0 THEN 'globex' ELSE 'acme' END, 'landing', 'in/' || n, 'v', n || '.csv', 100, n::text, 's3', at, 'in',
      CASE WHEN n % 1000 = 0 THEN 'QUARANTINED' WHEN n % 100 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, at, at, at, 'X', 'X', at
    FROM (SELECT n, now() - (200000 - n) * interval '1 second' AS at FROM generate_series(1, 200000) AS n) AS numbered`;
  await sql`
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue, wait_reason,
      next_action_at, error_code, error_cause, finished_at, created_at)
    SELECT f.id, f.tenant_id, f.id, r.id, v.id,
      CASE WHEN n % 5000 = 1 THEN 'WAITING' WHEN n % 100 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 'deliver', 1, 3, 'partner-steps',
      CASE WHEN n % 5000 = 1 THEN 'HELD' END, CASE WHEN n % 5000 = 1 THEN now() END, CASE WHEN n % 100 = 0 THEN 'DELIVERY_ERROR' END,
      CASE WHEN n % 100 = 0 THEN 'HTTP_503' END, CASE WHEN n % 5000 <> 1 THEN now() END, f.created_at
    FROM (SELECT f.*, substring(key FROM 4)::int AS n FROM files f) AS f
    JOIN routes r ON r.tenant_id = f.tenant_id JOIN route_versions v ON v.route_id = r.id`;
  await sql`
    INSERT INTO dead_letters (id, queue, message_id, body, attributes, receive_count, reason, state, created_at)
    SELECT gen_random_uuid(), 'work', n::text, '{}', '{}', 3, 'x', CASE WHEN n % 1000 = 0 THEN 'PARKED' ELSE 'REDRIVEN' END, now()
    FROM generate_series(1, 100000) AS n`;
  await sql`SET session_replication_role = DEFAULT`;
  await sql`VACUUM ANALYZE`;
}, 180_000);

afterAll(() => sql`RESET ALL`);

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly Plan[];
}

const TABLES = ['jobs', 'files', 'dead_letters'];

/** Of the big tables: nodes that read them whole, and how many rows were read in all. */
async function explain(statement: ReturnType<typeof fittingRows>): Promise<{ whole: string[]; rows: number }> {
  const [row] = await sql<{ 'QUERY PLAN': [{ Plan: Plan }] }[]>`EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`;
  const whole: string[] = [];
  let rows = 0;
  const visit = (plan: Plan): void => {
    if (TABLES.includes(plan['Relation Name'] ?? '')) {
      rows += (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'];
      if (plan['Node Type'] === 'Seq Scan') whole.push(plan['Relation Name'] ?? '');
    }
    for (const part of plan.Plans ?? []) visit(part);
  };
  visit(row!['QUERY PLAN'][0].Plan);
  return { whole, rows };
}

const HOUR_AGO = new Date(Date.now() - 3_600_000).toISOString();

/** With how many rows it reads at most. */
test.each<[ActionVerb, ActionFilter, number]>([
  ['retry', { code: 'DELIVERY_ERROR' }, 2_500],
  ['retry', { tenant: 'globex', cause: 'HTTP_503' }, 2_500],
  ['retry', { tenant: 'acme', since: HOUR_AGO }, 100],
  ['retry', { since: HOUR_AGO, code: 'DELIVERY_ERROR' }, 100],
  ['retry', { route: 'route-0', since: HOUR_AGO }, 8_500],
  ['cancel', { tenant: 'acme' }, 100],
  ['release', { wait_reason: 'HELD' }, 100],
  ['reject', { tenant: 'globex', wait_reason: 'HELD' }, 100],
  ['skip', { tenant: 'acme' }, 4_500],
  ['resend', { tenant: 'acme', since: HOUR_AGO }, 8_500],
  ['reroute', { tenant: 'acme' }, 300],
  ['reroute', { code: 'X' }, 300],
  ['redrive', { queue: 'work' }, 200],
  ['discard', { since: HOUR_AGO }, 200],
])('%s of %j', async (verb, filter, most) => {
  const found = await explain(fittingRows(sql, verb, filter));
  expect(found.whole).toEqual([]);
  expect(found.rows).toBeLessThanOrEqual(most);
  // What is left out is counted up to 10,000, and no further.
  const left = await explain(leftRows(sql, subjectsOf(sql, verb, filter)));
  expect(left.rows).toBeLessThanOrEqual(40_000);
});
