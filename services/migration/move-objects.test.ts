import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#local/postgres/test-database.ts';
import { findRegistered } from '#shared/arrival/find-registered.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { seedJobs, seedTenant } from '#shared/testing/seed-jobs.ts';
import { moveObjects } from './move-objects.ts';

const MOVE = { fromPrefix: 'test', toPrefix: 'test-standby' };
let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectDatabase(
    { DATABASE_URL: database.url, DATABASE_POOL_MAX: 2, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 10_000 },
    'test',
  );
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

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
