/** What happened to a job's records: counted, and row by row. */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import type { RecordResult, RecordSummary } from '#shared/steps/record-store.ts';

interface Count {
  readonly state: string;
  readonly code: string | null;
  readonly count: number;
  readonly durationMs?: number;
}

/** Reads every record. */
export async function summariseRecords(sql: Sql, jobId: string): Promise<RecordSummary> {
  return summaryOf(await countRows(sql, jobId));
}

/**
 * As `summariseRecords`, for those who ask often: without reading records that have no error, but for those of a few chunks. Of a job that has ended a
 * record without an error was successful: those that were in doubt when it ended may have changed. Once its rows are deleted, what was counted
 * at its end stays.
 */
export async function summariseByErrors(sql: Sql, jobId: string): Promise<RecordSummary> {
  const [job] = await sql<{ summary: RecordSummary; hasRows: boolean }[]>`
    SELECT record_summary AS summary, EXISTS (SELECT 1 FROM records r WHERE r.job_id = j.id AND r.created_at = j.created_at) AS "hasRows"
    FROM jobs j WHERE id = ${jobId} AND state IN ('SUCCEEDED', 'FAILED') AND record_summary IS NOT NULL`;
  if (job === undefined) return (await summariseCarried(sql, jobId)) ?? (await summariseRecords(sql, jobId));
  if (!job.hasRows) return job.summary;
  const { byState, byCode } = summaryOf(await countRows(sql, jobId, sql`AND r.error_code IS NOT NULL`));
  const sum = (counts: RecordSummary['byState']) => Object.values(counts).reduce((total, count) => total + count, 0);
  const successful = sum(job.summary.byState) - sum(byState);
  const success = successful > 0 && { SUCCESS: (byState.SUCCESS ?? 0) + successful };
  return { byState: { ...byState, ...success }, byCode, durationMs: job.summary.durationMs };
}

/**
 * Of a job whose records are being processed: `parse` said how many there are, `open_records` says how many have not ended, and what ended in chunks that
 * are not settled is counted there. Such a chunk was claimed, so it is leased, woken, or has its time. The rest was successful. Undefined: they are
 * not being processed, or their number is not known.
 */
async function summariseCarried(sql: Sql, jobId: string): Promise<RecordSummary | undefined> {
  const [job] = await sql<(Carried & { errors: readonly (Count & { isDue: boolean })[] })[]>`
    SELECT j.open_records AS open, (s.output ->> 'records')::float8 AS total, chunked.running, chunked.ended,
      coalesce(extract(epoch FROM now() - j.started_at) * 1000, 0)::float8 AS "durationMs",
      coalesce((
        SELECT jsonb_agg(e) FROM (
          SELECT r.state, r.error_code || coalesce(' ' || r.error_cause, '') AS code, r.next_attempt_at IS NOT NULL AS "isDue", count(*)::int AS count
          FROM records r WHERE r.job_id = j.id AND r.created_at = j.created_at AND r.error_code IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3) AS e),
        '[]') AS errors
    FROM jobs j JOIN job_steps s ON s.job_id = j.id AND s.kind = 'parse' AND s.output ? 'records'
    CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE r.state = 'RUNNING')::int AS running,
        count(*) FILTER (WHERE r.state IN ('SUCCESS', 'FAILED', 'AMBIGUOUS'))::int AS ended
      FROM record_chunks c CROSS JOIN LATERAL unnest(c.lines) AS u(line) CROSS JOIN LATERAL (
        -- OFFSET: each by its key; without statistics of a month that has just begun PostgreSQL would read it whole.
        SELECT r.state FROM records r
        WHERE r.job_id = c.job_id AND r.line = u.line AND r.created_at = j.created_at AND r.chunk_id = c.id OFFSET 0) AS r
      WHERE c.job_id = j.id AND (c.woken_at IS NOT NULL OR c.lease_until IS NOT NULL OR c.next_action_at IS NOT NULL)) AS chunked
    WHERE j.id = ${jobId} AND j.state IN ('PENDING', 'RUNNING', 'WAITING') AND j.open_records IS NOT NULL
      -- Not EXISTS, which PostgreSQL may turn into a join with all of them.
      AND (SELECT true FROM records r WHERE r.job_id = j.id AND r.created_at = j.created_at LIMIT 1)`;
  if (job === undefined) return undefined;
  const { open, total, running, ended, durationMs, errors } = job;
  const sum = (counts: readonly { count: number }[]) => counts.reduce((all, { count }) => all + count, 0);
  const { byState: byError, byCode } = summaryOf(errors);
  const { FAILED = 0, AMBIGUOUS = 0, REJECTED = 0 } = byError;
  const failedForNow = sum(errors.filter(({ state, isDue }) => state === 'FAILED' && isDue));
  const pending = open - ended - failedForNow - running;
  const success = total - running - pending - FAILED - AMBIGUOUS - REJECTED;
  if (pending < 0 || success < 0) return undefined;
  const counts = { AMBIGUOUS, FAILED, PENDING: pending, REJECTED, RUNNING: running, SUCCESS: success };
  const byState = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  return { byState, byCode, durationMs: Math.round(durationMs) };
}

interface Carried {
  readonly open: number;
  readonly total: number;
  /** In chunks that are at work. */
  readonly running: number;
  readonly ended: number;
  readonly durationMs: number;
}

function countRows(sql: Sql, jobId: string, only: Fragment = sql``): Promise<Count[]> {
  return sql<Count[]>`
    SELECT r.state, r.error_code || coalesce(' ' || r.error_cause, '') AS code, count(*)::int AS count,
      coalesce(max(extract(epoch FROM now() - j.started_at) * 1000), 0)::float8 AS "durationMs"
    FROM records r JOIN jobs j ON j.id = r.job_id AND r.created_at = j.created_at
    WHERE j.id = ${jobId} ${only} GROUP BY 1, 2 ORDER BY 1, 2`;
}

function summaryOf(counts: readonly Count[]): RecordSummary {
  const byState: Record<string, number> = {};
  const byCode: Record<string, number> = {};
  for (const { state, code, count } of counts) {
    byState[state] = (byState[state] ?? 0) + count;
    if (code !== null) byCode[code] = (byCode[code] ?? 0) + count;
  }
  return { byState, byCode, durationMs: Math.round(counts[0]?.durationMs ?? 0) };
}

export async function findResults(
  sql: Sql,
  jobId: string,
  afterLine: number,
  limit: number,
): Promise<readonly RecordResult[]> {
  return await sql<RecordResult[]>`
    SELECT r.line::float8 AS line, r.business_key AS "businessKey", r.state, r.error_code AS code, r.error_cause AS cause,
      r.error_message AS message, r.reference
    FROM records r JOIN jobs j ON j.id = r.job_id AND r.created_at = j.created_at
    WHERE j.id = ${jobId} AND r.line > ${afterLine} ORDER BY r.line LIMIT ${limit}`;
}
