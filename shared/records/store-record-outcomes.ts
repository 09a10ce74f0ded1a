/**
 * Outcome: what one try of a record's call came to, and where the record goes from there, for many records in one statement.
 *
 * 1. A row counts only under its chunk's epoch, at its step, its try and `RUNNING`: a stale outcome changes nothing and is absent from the
 *    answer.
 * 2. `later` and `postponed` leave the chunk: the sweeper gathers what is due into new ones. All other moves stay in it until it is settled.
 * 3. Each try that was made is kept as an attempt in the same statement.
 *
 * Events: none; attempts are the trail of a record, and the job's events tell the counts.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { type RefusedRow, runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { Scalar } from '#shared/partners/value-path.ts';
import { amongRecords, type RecordAt, type RecordId, recordKey } from './begin-records.ts';

export type RecordMove =
  /** To the next call, in the same walk. */
  | { readonly type: 'next-step' }
  | { readonly type: 'success' }
  /** FAILED for now: the same call again after `delayMs`. */
  | { readonly type: 'later'; readonly delayMs: number }
  /** FAILED for good, unless an operator says otherwise. */
  | { readonly type: 'failed' }
  | { readonly type: 'ambiguous' }
  /** Nothing was sent: the try is not counted, and the chunk comes again. */
  | { readonly type: 'wait' }
  /** As `wait`, but the record leaves the chunk and comes again on its own. */
  | { readonly type: 'postponed'; readonly delayMs: number };

export interface RecordOutcome extends RecordAt {
  readonly generation: number;
  readonly stepName: string;
  readonly move: RecordMove;
  readonly error?: { readonly code: string; readonly cause: string; readonly message: string };
  /** What later calls and the results may use. */
  readonly reply?: Readonly<Record<string, Scalar>>;
  readonly reference?: string;
  /** Absent when no call was made. */
  readonly attempt?: {
    readonly outcome: 'succeeded' | 'failed' | 'retry' | 'ambiguous';
    readonly httpStatus?: number;
    /** A UUID. */
    readonly requestId: string;
    readonly startedAt: Date;
    readonly durationMs: number;
  };
}

export interface StoredRecords {
  readonly stored: RecordId[];
  readonly refused: RefusedRow<RecordOutcome>[];
}

/** Rows that the database refuses (class 22/23) come back in `refused`; the others are stored. */
export async function storeRecordOutcomes(
  sql: Sql,
  outcomes: readonly RecordOutcome[],
  options: { readonly worker: string },
): Promise<StoredRecords> {
  const { results, refused } = await runSet({
    rows: outcomes,
    keyOf: recordKey,
    run: (rows) => storeSet(sql, rows, options.worker),
  });
  return { stored: results.flat(), refused };
}

/**
 * Of outcomes that a statement did not store: those that an earlier try of it did, whose reply was lost. Under its chunk's epoch nobody but its holder
 * moves a record.
 */
export function findStoredRecords(sql: Sql, outcomes: readonly RecordOutcome[]): Promise<RecordId[]> {
  return sql<RecordId[]>`
    WITH input AS (${inputOf(sql, outcomes)})
    SELECT r.job_id AS "jobId", r.line::float8 AS line
    FROM input i JOIN record_chunks c ON c.id = i."chunkId" AND c.epoch = i.epoch
      JOIN records r ON r.job_id = i."jobId" AND r.line = i.line AND r.created_at = i."createdAt"
    WHERE CASE WHEN i.move IN ('later', 'postponed') THEN r.chunk_id IS DISTINCT FROM c.id
      ELSE r.chunk_id = c.id AND (r.step, r.tries, r.state) = (i.step + (i.move = 'next-step')::int, ${triesAfter(sql)}, ${stateAfter(sql)}) END`;
}

