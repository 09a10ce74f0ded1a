/**
 * One box for all that people have in hand: an id or its beginning, a name, a path, a checksum, a business key, the id of a request, words.
 *
 * Every question walks an index and ends at `MOST_HITS`, so that none costs more with the number of rows.
 */
import type { SearchHit } from '#shared/api/search.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { inWords, tenantWord } from '#shared/jobs/index-file.ts';

export const MOST_HITS = 8;
const ID_PREFIX = /^[0-9a-f]{8}(?:[0-9a-f-]*)$/i;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** A call waits for its turn, after its id was made, for so long at most. */
const CALL_WAITS_MS = 120_000;

export async function findHits(sql: Sql, tenantId: string | null, q: string): Promise<SearchHit[]> {
  const search = { sql, tenantId, q };
  const range = idRangeOf(q);
  const found = await Promise.all([
    ...(range === undefined ? [] : findIds(search, range)),
    ...(ID.test(q) ? [findRequest(search)] : []),
    findFilesByName(search),
    findFilesByPath(search),
    findFilesByChecksum(search),
    findRecordsByKey(search),
    findNamed(search, 'route'),
    findNamed(search, 'partner'),
    findFilesByWords(search),
  ]);
  const seen = new Set<string>();
  return found.flat().filter(({ kind, id }) => {
    const isNew = !seen.has(`${kind} ${id}`);
    seen.add(`${kind} ${id}`);
    return isNew;
  });
}

interface Search {
  readonly sql: Sql;
  readonly tenantId: string | null;
  readonly q: string;
}

interface IdRange {
  readonly low: string;
  readonly high: string;
}

/** The ids that begin so; undefined when none can. */
function idRangeOf(q: string): IdRange | undefined {
  const hex = q.replaceAll('-', '').toLowerCase();
  if (!ID_PREFIX.test(q) || hex.length > 32) return undefined;
  const pad = (digit: string) => hex.padEnd(32, digit).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { low: pad('0'), high: pad('f') };
}

function ofTenant({ sql, tenantId }: Search, column: 'tenant_id' | 'f.tenant_id' | 'a.tenant_id') {
  return tenantId === null ? sql`true` : sql`${sql(column)} = ${tenantId}`;
}

/** The tenants in sight, one by one, for indexes that begin with the tenant. */
function tenantsOf({ sql, tenantId }: Search) {
  return tenantId === null ? sql`SELECT id FROM tenants` : sql`SELECT ${tenantId}::text AS id`;
}

const NOTHING = { name: null, tenant: null, state: null, file_id: null, job_id: null, line: null };

interface FileRow {
  readonly id: string;
  readonly name: string;
  readonly tenant: string;
  readonly state: string;
}

function toFileHit(by: SearchHit['by']) {
  return (row: FileRow): SearchHit => ({ ...NOTHING, ...row, kind: 'file', by, file_id: row.id });
}

function findIds(search: Search, { low, high }: IdRange): Promise<SearchHit[]>[] {
  const { sql } = search;
  const between = sql`id BETWEEN ${low}::uuid AND ${high}::uuid`;
  const end = sql`ORDER BY id LIMIT ${MOST_HITS}`;
  const files = sql<FileRow[]>`
    SELECT id, name, tenant_id AS tenant, status AS state FROM files WHERE ${between} AND ${ofTenant(search, 'tenant_id')} ${end}`;
  const jobs = sql<(Omit<FileRow, 'name'> & { file_id: string; name: string })[]>`
    SELECT j.id, r.name, j.tenant_id AS tenant, j.state, j.file_id
    FROM (SELECT * FROM jobs WHERE ${between} AND ${ofTenant(search, 'tenant_id')} ${end}) j JOIN routes r ON r.id = j.route_id`;
  const actions = sql<{ id: string; name: string; tenant: string | null; state: string }[]>`
    SELECT id, verb AS name, tenant_id AS tenant, state FROM actions WHERE ${between} AND ${ofTenant(search, 'tenant_id')} ${end}`;
  const letters = sql<{ id: string; name: string; tenant: string | null; state: string }[]>`
    SELECT id, queue AS name, tenant_id AS tenant, state FROM dead_letters WHERE ${between} AND ${ofTenant(search, 'tenant_id')} ${end}`;
  return [
    files.then((rows) => rows.map(toFileHit('id'))),
    jobs.then((rows) => rows.map((row) => ({ ...NOTHING, ...row, kind: 'job', by: 'id', job_id: row.id }))),
    actions.then((rows) => rows.map((row) => ({ ...NOTHING, ...row, kind: 'action', by: 'id' }))),
    letters.then((rows) => rows.map((row) => ({ ...NOTHING, ...row, kind: 'dead-letter', by: 'id' }))),
  ];
}

/** The id carries when it was made: rows of that time are looked through. */
async function findRequest(search: Search): Promise<SearchHit[]> {
  const { sql, q } = search;
  const madeAt = Number.parseInt(q.replaceAll('-', '').slice(0, 12), 16);
  if (q[14] !== '7' || madeAt > Date.UTC(2200, 0)) return [];
  const [from, to] = [new Date(madeAt - 1_000), new Date(madeAt + CALL_WAITS_MS)];
  const rows = await sql<
    { job_id: string; line: number; tenant: string; state: string; name: string; file_id: string }[]
  >`
    SELECT a.job_id, a.line::float8 AS line, a.tenant_id AS tenant, a.outcome AS state, a.step_name AS name, j.file_id
    FROM record_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.started_at BETWEEN ${from} AND ${to} AND a.request_id = ${q}::uuid AND ${ofTenant(search, 'a.tenant_id')}
    LIMIT ${MOST_HITS}`;
  return rows.map((row) => ({ ...row, kind: 'record', by: 'request-id', id: `${row.job_id}:${row.line}` }));
}

