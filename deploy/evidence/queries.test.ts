/** The named queries over what the exporter writes, on DuckDB: the very texts that Athena gets. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { GetObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { ensurePartitions } from '#shared/db/partitions.ts';
import { EVIDENCE_COLUMNS } from '#shared/evidence/evidence-columns.ts';
import { type ExportResult, exportLines } from '#shared/evidence/export-lines.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { sealAudit } from '#testkit/seeds/seal-audit.ts';
import { type S3TestServer, startTestServer } from '#testkit/servers/s3-server.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { createTable, createView, readQueries } from './events-table.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const BUCKET = 'longshore-evidence';
const HOUR_MS = 3_600_000;
/** In the last hours, whatever the day is: the queries look back from today. */
const START = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS;
const [DAY, HOUR] = [new Date(START).toISOString().slice(0, 10), new Date(START).toISOString().slice(11, 13)];

let sql: Sql;
let s3: S3TestServer;
let store: ObjectStore;
let directory: string;
let duck: DuckDBConnection;
useTestDatabase((opened) => {
  sql = opened;
});

beforeAll(async () => {
  s3 = await startTestServer();
  s3.server.createBucket(BUCKET);
  store = createObjectStore({ client: s3.client });
  duck = await (await DuckDBInstance.create(':memory:')).connect();
  await ensurePartitions(sql, new Date());
});
afterAll(async () => {
  duck.closeSync();
  await s3.stop();
});
beforeEach(async () => {
  await emptyTables(sql, 'audit_events', 'audit_seals');
  await sql`UPDATE audit_readers SET line = (SELECT lines FROM audit_sealing), planned = NULL WHERE name = 'evidence'`;
  for (const { key, versionId } of await versions()) await store.deleteVersion({ bucket: BUCKET, key, versionId });
  directory = mkdtempSync(join(tmpdir(), 'longshore-evidence-'));
  return () => rmSync(directory, { recursive: true, force: true });
});

interface Line {
  readonly type: string;
  readonly detail?: object;
  readonly tenant?: string;
  readonly fileId?: string;
  readonly actor?: string;
  /** After `START`. */
  readonly second?: number;
}

async function write(lines: readonly Line[]): Promise<void> {
  const rows = lines.map(({ type, detail = {}, tenant = 'acme', fileId = null, actor = 'test', second = 1 }) => ({
    at: new Date(START + second * 1_000).toISOString(),
    type,
    tenant_id: tenant,
    file_id: fileId,
    actor,
    detail: detail as never,
  }));
  await sql`INSERT INTO audit_events ${sql(rows)}`;
  await sealAudit(sql);
}

function exportBatch(options: Partial<Parameters<typeof exportLines>[0]> = {}): Promise<ExportResult> {
  const { signal } = new AbortController();
  return exportLines({ sql, store, bucket: BUCKET, limit: 1_000, everyMs: 0, logger, signal, ...options });
}

async function exportAll(limit = 1_000): Promise<void> {
  while ((await exportBatch({ limit })).written > 0);
}

async function versions(): Promise<{ key: string; versionId: string }[]> {
  const { Versions = [] } = await s3.client.send(new ListObjectVersionsCommand({ Bucket: BUCKET }));
  return Versions.map(({ Key = '', VersionId = '' }) => ({ key: Key, versionId: VersionId }));
}

/** Brings the bucket's objects to a directory, and a view over them to DuckDB. */
async function load(): Promise<string[]> {
  const keys = [...new Set((await versions()).map(({ key }) => key))].sort();
  for (const key of keys) {
    const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
    const path = join(directory, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await Body!.transformToByteArray());
  }
  await duck.run(createView(join(directory, 'events')));
  return keys;
}

async function ask(query: string): Promise<Record<string, unknown>[]> {
  const text = readQueries().find(({ name }) => name === query)!.text;
  const rows = (await duck.runAndReadAll(text)).getRowObjectsJson();
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
}

/** DuckDB gives its larger numbers as text. */
function plain(value: unknown): unknown {
  return typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) && value !== HOUR ? Number(value) : value;
}

