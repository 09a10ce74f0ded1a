/**
 * Retention of what was reported of mails: as long as their records, longer under a legal hold. The counts of campaigns stay.
 *
 * They go in bounded statements, so that none holds many rows for long; what is left when the signal fires goes the next time.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { isNotHeld } from '#shared/retention/is-not-held.ts';

const BATCH_ROWS = 5_000;

/** Resolves to how many that came before `before` were removed. */
export async function deleteExpiredMailEvents(
  sql: Sql,
  before: Date,
  signal: AbortSignal,
  batchRows: number = BATCH_ROWS,
): Promise<number> {
  let deleted = 0;
  while (!signal.aborted) {
    const { count } = await sql`
      DELETE FROM mail_events WHERE (campaign_id, line, kind, event_key) IN (
        SELECT campaign_id, line, kind, event_key FROM mail_events e
        WHERE received_at < ${before.toISOString()}::timestamptz AND ${isNotHeld(sql, sql`e.tenant_id`)} ORDER BY received_at LIMIT ${literalLimit(sql, batchRows)} FOR UPDATE SKIP LOCKED)`;
    deleted += count;
    if (count < batchRows) break;
  }
  return deleted;
}