/** Of the whole name the newest, then what begins with it. */
async function findFilesByName(search: Search): Promise<SearchHit[]> {
  const { sql, q } = search;
  const rows = await sql<FileRow[]>`
    SELECT f.id, f.name, f.tenant_id AS tenant, f.status AS state FROM (${tenantsOf(search)}) t CROSS JOIN LATERAL (
      (SELECT *, 0 AS rank FROM files WHERE tenant_id = t.id AND name = ${q} ORDER BY created_at DESC LIMIT ${MOST_HITS})
      UNION ALL
      (SELECT *, 1 FROM files WHERE tenant_id = t.id AND name LIKE ${`${likeText(q)}_%`} LIMIT ${MOST_HITS})) f
    ORDER BY f.rank, f.created_at DESC LIMIT ${MOST_HITS}`;
  return rows.map(toFileHit('name'));
}

/** Keys begin with the tenant's prefix. Buckets are few: each is jumped to in the index. */
async function findFilesByPath(search: Search): Promise<SearchHit[]> {
  const { sql, q } = search;
  const rows = await sql<FileRow[]>`
    WITH RECURSIVE place AS (
      (SELECT bucket FROM files ORDER BY bucket LIMIT 1)
      UNION ALL
      SELECT (SELECT f.bucket FROM files f WHERE f.bucket > place.bucket ORDER BY f.bucket LIMIT 1) FROM place WHERE place.bucket IS NOT NULL)
    SELECT f.id, f.key AS name, f.tenant_id AS tenant, f.status AS state FROM place CROSS JOIN LATERAL (
      SELECT * FROM files WHERE bucket = place.bucket AND key LIKE ${`${likeText(q)}%`} AND ${ofTenant(search, 'tenant_id')}
      ORDER BY key LIMIT ${MOST_HITS}) f
    LIMIT ${MOST_HITS}`;
  return rows.map(toFileHit('path'));
}

async function findFilesByChecksum(search: Search): Promise<SearchHit[]> {
  const { sql, q } = search;
  const written = [q, ...['CRC64NVME', 'SHA256', 'sha256'].map((algorithm) => `${algorithm}:${q}`)];
  const rows = await sql<FileRow[]>`
    SELECT f.id, f.name, f.tenant_id AS tenant, f.status AS state FROM (${tenantsOf(search)}) t CROSS JOIN LATERAL (
      SELECT * FROM files WHERE tenant_id = t.id AND content_hash = ANY(${written}) LIMIT ${MOST_HITS}) f
    LIMIT ${MOST_HITS}`;
  return rows.map(toFileHit('checksum'));
}

/** Of words that many files have, some of these are looked at. */
const MOST_WITH_WORDS = 500;

/** Files that have all of the words, by the step `index`. */
async function findFilesByWords(search: Search): Promise<SearchHit[]> {
  const { sql, tenantId, q } = search;
  // `a.csv` is one word or two, as whoever wrote it meant it.
  const words = sql`(plainto_tsquery('simple', ${q}) || plainto_tsquery('simple', ${inWords(q)}))`;
  const ofTenant = tenantId === null ? sql`` : sql`&& ${`'${tenantWord(tenantId)}'`}::tsquery`;
  const rows = await sql<FileRow[]>`
    SELECT f.id, f.name, f.tenant_id AS tenant, f.status AS state
    FROM find_files_with_words(CASE WHEN numnode(${words}) > 0 THEN ${words} ${ofTenant} END, ${MOST_WITH_WORDS}) AS t(file_id)
    JOIN files f ON f.id = t.file_id ORDER BY f.created_at DESC LIMIT ${MOST_HITS}`;
  return rows.map(toFileHit('content'));
}

async function findRecordsByKey(search: Search): Promise<SearchHit[]> {
  const { sql, q } = search;
  const rows = await sql<{ job_id: string; line: number; tenant: string; name: string; file_id: string }[]>`
    SELECT k.job_id, k.line::float8 AS line, k.tenant_id AS tenant, r.name, j.file_id
    FROM routes r JOIN record_keys k ON k.tenant_id = r.tenant_id AND k.route_id = r.id AND k.business_key = ${q}
    JOIN jobs j ON j.id = k.job_id
    WHERE ${search.tenantId === null ? sql`true` : sql`r.tenant_id = ${search.tenantId}`} LIMIT ${MOST_HITS}`;
  return rows.map((row) => ({
    ...NOTHING,
    ...row,
    kind: 'record',
    by: 'business-key',
    id: `${row.job_id}:${row.line}`,
  }));
}

async function findNamed(search: Search, kind: 'route' | 'partner'): Promise<SearchHit[]> {
  const { sql, q } = search;
  const table = kind === 'route' ? sql`routes` : sql`partners`;
  const rows = await sql<{ name: string; tenant: string }[]>`
    SELECT name, tenant_id AS tenant FROM ${table} WHERE name LIKE ${`${likeText(q)}%`} AND ${ofTenant(search, 'tenant_id')}
    ORDER BY name, tenant_id LIMIT ${MOST_HITS}`;
  return rows.map((row) => ({ ...NOTHING, ...row, kind, by: 'name', id: row.name }));
}

/** For the left side of LIKE. */
function likeText(text: string): string {
  return text.replaceAll(/[\\%_]/g, '\\$&');
}