test('every line is written once, under the hour in which it happened', async () => {
  await write(Array.from({ length: 25 }, (_, n) => ({ type: 'file.queued', detail: { n }, second: n * 300 })));
  await exportAll(10);
  const keys = await load();
  expect(keys[0]).toMatch(new RegExp(`^events/dt=${DAY}/hour=${HOUR}/\\d{15}-\\d{15}\\.ndjson\\.gz$`));
  const [counts] = (
    await duck.runAndReadAll(`
      SELECT count(*)::int AS lines, count(DISTINCT line)::int AS "distinct", (max(line) - min(line) + 1)::int AS width,
        count(DISTINCT tenant_line)::int AS chain, bool_and(event_time[:10] = dt AND event_time[12:13] = hour) AS "inPlace" FROM events`)
  ).getRowObjectsJson();
  expect(counts).toEqual({ lines: 25, distinct: 25, width: 25, chain: 25, inPlace: true });
});

test('a batch that is repeated after a crash, also when more lines have come, has the same objects', async () => {
  await write(Array.from({ length: 6 }, () => ({ type: 'file.queued' })));
  const dying: Pick<ObjectStore, 'put'> = {
    async put(request) {
      await store.put(request);
      throw new Error('the reply was lost');
    },
  };
  expect(await exportBatch({ store: dying })).toMatchObject({ written: 0, isMore: false });
  await write(Array.from({ length: 5 }, () => ({ type: 'file.queued' })));
  await Promise.all([exportBatch(), exportBatch(), exportBatch()]);
  await exportAll();
  await load();
  const [counts] = (
    await duck.runAndReadAll('SELECT count(*)::int AS lines, count(DISTINCT line)::int AS "distinct" FROM events')
  ).getRowObjectsJson();
  expect(counts).toEqual({ lines: 11, distinct: 11 });
});

test('a batch waits until it is full or its oldest line is late, and the lag is that of the oldest line', async () => {
  await write(Array.from({ length: 3 }, () => ({ type: 'file.queued' })));
  const waiting = await exportBatch({ everyMs: HOUR_MS });
  expect(waiting).toMatchObject({ written: 0, isMore: false });
  expect(waiting.lagSeconds).toBeGreaterThan(0);
  expect(await exportBatch({ everyMs: HOUR_MS, limit: 2 })).toMatchObject({ written: 2, isMore: false });
  expect(await exportBatch()).toEqual({ written: 1, lagSeconds: 0, isMore: false });
});

test('a line that does not fit its column keeps the rest readable, and what it says in detail', async () => {
  await write([{ type: 'x', detail: { sizeBytes: 'many', code: 7, reason: 'a "quoted"\nreason \u2028 ü' } }]);
  await exportAll();
  await load();
  const [row] = (await duck.runAndReadAll('SELECT size_bytes, code, reason, detail FROM events')).getRowObjectsJson();
  expect(row).toMatchObject({ size_bytes: null, code: null, reason: 'a "quoted"\nreason \u2028 ü' });
  expect(JSON.parse(String(row?.detail))).toMatchObject({ sizeBytes: 'many', code: 7 });
});

test('a line that cannot be read, or of a version with other fields, keeps every query readable, and a count shows it', async () => {
  await write(Array.from({ length: 4 }, () => ({ type: 'file.failed', fileId: randomUUID(), detail: { code: 'X' } })));
  await exportAll();
  const [object] = await versions();
  const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: BUCKET, Key: object!.key }));
  const [first = '', second = '', third = '', fourth = ''] = gunzipSync(await Body!.transformToByteArray())
    .toString()
    .split('\n');
  // Of a later version, of an earlier one, cut off in its middle, and not JSON.
  const { code, ...earlier } = JSON.parse(second) as Record<string, unknown>;
  const later = JSON.stringify({ ...JSON.parse(first), region: 'eu', places: [{ a: 1 }], Tenant_Line: 'x' });
  const lines = [later, JSON.stringify(earlier), third.slice(0, 40), 'not JSON', fourth];
  await store.put({ target: { bucket: BUCKET, key: object!.key }, body: gzipSync(lines.join('\n')) });
  await load();
  const [counts] = (
    await duck.runAndReadAll(`
      SELECT count(*)::int AS rows, count(line)::int AS lines, (max(line) - min(line) + 1)::int AS width FROM events`)
  ).getRowObjectsJson();
  // The third line is missing among four.
  expect(counts).toEqual({ rows: 5, lines: 3, width: 4 });
  expect(await ask('failures-a-day')).toEqual([
    { dt: DAY, code: 'X', cause: 'NONE', files: 2 },
    { dt: DAY, code: 'NONE', cause: 'NONE', files: 1 },
  ]);
  for (const { name } of readQueries()) await ask(name);
});

