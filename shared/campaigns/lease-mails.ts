/**
 * Times for mails, over all workers: each rate is counted in its row, the account's, the sender's and the campaign's, and a mail needs time of
 * each.
 *
 * 1. `rate_given_until` is how far a rate is given away. It moves by what n mails are worth, n / rate seconds, so the sum over all workers
 *    never passes the rate, whoever asks how often. One statement gives of every rate or of none.
 * 2. What comes back unused is given again, and time that nobody asked for is made up for, both for `CARRY_MS`: a chunk that changes hands costs
 *    nothing. After a longer pause a rate begins again.
 * 3. Of the account's rate marketing may use a part. Marketing of tenants that wait for the account takes turns: whose last turn is longest ago
 *    is next.
 * 4. A sender's day is counted in UTC, by what is given away. Database time alone decides.
 *
 * Locks go from the account to the sender to the campaign.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { MailTimes } from './pace-mails.ts';

export interface MailsWanted {
  readonly campaignId: string;
  /** The campaign's own. */
  readonly campaignRate: number | null;
  readonly tenantId: string;
  readonly sender: string;
  readonly ratePerSecond: number;
  readonly perDay: number | undefined;
  /** Null: the sender has its own server. */
  readonly account: string | null;
  readonly isMarketing: boolean;
  readonly wanted: number;
  /** Of what was given before. */
  readonly unused: number;
}

/** The most that one question gives; more would leave others waiting. */
export const SLICE_MS = 250;
const AHEAD_MS = 250;
const CARRY_MS = 750;
const MARKETING_SHARE = 0.8;
/** Until a day's quota, or a sender that has gone, is asked about again. */
const LATER_MS = 30_000;
/** Of a sender whose turn it is not: the one before it asks within a moment. */
const TURN_MS = 25;
/** Longer than whoever waits takes to ask again. */
const TURN_KEPT_MS = 150;
const FASTER = 1.1;

interface Row {
  readonly mails: number | null;
  readonly fromMs: number | null;
  readonly everyMs: number | null;
  readonly againMs: number;
}

