/**
 * A partner's rate over all tasks, counted in its row: each task is given the calls of a slice of time that nobody else has.
 *
 * 1. `rate_given_until` is how far the rate is given away. It moves by what n calls are worth, n / rate seconds, so the sum over all
 *    tasks never passes the rate, whoever asks how often.
 * 2. Time is given away a little ahead at most: a task that dies with its slice costs the others no more than that.
 * 3. Database time alone decides.
 *
 * Out: the calls, to be made within the slice; none when the time ahead is given away, with the time after which to ask again. None too
 * when the partner is gone. Events: none.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { RateSlice } from './rate-slices.ts';

export interface RateSliceRequest {
  readonly tenantId: string;
  readonly partner: string;
  readonly ratePerSecond: number;
  /** Of one slice; as many as its time is worth when absent. */
  readonly mostCalls?: number;
}

/** What one question gives: longer than a chunk of records that has to wait takes to come again, so that little is lost meanwhile. */
export const SLICE_MS = 750;
/** How far before its beginning a slice is given; with the slice itself a second. */
const AHEAD_MS = 250;
/** Until somebody asks again for a partner that has just gone. */
const GONE_MS = 1_000;

export async function leaseRateSlice(
  sql: Sql,
  { tenantId, partner, ratePerSecond, mostCalls = Number.POSITIVE_INFINITY }: RateSliceRequest,
): Promise<RateSlice> {
  const calls = Math.max(1, Math.min(mostCalls, Math.floor((ratePerSecond * SLICE_MS) / 1_000)));
  const worthMs = (calls * 1_000) / ratePerSecond;
  const [row] = await sql<{ isGiven: boolean; forMs: number }[]>`
    WITH held AS (
      SELECT tenant_id, name, greatest(coalesce(rate_given_until, now()), now()) AS given_until
      FROM partners WHERE tenant_id = ${tenantId} AND name = ${partner} AND removed_at IS NULL FOR UPDATE),
    given AS (
      UPDATE partners p SET rate_given_until = h.given_until + ${worthMs}::float8 * interval '1 ms'
      FROM held h
      WHERE p.tenant_id = h.tenant_id AND p.name = h.name AND h.given_until <= now() + ${AHEAD_MS}::int * interval '1 ms'
      RETURNING p.rate_given_until)
    SELECT given.rate_given_until IS NOT NULL AS "isGiven",
      (extract(epoch FROM coalesce(given.rate_given_until, held.given_until - ${AHEAD_MS}::int * interval '1 ms') - now())
        * 1000)::float8 AS "forMs"
    FROM held LEFT JOIN given ON true`;
  if (row === undefined) return { calls: 0, forMs: GONE_MS };
  return { calls: row.isGiven ? calls : 0, forMs: Math.max(1, row.forMs) };
}