test('each named query says what it promises', async () => {
  const [one, two, bad, odd] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const;
  const sftp = { sessionId: 's1', username: 'alice', clientIp: '10.0.0.7' };
  const files = Array.from({ length: 100 }, (_, n) => ({ fileId: randomUUID(), durationMs: (n + 1) * 100 }));
  await write([
    ...files.map(({ fileId, durationMs }) => ({
      type: 'file.completed',
      tenant: 'globex',
      fileId,
      detail: { sizeBytes: 10, durationMs },
    })),
    { type: 'file.routed', fileId: one, detail: { sizeBytes: 100 } },
    { type: 'file.routed', fileId: two, detail: { sizeBytes: 50 } },
    { type: 'file.routed', fileId: bad, detail: { sizeBytes: 1 } },
    { type: 'file.completed', fileId: one, detail: { sizeBytes: 100, durationMs: 1_500 } },
    // After a retry: the file was counted when it was first archived.
    { type: 'file.completed', fileId: one, detail: {} },
    { type: 'file.completed', fileId: two, detail: { sizeBytes: 50, durationMs: 500 }, second: 3_700 },
    { type: 'file.failed', fileId: bad, detail: { code: 'DELIVERY_ERROR', cause: 'HTTP_503' } },
    { type: 'file.failed', fileId: bad, detail: { code: 'DELIVERY_ERROR', cause: 'HTTP_503' } },
    { type: 'file.quarantined', fileId: odd, detail: { code: 'NO_ROUTE' } },
    { type: 'sftp.upload', detail: { ...sftp, sizeBytes: 100 } },
    { type: 'sftp.upload', detail: { ...sftp, sizeBytes: 7, failure: 'File was partially uploaded.' }, second: 5 },
    { type: 'sftp.download', detail: { ...sftp, sizeBytes: 9 }, second: 9 },
    { type: 'job.released', fileId: two, actor: 'operator:maria', detail: { step: 'approve', reason: 'called them' } },
    {
      type: 'job.failed',
      fileId: bad,
      actor: 'operator:omar',
      detail: { step: 'approve', code: 'REJECTED', message: 'odd' },
      second: 2,
    },
    { type: 'job.failed', fileId: bad, detail: { step: 'deliver', cause: 'HTTP_503' } },
  ]);
  await exportAll();
  await load();

  const hours = await ask('transfers-an-hour');
  const here = { dt: DAY, hour: HOUR };
  expect(hours).toContainEqual({ ...here, files: 101, bytes: 1_100 });
  expect(hours.map(({ files, bytes }) => [files, bytes])).toContainEqual([1, 50]);
  expect(await ask('failures-a-day')).toEqual([
    { dt: DAY, code: 'DELIVERY_ERROR', cause: 'HTTP_503', files: 1 },
    { dt: DAY, code: 'NO_ROUTE', cause: 'NONE', files: 1 },
  ]);
  expect(await ask('per-customer')).toEqual([{ tenant: 'acme', files: 3, bytes: 151, failed: 1, quarantined: 1 }]);
  expect(await ask('sftp-sessions')).toMatchObject([
    {
      session_id: 's1',
      tenant: 'acme',
      username: 'alice',
      client_ip: '10.0.0.7',
      uploads: 1,
      uploaded_bytes: 100,
      downloads: 1,
      failures: 1,
    },
  ]);
  expect((await ask('p95')).find(({ tenant }) => tenant === 'globex')).toEqual({
    dt: DAY,
    tenant: 'globex',
    files: 100,
    p50_seconds: 5,
    p95_seconds: 9.5,
    p99_seconds: 9.9,
  });
  expect(await ask('who-released')).toMatchObject([
    { verdict: 'rejected', actor: 'operator:omar', file_id: bad, reason: 'odd' },
    { verdict: 'released', actor: 'operator:maria', file_id: two, step: 'approve', reason: 'called them' },
  ]);
});

test('the statements for Athena and DuckDB are the committed ones, with each column that a line has', async () => {
  await expect(createView('events')).toMatchFileSnapshot('create-events-view.sql');
  await expect(createTable('PREFIX-evidence')).toMatchFileSnapshot('create-events-table.sql');
  await write([{ type: 'x', detail: {} }]);
  await exportAll();
  const [object] = await versions();
  const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: BUCKET, Key: object!.key }));
  const line = JSON.parse(gunzipSync(await Body!.transformToByteArray()).toString());
  const known = EVIDENCE_COLUMNS.map(({ name }) => name);
  expect(Object.keys(line).filter((name) => !known.includes(name as never))).toEqual([]);
});
