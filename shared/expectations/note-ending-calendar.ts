/** A calendar whose last holiday comes soon: after it every holiday is taken for a business day, and what does not come then is called late. */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

const DAY_MS = 86_400_000;
const WARNED_MS = 60 * DAY_MS;
const AGAIN_DAYS = 30;

/** Its last holiday, where that is less than 60 days ahead. A calendar without holidays has none to end with. */
export function endOfCalendar(
  { holidays }: { readonly holidays: readonly string[] },
  nowMs: number,
): string | undefined {
  const last = holidays.toSorted().at(-1);
  return last !== undefined && Date.parse(`${last}T00:00:00Z`) < nowMs + WARNED_MS ? last : undefined;
}

export interface EndingCalendar {
  readonly tenantId: string;
  readonly calendar: string;
  readonly lastHoliday: string;
}

/** Event `calendar.ending`, once in 30 days. */
export async function noteEndingCalendar(
  sql: Sql,
  { tenantId, calendar, lastHoliday }: EndingCalendar,
  actor: string,
): Promise<void> {
  await sql`
    WITH event AS (
      SELECT 'calendar.ending' AS type, t.id AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('calendar', ${calendar}::text, 'lastHoliday', ${lastHoliday}::text) AS detail, '{events}'::text[] AS topics
      FROM tenants t WHERE t.id = ${tenantId} AND NOT EXISTS (
        SELECT 1 FROM audit_events a WHERE a.tenant_id = t.id AND a.type = 'calendar.ending'
          AND a.at > now() - ${AGAIN_DAYS}::int * interval '1 day' AND a.detail ->> 'calendar' = ${calendar})),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}
