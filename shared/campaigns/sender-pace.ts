/** What the mail service's refusals do to a sender: it goes slower for a while, or its day is over. */
import type { Sql } from '#shared/db/connect-database.ts';

const SLOWED_MS = 10_000;
/** Less would starve a sender whose account others use too: some of its mails are always refused then. */
const SLOWEST = 0.1;
const QUOTA_AGAIN_MINUTES = 10;

export interface SenderAt {
  readonly tenantId: string;
  readonly sender: string;
}

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
