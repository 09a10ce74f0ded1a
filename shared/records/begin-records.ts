/**
 * Begin: a try of a record's call is about to be made, for many records in one statement.
 *
 * 1. The try is counted before it is made, so that a crash is counted too.
 * 2. An intent says that a call which must not be repeated blindly may be under way.
 * 3. A row counts only under its chunk's epoch; a repeated statement, whose reply was lost, counts once.
 *
 * Out: the records begun; absent ones are somebody else's. Events: none; the outcome is kept as an attempt.
 */
import { commitInPair } from '#shared/db/commit-in-pair.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet } from '#shared/db/run-statements.ts';

/** One try of one record, under one claim. */
export interface RecordAt {
  readonly chunkId: string;
  readonly epoch: number;
  readonly jobId: string;
  /** As the claim gave it: a JavaScript date would lose its microseconds. */
  readonly createdAt: string;
  readonly line: number;
  readonly step: number;
  /** The number of the try, from 1. */
  readonly tries: number;
}

export interface BeginRecord extends RecordAt {
  readonly intent: boolean;
}

export interface RecordId {
  readonly jobId: string;
  readonly line: number;
}

export async function beginRecords(sql: Sql, begins: readonly BeginRecord[]): Promise<RecordId[]> {
  const { results, refused } = await runSet({ rows: begins, keyOf: recordKey, run: (rows) => beginSet(sql, rows) });
  if (refused[0] !== undefined) throw refused[0].error;
  return results.flat();
}

/** Sorts as the rows are locked: by job, then by line. */
export function recordKey({ jobId, line }: RecordId): string {
  return `${jobId}/${String(line).padStart(16, '0')}`;
}

/**
 * Next to a join with the same records: PostgreSQL then finds rows of `r` by their key, where it would read a month of some thousand
 * records whole at every statement.
 */
export function amongRecords(sql: Sql, records: readonly RecordId[]) {
  const jobIds = [...new Set(records.map(({ jobId }) => jobId))];
  const lines = [...new Set(records.map(({ line }) => line))];
  return sql`r.job_id = ANY(${jobIds}::uuid[]) AND r.line = ANY(${lines}::bigint[])`;
}

function beginSet(sql: Sql, rows: BeginRecord[]): Promise<RecordId[]> {
  return sql<RecordId[]>`
    WITH input AS (
      SELECT r.*, r.created::timestamptz AS created_at FROM unnest(
        ${rows.map((row) => row.chunkId)}::uuid[], ${rows.map((row) => row.epoch)}::int[], ${rows.map((row) => row.jobId)}::uuid[],
        ${rows.map((row) => row.createdAt)}::text[], ${rows.map((row) => row.line)}::bigint[],
        ${rows.map((row) => row.step)}::int[], ${rows.map((row) => row.tries)}::int[], ${rows.map((row) => Number(row.intent))}::int[])
        AS r(chunk_id, epoch, job_id, created, line, step, tries, intent)),
    held AS (
      SELECT c.id FROM record_chunks c
      WHERE (c.id, c.epoch) IN (SELECT chunk_id, epoch FROM input) ORDER BY c.id FOR SHARE)
    UPDATE records r SET state = 'RUNNING', tries = i.tries, has_intent = i.intent = 1, updated_at = now()
    FROM input i JOIN held h ON h.id = i.chunk_id
    WHERE ${amongRecords(sql, rows)} ${rows.some(({ intent }) => intent) ? sql`AND ${commitInPair(sql)}` : sql``}
      AND r.job_id = i.job_id AND r.line = i.line AND r.created_at = i.created_at AND r.chunk_id = i.chunk_id AND r.step = i.step
      AND ((r.state IN ('PENDING', 'RUNNING') AND r.tries = i.tries - 1) OR (r.state = 'RUNNING' AND r.tries = i.tries))
    RETURNING r.job_id AS "jobId", r.line::float8 AS line`;
}
