/** Which of several versions of a key stays at their destination, where no place was kept of it yet. */
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { takePlace } from './delivery-places.ts';

let sql: Sql;

useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 1 },
);

beforeEach(async () => {
  await emptyTables(sql, 'tenants', 'job_steps', 'attempts', 'audit_events', 'outbox', 'delivery_places');
  await seedTenant(sql);
});

const KEY = 'acme/inbound/a.csv';
const PLACE = { bucket: 'delivered', key: 'a.csv' };

test.each([
  ['was delivered there', {}, 'superseded'],
  ['was not written there, since a newer one was', { supersededBy: 'c' }, 'taken'],
  ['was delivered elsewhere', { key: 'b.csv' }, 'taken'],
  ['was delivered to another store', { store: 'theirs' }, 'taken'],
])('an older version whose newer one %s', async (_what, output, type) => {
  const uploads = ['2026-01-02T03:00:00Z', '2026-01-02T04:00:00Z'];
  await seedJobs(sql, { objects: uploads.map((uploadedAt) => ({ key: KEY, uploadedAt })) });
  const jobs = await sql<{ id: string }[]>`
    SELECT j.id FROM jobs j JOIN files f ON f.id = j.file_id ORDER BY f.uploaded_at`;
  const [older = '', newer = ''] = jobs.map(({ id }) => id);
  await sql`INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
    VALUES (${newer}, 0, 'deliver', 'SUCCEEDED', 1, ${sql.json({ ...PLACE, ...output })}, now(), now())`;
  expect(await takePlace(sql, { jobId: older, ...PLACE })).toMatchObject({ type });
});
