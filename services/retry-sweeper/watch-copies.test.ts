import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { createWatchCopies } from './watch-copies.ts';

let database: TestDatabase;
let sql: Sql;
let nowMs = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectDatabase(
    { DATABASE_URL: database.url, DATABASE_POOL_MAX: 2, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 },
    'test',
  );
});

afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  nowMs = 5_000;
  await emptyTables(sql, 'tenants', 'transfers');
});

const watch = () => createWatchCopies({ sql, now: () => nowMs });

async function openCopy(owner: 'job' | 'file', ownerId: string = randomUUID()): Promise<string> {
  await sql`
    INSERT INTO transfers (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, bucket, key, source_etag,
      part_bytes, bytes_total, worker)
    VALUES (${ownerId}, 0, ${owner}, 'archive', 'acme', ${randomUUID()}, 1, 'COPYING', 'streamed', 'b', 'k', 'e', 5, 100, 'w')`;
  return ownerId;
}

test('a copy that others take over again and again without a byte stands still, and one that moves does not', async () => {
  const still = await openCopy('file');
  const moving = await openCopy('file');
  const look = watch();
  expect(await look()).toBe(0);
  for (const bytes of [10, 20, 30]) {
    nowMs += 300_000;
    await sql`UPDATE transfers SET bytes_done = ${bytes}, updated_at = now() WHERE owner_id = ${moving}`;
    await sql`UPDATE transfers SET epoch = epoch + 1, resumes = resumes + 1, updated_at = now() WHERE owner_id = ${still}`;
    expect(await look()).toBe(bytes * 30);
  }
  await sql`UPDATE transfers SET bytes_done = 50 WHERE owner_id = ${still}`;
  expect(await look()).toBe(0);
});

test('a copy that has ended stands still no more', async () => {
  const ended = await openCopy('file');
  const look = watch();
  await look();
  nowMs += 60_000;
  expect(await look()).toBe(60);
  await sql`UPDATE transfers SET state = 'DONE' WHERE owner_id = ${ended}`;
  expect(await look()).toBe(0);
});

test('a copy whose job waits for a later time is left out until then', async () => {
  await seedTenant(sql);
  await seedJobs(sql, { count: 1 });
  const [job] = await sql<{ id: string }[]>`UPDATE jobs SET state = 'WAITING', woken_at = NULL,
    next_action_at = now() + interval '1 hour' RETURNING id`;
  await openCopy('job', job?.id);
  const look = watch();
  await look();
  nowMs += 60_000;
  expect(await look()).toBe(0);
  await sql`UPDATE jobs SET next_action_at = now()`;
  await look();
  nowMs += 60_000;
  expect(await look()).toBe(60);
});
