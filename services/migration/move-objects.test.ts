import { expect, test } from 'vitest';
import { findRegistered } from '#shared/arrival/find-registered.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { moveObjects } from './move-objects.ts';

const MOVE = { fromPrefix: 'test', toPrefix: 'test-standby' };
let sql: Sql;

useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 2 },
);

test('files, what jobs hold and what steps wrote are found in the replicas, and nothing else is changed', async () => {
  await seedTenant(sql);
  await seedJobs(sql, { count: 2 });
  await sql`UPDATE jobs SET object = '{"bucket": "test-staging", "key": "test-staging/acme/a"}'`;
  await sql`
    INSERT INTO job_steps (job_id, seq, kind, state, attempts, output, started_at, finished_at)
    SELECT id, 0, 'deliver', 'SUCCEEDED', 1, '{"bucket": "test-delivered", "copy": {"parts": 1}}', now(), now() FROM jobs`;
  await sql`
    UPDATE files SET archive_bucket = 'test-archive', archive_key = 'k', archive_version_id = 'v'
    WHERE id = (SELECT id FROM files LIMIT 1)`;
  const [file] = await sql<
    { key: string; versionId: string }[]
  >`SELECT key, version_id AS "versionId" FROM files LIMIT 1`;

  expect(await moveObjects(sql, MOVE)).toBe(2);

  // A replica that reconciliation looks at is known.
  expect(await findRegistered(sql, [{ bucket: 'test-standby-landing', ...file! }])).toHaveLength(1);
  expect(await sql`SELECT DISTINCT object FROM jobs`).toEqual([
    { object: { bucket: 'test-standby-staging', key: 'test-staging/acme/a' } },
  ]);
  expect(await sql`SELECT DISTINCT output FROM job_steps`).toEqual([
    { output: { bucket: 'test-standby-delivered', copy: { parts: 1 } } },
  ]);
  expect(await sql`SELECT archive_bucket FROM files WHERE archive_bucket IS NOT NULL`).toEqual([
    { archive_bucket: 'test-standby-archive' },
  ]);
});

test('moves nothing twice, and all of it back', async () => {
  expect(await moveObjects(sql, MOVE)).toBe(0);
  expect(await moveObjects(sql, { fromPrefix: 'test-standby', toPrefix: 'test' })).toBe(2);
  expect(await sql`SELECT DISTINCT bucket FROM files`).toEqual([{ bucket: 'test-landing' }]);
});
