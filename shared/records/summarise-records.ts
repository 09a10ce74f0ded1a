/** What became of a job's records: counted, and row by row. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { RecordResult, RecordSummary } from '#shared/steps/record-store.ts';

interface Count {
  readonly state: string;
  readonly code: string | null;
  readonly count: number;
  readonly durationMs: number;
}

export async function summariseRecords(sql: Sql, jobId: string): Promise<RecordSummary> {
  const counts = await sql<Count[]>`
    SELECT r.state, r.error_code || coalesce(' ' || r.error_cause, '') AS code, count(*)::int AS count,
      coalesce(max(extract(epoch FROM now() - j.started_at) * 1000), 0)::float8 AS "durationMs"
    FROM records r JOIN jobs j ON j.id = r.job_id AND r.created_at = j.created_at
    WHERE j.id = ${jobId} GROUP BY 1, 2 ORDER BY 1, 2`;
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
