/**
 * The rate of a sender, and that of one campaign, over all workers: as a partner's (`lease-rate-slice.ts`), counted in their rows. A sender's
 * day is counted in UTC, by what is given away: it may be a slice less than was allowed, never more.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { SLICE_MS } from '#shared/partners/lease-rate-slice.ts';
import type { RateSlice } from '#shared/partners/rate-slices.ts';

const AHEAD_MS = 250;
/** Until a day's quota, or a sender that has gone, is asked about again. */
const LATER_MS = 30_000;
const SLOWED_MS = 10_000;
/** Less would starve a sender whose account others use too: some of its mails are always refused then. */
const SLOWEST = 0.1;
const FASTER = 1.1;
const QUOTA_AGAIN_MINUTES = 10;

export interface SenderSlice {
  readonly tenantId: string;
  readonly sender: string;
  readonly ratePerSecond: number;
  readonly perDay: number | undefined;
}

export async function leaseSenderSlice(
  sql: Sql,
  { tenantId, sender, ratePerSecond, perDay = 2_000_000_000 }: SenderSlice,
): Promise<RateSlice> {
  const mails = mailsOf(ratePerSecond);
  const [row] = await sql<{ given: number | null; forMs: number }[]>`
    WITH held AS (
      SELECT greatest(coalesce(rate_given_until, now()), now()) AS until,
        CASE WHEN slowed_until > now() THEN pace ELSE least(1, pace * ${FASTER}::float8) END AS pace,
        CASE WHEN given_on = (now() AT TIME ZONE 'UTC')::date THEN given ELSE 0 END AS today
      FROM senders WHERE tenant_id = ${tenantId} AND name = ${sender} AND removed_at IS NULL FOR UPDATE),
    slice AS (SELECT until, today, pace, least(${mails}::int, ${perDay}::int - today) AS mails FROM held),
    given AS (
      UPDATE senders s SET rate_given_until = p.until + (p.mails / (${ratePerSecond}::float8 * p.pace)) * interval '1 s', pace = p.pace,
        given_on = (now() AT TIME ZONE 'UTC')::date, given = p.today + p.mails
      FROM slice p
      WHERE s.tenant_id = ${tenantId} AND s.name = ${sender} AND p.mails > 0 AND p.until <= now() + ${AHEAD_MS}::int * interval '1 ms'
      RETURNING p.mails, s.rate_given_until)
    SELECT given.mails AS given, CASE WHEN slice.mails <= 0 THEN ${LATER_MS}::float8
      ELSE (extract(epoch FROM coalesce(given.rate_given_until, slice.until - ${AHEAD_MS}::int * interval '1 ms') - now()) * 1000)::float8
      END AS "forMs"
    FROM slice LEFT JOIN given ON true`;
  return row === undefined ? { calls: 0, forMs: LATER_MS } : { calls: row.given ?? 0, forMs: Math.max(1, row.forMs) };
}

export async function leaseCampaignSlice(sql: Sql, campaignId: string, ratePerSecond: number): Promise<RateSlice> {
  const mails = mailsOf(ratePerSecond);
  const [row] = await sql<{ isGiven: boolean; forMs: number }[]>`
    WITH held AS (
      SELECT greatest(coalesce(rate_given_until, now()), now()) AS until FROM campaigns WHERE id = ${campaignId} FOR UPDATE),
    given AS (
      UPDATE campaigns c SET rate_given_until = h.until + (${mails}::int / ${ratePerSecond}::float8) * interval '1 s'
      FROM held h WHERE c.id = ${campaignId} AND h.until <= now() + ${AHEAD_MS}::int * interval '1 ms'
      RETURNING c.rate_given_until)
    SELECT given.rate_given_until IS NOT NULL AS "isGiven",
      (extract(epoch FROM coalesce(given.rate_given_until, held.until - ${AHEAD_MS}::int * interval '1 ms') - now()) * 1000)::float8
        AS "forMs"
    FROM held LEFT JOIN given ON true`;
  return row === undefined
    ? { calls: 0, forMs: LATER_MS }
    : { calls: row.isGiven ? mails : 0, forMs: Math.max(1, row.forMs) };
}

type SenderAt = Pick<SenderSlice, 'tenantId' | 'sender'>;

/** Once in ten seconds: mails that were under way side by side are refused together. */
export async function slowSender(sql: Sql, { tenantId, sender }: SenderAt): Promise<void> {
  await sql`
    UPDATE senders SET pace = greatest(${SLOWEST}::float8, pace / 2), slowed_until = now() + ${SLOWED_MS}::int * interval '1 ms'
    WHERE tenant_id = ${tenantId} AND name = ${sender}
      AND (slowed_until IS NULL OR slowed_until < now())`;
}

/** For status alone: what the service refused is asked of it again. */
export async function spendQuota(sql: Sql, { tenantId, sender }: SenderAt): Promise<void> {
  await sql`
    UPDATE senders SET quota_until = now() + ${QUOTA_AGAIN_MINUTES}::int * interval '1 minute'
    WHERE tenant_id = ${tenantId} AND name = ${sender}`;
}

function mailsOf(ratePerSecond: number): number {
  return Math.max(1, Math.floor((ratePerSecond * SLICE_MS) / 1_000));
}
