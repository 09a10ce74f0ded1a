/** Partners whose calls an operator holds, for the gauges of the fleet: what is forgotten holds a tenant's work for ever. */
import type { Sql } from '#shared/db/connect-database.ts';
import { isHeldByHand } from './control-partner.ts';

export interface HeldPartners {
  readonly paused: number;
  readonly breakerOpen: number;
  /** Since the one that is held longest without a known end; 0 when there is none. */
  readonly oldestSeconds: number;
}

export async function countHeldPartners(sql: Sql): Promise<HeldPartners> {
  const [row] = await sql<HeldPartners[]>`
    SELECT count(*) FILTER (WHERE paused_at IS NOT NULL)::int AS paused,
      count(*) FILTER (WHERE breaker_opened_at IS NOT NULL AND coalesce(breaker_open_until > now(), true))::int AS "breakerOpen",
      coalesce(extract(epoch FROM now() - min(least(paused_at, CASE WHEN breaker_open_until IS NULL THEN breaker_opened_at END))), 0)::float8
        AS "oldestSeconds"
    FROM partners WHERE ${isHeldByHand(sql)}`;
  return row ?? { paused: 0, breakerOpen: 0, oldestSeconds: 0 };
}
