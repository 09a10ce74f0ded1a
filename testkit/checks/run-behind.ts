/** Two statements in the one order that shows whether the second decides by rows as they were before the first: by locks, not by time. */
import { vi } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';

/**
 * Runs `first` in a transaction, commits it once `second`, on another connection, waits for one of its locks, and resolves to what `second` came to.
 * A `second` that waits for none ends before.
 */
export async function runBehind<Answer>(
  sql: Sql,
  first: (transaction: Sql) => Promise<unknown>,
  second: () => Promise<Answer>,
): Promise<Answer> {
  const { running } = await sql.begin(async (transaction) => {
    await first(transaction as unknown as Sql);
    let hasEnded = false;
    const running = second().finally(() => {
      hasEnded = true;
    });
    running.catch(() => undefined);
    await vi.waitFor(
      async () => {
        const waiting = await transaction`
          SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid`;
        if (!hasEnded && waiting.length === 0) throw new Error('the second statement waits for no lock of the first');
      },
      { timeout: 60_000, interval: 5 },
    );
    return { running };
  });
  return await running;
}
