/**
 * Settling: a worker is done with a chunk, or gives it back.
 *
 * 1. A chunk whose records all have an outcome is deleted, once, and what ended in it is counted off its job. Records that left the chunk
 *    to be tried later are counted when the chunk that then carries them is settled.
 * 2. The job whose last record that was is woken by the same statement, or left to the clock while its tenant's admission window is full; the
 *    next chunk of the job is woken, too.
 * 3. A chunk with records left is given back, to come again after its delay.
 * 4. Locks go from job to chunk, here as in cancelling.
 *
 * Out: what happened to each chunk (absent: stale, or settled before), chunks and jobs to wake. Events: `records.settled` (audit only).
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet } from '#shared/db/run-statements.ts';
import { ADMISSION_WINDOW, admit } from '#shared/jobs/admission.ts';
import { stepQueueIn } from '#shared/jobs/lanes.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { PARTNER_PAUSED, RECORDS } from '#shared/steps/step-outcome.ts';
import { isAnyPaused } from './note-paused.ts';
import type { WokenChunk } from './open-records.ts';

export interface SettleChunk {
  readonly chunkId: string;
  readonly epoch: number;
  /** Until it comes again, when records are left in it. */
  readonly delayMs: number;
}

export interface SettleOptions {
  readonly actor: string;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly window?: number;
}

export interface SettledChunks {
  readonly settled: { readonly chunkId: string; readonly isDone: boolean }[];
  readonly chunks: WokenChunk[];
  readonly jobs: WokenJob[];
}

export async function settleChunks(
  sql: Sql,
  chunks: readonly SettleChunk[],
  options: SettleOptions,
): Promise<SettledChunks> {
  const { results, refused } = await runSet({
    rows: chunks,
    keyOf: ({ chunkId }) => chunkId,
    run: (rows) => settleSet(sql, rows, options),
  });
  if (refused[0] !== undefined) throw refused[0].error;
  return {
    settled: results.flatMap((result) => result.settled),
    chunks: results.flatMap((result) => result.chunks),
    jobs: results.flatMap((result) => result.jobs),
  };
}

