/** What became of a job's records: counted, and row by row. */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import type { RecordResult, RecordSummary } from '#shared/steps/record-store.ts';

interface Count {
  readonly state: string;
  readonly code: string | null;
  readonly count: number;
  readonly durationMs: number;
}

/** Reads every record. */
export async function summariseRecords(sql: Sql, jobId: string): Promise<RecordSummary> {
  return summaryOf(await countRows(sql, jobId));
}

/**
 * As `summariseRecords`, for those who ask often. Of a job that has ended a record without an error was successful, so only records with one are
 * read: those that were in doubt when it ended may have changed. Once its rows are deleted, what was counted at its end stays.
 */
export async function summariseByErrors(sql: Sql, jobId: string): Promise<RecordSummary> {
  const [job] = await sql<{ summary: RecordSummary; hasRows: boolean }[]>`
    SELECT record_summary AS summary, EXISTS (SELECT 1 FROM records r WHERE r.job_id = j.id AND r.created_at = j.created_at) AS "hasRows"
    FROM jobs j WHERE id = ${jobId} AND state IN ('SUCCEEDED', 'FAILED') AND record_summary IS NOT NULL`;
  if (job === undefined) return await summariseRecords(sql, jobId);
  if (!job.hasRows) return job.summary;
  const { byState, byCode } = summaryOf(await countRows(sql, jobId, sql`AND r.error_code IS NOT NULL`));
  const sum = (counts: RecordSummary['byState']) => Object.values(counts).reduce((total, count) => total + count, 0);
  const successful = sum(job.summary.byState) - sum(byState);
  const success = successful > 0 && { SUCCESS: (byState.SUCCESS ?? 0) + successful };
  return { byState: { ...byState, ...success }, byCode, durationMs: job.summary.durationMs };
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
