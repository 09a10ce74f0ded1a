/**
 * Parsing: rows of a file become records, with the chunks that will carry them.
 *
 * 1. A record is unique by job and line: rows that are there already change nothing, so a parse that begins again doubles nothing.
 * 2. A record and its chunk come in one statement. No chunk is claimed before the job's records are opened.
 * 3. A business key stands for one record of a tenant's route. A row whose key another record holds, which was processed or still may be, is
 *    a duplicate; a key whose record failed permanently, or was not done when its job ended, passes on to the newer row, unless a call of it is
 *    in doubt.
 * 4. Only the holder of the job's epoch changes anything.
 *
 * Events: none; the outcome of the step tells how many there are.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { InsertedRecords, NewRecord } from '#shared/steps/record-store.ts';
import { CHUNK_RECORDS } from './claim-chunks.ts';

export interface InsertRecords {
  readonly jobId: string;
  readonly epoch: number;
  readonly records: readonly NewRecord[];
}

/** Rows removed in one statement. */
const DISCARD_ROWS = 10_000;

/** At most 1,000 rows. Undefined: the epoch is stale. */
export async function insertRecords(sql: Sql, insert: InsertRecords): Promise<InsertedRecords | undefined> {
  const { results, refused } = await runSet({
    rows: [insert],
    keyOf: ({ jobId }) => jobId,
    run: () => insertSet(sql, insert),
  });
  if (refused[0] !== undefined) throw refused[0].error;
  return results[0];
}

async function insertSet(sql: Sql, { jobId, epoch, records }: InsertRecords): Promise<InsertedRecords | undefined> {
  const hasKeys = records.some((record) => record.businessKey !== null);
  const [row] = await sql<(InsertedRecords & { isHeld: boolean })[]>`
    WITH job AS (
      SELECT id, tenant_id, route_id, created_at FROM jobs
      WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' FOR SHARE),
    input AS (
      SELECT r.line, r.business_key, nullif(r.document::text, 'null') AS document, r.cause, r.message,
        (r.position - 1) / ${CHUNK_RECORDS}::int AS part
      FROM ROWS FROM (
        unnest(
          ${records.map((record) => record.line)}::bigint[], ${records.map((record) => clean(record.businessKey))}::text[],
          ${records.map((record) => record.rejected?.cause ?? null)}::text[],
          ${records.map((record) => clean(record.rejected?.message ?? null))}::text[]),
        json_array_elements(${documents(records)}::text::json))
        WITH ORDINALITY AS r(line, business_key, cause, message, document, position)),
    ${hasKeys ? holdKeys(sql) : sql`keyed AS (SELECT line FROM input)`},
    chunk AS MATERIALIZED (SELECT part, uuid_v7() AS id FROM (SELECT DISTINCT part FROM input) AS p),
    inserted AS (
      INSERT INTO records (job_id, line, created_at, tenant_id, chunk_id, state, business_key, "values", error_code, error_cause,
        error_message)
      SELECT j.id, i.line, j.created_at, j.tenant_id,
        CASE WHEN i.cause IS NULL AND k.line IS NOT NULL THEN c.id END,
        CASE WHEN i.cause IS NULL AND k.line IS NOT NULL THEN 'PENDING' ELSE 'REJECTED' END,
        i.business_key, i.document::jsonb,
        CASE WHEN i.cause IS NOT NULL OR k.line IS NULL THEN 'PARSE_ERROR' END,
        CASE WHEN i.cause IS NOT NULL THEN i.cause WHEN k.line IS NULL THEN 'RECORD_DUPLICATE' END,
        CASE WHEN i.cause IS NOT NULL THEN i.message
          WHEN k.line IS NULL THEN 'A record with this business key was processed before, or is being processed; this row is not.' END
      FROM input i CROSS JOIN job j JOIN chunk c USING (part) LEFT JOIN keyed k ON k.line = i.line
      ON CONFLICT DO NOTHING
      RETURNING line, chunk_id, tenant_id, state, error_cause),
    chunked AS (
      INSERT INTO record_chunks (id, tenant_id, job_id, lines)
      SELECT chunk_id, tenant_id, ${jobId}::uuid, array_agg(line ORDER BY line) FROM inserted
      WHERE chunk_id IS NOT NULL GROUP BY chunk_id, tenant_id)
    SELECT EXISTS (SELECT 1 FROM job) AS "isHeld",
      count(*) FILTER (WHERE state = 'PENDING')::int AS accepted,
      count(*) FILTER (WHERE state = 'REJECTED' AND error_cause <> 'RECORD_DUPLICATE')::int AS rejected,
      count(*) FILTER (WHERE error_cause = 'RECORD_DUPLICATE')::int AS duplicates
    FROM inserted`;
  if (row === undefined || !row.isHeld) return undefined;
  return { accepted: row.accepted, rejected: row.rejected, duplicates: row.duplicates };
}

