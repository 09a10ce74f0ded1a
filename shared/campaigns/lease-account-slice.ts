/**
 * The rate of the account at the mail service, over all senders of all tenants: as a sender's (`lease-sender-slice.ts`), and of it a part that
 * marketing may use. An account that was never asked about, or that names no rate, gives as much as anybody wants.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { RateSlice } from '#shared/partners/rate-slices.ts';
import type { MailTransports } from './mail-transports.ts';

const MARKETING_SHARE = 0.8;
/** Short, so that the senders which share it take turns. */
const SLICE_MS = 250;
const AHEAD_MS = 250;
const UNBOUNDED = { calls: 1_000, forMs: 1_000 };
const ASK_EVERY_MINUTES = 5;

export async function leaseAccountSlice(
  sql: Sql,
  { name, isMarketing }: { readonly name: string; readonly isMarketing: boolean },
): Promise<RateSlice> {
  const [row] = await sql<{ mails: number | null; forMs: number; isOver: boolean }[]>`
    WITH held AS (
      SELECT max_per_second AS rate, greatest(1, floor(max_per_second * ${SLICE_MS / 1_000}::float8))::int AS mails,
        greatest(coalesce(rate_given_until, now()), now()) AS until,
        greatest(coalesce(marketing_given_until, now()), now()) AS marketing_until,
        coalesce(sent_last_day >= max_per_day, false) AS is_over
      FROM mail_accounts WHERE name = ${name} AND max_per_second IS NOT NULL FOR UPDATE),
    turn AS (
      SELECT *, CASE WHEN ${isMarketing}::boolean THEN greatest(until, marketing_until) ELSE until END AS free_at FROM held),
    given AS (
      UPDATE mail_accounts a SET rate_given_until = t.until + (t.mails / t.rate) * interval '1 s',
        marketing_given_until = CASE WHEN ${isMarketing}::boolean
          THEN t.marketing_until + (t.mails / (t.rate * ${MARKETING_SHARE}::float8)) * interval '1 s' ELSE a.marketing_given_until END
      FROM turn t WHERE a.name = ${name} AND NOT t.is_over AND t.free_at <= now() + ${AHEAD_MS}::int * interval '1 ms'
      RETURNING t.mails, a.rate_given_until)
    SELECT given.mails, turn.is_over AS "isOver", (extract(epoch FROM coalesce(given.rate_given_until,
      turn.free_at - ${AHEAD_MS}::int * interval '1 ms') - now()) * 1000)::float8 AS "forMs"
    FROM turn LEFT JOIN given ON true`;
  if (row === undefined) return UNBOUNDED;
  if (row.isOver) return { calls: 0, forMs: 60_000 };
  return { calls: row.mails ?? 0, forMs: Math.max(1, row.forMs) };
}

/** Asks the service what the account allows, unless some worker did within minutes. */
export async function refreshAccount(
  sql: Sql,
  { account, accountName: name }: Pick<MailTransports, 'account' | 'accountName'>,
): Promise<void> {
  const mine = await sql`
    INSERT INTO mail_accounts AS a (name, asked_at) VALUES (${name}, now())
    ON CONFLICT (name) DO UPDATE SET asked_at = now()
      WHERE a.asked_at IS NULL OR a.asked_at < now() - ${ASK_EVERY_MINUTES}::int * interval '1 minute'
    RETURNING 1`;
  if (mine.length === 0) return;
  const { maxPerSecond, maxPerDay, sentLastDay } = await account();
  await sql`
    UPDATE mail_accounts SET max_per_second = ${maxPerSecond}, max_per_day = ${maxPerDay}, sent_last_day = ${sentLastDay}
    WHERE name = ${name}`;
}
