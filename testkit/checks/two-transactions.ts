/**
 * Two statements at once, on a separate database for a test file: the first one's transaction is held open while the second runs on another
 * connection, then it is committed, rolled back, or its connection is cut.
 *
 * The schedule is decided by locks, not by time: the second statement is watched until it either ended or waits for a lock.
 */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';

export type Ending = 'commit' | 'rollback' | 'cut';

export interface TwoTransactions {
  readonly first: Sql;
  readonly second: Sql;
  /** Runs `held` in a transaction on the first connection, `beside` on the second, then ends the transaction. */
  interleave(held: (sql: Sql) => unknown, beside: (sql: Sql) => unknown, ending: Ending): Promise<void>;
}

/** To be called before the file's own hooks. `prepare` is given the connection that looks at both. */
export function useTwoTransactions(prepare: (observer: Sql) => Promise<void>): TwoTransactions {
  let database: TestDatabase;
  let observer: Sql;
  let first: Sql;
  let second: Sql;

  const connect = (name: string, max: number) =>
    connectDatabase(
      {
        DATABASE_URL: database.url,
        DATABASE_POOL_MAX: max,
        DATABASE_PREPARE: true,
        DATABASE_STATEMENT_TIMEOUT_MS: 20_000,
      },
      name,
      { keepsPlans: true },
    );
  function connectBoth(): void {
    first = connect('first', 1);
    second = connect('second', 1);
  }

  beforeAll(async () => {
    database = await createTestDatabase();
    observer = connect('observer', 2);
    await prepare(observer);
    connectBoth();
  });

  afterAll(async () => {
    await Promise.all([first, second, observer].map((sql) => sql.end({ timeout: 1 })));
    await database.drop();
  });

  // What a failed test left in a transaction must not hold up the next.
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await Promise.all([first, second].map((sql) => sql.end({ timeout: 1 })));
    connectBoth();
  });

  async function isWaitingForLock(pid: number): Promise<boolean> {
    const rows = await observer`SELECT 1 FROM pg_stat_get_activity(${pid}) WHERE wait_event_type = 'Lock'`;
    return rows.length > 0;
  }

  return {
    get first() {
      return first;
    },
    get second() {
      return second;
    },
    async interleave(held, beside, ending) {
      const transaction = await first.reserve();
      const [{ pid } = { pid: 0 }] = await transaction<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
      await transaction`BEGIN`;
      await held(transaction);
      const [{ other } = { other: 0 }] = await second<{ other: number }[]>`SELECT pg_backend_pid() AS other`;
      let isDone = false;
      const running = Promise.resolve(beside(second)).finally(() => {
        isDone = true;
      });
      running.catch(() => {});
      while (!isDone && !(await isWaitingForLock(other))) await new Promise((resolve) => setImmediate(resolve));
      if (ending === 'commit') await transaction`COMMIT`;
      else if (ending === 'rollback') await transaction`ROLLBACK`;
      else await observer`SELECT pg_terminate_backend(${pid})`;
      await running;
      if (ending !== 'cut') return transaction.release();
      void first.end({ timeout: 0 });
      first = connect('first', 1);
    },
  };
}
