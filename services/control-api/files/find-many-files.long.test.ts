/** What the lists of files read from a table of 200,000, as PostgreSQL counted it: the page that is asked for, not what was before it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectReads, type Reads } from '#shared/db/connect-database.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { cursorField } from '../http/page-cursor.ts';
import type { FileFilters } from './file-filters.ts';
import { findFiles } from './find-files.ts';
import { countFiles, type PageOptions, walkFiles } from './walk-files.ts';

let database: TestDatabase;
let reads: Reads;

beforeAll(async () => {
  database = await createTestDatabase();
  reads = connectReads(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: 1,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 300_000,
    },
    'find-many-files-test',
  );
  const sql = reads.$client;
  await seedTenant(sql, { routes: 2 });
  await seedTenant(sql, { tenantId: 'globex' });
  await sql`SET synchronous_commit = off`;
  // Keys are right as they are made: to look each up takes longer than to store it.
  await sql`SET session_replication_role = replica`;
  await sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, order_key, status,
      routed_at, finished_at, archived_at, error_code, error_message, created_at)
    SELECT gen_random_uuid(), CASE WHEN n % 3 = 0 THEN 'globex' ELSE 'acme' END, 'landing', 'in/' || n, 'v', 'file-' || n || '.csv', 100,
      n::text, 's3', now(), 'in', CASE WHEN n < 101 THEN 'FAILED' WHEN n BETWEEN 200 AND 230 THEN 'PROCESSING' ELSE 'COMPLETED' END,
      now(), now(), now(), 'X', 'X', now() - (300000 - n) * interval '1 second'
    FROM generate_series(1, 200000) AS n`;
  await sql`
    UPDATE files SET name = 'rare.EDI', size_bytes = 5000, content_hash = 'CRC64NVME:rare', source = 'sftp' WHERE key = 'in/1000'`;
  await sql`
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue, created_at)
    SELECT uuid_v7(), f.tenant_id, f.id, r.id, r.id, 'SUCCEEDED', 'stage', 1, 1, 'work', f.created_at
    FROM (SELECT * FROM files WHERE tenant_id = 'acme' ORDER BY created_at) f JOIN routes r USING (tenant_id)
    WHERE r.name = 'route-0' OR right(f.key, 4) = '1000'`;
  await sql`SET session_replication_role = DEFAULT`;
  await sql`VACUUM ANALYZE files, jobs`;
});

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

/** The page and a second look at its end, each of 10,000 rows; of a tenant that has most of all files also the others in between. */
const BOUND = 40_300;

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
  [{ code: 'NO_ROUTE' }, 0],
  [{ tenantId: 'globex', code: 'NO_ROUTE' }, 0],
  [{ statuses: ['FAILED'], code: 'X' }, 50],
  [{ type: 'edi' }, 1],
  [{ type: 'csv' }, 50],
  [{ tenantId: 'acme', type: 'edi' }, 1],
  [{ tenantId: 'globex', type: 'edi' }, 0],
  [{ tenantId: 'acme', checksum: 'CRC64NVME:rare' }, 1],
  [{ checksum: 'CRC64NVME:rare' }, 1],
])('%j finds %i files and reads few more', async (asked, expected) => {
  await reads.$client`BEGIN`;
  try {
    const before = await rowsRead();
    const { files } = await findFiles(reads, { tenantId: null, ...asked }, { limit: 50 });
    expect(files).toHaveLength(expected);
    expect((await rowsRead()) - before).toBeLessThan(300);
  } finally {
    await reads.$client`ROLLBACK`;
  }
});

