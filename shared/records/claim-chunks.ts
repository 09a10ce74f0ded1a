/**
 * Claim: a worker takes chunks of records for the length of a lease.
 *
 * 1. As for jobs: a claim raises the epoch, a repeated one with the same token changes nothing and gives the same rows.
 * 2. Only chunks of a job that is open and is at its record steps are claimed.
 * 3. The answer holds the records that have no outcome yet. Those that are `RUNNING` were begun by a worker that is gone.
 *
 * In:  chunk ids from wake-ups. Out: the chunks claimed; absent ones have a live lease, are done, or not due.
 * Events: none; a chunk is a lease, what happens to its records is kept as their attempts.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet } from '#shared/db/run-statements.ts';
import type { RecordValues } from '#shared/formats/records/record-item.ts';
import { parseExactJson } from '#shared/partners/exact-json.ts';
import type { Scalar } from '#shared/partners/value-path.ts';

export interface ClaimedRecord {
  readonly line: number;
  readonly state: 'PENDING' | 'RUNNING';
  /** Which call is next, from 0. */
  readonly step: number;
  readonly tries: number;
  readonly hasIntent: boolean;
  readonly keyGeneration: number;
  readonly values: RecordValues;
  /** By the name of the step. */
  readonly replies: Readonly<Record<string, Readonly<Record<string, Scalar>>>> | null;
}

export interface ClaimedChunk {
  readonly id: string;
  readonly tenantId: string;
  readonly jobId: string;
  readonly fileId: string;
  readonly routeVersionId: string;
  readonly generation: number;
  readonly epoch: number;
  /** Part of the records' key, as the database spells it. */
  readonly recordsCreatedAt: string;
  readonly file: { readonly key: string; readonly name: string };
  readonly records: readonly ClaimedRecord[];
}

export interface ClaimChunks {
  readonly chunkIds: readonly string[];
  /** A UUID made again for every claim, and kept when the same claim is tried again. */
  readonly token: string;
  readonly worker: string;
  readonly leaseMs: number;
}

export async function claimChunks(sql: Sql, options: ClaimChunks): Promise<ClaimedChunk[]> {
  const { results, refused } = await runSet({
    rows: options.chunkIds,
    keyOf: (id) => id,
    run: (ids) => claimSet(sql, ids, options),
  });
  if (refused[0] !== undefined) throw refused[0].error;
  return results.flat();
}

type StoredRecord = Omit<ClaimedRecord, 'replies'> & { readonly replies: string | null };
type StoredChunk = Omit<ClaimedChunk, 'records'> & { readonly records: readonly StoredRecord[] };

async function claimSet(sql: Sql, ids: string[], { token, worker, leaseMs }: ClaimChunks): Promise<ClaimedChunk[]> {
  const chunks = await sql<StoredChunk[]>`
    WITH candidate AS (
      SELECT c.id, c.claim_token IS NOT DISTINCT FROM ${token}::uuid AS is_repeat
      FROM record_chunks c JOIN jobs j ON j.id = c.job_id
      WHERE c.id = ANY(${ids}::uuid[]) AND ${isCarried(sql)}
        AND ((c.lease_until IS NULL AND coalesce(c.next_action_at <= now(), true)) OR c.lease_until < now()
          OR c.claim_token = ${token}::uuid)
      ORDER BY c.id FOR UPDATE OF c),
    claimed AS (
      UPDATE record_chunks c SET claim_token = ${token}::uuid, lease_until = now() + ${leaseMs}::int * interval '1 ms',
        epoch = c.epoch + (NOT n.is_repeat)::int, worker = ${worker}, woken_at = NULL, next_action_at = NULL
      FROM candidate n WHERE c.id = n.id RETURNING c.*)
    SELECT c.id, c.tenant_id AS "tenantId", c.job_id AS "jobId", j.file_id AS "fileId", j.route_version_id AS "routeVersionId",
      j.generation, c.epoch, j.created_at::text AS "recordsCreatedAt", jsonb_build_object('key', f.key, 'name', f.name) AS file,
      coalesce((
        SELECT jsonb_agg(jsonb_build_object('line', r.line, 'state', r.state, 'step', r.step, 'tries', r.tries,
          'hasIntent', r.has_intent, 'keyGeneration', r.key_generation, 'values', r."values", 'replies', r.replies::text) ORDER BY r.line)
        FROM records r
        WHERE r.job_id = c.job_id AND r.created_at = j.created_at AND r.line = ANY(c.lines) AND r.chunk_id = c.id
          AND r.state IN ('PENDING', 'RUNNING')), '[]') AS records
    FROM claimed c JOIN jobs j ON j.id = c.job_id JOIN files f ON f.id = j.file_id ORDER BY c.id`;
  return chunks.map((chunk) => ({
    ...chunk,
    records: chunk.records.map(({ replies, ...record }) => ({ ...record, replies: readReplies(replies) })),
  }));
}

/** The driver would read their numbers as floating point. */
function readReplies(text: string | null): ClaimedRecord['replies'] {
  return text === null ? null : (parseExactJson(text) as ClaimedRecord['replies']);
}

/** Whether the records of job `j` may be processed now. */
export function isCarried(sql: Sql) {
  return sql`(j.state IN ('PENDING', 'RUNNING', 'WAITING') AND j.step_kind = 'call' AND j.open_records IS NOT NULL)`;
}

export const CHUNK_RECORDS = 100;
