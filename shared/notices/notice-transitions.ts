/**
 * Notices on their way to tenants' channels. One statement each; any number of sweepers run side by side.
 *
 * `notifyChannels`: events that wait for it become rows, one per channel that wants to know. Deleted from the outbox by the same statement.
 * `gatherDigests`:  rows of channels whose digest is due are given one delivery, which keeps its id and its rows over all tries.
 * `leaseNotices`:   deliveries that are due, a few of each channel, for `leaseMs`. Counts the attempt, so that a crash is counted too.
 * `storeNotices`:   what was sent is deleted, the others have their next time, or are parked: event `notice.parked`.
 * `retryNotices`:   parked ones have all their attempts again, on an operator's request: event `notice.retried`.
 *
 * 1. Sent again after a kill between sending and storing: at least once, with the same id.
 * 2. Rows of a channel that is no longer defined go when it goes (`apply-definitions.ts`).
 */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { noticeOf, recordEvents } from '#shared/jobs/record-events.ts';
import type { StoredNotice } from '#shared/notices/describe-notice.ts';

/** The `topic` of outbox rows that `notifyChannels` takes. */
export const CHANNELS = 'channels';

/** Literals, or a prepared statement could not use the partial indexes. */
export const isForTopics = (sql: Sql) => sql`topic <> 'channels'`;
const isForChannels = (sql: Sql) => sql`topic = 'channels'`;

export async function notifyChannels(sql: Sql, { limit }: { readonly limit: number }): Promise<number> {
  const [row] = await sql<{ taken: number }[]>`
    WITH free AS (
      SELECT event_id FROM outbox WHERE ${isForChannels(sql)} ORDER BY created_at LIMIT ${literalLimit(sql, limit)} FOR UPDATE SKIP LOCKED),
    taken AS (
      DELETE FROM outbox o USING free WHERE o.event_id = free.event_id AND o.topic = ${CHANNELS} RETURNING o.event_id, o.body),
    event AS (
      SELECT event_id, body, body ->> 'type' AS type, body -> 'data' AS detail, body ->> 'tenantId' AS tenant_id,
        (body ->> 'fileId')::uuid AS file_id, (body ->> 'jobId')::uuid AS job_id
      FROM taken),
    named AS (SELECT *, ${noticeOf(sql)} AS notice FROM event),
    notified AS (
      INSERT INTO notices (event_id, tenant_id, route, channel, notice, body, delivery_id, next_action_at)
      SELECT n.event_id, n.tenant_id, c.route, c.name, n.notice,
        jsonb_build_object('notice', n.notice, 'event', n.body,
          'file', CASE WHEN f.id IS NOT NULL THEN jsonb_build_object('id', f.id, 'name', f.name, 'key', f.key, 'sizeBytes', f.size_bytes) END,
          'jobs', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', j.id, 'route', r.name, 'state', j.state) ORDER BY r.name)
            FROM jobs j JOIN routes r ON r.id = j.route_id
            WHERE j.file_id = n.file_id AND (n.job_id IS NULL OR j.id = n.job_id)), '[]')),
        CASE WHEN c.digest_ms = 0 THEN n.event_id END, now() + c.digest_ms * interval '1 ms'
      FROM named n
      JOIN notice_channels c ON c.tenant_id = n.tenant_id AND n.notice = ANY(c.notices) AND c.name = coalesce(n.detail ->> 'channel', c.name)
      LEFT JOIN files f ON f.id = n.file_id
      WHERE c.route IN ('', 'expectation/' || (n.detail ->> 'expectation'), CASE WHEN n.detail ? 'batch' THEN n.detail ->> 'route' END) OR EXISTS (
        SELECT 1 FROM jobs j JOIN routes r ON r.id = j.route_id
        WHERE j.file_id = n.file_id AND (n.job_id IS NULL OR j.id = n.job_id) AND r.name = c.route)
      ON CONFLICT DO NOTHING)
    SELECT count(*)::int AS taken FROM taken`;
  return row?.taken ?? 0;
}

