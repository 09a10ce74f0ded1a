/** What the search finds, and how many rows it reads of 50,000 to find it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SearchHit } from '#shared/api/search.ts';
import { indexFile, inWords } from '#shared/jobs/index-file.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { findHits } from './find-hits.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql, { routes: 2 });
  await seedTenant(api.sql, { tenantId: 'globex' });
  const sql = await api.sql.reserve();
  await sql`SET statement_timeout = 0`;
  await sql`SET session_replication_role = replica`;
  await sql`SET synchronous_commit = off`;
  await sql`
    INSERT INTO partners (tenant_id, name, definition, definition_hash, version, created_by) VALUES ('acme', 'desk', '{}', 'x', 1, 'x')`;
  await sql`
    INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, order_key, status, routed_at,
      finished_at, archived_at, content_hash, created_at)
    SELECT uuid_v7(), CASE WHEN n % 3 = 0 THEN 'globex' ELSE 'acme' END, 'landing', 'in/' || n, 'v', 'file-' || n || '.csv', 100,
      n::text, 's3', now(), 'in', 'COMPLETED', now(), now(), now(), 'CRC64NVME:' || n, now() - (60000 - n) * interval '1 second'
    FROM generate_series(1, 50000) AS n`;
  await sql`
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue, created_at)
    SELECT uuid_v7(), f.tenant_id, f.id, r.id, r.id, 'SUCCEEDED', 'stage', 1, 1, 'work', f.created_at
    FROM files f JOIN routes r USING (tenant_id) WHERE r.name = 'route-0'`;
  await sql`
    INSERT INTO record_keys (tenant_id, route_id, business_key, job_id, line, created_at)
    SELECT tenant_id, route_id, 'key-' || row_number() OVER (), id, 7, created_at FROM jobs`;
  await sql`
    INSERT INTO record_attempts (job_id, line, started_at, tenant_id, generation, step, step_name, attempt, outcome, request_id, worker,
      duration_ms)
    SELECT j.id, 1, '2026-03-04T05:00:00Z'::timestamptz + n * interval '400 ms', j.tenant_id, 1, 0, 'check', 1, 'succeeded',
      overlay(uuid_v7()::text PLACING substr(lpad(to_hex((extract(epoch FROM '2026-03-04T05:00:00Z'::timestamptz) * 1000)::bigint + n * 400), 12, '0'), 1, 8)
        || '-' || substr(lpad(to_hex((extract(epoch FROM '2026-03-04T05:00:00Z'::timestamptz) * 1000)::bigint + n * 400), 12, '0'), 9, 4) FROM 1 FOR 13)::uuid,
      'w', 1
    FROM generate_series(1, 50000) AS n
    JOIN (SELECT id, tenant_id, row_number() OVER () AS place FROM jobs WHERE tenant_id = 'acme' LIMIT 20000) j ON j.place = n % 20000 + 1`;
  await sql`
    INSERT INTO file_texts (file_id, tenant_id, indexed_at, words)
    SELECT id, tenant_id, now(), strip(to_tsvector('simple', 'statement ' || name || ' zebra-' || etag)) || array_to_tsvector(ARRAY['@' || tenant_id])
    FROM (SELECT * FROM files ORDER BY created_at LIMIT 20000) f`;
  await sql`VACUUM ANALYZE files, jobs, record_keys, record_attempts, file_texts`;
  await sql`SET session_replication_role = DEFAULT`;
  sql.release();
}, 180_000);
afterAll(() => api.stop());

async function ask(q: string, key = api.keys.operator): Promise<SearchHit[]> {
  const url = `/api/v1/search?q=${encodeURIComponent(q)}`;
  const reply = await api.app.inject({ url, headers: { 'x-api-key': key } });
  expect(reply.statusCode).toBe(200);
  return reply.json().hits;
}

const brief = (hits: readonly SearchHit[]) => hits.map(({ kind, by, name }) => [kind, by, name]);

async function oneOf(table: 'files' | 'jobs') {
  const [row] = await api.sql<{ id: string; name: string }[]>`
    SELECT id, ${table === 'files' ? api.sql`name` : api.sql`tenant_id AS name`} FROM ${api.sql(table)} WHERE tenant_id = 'acme' LIMIT 1`;
  return row!;
}

test('finds files by id and its beginning, name and its beginning, path and checksum', async () => {
  const { id, name } = await oneOf('files');
  expect(brief(await ask(id))).toEqual([['file', 'id', name]]);
  expect((await ask(id.slice(0, 13))).map((hit) => hit.by)).toContain('id');
  expect(brief(await ask('file-777.csv'))).toEqual([['file', 'name', 'file-777.csv']]);
  expect(await ask('file-777')).toHaveLength(8);
  expect(brief(await ask('in/12345'))).toEqual([['file', 'path', 'in/12345']]);
  expect(brief(await ask('CRC64NVME:4711'))).toEqual([['file', 'checksum', 'file-4711.csv']]);
  expect(brief(await ask('4711'))).toEqual([['file', 'checksum', 'file-4711.csv']]);
});

test('finds jobs, records, routes and partners', async () => {
  const job = await oneOf('jobs');
  expect((await ask(job.id)).map(({ kind, job_id: jobId }) => [kind, jobId])).toEqual([['job', job.id]]);
  expect(await ask('key-100')).toMatchObject([{ kind: 'record', by: 'business-key', line: 7 }]);
  const [attempt] = await api.sql<{ request: string; job: string }[]>`
    SELECT request_id AS request, job_id AS job FROM record_attempts ORDER BY started_at OFFSET 37500 LIMIT 1`;
  expect(await ask(attempt!.request)).toMatchObject([{ kind: 'record', by: 'request-id', id: `${attempt!.job}:1` }]);
  expect(brief(await ask('route-1'))).toEqual([['route', 'name', 'route-1']]);
  expect(brief(await ask('desk'))).toEqual([['partner', 'name', 'desk']]);
});

test('finds files by words in them, all of which they must have', async () => {
  const [file] = await api.sql<{ id: string; name: string; etag: string }[]>`
    SELECT f.id, f.name, f.etag FROM files f JOIN file_texts t ON t.file_id = f.id WHERE f.tenant_id = 'acme' LIMIT 1`;
  expect(brief(await ask(`Statement zebra-${file!.etag}`))).toEqual([['file', 'content', file!.name]]);
  expect(await ask(`nowhere zebra-${file!.etag}`)).toEqual([]);
  expect(brief(await ask('statement'))).toHaveLength(8);
  expect(await ask('@acme')).toEqual([]);
});

test('the words of a file are those of the job that holds it, and the last ones count', async () => {
  const [job] = await api.sql<{ id: string; file_id: string }[]>`
    UPDATE jobs SET state = 'RUNNING', epoch = 5 WHERE id = (SELECT id FROM jobs WHERE tenant_id = 'acme' LIMIT 1) RETURNING id, file_id`;
  const owner = { jobId: job!.id, epoch: 5, tenantId: 'acme', fileId: job!.file_id };
  expect(await indexFile(api.sql, 'first words, first', owner)).toBe(2);
  expect(await indexFile(api.sql, "second O'Neill words \\ : & ! (", owner)).toBeGreaterThan(1);
  await indexFile(api.sql, `second words ${inWords('inbound/try/Day-7.csv')}`, owner);
  for (const q of ['try day-7.csv', 'Day-7.csv', 'day 7', 'inbound/try'])
    expect(await ask(q)).toMatchObject([{ by: 'content' }]);
  await indexFile(api.sql, "second O'Neill words", owner);
  await expect(indexFile(api.sql, 'third', { ...owner, epoch: 4 })).rejects.toMatchObject({ code: 'LEASE_LOST' });
  expect(await ask('second words')).toMatchObject([{ by: 'content', file_id: job!.file_id }]);
  expect(await ask("O'Neill & : ! (")).toMatchObject([{ by: 'content', file_id: job!.file_id }]);
  expect([...(await ask('first words')), ...(await ask('third words'))]).toEqual([]);
  // As many different words as a step may store.
  const most = Array.from({ length: 65_536 }, (_none, at) => at.toString(36).padStart(3, 'z')).join(' ');
  expect(await indexFile(api.sql, most, owner)).toBeGreaterThan(60_000);
  const more = Array.from({ length: 100_000 }, (_none, at) => `${at.toString(36)}-${at}`).join(' ');
  expect(await indexFile(api.sql, more, owner)).toBeGreaterThan(10_000);
});

test('a tenant finds its own alone', async () => {
  const { id } = await oneOf('files');
  const [attempt] = await api.sql<{ request: string }[]>`SELECT request_id AS request FROM record_attempts LIMIT 1`;
  for (const q of [
    id,
    (await oneOf('jobs')).id,
    'file-7.csv',
    'in/700',
    'CRC64NVME:7',
    'key-1',
    'desk',
    'route-1',
    'statement',
    attempt!.request,
  ]) {
    const hits = await ask(q, api.keys.globex);
    expect([q, hits.filter(({ tenant }) => tenant !== 'globex')]).toEqual([q, []]);
  }
  expect(
    (await api.app.inject({ url: '/api/v1/search?q=x', headers: { 'x-api-key': api.keys.acme } })).statusCode,
  ).toBe(400);
});

test.each([
  'file-777',
  'in/1',
  '%%%',
  '___',
  'key-77',
  'CRC64NVME:9',
  'nothing at all',
  'zebra-77',
  'zebra nowhere',
  '019c0de0',
  'a\\'.padEnd(3, '\\'),
])('%s reads few rows', async (q) => {
  const held = await api.sql.reserve();
  try {
    await held`BEGIN`;
    const rowsRead = async () => {
      const [row] = await held<{ rows: number }[]>`
          SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS rows FROM pg_stat_xact_user_tables
          WHERE relname IN ('files', 'jobs', 'record_keys', 'file_texts') OR relname LIKE 'record_attempts%'`;
      return row?.rows ?? 0;
    };
    const before = await rowsRead();
    await findHits(held as unknown as typeof api.sql, null, q);
    expect((await rowsRead()) - before).toBeLessThan(300);
  } finally {
    await held`ROLLBACK`;
    held.release();
  }
});

test('a request is looked for in its time alone', async () => {
  const [attempt] = await api.sql<{ request: string }[]>`
    SELECT request_id AS request FROM record_attempts ORDER BY started_at OFFSET 25000 LIMIT 1`;
  const rows = await api.sql`
    EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1 FROM record_attempts
    WHERE started_at BETWEEN '2026-03-04T07:46:39Z' AND '2026-03-04T07:48:40Z' AND request_id = ${attempt!.request}`;
  expect(JSON.stringify(rows)).toContain('started_at_idx');
});

test('the command prints what it found', async () => {
  const longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.operator);
  expect((await longshore('search', 'file-777.csv')).out).toMatch(
    /^file +name +\S+ +globex +COMPLETED +file-777\.csv$/m,
  );
  expect((await longshore('search', 'nothing at all')).err).toContain(
    'Nothing has this id, name, path, checksum or key.',
  );
});
