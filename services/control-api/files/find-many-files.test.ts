/** What the lists of files read from a table of 200,000, as PostgreSQL counted it: the page that is asked for, not what was before it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectReads, type Reads } from '#shared/db/connect-database.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { cursorField } from '../http/page-cursor.ts';
import { type FileFilters, findFiles } from './find-files.ts';

let database: TestDatabase;
let reads: Reads;

beforeAll(async () => {
  database = await createTestDatabase();
  reads = connectReads(
    { DATABASE_URL: database.url, DATABASE_POOL_MAX: 1, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 },
    'find-many-files-test',
  );
  const sql = reads.$client;
  await seedTenant(sql);
  await seedTenant(sql, { tenantId: 'globex' });
  await sql`SET synchronous_commit = off`;
  await sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, order_key, status,
      routed_at, finished_at, archived_at, error_code, error_message, created_at)
    SELECT gen_random_uuid(), CASE WHEN n % 3 = 0 THEN 'globex' ELSE 'acme' END, 'landing', 'in/' || n, 'v', 'file-' || n || '.csv', 100,
      n::text, 's3', now(), 'in', CASE WHEN n < 101 THEN 'FAILED' WHEN n BETWEEN 200 AND 230 THEN 'PROCESSING' ELSE 'COMPLETED' END,
      now(), now(), now(), 'X', 'X', now() - (300000 - n) * interval '1 second'
    FROM generate_series(1, 200000) AS n`;
  await sql`VACUUM ANALYZE files`;
}, 120_000);

afterAll(async () => {
  await reads.$client.end({ timeout: 5 });
  await database.drop();
});

async function rowsRead(): Promise<number> {
  const [row] = await reads.$client<{ rows: number }[]>`
    SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS rows FROM pg_stat_xact_user_tables WHERE relname = 'files'`;
  return row?.rows ?? 0;
}

type Asked = Partial<FileFilters>;

test.each<[Asked, number]>([
  [{ statuses: ['QUARANTINED'] }, 0],
  [{ statuses: ['FAILED'] }, 50],
  [{ statuses: ['FAILED', 'QUARANTINED'] }, 50],
  [{ statuses: ['PROCESSING'] }, 31],
  [{ statuses: ['UPLOADED'] }, 0],
  [{ statuses: ['COMPLETED'] }, 50],
  [{}, 50],
  [{ name: 'file-777.csv' }, 1],
  [{ name: 'file-7771*' }, 11],
  [{ name: 'file-777?*' }, 0],
  [{ tenantId: 'globex', statuses: ['QUARANTINED'] }, 0],
  [{ tenantId: 'globex', statuses: ['FAILED', 'QUARANTINED'] }, 33],
  [{ tenantId: 'globex', statuses: ['PROCESSING'] }, 10],
  [{ tenantId: 'globex', name: 'file-7771*' }, 3],
])('%j finds %i files and reads few more', async (asked, expected) => {
  await reads.$client`BEGIN`;
  try {
    const before = await rowsRead();
    const { files } = await findFiles(reads, { tenantId: null, limit: 50, ...asked });
    expect(files).toHaveLength(expected);
    expect((await rowsRead()) - before).toBeLessThan(300);
  } finally {
    await reads.$client`ROLLBACK`;
  }
});

test('failed and quarantined files of several pages come newest first, each once', async () => {
  await reads.$client`UPDATE files SET status = 'QUARANTINED' WHERE status = 'FAILED' AND size_bytes = 100 AND right(etag, 1) IN ('2', '7')`;
  const names: string[] = [];
  let after: FileFilters['after'];
  for (let page = 0; page < 6; page += 1) {
    const { files, next_cursor: cursor } = await findFiles(reads, {
      tenantId: null,
      limit: 20,
      statuses: ['FAILED', 'QUARANTINED'],
      after,
    });
    names.push(...files.map((file) => file.file_name));
    if (cursor === null) break;
    after = cursorField.parse(cursor);
  }
  expect(names).toEqual(Array.from({ length: 100 }, (_, index) => `file-${100 - index}.csv`));
});