/** CTE `keyed`: the lines whose key is theirs now, or that have none. */
function holdKeys(sql: Sql) {
  return sql`
    held AS (
      INSERT INTO record_keys AS k (tenant_id, route_id, business_key, job_id, line, created_at)
      SELECT DISTINCT ON (i.business_key) j.tenant_id, j.route_id, i.business_key, j.id, i.line, j.created_at
      FROM input i CROSS JOIN job j WHERE i.business_key IS NOT NULL AND i.cause IS NULL ORDER BY i.business_key, i.line
      ON CONFLICT (tenant_id, route_id, business_key) DO UPDATE
        SET job_id = excluded.job_id, line = excluded.line, created_at = excluded.created_at
        WHERE (k.job_id = excluded.job_id AND k.line = excluded.line) OR (${isUnchanged(sql)} AND NOT EXISTS (
          SELECT 1 FROM records r JOIN jobs o ON o.id = r.job_id
          WHERE r.job_id = k.job_id AND r.line = k.line AND r.created_at = k.created_at
            AND (r.state IN ('SUCCESS', 'AMBIGUOUS') OR r.has_intent OR (o.state IN ('PENDING', 'RUNNING', 'WAITING')
              AND (r.state IN ('PENDING', 'RUNNING') OR r.next_attempt_at IS NOT NULL)))))
      RETURNING line),
    keyed AS (SELECT line FROM held UNION ALL SELECT line FROM input WHERE business_key IS NULL)`;
}

/**
 * Whether the key `k`, which is seen as it is now, is the one that this statement's snapshot has: only then does the snapshot tell the truth
 * of its record. Whoever takes a key or keeps it writes it again.
 */
function isUnchanged(sql: Sql) {
  return sql`k.xmin = (
    SELECT s.xmin FROM record_keys s
    WHERE s.tenant_id = excluded.tenant_id AND s.route_id = excluded.route_id AND s.business_key = excluded.business_key)`;
}

/** Postgres text has no NUL, and no half of a surrogate pair. */
function clean(text: string | null): string | null {
  return text === null || !/[\0\ud800-\udfff]/.test(text) ? text : text.replaceAll('\0', '\ufffd').toWellFormed();
}

/** One text: an array of texts has each quote in them escaped by the driver, for half a second where the rows are long. */
function documents(records: readonly NewRecord[]): string {
  return `[${records.map(document).join(',')}]`;
}

function document({ values }: NewRecord): string {
  if (values === null) return 'null';
  const text = JSON.stringify(values);
  // What PostgreSQL refuses is escaped in JSON, so nearly every row is done after one look.
  return text.includes('\\u') ? toJsonb(values) : text;
}

/** The last one before the last `rows` rows; 0 when there is none. */
export async function findLineBefore(sql: Sql, jobId: string, rows: number): Promise<number> {
  const [row] = await sql<{ line: number }[]>`
    SELECT line::float8 AS line FROM records WHERE job_id = ${jobId} ORDER BY records.line DESC OFFSET ${rows}::int LIMIT 1`;
  return row?.line ?? 0;
}

export async function countInserted(sql: Sql, jobId: string): Promise<InsertedRecords> {
  const [row] = await sql<InsertedRecords[]>`
    SELECT count(*) FILTER (WHERE state <> 'REJECTED')::int AS accepted,
      count(*) FILTER (WHERE state = 'REJECTED' AND error_cause <> 'RECORD_DUPLICATE')::int AS rejected,
      count(*) FILTER (WHERE state = 'REJECTED' AND error_cause = 'RECORD_DUPLICATE')::int AS duplicates
    FROM records WHERE job_id = ${jobId}`;
  return row ?? { accepted: 0, rejected: 0, duplicates: 0 };
}

/**
 * A file that is refused as a whole: what was accepted of it is removed, with chunks and keys; rejected rows stay. Ends, as each
 * statement removes what it finds. Resolves to false when the epoch is stale.
 */
export async function discardAccepted(sql: Sql, job: Omit<InsertRecords, 'records'>): Promise<boolean> {
  return await discard(sql, job, ['PENDING']);
}

/** As `discardAccepted`, and the rejected rows go too. */
export async function discardAll(sql: Sql, job: Omit<InsertRecords, 'records'>): Promise<boolean> {
  return await discard(sql, job, ['PENDING', 'REJECTED']);
}

async function discard(
  sql: Sql,
  { jobId, epoch }: Omit<InsertRecords, 'records'>,
  states: readonly string[],
): Promise<boolean> {
  for (;;) {
    const [row] = await sql<{ isHeld: boolean; removed: number }[]>`
      WITH job AS (SELECT id, created_at FROM jobs WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' FOR SHARE),
      picked AS (
        SELECT r.job_id, r.line, r.created_at FROM records r JOIN job j ON r.job_id = j.id AND r.created_at = j.created_at
        WHERE r.state = ANY(${[...states]}::text[]) ORDER BY r.line LIMIT ${DISCARD_ROWS}),
      chunked AS (DELETE FROM record_chunks WHERE job_id IN (SELECT id FROM job)),
      removed AS (
        DELETE FROM records r USING picked p
        WHERE r.job_id = p.job_id AND r.line = p.line AND r.created_at = p.created_at
        RETURNING r.tenant_id, r.business_key, r.job_id, r.line),
      keys AS (
        DELETE FROM record_keys k USING removed r JOIN jobs j ON j.id = r.job_id
        WHERE k.tenant_id = r.tenant_id AND k.route_id = j.route_id AND k.business_key = r.business_key
          AND k.job_id = r.job_id AND k.line = r.line)
      SELECT EXISTS (SELECT 1 FROM job) AS "isHeld", (SELECT count(*)::int FROM removed) AS removed`;
    if (row === undefined || !row.isHeld) return false;
    if (row.removed < DISCARD_ROWS) return true;
  }
}