test('failed and quarantined files of several pages come newest first, each once', async () => {
  await reads.$client`UPDATE files SET status = 'QUARANTINED' WHERE status = 'FAILED' AND size_bytes = 100 AND right(etag, 1) IN ('2', '7')`;
  const names: string[] = [];
  let after: PageOptions['after'];
  for (let page = 0; page < 6; page += 1) {
    const { files, next_cursor: cursor } = await findFiles(
      reads,
      { tenantId: null, statuses: ['FAILED', 'QUARANTINED'] },
      { after, limit: 20 },
    );
    names.push(...files.map((file) => file.file_name));
    if (cursor === null) break;
    after = cursorField.parse(cursor);
  }
  expect(names).toEqual(Array.from({ length: 100 }, (_, index) => `file-${100 - index}.csv`));
});

test.each<[Asked, string[]]>([
  [{ minSize: 5_000 }, ['rare.EDI']],
  [{ source: 'sftp', tenantId: 'acme' }, ['rare.EDI']],
  [{ name: '*are.*' }, ['rare.EDI']],
  [{ path: 'in/10000' }, ['', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((last) => `file-10000${last}.csv`)],
])(
  '%j is searched for in pages that read no more than their bound, and every file is looked at',
  async (asked, expected) => {
    const found: string[] = [];
    let after: PageOptions['after'];
    for (let pages = 0; ; pages += 1) {
      expect(pages).toBeLessThan(30);
      await reads.$client`BEGIN`;
      const before = await rowsRead();
      const page = await walkFiles(reads, { tenantId: null, ...asked }, { limit: 50, after }).finally(async () => {
        expect((await rowsRead()) - before).toBeLessThan(BOUND);
        await reads.$client`ROLLBACK`;
      });
      found.push(...page.rows.map(({ file }) => file.name));
      after = page.next;
      if (after === undefined) break;
      expect(page.isCutShort).toBe(true);
    }
    expect(found.sort()).toEqual(expected.sort());
  },
);

test.each<[Asked, number]>([
  [{ route: 'route-1' }, 14],
  [{ tenantId: 'globex', route: 'route-1' }, 0],
  [{ tenantId: 'acme', route: 'route-0' }, 50],
  [{ tenantId: 'acme', route: 'none' }, 0],
])('%j finds %i files by their jobs and reads few more', async (asked, expected) => {
  await reads.$client`BEGIN`;
  try {
    const before = await rowsRead();
    const { rows } = await walkFiles(reads, { tenantId: null, ...asked }, { limit: 50 });
    expect(rows).toHaveLength(expected);
    expect((await rowsRead()) - before).toBeLessThan(300);
  } finally {
    await reads.$client`ROLLBACK`;
  }
});

test.each<[Asked, { count: number; is_capped: boolean }]>([
  [{}, { count: 10_000, is_capped: true }],
  [{ statuses: ['FAILED', 'QUARANTINED'] }, { count: 100, is_capped: false }],
  [{ type: 'edi' }, { count: 1, is_capped: false }],
  [{ route: 'route-1' }, { count: 14, is_capped: false }],
  [{ minSize: 5_000 }, { count: 0, is_capped: true }],
])('%j is counted as %j, and no count reads more than its bound', async (asked, expected) => {
  await reads.$client`BEGIN`;
  try {
    const before = await rowsRead();
    expect(await countFiles(reads, { tenantId: null, ...asked })).toEqual(expected);
    expect((await rowsRead()) - before).toBeLessThan(81_000);
  } finally {
    await reads.$client`ROLLBACK`;
  }
});

test.each(['newest', 'oldest', 'finished'] as const)('pages in the order %s have every file once', async (order) => {
  await reads.$client`UPDATE files SET finished_at = created_at WHERE status IN ('FAILED', 'QUARANTINED')`;
  const names: string[] = [];
  let after: PageOptions['after'];
  do {
    const filters = { tenantId: null, statuses: ['FAILED', 'QUARANTINED'] as const };
    const { rows, next } = await walkFiles(reads, filters, { order, limit: 30, after });
    names.push(...rows.map(({ file }) => file.name));
    after = next;
  } while (after !== undefined);
  const numbers = Array.from({ length: 100 }, (_, index) => `file-${index + 1}.csv`);
  expect(names).toEqual(order === 'oldest' ? numbers : numbers.reverse());
});
