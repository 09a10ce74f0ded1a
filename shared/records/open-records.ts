/**
 * Opening: the records of a job may be processed from now on.
 *
 * 1. `open_records` counts those that have not ended; it is counted again only while it is null: before the first time, and after an
 *    operator reopened a job that was ended with records in the middle. Whoever settles a chunk counts it down.
 * 2. Records that no chunk carries, because their chunks went with a cancelled job, get new ones first.
 * 3. A row whose business key went to a newer row, while its job was ended, is a duplicate of that one and is not processed any more.
 * 4. A few chunks of one job are in the queue at once; each that is done lets in the next.
 *
 * In:  a claimed job at its record steps. Out: how many records are open, and the chunks to be woken.
 * Events: none; the outcome of the step follows.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { stepQueueIn } from '#shared/jobs/lanes.ts';
import { callsPartner } from '#shared/partners/calls-partner.ts';
import type { StepQueue } from '#shared/runtime/config/resource-names.ts';
import { CHUNK_RECORDS } from './claim-chunks.ts';

export interface OpenRecords {
  readonly jobId: string;
  readonly epoch: number;
  /** Chunks of the job that may be in the queue at once. */
  readonly window: number;
}

export interface WokenChunk {
  readonly id: string;
  readonly tenantId: string;
  readonly jobId: string;
  readonly queue: StepQueue;
  readonly wake: number;
}

export interface OpenedRecords {
  readonly openRecords: number;
  /** An operator paused a partner that the route calls. */
  readonly isPaused: boolean;
  readonly woken: WokenChunk[];
}

const ADOPTED_ROWS = 10_000;

/** Undefined: the epoch is stale. */
export async function openRecords(sql: Sql, open: OpenRecords): Promise<OpenedRecords | undefined> {
  const [job] = await sql<{ openRecords: number | null }[]>`
    SELECT open_records AS "openRecords" FROM jobs WHERE id = ${open.jobId} AND epoch = ${open.epoch} AND state = 'RUNNING'`;
  if (job === undefined) return undefined;
  if (job.openRecords === null) {
    await rejectSuperseded(sql, open);
    await adoptOrphans(sql, open);
  }
  const [row] = await sql<OpenedRecords[]>`
    WITH job AS (
      SELECT id, tenant_id, route_version_id, created_at, open_records, ${stepQueueIn(sql, sql`lane`)} AS queue FROM jobs
      WHERE id = ${open.jobId} AND epoch = ${open.epoch} AND state = 'RUNNING' FOR UPDATE),
    opened AS (
      UPDATE jobs j SET open_records = (
          SELECT count(*) FROM records r WHERE r.job_id = job.id AND r.created_at = job.created_at
            AND (r.state IN ('PENDING', 'RUNNING') OR r.next_attempt_at IS NOT NULL))
      FROM job WHERE j.id = job.id AND j.open_records IS NULL
      RETURNING j.open_records),
    next AS (
      SELECT c.id FROM record_chunks c JOIN job ON c.job_id = job.id
      WHERE c.woken_at IS NULL AND c.lease_until IS NULL AND c.next_action_at IS NULL AND EXISTS (SELECT 1 FROM opened)
      ORDER BY c.id LIMIT ${open.window}::int FOR UPDATE OF c),
    woken AS (
      UPDATE record_chunks c SET woken_at = now(), wakes = c.wakes + 1 FROM next n WHERE c.id = n.id
      RETURNING c.id, c.tenant_id, c.job_id, c.wakes, (SELECT queue FROM job) AS queue)
    SELECT coalesce((SELECT open_records FROM opened), job.open_records) AS "openRecords",
      EXISTS (
        SELECT 1 FROM partners p JOIN route_versions v ON v.id = job.route_version_id
        WHERE p.tenant_id = job.tenant_id AND p.paused_at IS NOT NULL AND p.removed_at IS NULL AND ${callsPartner(sql, sql`v.definition`, sql`p.name`)})
        AS "isPaused",
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'tenantId', tenant_id, 'jobId', job_id, 'queue', queue, 'wake', wakes)) FROM woken),
        '[]') AS woken
    FROM job`;
  return row;
}

/** In the first generation no key was free to go. */
async function rejectSuperseded(sql: Sql, { jobId, epoch }: OpenRecords): Promise<void> {
  await sql`
    WITH job AS (
      SELECT id, tenant_id, route_id, created_at FROM jobs
      WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' AND generation > 1 FOR UPDATE)
    UPDATE records r SET state = 'REJECTED', chunk_id = NULL, next_attempt_at = NULL, has_intent = false, updated_at = now(),
      error_code = 'PARSE_ERROR', error_cause = 'RECORD_DUPLICATE',
      error_message = 'A newer row with this business key was sent while the job was ended; this one will not be processed.'
    FROM job
    WHERE r.job_id = job.id AND r.created_at = job.created_at AND r.business_key IS NOT NULL
      AND (r.state IN ('PENDING', 'RUNNING') OR r.next_attempt_at IS NOT NULL)
      AND EXISTS (
        SELECT 1 FROM record_keys k
        WHERE k.tenant_id = job.tenant_id AND k.route_id = job.route_id AND k.business_key = r.business_key
          AND NOT (k.job_id = r.job_id AND k.line = r.line))`;
}

/** Ends: each statement places what it finds. */
async function adoptOrphans(sql: Sql, { jobId, epoch }: OpenRecords): Promise<void> {
  for (;;) {
    const [row] = await sql<{ adopted: number }[]>`
      WITH job AS (
        SELECT id, tenant_id, created_at FROM jobs WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' FOR UPDATE),
      orphan AS (
        SELECT r.job_id, r.line, r.created_at,
          (row_number() OVER (ORDER BY r.line) - 1) / ${CHUNK_RECORDS}::int AS part
        FROM records r JOIN job ON r.job_id = job.id AND r.created_at = job.created_at
        WHERE r.state IN ('PENDING', 'RUNNING') AND r.next_attempt_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM record_chunks c WHERE c.id = r.chunk_id)
        ORDER BY r.line LIMIT ${ADOPTED_ROWS}),
      chunk AS MATERIALIZED (
        SELECT part, uuid_v7() AS id, array_agg(line ORDER BY line) AS lines FROM orphan GROUP BY part),
      made AS (
        INSERT INTO record_chunks (id, tenant_id, job_id, lines) SELECT chunk.id, job.tenant_id, job.id, lines FROM chunk, job),
      adopted AS (
        UPDATE records r SET chunk_id = c.id FROM orphan o JOIN chunk c USING (part)
        WHERE r.job_id = o.job_id AND r.line = o.line AND r.created_at = o.created_at RETURNING r.line)
      SELECT count(*)::int AS adopted FROM adopted`;
    if ((row?.adopted ?? 0) < ADOPTED_ROWS) return;
  }
}