export async function gatherDigests(sql: Sql, { most }: { readonly most: number }): Promise<number> {
  const rows = await sql`
    WITH RECURSIVE ${channelsWith(sql, sql`delivery_id IS NULL`)},
    due AS MATERIALIZED (
      SELECT c.* FROM channel_with c CROSS JOIN LATERAL (
        SELECT next_action_at FROM notices
        WHERE delivery_id IS NULL AND tenant_id = c.tenant_id AND route = c.route AND channel = c.channel
        ORDER BY next_action_at LIMIT 1) AS first
      WHERE first.next_action_at <= now()),
    free AS (
      SELECT n.* FROM due d CROSS JOIN LATERAL (
        SELECT event_id, tenant_id, route, channel, created_at FROM notices
        WHERE delivery_id IS NULL AND tenant_id = d.tenant_id AND route = d.route AND channel = d.channel
        ORDER BY created_at, event_id LIMIT ${literalLimit(sql, most)} FOR UPDATE SKIP LOCKED) AS n),
    head AS (
      SELECT tenant_id, route, channel, (array_agg(event_id ORDER BY created_at, event_id))[1] AS id
      FROM free GROUP BY tenant_id, route, channel)
    UPDATE notices n SET delivery_id = h.id, next_action_at = now()
    FROM free f JOIN head h USING (tenant_id, route, channel)
    WHERE (n.event_id, n.tenant_id, n.route, n.channel) = (f.event_id, f.tenant_id, f.route, f.channel)
    RETURNING 1`;
  return rows.length;
}

/** CTE. The channels that have such notices, each found by one look into the index: a backlog of one costs the others nothing. */
function channelsWith(sql: Sql, such: Fragment) {
  const next = (after: Fragment) => sql`
    SELECT tenant_id, route, channel FROM notices WHERE ${such} ${after} ORDER BY tenant_id, route, channel LIMIT 1`;
  return sql`channel_with AS (
      (${next(sql``)})
      UNION ALL
      SELECT n.* FROM channel_with w CROSS JOIN LATERAL (
        ${next(sql`AND (tenant_id, route, channel) > (w.tenant_id, w.route, w.channel)`)}) AS n)`;
}

export interface LeasedNotice {
  readonly id: string;
  readonly tenantId: string;
  readonly route: string;
  readonly channel: string;
  /** This try included. */
  readonly attempt: number;
  /** As stored; null when the channel has just gone. */
  readonly definition: unknown;
  readonly notices: StoredNotice[];
}

export interface LeaseNoticesOptions {
  readonly limit: number;
  /** Of one channel, so that a receiver that hangs does not hold up the others. */
  readonly limitPerChannel: number;
  readonly leaseMs: number;
}

export async function leaseNotices(sql: Sql, options: LeaseNoticesOptions): Promise<LeasedNotice[]> {
  return await sql<LeasedNotice[]>`
    WITH RECURSIVE ${channelsWith(sql, sql`delivery_id = event_id AND state = 'PENDING'`)},
    ranked AS MATERIALIZED (
      SELECT n.* FROM channel_with c CROSS JOIN LATERAL (
        SELECT event_id, tenant_id, route, channel, row_number() OVER (ORDER BY next_action_at, event_id) AS place FROM notices
        WHERE delivery_id = event_id AND state = 'PENDING' AND tenant_id = c.tenant_id AND route = c.route AND channel = c.channel
          AND next_action_at <= now() AND coalesce(locked_until < now(), true)
        ORDER BY next_action_at, event_id LIMIT ${literalLimit(sql, options.limitPerChannel)}) AS n),
    free AS (
      SELECT n.event_id, n.tenant_id, n.route, n.channel
      FROM ranked r JOIN notices n USING (event_id, tenant_id, route, channel)
      WHERE n.state = 'PENDING' AND coalesce(n.locked_until < now(), true)
      ORDER BY r.place, n.next_action_at LIMIT ${literalLimit(sql, options.limit)} FOR UPDATE OF n SKIP LOCKED),
    leased AS (
      UPDATE notices n SET locked_until = now() + ${options.leaseMs}::int * interval '1 ms', attempts = n.attempts + 1
      FROM free f WHERE (n.event_id, n.tenant_id, n.route, n.channel) = (f.event_id, f.tenant_id, f.route, f.channel)
      RETURNING n.*)
    SELECT l.event_id AS id, l.tenant_id AS "tenantId", l.route, l.channel, l.attempts AS attempt, c.definition,
      (SELECT jsonb_agg(m.body ORDER BY m.created_at, m.event_id) FROM notices m
        WHERE m.delivery_id = l.event_id AND m.tenant_id = l.tenant_id AND m.route = l.route AND m.channel = l.channel) AS notices
    FROM leased l LEFT JOIN notice_channels c ON c.tenant_id = l.tenant_id AND c.route = l.route AND c.name = l.channel
    ORDER BY l.created_at, l.event_id`;
}

