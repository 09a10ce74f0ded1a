import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { describeFile, reportFiles } from '#local/launcher/report-files.ts';
import { createTestDatabase, type TestDatabase } from '#local/postgres/test-database.ts';
import type { Sql } from '#shared/db/connect-database.ts';

let database: TestDatabase;
let sql: Sql;
let reporting: AbortController;

beforeEach(async () => {
  database = await createTestDatabase();
  sql = connectLauncher(database.url);
  reporting = new AbortController();
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('acme', 'Acme', '{}')`;
});

afterEach(async () => {
  reporting.abort();
  await sql.end({ timeout: 1 });
  await database.drop();
});

async function addFinished(name: string, finishedAgo = '0 s'): Promise<void> {
  await sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, status,
                       order_key, finished_at, archived_at)
    VALUES (uuidv7(), 'acme', 'landing', ${`acme/${name}`}, ${name}, ${name}, 3400, 'e', 'sftp', now() - interval '1200 ms',
            'COMPLETED', 'o', now() - ${finishedAgo}::interval, now())`;
}

test('tells each file once, also one that becomes visible after a later one', async () => {
  await addFinished('before-the-start.csv', '1 minute');
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const reported = reportFiles({ sql, print, signal: reporting.signal });
  await addFinished('first.csv');
  await vi.waitFor(() => expect(lines).toHaveLength(1), { timeout: 5_000 });
  await addFinished('second.csv');
  await addFinished('late.csv', '2 s');
  await vi.waitFor(() => expect(lines).toHaveLength(3), { timeout: 5_000 });
  await addFinished('third.csv');
  await vi.waitFor(() => expect(lines).toHaveLength(4), { timeout: 5_000 });
  reporting.abort();
  await reported;
  expect(lines[0]).toBe('acme  first.csv  3.4 KB  received → delivered → archived  1.2 s');
  expect(lines.map((line) => line.split('  ')[1]).sort()).toEqual(['first.csv', 'late.csv', 'second.csv', 'third.csv']);
});

test('shows what a terminal would obey, and says why a file did not arrive', () => {
  const line = describeFile({
    id: 'x',
    tenant: 'acme',
    name: 'a\u001b[2J\r\nb\u202e.csv',
    sizeBytes: 0,
    status: 'QUARANTINED',
    errorCode: 'NO_ROUTE',
    errorMessage: 'no route takes it',
    isArchived: false,
    tookMs: 40,
  });
  expect(line).toBe(
    'acme  a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}.csv  0 B  received → quarantined  0.0 s  NO_ROUTE: no route takes it',
  );
});