export async function leaseMails(sql: Sql, wish: MailsWanted): Promise<MailTimes> {
  const {
    campaignId,
    campaignRate,
    tenantId,
    sender,
    ratePerSecond,
    perDay = 2_000_000_000,
    account,
    isMarketing,
  } = wish;
  const carry = sql`now() - ${CARRY_MS}::int * interval '1 ms'`;
  const [row] = await sql<Row[]>`
    WITH account AS MATERIALIZED (
      SELECT name, max_per_second AS rate, rate_given_until, marketing_given_until, coalesce(sent_last_day >= max_per_day, false) AS is_over
      FROM mail_accounts WHERE name = ${account} AND max_per_second IS NOT NULL FOR UPDATE),
    sender AS MATERIALIZED (
      SELECT s.rate_given_until, CASE WHEN slowed_until > now() THEN pace ELSE least(1, pace * ${FASTER}::float8) END AS pace, turn_given_at,
        CASE WHEN given_on = (now() AT TIME ZONE 'UTC')::date THEN given - least(given, ${wish.unused}::int) ELSE 0 END AS today
      FROM senders s WHERE tenant_id = ${tenantId} AND name = ${sender} AND removed_at IS NULL AND (SELECT count(*) FROM account) >= 0
      FOR UPDATE),
    campaign AS MATERIALIZED (
      SELECT rate_given_until FROM campaigns
      WHERE id = ${campaignId} AND ${campaignRate}::float8 IS NOT NULL AND (SELECT count(*) FROM sender) >= 0 FOR UPDATE),
    level AS (
      SELECT l.name, l.rate, CASE WHEN l.given_until > ${carry}
        THEN greatest(${carry}, l.given_until - ${wish.unused}::int / l.rate * interval '1 s') ELSE now() END AS until
      FROM (
        SELECT 'account' AS name, rate, rate_given_until AS given_until FROM account
        UNION ALL SELECT 'marketing', rate * ${MARKETING_SHARE}::float8, marketing_given_until FROM account WHERE ${isMarketing}::boolean
        UNION ALL SELECT 'sender', ${ratePerSecond}::float8 * pace, rate_given_until FROM sender
        UNION ALL SELECT 'campaign', ${campaignRate}::float8, rate_given_until FROM campaign) AS l),
    turn AS (
      SELECT coalesce(bool_or(name IN ('account', 'marketing') AND until > now()), false) AND ${isMarketing}::boolean AND EXISTS (
        SELECT 1 FROM senders o WHERE o.turn_wanted_until > now() AND o.tenant_id <> ${tenantId}
          AND (SELECT coalesce(max(turn_given_at), '-infinity') FROM senders t WHERE t.tenant_id = o.tenant_id)
            < (SELECT coalesce(max(turn_given_at), '-infinity') FROM senders t WHERE t.tenant_id = ${tenantId})) AS is_others
      FROM level),
    slice AS (
      SELECT sender.pace, sender.today, turn.is_others, l.from_at, l.span_ms,
        coalesce((SELECT is_over FROM account), false) OR ${perDay}::int <= sender.today AS is_over,
        least(${wish.wanted}::int, l.most, ${perDay}::int - sender.today) AS mails, turn.is_others OR l.account_at = l.from_at AS is_for_account
      FROM sender, turn, (
        SELECT max(until) AS from_at, max(until) FILTER (WHERE name IN ('account', 'marketing')) AS account_at, least(1000000, greatest(1, floor(min(rate) * ${SLICE_MS}::float8 / 1000)))::int AS most,
          1000 / min(rate) AS span_ms FROM level) AS l),
    given AS (
      SELECT * FROM slice WHERE mails > 0 AND NOT is_over AND NOT is_others AND from_at <= now() + ${AHEAD_MS}::int * interval '1 ms'),
    of_account AS (
      UPDATE mail_accounts a SET
        rate_given_until = (SELECT until + given.mails / rate * interval '1 s' FROM level WHERE level.name = 'account'),
        marketing_given_until = coalesce((SELECT until + given.mails / rate * interval '1 s' FROM level WHERE level.name = 'marketing'),
          a.marketing_given_until)
      FROM given WHERE a.name = ${account}),
    of_campaign AS (
      UPDATE campaigns c SET rate_given_until = level.until + given.mails / level.rate * interval '1 s'
      FROM given, level WHERE c.id = ${campaignId} AND level.name = 'campaign'),
    of_sender AS (
      UPDATE senders s SET
        rate_given_until = level.until + given.mails / level.rate * interval '1 s', pace = given.pace,
        given_on = (now() AT TIME ZONE 'UTC')::date, given = given.today + given.mails, turn_given_at = now(), turn_wanted_until = NULL
      FROM given, level WHERE s.tenant_id = ${tenantId} AND s.name = ${sender} AND level.name = 'sender'),
    waiting AS (
      UPDATE senders s SET
        turn_wanted_until = greatest(now(), slice.from_at - ${AHEAD_MS}::int * interval '1 ms') + ${TURN_KEPT_MS}::int * interval '1 ms'
      FROM slice WHERE s.tenant_id = ${tenantId} AND s.name = ${sender} AND slice.is_for_account AND NOT slice.is_over
        AND NOT EXISTS (SELECT 1 FROM given))
    SELECT given.mails, (extract(epoch FROM given.from_at - now()) * 1000)::float8 AS "fromMs", given.span_ms::float8 AS "everyMs",
      (CASE WHEN slice.is_over THEN ${LATER_MS}::float8
        ELSE greatest(CASE WHEN slice.is_others THEN ${TURN_MS}::float8 ELSE 1 END,
          extract(epoch FROM slice.from_at - now()) * 1000 - ${AHEAD_MS}::int) END)::float8 AS "againMs"
    FROM slice LEFT JOIN given ON true`;
  if (row === undefined) return { againMs: LATER_MS };
  const { mails, fromMs, everyMs, againMs } = row;
  if (mails === null || fromMs === null || everyMs === null) return { againMs };
  return { mails, fromMs, everyMs };
}
