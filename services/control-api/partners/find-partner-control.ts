/** What operators decided about a partner, as it is in its row. */
import type { PartnerControlView } from '#shared/api/partner-control.ts';
import type { Sql } from '#shared/db/connect-database.ts';

/** Undefined: there is no such partner. `viewer`: the tenant that looks, null for an operator; who said why is not a tenant's to know. */
export async function findPartnerControl(
  sql: Sql,
  { tenant, name }: { readonly tenant: string; readonly name: string },
  viewer: string | null,
): Promise<PartnerControlView | undefined> {
  const [row] = await sql<PartnerControlView[]>`
    SELECT control_revision AS revision,
      CASE WHEN paused_at IS NOT NULL THEN jsonb_build_object('since', paused_at,
        'by', CASE WHEN ${viewer === null} THEN paused_by END, 'reason', CASE WHEN ${viewer === null} THEN paused_reason END) END AS paused,
      CASE WHEN breaker_opened_at IS NOT NULL AND coalesce(breaker_open_until > now(), true) THEN jsonb_build_object(
        'since', breaker_opened_at, 'until', breaker_open_until,
        'by', CASE WHEN ${viewer === null} THEN breaker_opened_by END, 'reason', CASE WHEN ${viewer === null} THEN breaker_reason END)
        END AS breaker,
      coalesce((
        SELECT jsonb_agg(o.key ORDER BY o.key) FROM jsonb_each(definition -> 'operations') AS o
        WHERE o.value ? 'test'), '[]') AS tests
    FROM partners WHERE tenant_id = ${tenant} AND name = ${name} AND removed_at IS NULL`;
  return row;
}