async function settleSet(
  sql: Sql,
  rows: SettleChunk[],
  { actor, window = ADMISSION_WINDOW }: SettleOptions,
): Promise<SettledChunks> {
  const [row] = await sql<SettledChunks[]>`
    WITH input AS (
      SELECT * FROM unnest(${rows.map((row) => row.chunkId)}::uuid[], ${rows.map((row) => row.epoch)}::int[],
        ${rows.map((row) => Math.ceil(row.delayMs))}::int[]) AS r(id, epoch, delay_ms)),
    job AS MATERIALIZED (
      SELECT j.id, j.created_at, j.tenant_id, j.queue, ${stepQueueIn(sql, sql`j.lane`)} AS step_queue, j.state, j.open_records FROM jobs j
      WHERE j.id IN (SELECT c.job_id FROM record_chunks c JOIN input i USING (id)) ORDER BY j.id FOR UPDATE),
    held AS MATERIALIZED (
      SELECT c.id, c.job_id, c.lines, job.created_at, i.delay_ms
      FROM job JOIN record_chunks c ON c.job_id = job.id JOIN input i ON i.id = c.id
      WHERE c.epoch = i.epoch ORDER BY c.id FOR UPDATE OF c),
    counted AS MATERIALIZED (
      SELECT h.id, h.job_id, h.delay_ms, n.left_over, n.success, n.failed, n.ambiguous
      FROM held h CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE r.state IN ('PENDING', 'RUNNING'))::int AS left_over,
          count(*) FILTER (WHERE r.state = 'SUCCESS')::int AS success,
          count(*) FILTER (WHERE r.state = 'FAILED')::int AS failed,
          count(*) FILTER (WHERE r.state = 'AMBIGUOUS')::int AS ambiguous
        FROM records r
        WHERE r.job_id = h.job_id AND r.created_at = h.created_at AND r.line = ANY(h.lines) AND r.chunk_id = h.id) AS n),
    released AS (
      UPDATE record_chunks c SET lease_until = NULL, claim_token = NULL, worker = NULL,
        next_action_at = now() + n.delay_ms * interval '1 ms'
      FROM counted n WHERE c.id = n.id AND n.left_over > 0),
    done AS (DELETE FROM record_chunks c USING counted n WHERE c.id = n.id AND n.left_over = 0),
    ended AS (
      SELECT job_id, count(*)::int AS chunks, sum(success)::int AS success, sum(failed)::int AS failed,
        sum(ambiguous)::int AS ambiguous, sum(success + failed + ambiguous)::int AS records
      FROM counted WHERE left_over = 0 GROUP BY job_id),
    asking AS (
      SELECT job.id, job.tenant_id, job.queue, 0 AS place FROM job JOIN ended e ON e.job_id = job.id
      WHERE e.records > 0 AND job.open_records = e.records AND job.state = 'WAITING'),
    ${admit(sql, window)},
    job_counted AS (
      UPDATE jobs j SET updated_at = now(), open_records = j.open_records - e.records,
        state = CASE WHEN j.open_records = e.records AND j.state = 'WAITING' THEN 'PENDING' ELSE j.state END,
        wait_reason = CASE WHEN j.open_records = e.records AND j.state = 'WAITING' THEN NULL
          WHEN j.wait_reason = ${PARTNER_PAUSED} AND NOT ${isAnyPaused(sql, sql`j.tenant_id`)} THEN ${RECORDS} ELSE j.wait_reason END,
        woken_at = CASE WHEN j.id IN (SELECT id FROM admitted) THEN now() ELSE j.woken_at END,
        wakes = j.wakes + (j.id IN (SELECT id FROM admitted))::int,
        next_action_at = CASE WHEN j.open_records = e.records AND j.state = 'WAITING' THEN NULL ELSE j.next_action_at END
      FROM ended e WHERE j.id = e.job_id AND e.records > 0
      RETURNING j.id, j.file_id, j.tenant_id, j.queue, j.wakes, j.generation, j.open_records,
        e.success, e.failed, e.ambiguous),
    next AS (
      SELECT n.id FROM ended e CROSS JOIN LATERAL (
        SELECT c.id FROM record_chunks c
        WHERE c.job_id = e.job_id AND c.woken_at IS NULL AND c.lease_until IS NULL AND c.next_action_at IS NULL
        ORDER BY c.id LIMIT e.chunks FOR UPDATE SKIP LOCKED) AS n),
    woken AS (
      UPDATE record_chunks c SET woken_at = now(), wakes = c.wakes + 1 FROM next n WHERE c.id = n.id
      RETURNING c.id, c.tenant_id, c.job_id, c.wakes, (SELECT step_queue FROM job WHERE job.id = c.job_id) AS queue),
    event AS (
      SELECT 'records.settled' AS type, tenant_id, file_id, id AS job_id,
        jsonb_build_object('success', success, 'failed', failed, 'ambiguous', ambiguous, 'open', open_records,
          'generation', generation) AS detail,
        '{}'::text[] AS topics
      FROM job_counted),
    ${recordEvents(sql, actor)}
    SELECT
      coalesce((SELECT jsonb_agg(jsonb_build_object('chunkId', id, 'isDone', left_over = 0)) FROM counted), '[]') AS settled,
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'tenantId', tenant_id, 'jobId', job_id, 'queue', queue, 'wake', wakes)) FROM woken),
        '[]') AS chunks,
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'fileId', file_id, 'tenantId', tenant_id, 'queue', queue,
        'wake', wakes)) FROM job_counted WHERE id IN (SELECT id FROM admitted)), '[]') AS jobs`;
  return row ?? { settled: [], chunks: [], jobs: [] };
}
