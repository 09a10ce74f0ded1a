import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { describeFile, describeRecords, reportFiles } from '#local/launcher/report-files.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { RecordSummary } from '#shared/steps/record-store.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';

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

async function addRecordFile(summary: RecordSummary): Promise<void> {
  await addFinished('records.dat');
  const definition = JSON.stringify({ kind: 'route' });
  await sql`
    WITH route AS (
      INSERT INTO routes (id, tenant_id, name, active_version) VALUES (uuidv7(), 'acme', 'rows', 1) RETURNING id),
    version AS (
      INSERT INTO route_versions (id, route_id, version, definition, definition_hash, created_by)
      SELECT uuidv7(), id, 1, ${definition}::text::jsonb, 'h', 'test' FROM route RETURNING id, route_id)
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue,
                      finished_at, record_summary)
    SELECT uuidv7(), 'acme', f.id, v.route_id, v.id, 'SUCCEEDED', 'call', 2, 3, 'partner-steps', now(),
           ${JSON.stringify(summary)}::text::jsonb
    FROM files f, version v WHERE f.name = 'records.dat'`;
}

test('after a retry the time is that of the retry', async () => {
  const lines: string[] = [];
  const reported = reportFiles({ sql, print: (line) => void lines.push(line), signal: reporting.signal });
  await sql.begin(async (transaction) => {
    await transaction`
      INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, status, order_key, finished_at)
      VALUES (uuidv7(), 'acme', 'landing', 'acme/again.csv', 'v', 'again.csv', 5, 'e', 'sftp', now() - interval '1 hour', 'COMPLETED', 'o', now())`;
    await transaction`
      INSERT INTO audit_events (at, type, tenant_id, file_id, actor, detail)
      SELECT now() - interval '2300 ms', 'job.reopened', 'acme', id, 'operator:x', '{}' FROM files`;
  });
  await vi.waitFor(() => expect(lines).toEqual(['acme  again.csv  5 B  received → delivered  2.3 s']), {
    timeout: 60_000,
  });
  reporting.abort();
  await reported;
});

test('tells each file once, also one that becomes visible after a later one', async () => {
  await addFinished('before-the-start.csv', '1 minute');
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const reported = reportFiles({ sql, print, signal: reporting.signal });
  await addFinished('first.csv');
  await vi.waitFor(() => expect(lines).toHaveLength(1), { timeout: 60_000 });
  await addFinished('second.csv');
  await addFinished('late.csv', '2 s');
  await vi.waitFor(() => expect(lines).toHaveLength(3), { timeout: 60_000 });
  await addFinished('third.csv');
  await vi.waitFor(() => expect(lines).toHaveLength(4), { timeout: 60_000 });
  reporting.abort();
  await reported;
  expect(lines[0]).toBe('acme  first.csv  3.4 kB  received → delivered → archived  1.2 s');
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
    records: [],
  });
  expect(line).toBe(
    'acme  a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}.csv  0 B  received → quarantined  0.0 s  NO_ROUTE: no route takes it',
  );
});

test('counts records by state, and by code with its causes', () => {
  const lines = describeRecords({
    byState: { SUCCESS: 984, REJECTED: 6, FAILED: 10 },
    byCode: {
      'VALIDATION_ERROR BUSINESS_REJECTION': 3,
      'VERIFICATION_ERROR HTTP_500': 6,
      'VALIDATION_ERROR HTTP_500': 1,
      'PARSE_ERROR COLUMN_DATE': 3,
      'PARSE_ERROR COLUMN_RANGE': 3,
    },
    durationMs: 12_000,
  });
  expect(lines).toEqual([
    '    1000 records: 984 SUCCESS, 10 FAILED, 6 REJECTED',
    '    6 PARSE_ERROR: 3 COLUMN_DATE, 3 COLUMN_RANGE',
    '    4 VALIDATION_ERROR: 3 BUSINESS_REJECTION, 1 HTTP_500',
    '    6 VERIFICATION_ERROR: 6 HTTP_500',
  ]);
});

test('tells of the records below their file', async () => {
  const lines: string[] = [];
  const reported = reportFiles({ sql, print: (line) => void lines.push(line), signal: reporting.signal });
  await addRecordFile({
    byState: { SUCCESS: 2, FAILED: 1 },
    byCode: { 'VALIDATION_ERROR HTTP_500': 1 },
    durationMs: 5,
  });
  await vi.waitFor(() => expect(lines).toHaveLength(3), { timeout: 60_000 });
  reporting.abort();
  await reported;
  expect(lines.slice(1)).toEqual(['    3 records: 2 SUCCESS, 1 FAILED', '    1 VALIDATION_ERROR: 1 HTTP_500']);
});
