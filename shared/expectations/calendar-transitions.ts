/**
 * Calendars whose holidays are in an object of an external store: when it is looked at, and what was read.
 *
 * `claimReadings`: those that are due or were applied since; the next look is put off, so that of several sweepers one reads.
 * `storeHolidays`: what an object has; expectations of the calendar are planned again. Event `calendar.holidays-read` when they changed.
 * `noteUnread`:    what was read last counts on. Event `calendar.holidays-unread`, once a day.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface ClaimedReading {
  readonly tenantId: string;
  readonly name: string;
  readonly version: number;
  readonly definition: unknown;
  /** Of what was read last, for this version of the definition. */
  readonly etag: string | null;
}

export async function claimReadings(
  sql: Sql,
  { limit, againMs }: { readonly limit: number; readonly againMs: number },
): Promise<ClaimedReading[]> {
  return await sql<ClaimedReading[]>`
    WITH due AS (
      SELECT c.tenant_id, c.name, CASE WHEN c.holidays_version = c.version THEN c.holidays_etag END AS etag
      FROM calendars c JOIN tenants t ON t.id = c.tenant_id
      WHERE c.definition ? 'holidaysFrom' AND c.removed_at IS NULL AND t.disabled_at IS NULL
        AND (c.holidays_version IS DISTINCT FROM c.version OR c.holidays_look_at <= now())
      ORDER BY c.holidays_look_at NULLS FIRST LIMIT ${literalLimit(sql, limit)} FOR UPDATE OF c SKIP LOCKED)
    UPDATE calendars c SET holidays_version = c.version, holidays_look_at = now() + ${againMs}::int * interval '1 ms'
    FROM due d WHERE c.tenant_id = d.tenant_id AND c.name = d.name
    RETURNING c.tenant_id AS "tenantId", c.name, c.version, c.definition, d.etag`;
}

export interface ReadHolidays {
  readonly etag: string;
  readonly dates: readonly string[];
  /** Until the object is looked at again. */
  readonly againMs: number;
}

/** Nothing when the calendar was applied meanwhile. */
export async function storeHolidays(
  sql: Sql,
  { tenantId, name, version }: ClaimedReading,
  { etag, dates, againMs }: ReadHolidays,
  actor: string,
): Promise<void> {
  await sql`
    WITH before AS (
      SELECT holidays_read FROM calendars WHERE tenant_id = ${tenantId} AND name = ${name}),
    stored AS (
      UPDATE calendars SET holidays_read = ${toJsonb(dates)}::text::jsonb, holidays_etag = ${etag},
        holidays_look_at = now() + ${againMs}::int * interval '1 ms'
      WHERE tenant_id = ${tenantId} AND name = ${name} AND version = ${version} RETURNING holidays_read),
    event AS (
      SELECT 'calendar.holidays-read' AS type, ${tenantId}::text AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('calendar', ${name}::text, 'holidays', jsonb_array_length(s.holidays_read), 'last', s.holidays_read -> -1) AS detail,
        '{events}'::text[] AS topics
      FROM stored s CROSS JOIN before b WHERE s.holidays_read IS DISTINCT FROM b.holidays_read),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

/** The object is as it was. */
export async function putOffReading(
  sql: Sql,
  { tenantId, name, version }: ClaimedReading,
  againMs: number,
): Promise<void> {
  await sql`
    UPDATE calendars SET holidays_look_at = now() + ${againMs}::int * interval '1 ms'
    WHERE tenant_id = ${tenantId} AND name = ${name} AND version = ${version}`;
}

export async function noteUnread(
  sql: Sql,
  { tenantId, name }: ClaimedReading,
  message: string,
  actor: string,
): Promise<void> {
  await sql`
    WITH event AS (
      SELECT 'calendar.holidays-unread' AS type, t.id AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('calendar', ${name}::text, 'message', ${message}::text) AS detail, '{events}'::text[] AS topics
      FROM tenants t WHERE t.id = ${tenantId} AND NOT EXISTS (
        SELECT 1 FROM audit_events a WHERE a.tenant_id = t.id AND a.type = 'calendar.holidays-unread'
          AND a.at > now() - interval '1 day' AND a.detail ->> 'calendar' = ${name} AND a.detail ->> 'message' = ${message})),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}
