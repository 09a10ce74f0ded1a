/** What is open over the whole fleet: rows by queue and state with the oldest that is due, parked dead letters, blocked lines. */
import type { Sql } from '#shared/db/connect-database.ts';
import { stepQueueIn } from '#shared/jobs/lanes.ts';
import { isCarried } from '#shared/records/claim-chunks.ts';

export interface QueueRows {
  readonly queue: string;
  readonly state: string;
  readonly rows: number;
  /** 0 when none of them is due. */
  readonly oldestDueSeconds: number;
}

/** One SELECT per partial index: open rows are read, ended ones never, however many there are. */
export async function readQueueRows(sql: Sql): Promise<QueueRows[]> {
  return await sql<QueueRows[]>`
    SELECT queue, state, sum(rows)::int AS rows, coalesce(max(extract(epoch FROM now() - due_since)), 0)::float8 AS "oldestDueSeconds"
    FROM (
      SELECT queue, 'standing' AS state, count(*) AS rows, min(woken_at) AS due_since
        FROM jobs WHERE state = 'PENDING' AND woken_at IS NOT NULL GROUP BY queue
      UNION ALL
      SELECT queue, 'waiting for admission', count(*), min(created_at)
        FROM jobs WHERE state = 'PENDING' AND woken_at IS NULL AND NOT awaits_turn GROUP BY queue
      UNION ALL
      SELECT queue, 'waiting for their turn', count(*), NULL FROM jobs WHERE awaits_turn AND state = 'PENDING' GROUP BY queue
      UNION ALL
      SELECT queue, 'waiting for their time', count(*), min(next_action_at) FILTER (WHERE next_action_at <= now())
        FROM jobs WHERE state = 'WAITING' GROUP BY queue
      UNION ALL
      SELECT queue, 'running', count(*), min(lease_until) FILTER (WHERE lease_until < now())
        FROM jobs WHERE state = 'RUNNING' GROUP BY queue
      UNION ALL
      SELECT 'ingest', CASE status WHEN 'UPLOADED' THEN 'waiting for their time' ELSE 'standing' END, count(*),
          min(CASE status WHEN 'UPLOADED' THEN next_action_at ELSE coalesce(woken_at, created_at) END)
            FILTER (WHERE status = 'QUEUED' OR next_action_at <= now())
        FROM files WHERE status IN ('UPLOADED', 'QUEUED') GROUP BY 1, 2
      UNION ALL
      SELECT queue, 'waiting for the archive', count(*),
          min(greatest(coalesce(lease_until, updated_at), coalesce(next_action_at, updated_at)))
            FILTER (WHERE coalesce(lease_until, updated_at) <= now() AND coalesce(next_action_at, updated_at) <= now())
        FROM files WHERE status = 'PROCESSING' AND open_jobs = 0 GROUP BY queue
      UNION ALL
      SELECT ${stepQueueIn(sql, sql`j.lane`)}, CASE WHEN c.lease_until IS NOT NULL THEN 'chunks running'
          WHEN c.woken_at IS NOT NULL THEN 'chunks standing'
          WHEN c.next_action_at IS NOT NULL THEN 'chunks waiting for their time' ELSE 'chunks waiting for admission' END, count(*),
          min(coalesce(c.lease_until, c.woken_at, c.next_action_at)) FILTER (WHERE coalesce(c.lease_until, c.woken_at, c.next_action_at) <= now())
        FROM record_chunks c JOIN jobs j ON j.id = c.job_id WHERE ${isCarried(sql)} GROUP BY 1, 2
      UNION ALL
      SELECT ${stepQueueIn(sql, sql`j.lane`)}, 'records due', count(*), min(r.next_attempt_at)
        FROM records r JOIN jobs j ON j.id = r.job_id WHERE r.next_attempt_at <= now() AND ${isCarried(sql)}
        GROUP BY 1
    ) AS open GROUP BY queue, state`;
}

export async function countParkedLetters(sql: Sql): Promise<number> {
  const [row] = await sql<
    { parked: number }[]
  >`SELECT count(*)::int AS parked FROM dead_letters WHERE state = 'PARKED'`;
  return row?.parked ?? 0;
}

/** A failed file without any behind it holds nobody back. */
export async function countBlockedLines(sql: Sql): Promise<number> {
  const [row] = await sql<{ blocked: number }[]>`
    SELECT count(*)::int AS blocked FROM job_lines l JOIN jobs h ON h.id = l.holder
    WHERE h.state = 'FAILED' AND EXISTS (
      SELECT 1 FROM jobs n
      WHERE n.order_key = l.order_key AND n.route_id = l.route_id AND n.awaits_turn AND n.state = 'PENDING')`;
  return row?.blocked ?? 0;
}
