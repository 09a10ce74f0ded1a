/**
 * Retention of the sums of SFTP sessions: as long as their actions, whose partitions are dropped; longer under a legal hold.
 *
 * They go in bounded statements, so that none holds many rows for long; what is left when the signal fires goes the next time.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { isNotHeld } from '#shared/retention/is-not-held.ts';

const BATCH_ROWS = 5_000;

export async function deleteExpiredSessions(sql: Sql, before: Date, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { count } = await sql`
      DELETE FROM sftp_sessions WHERE id IN (
        SELECT id FROM sftp_sessions s WHERE last_at < ${before.toISOString()}::timestamptz AND ${isNotHeld(sql, sql`s.tenant_id`)}
        ORDER BY last_at LIMIT ${literalLimit(sql, BATCH_ROWS)} FOR UPDATE SKIP LOCKED)`;
    if (count < BATCH_ROWS) return;
  }
}
