/**
 * Retention of business keys: a key is kept as long as the record that it stands for, whose partition is dropped with its month.
 *
 * 1. Keys go in bounded statements, so that none holds many rows for long; what is left when the signal fires goes the next time.
 * 2. A key whose record is still there, because its month is not over yet, may go as well: only a row sent again after all that time would
 *    be processed once more.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';

const BATCH_ROWS = 5_000;

/** Resolves to how many keys of records made before `before` were removed. */
export async function deleteExpiredKeys(
  sql: Sql,
  before: Date,
  signal: AbortSignal,
  batchRows: number = BATCH_ROWS,
): Promise<number> {
  let deleted = 0;
  while (!signal.aborted) {
    const { count } = await sql`
      DELETE FROM record_keys WHERE (tenant_id, route_id, business_key) IN (
        SELECT tenant_id, route_id, business_key FROM record_keys
        WHERE created_at < ${before.toISOString()}::timestamptz ORDER BY created_at LIMIT ${literalLimit(sql, batchRows)}
        FOR UPDATE SKIP LOCKED)
        AND created_at < ${before.toISOString()}::timestamptz`;
    deleted += count;
    if (count < batchRows) break;
  }
  return deleted;
}
