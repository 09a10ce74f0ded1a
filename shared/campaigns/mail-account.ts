/** What the account at the mail service allows, as it was last asked about. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { MailTransports } from './mail-transports.ts';

const ASK_EVERY_MINUTES = 5;

/** Asks the service, unless some worker did within minutes. */
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