export interface NoticeEnd extends Pick<LeasedNotice, 'id' | 'tenantId' | 'route' | 'channel' | 'attempt'> {
  readonly end: 'gone' | 'later' | 'parked';
  readonly delayMs?: number;
  readonly cause?: string;
  readonly message?: string;
}

/** What was sent is gone whoever holds it now; other ends of a try that somebody else has followed change nothing. */
export async function storeNotices(sql: Sql, ends: readonly NoticeEnd[], actor: string): Promise<void> {
  if (ends.length === 0) return;
  await sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(ends)}::text::jsonb) AS r(
        id uuid, "tenantId" text, route text, channel text, attempt int, "end" text, "delayMs" float8, cause text, message text)),
    gone AS (
      DELETE FROM notices n USING input i
      WHERE i.end = 'gone' AND n.delivery_id = i.id AND n.tenant_id = i."tenantId" AND n.route = i.route AND n.channel = i.channel),
    moved AS (
      UPDATE notices n SET state = CASE i.end WHEN 'parked' THEN 'PARKED' ELSE 'PENDING' END, locked_until = NULL,
        next_action_at = now() + coalesce(i."delayMs", 0) * interval '1 ms', error_cause = i.cause, error_message = i.message
      FROM input i
      WHERE i.end <> 'gone' AND (n.event_id, n.tenant_id, n.route, n.channel) = (i.id, i."tenantId", i.route, i.channel)
        AND n.attempts = i.attempt AND n.state = 'PENDING'
      RETURNING n.*),
    event AS (
      SELECT 'notice.parked' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('noticeId', event_id, 'channel', channel, 'route', route, 'notice', notice, 'attempts', attempts,
          'cause', error_cause, 'message', error_message) AS detail,
        '{events}'::text[] AS topics
      FROM moved WHERE state = 'PARKED'),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

export interface RetryNotices {
  /** Null: of every tenant. */
  readonly tenantId: string | null;
  readonly channel?: string | undefined;
  readonly actor: string;
  readonly reason: string;
}

/** Resolves to the number of deliveries that continue. */
export async function retryNotices(sql: Sql, { tenantId, channel, actor, reason }: RetryNotices): Promise<number> {
  const rows = await sql`
    WITH retried AS (
      UPDATE notices SET state = 'PENDING', attempts = 0, next_action_at = now(), locked_until = NULL
      WHERE state = 'PARKED' AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId})
        AND (${channel ?? null}::text IS NULL OR channel = ${channel ?? null})
      RETURNING *),
    event AS (
      SELECT 'notice.retried' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('noticeId', event_id, 'channel', channel, 'route', route, 'notice', notice, 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM retried),
    ${recordEvents(sql, actor)}
    SELECT event_id FROM retried`;
  return rows.length;
}

export interface NoticeLag {
  readonly pending: number;
  readonly parked: number;
  /** How long the oldest that is not parked has been due. */
  readonly oldestDueSeconds: number;
}

export async function noticeLag(sql: Sql): Promise<NoticeLag> {
  const [row] = await sql<NoticeLag[]>`
    SELECT count(*) FILTER (WHERE state = 'PENDING')::int AS pending, count(*) FILTER (WHERE state = 'PARKED')::int AS parked,
      coalesce(max(extract(epoch FROM now() - next_action_at)) FILTER (WHERE state = 'PENDING' AND next_action_at <= now()), 0)::float8
        AS "oldestDueSeconds"
    FROM notices WHERE delivery_id IS NULL OR delivery_id = event_id`;
  return row ?? { pending: 0, parked: 0, oldestDueSeconds: 0 };
}