function toRow({ move, error, attempt, ...at }: RecordOutcome) {
  return {
    ...at,
    move: move.type,
    delayMs: 'delayMs' in move ? Math.ceil(move.delayMs) : undefined,
    ...error,
    outcome: attempt?.outcome,
    httpStatus: attempt?.httpStatus,
    requestId: attempt?.requestId,
    startedAt: attempt?.startedAt,
    durationMs: attempt === undefined ? undefined : Math.round(attempt.durationMs),
  };
}

function inputOf(sql: Sql, outcomes: readonly RecordOutcome[]) {
  return sql`
      SELECT * FROM jsonb_to_recordset(${toJsonb(outcomes.map(toRow))}::text::jsonb) AS r(
        "chunkId" uuid, epoch int, "jobId" uuid, "createdAt" timestamptz, line bigint, step int, tries int, generation int,
        "stepName" text, move text, "delayMs" bigint, code text, cause text, message text, reply jsonb, reference text,
        outcome text, "httpStatus" int, "requestId" uuid, "startedAt" timestamptz, "durationMs" int)`;
}

function stateAfter(sql: Sql) {
  return sql`CASE i.move WHEN 'next-step' THEN 'RUNNING' WHEN 'success' THEN 'SUCCESS' WHEN 'wait' THEN 'PENDING' WHEN 'postponed' THEN 'PENDING'
          WHEN 'ambiguous' THEN 'AMBIGUOUS' ELSE 'FAILED' END`;
}

function triesAfter(sql: Sql) {
  return sql`CASE i.move WHEN 'next-step' THEN 1 WHEN 'wait' THEN i.tries - 1 WHEN 'postponed' THEN i.tries - 1 ELSE i.tries END`;
}

function storeSet(sql: Sql, outcomes: RecordOutcome[], worker: string): Promise<RecordId[]> {
  return sql<RecordId[]>`
    WITH input AS (${inputOf(sql, outcomes)}),
    held AS (
      SELECT c.id FROM record_chunks c
      WHERE (c.id, c.epoch) IN (SELECT "chunkId", epoch FROM input) ORDER BY c.id FOR SHARE),
    moved AS (
      UPDATE records r SET
        updated_at = now(), has_intent = false,
        state = ${stateAfter(sql)},
        step = r.step + (i.move = 'next-step')::int,
        tries = ${triesAfter(sql)},
        replies = CASE WHEN i.reply IS NULL THEN r.replies
          ELSE coalesce(r.replies, '{}') || jsonb_build_object(i."stepName", i.reply) END,
        reference = coalesce(i.reference, r.reference),
        error_code = i.code, error_cause = i.cause, error_message = i.message,
        next_attempt_at = CASE WHEN i.move IN ('later', 'postponed') THEN now() + i."delayMs" * interval '1 ms' END,
        chunk_id = CASE WHEN i.move IN ('later', 'postponed') THEN NULL ELSE r.chunk_id END
      FROM input i JOIN held h ON h.id = i."chunkId"
      WHERE ${amongRecords(sql, outcomes)} AND r.job_id = i."jobId" AND r.line = i.line AND r.created_at = i."createdAt" AND r.chunk_id = i."chunkId"
        AND r.step = i.step AND r.tries = i.tries AND r.state = 'RUNNING'
      RETURNING r.job_id, r.line, r.tenant_id),
    tried AS (
      INSERT INTO record_attempts (job_id, line, started_at, tenant_id, generation, step, step_name, attempt, outcome, http_status,
        code, cause, message, request_id, worker, duration_ms)
      SELECT m.job_id, m.line, i."startedAt", m.tenant_id, i.generation, i.step, i."stepName", i.tries, i.outcome, i."httpStatus",
        i.code, i.cause, i.message, i."requestId", ${worker}, i."durationMs"
      FROM moved m JOIN input i ON i."jobId" = m.job_id AND i.line = m.line
      WHERE i.outcome IS NOT NULL)
    SELECT job_id AS "jobId", line::float8 AS line FROM moved`;
}
