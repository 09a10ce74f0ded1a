/**
 * The clocks of chunks, as `wakeJobs` for jobs: those that are due again, orphaned by a worker that died, to be let in, or whose wake-up was lost.
 *
 * In:  how many standing wake-ups the queue's own count proves lost. Out: the chunks to wake, marked as woken.
 * Events: none; a wake-up changes nothing but its mark.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { stepQueueIn } from '#shared/jobs/lanes.ts';
import { type ChosenRow, type OnRefused, wakeBound, wakeChosen } from '#shared/jobs/wake-chosen.ts';
import type { StepQueue } from '#shared/runtime/config/resource-names.ts';
import { isCarried } from './claim-chunks.ts';
import type { WokenChunk } from './open-records.ts';

export interface WakeChunks {
  /** Most wake-ups of one reason. */
  readonly limit: number;
  readonly missing: number;
  /** Chunks of one job that may be in the queue, or be processed, at once. */
  readonly window: number;
  /** A wake-up younger than this is never taken for lost. */
  readonly graceMs: number;
  /** A wake-up older than this, doubled with each, is sent again whatever the queue counts. */
  readonly boundMs: number;
  readonly onRefused?: OnRefused;
}

export async function wakeChunks(sql: Sql, options: WakeChunks): Promise<WokenChunk[]> {
  return await wakeChosen({
    chosen: await chooseChunks(sql, options),
    wake: (rows) => wakeSet(sql, rows),
    putOff: (id) => sql`UPDATE record_chunks SET woken_at = now() WHERE id = ${id}`,
    onRefused: options.onRefused,
  });
}

async function chooseChunks(sql: Sql, options: WakeChunks): Promise<ChosenRow[]> {
  const { limit, missing, window, graceMs, boundMs } = options;
  return await sql<ChosenRow[]>`
    WITH due AS (
      SELECT c.id, c.epoch, c.wakes FROM record_chunks c JOIN jobs j ON j.id = c.job_id
      WHERE c.next_action_at <= now() AND c.lease_until IS NULL AND c.woken_at IS NULL AND ${isCarried(sql)}
      ORDER BY c.next_action_at LIMIT ${limit}::int),
    orphaned AS (
      SELECT c.id, c.epoch, c.wakes FROM record_chunks c JOIN jobs j ON j.id = c.job_id
      WHERE c.lease_until < now() AND (c.woken_at IS NULL OR c.woken_at < now() - ${boundMs}::int * interval '1 ms')
        AND ${isCarried(sql)}
      ORDER BY c.lease_until LIMIT ${limit}::int),
    room AS (
      SELECT j.id, ${window}::int - (
        SELECT count(*) FROM (
          SELECT 1 FROM record_chunks s
          WHERE s.job_id = j.id AND (s.woken_at IS NOT NULL OR s.lease_until IS NOT NULL OR s.next_action_at IS NOT NULL)
          LIMIT ${window}::int) AS bounded) AS chunks
      FROM jobs j WHERE ${isCarried(sql)} AND j.open_records > 0 AND j.state = 'WAITING'),
    let_in AS (
      SELECT l.id, l.epoch, l.wakes FROM room CROSS JOIN LATERAL (
        SELECT c.id, c.epoch, c.wakes FROM record_chunks c
        WHERE c.job_id = room.id AND c.woken_at IS NULL AND c.lease_until IS NULL AND c.next_action_at IS NULL
        ORDER BY c.id LIMIT least(room.chunks, ${limit}::int)) AS l
      WHERE room.chunks > 0),
    lost AS (
      SELECT c.id, c.epoch, c.wakes FROM record_chunks c JOIN jobs j ON j.id = c.job_id
      WHERE c.lease_until IS NULL AND ${isCarried(sql)}
        AND c.woken_at < now() - ${boundMs}::int * interval '1 ms' AND c.woken_at < now() - ${wakeBound(sql, boundMs, sql`c.wakes`)}
      ORDER BY c.woken_at LIMIT ${limit}::int),
    missing AS (
      SELECT c.id, c.epoch, c.wakes FROM record_chunks c JOIN jobs j ON j.id = c.job_id
      WHERE c.lease_until IS NULL AND c.woken_at < now() - ${graceMs}::int * interval '1 ms' AND ${isCarried(sql)}
      ORDER BY c.woken_at LIMIT least(${missing}::int, ${limit}::int))
    SELECT DISTINCT ON (id) id, why, epoch, wakes
    FROM (SELECT *, 'due' AS why FROM due UNION ALL SELECT *, 'orphaned' FROM orphaned UNION ALL SELECT *, 'let in' FROM let_in
      UNION ALL SELECT *, 'lost' FROM lost UNION ALL SELECT *, 'missing' FROM missing) AS any_of`;
}

async function wakeSet(sql: Sql, chosen: readonly ChosenRow[]): Promise<WokenChunk[]> {
  return await sql<WokenChunk[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(chosen)}::text::jsonb) AS r(id uuid, epoch int, wakes int)),
    locked AS (
      SELECT c.id, (SELECT ${stepQueueIn(sql, sql`j.lane`)} FROM jobs j WHERE j.id = c.job_id) AS queue FROM record_chunks c JOIN input i USING (id)
      WHERE c.epoch = i.epoch AND c.wakes = i.wakes AND (c.lease_until IS NULL OR c.lease_until < now())
        AND (c.next_action_at IS NULL OR c.next_action_at <= now())
      ORDER BY c.id FOR UPDATE OF c SKIP LOCKED)
    UPDATE record_chunks c SET woken_at = now(), wakes = c.wakes + 1 FROM locked n WHERE c.id = n.id
    RETURNING c.id, c.tenant_id AS "tenantId", c.job_id AS "jobId", n.queue, c.wakes AS wake`;
}

/** How many chunks have a wake-up that should still be in `queue`, and how many are being processed. */
export async function countStandingChunks(sql: Sql, queue: StepQueue): Promise<{ standing: number; running: number }> {
  const [row] = await sql<{ standing: number; running: number }[]>`
    SELECT count(*) FILTER (WHERE c.woken_at IS NOT NULL AND c.lease_until IS NULL)::int AS standing,
      count(*) FILTER (WHERE c.lease_until > now())::int AS running
    FROM record_chunks c JOIN jobs j ON j.id = c.job_id WHERE ${isCarried(sql)} AND ${stepQueueIn(sql, sql`j.lane`)} = ${queue}`;
  return row ?? { standing: 0, running: 0 };
}
