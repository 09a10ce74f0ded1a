/** Its own database for a test file, and a pool of connections to it, both closed after the file's last test. */
import { afterAll, beforeAll } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

/**
 * To be called before the file's own hooks, which may use the pool. Where statements run one after another a pool of one is enough: each
 * connection plans each statement. It keeps plans, as the pools of workers do and that of the control API does not.
 */
export function useTestDatabase(assign: (sql: Sql) => void, { poolMax = 4, keepsPlans = true } = {}): void {
  let database: TestDatabase;
  let sql: Sql;

  beforeAll(async () => {
    database = await createTestDatabase();
    sql = connectDatabase(
      {
        DATABASE_URL: database.url,
        DATABASE_POOL_MAX: poolMax,
        DATABASE_PREPARE: true,
        DATABASE_STATEMENT_TIMEOUT_MS: 120_000,
      },
      'test',
      { keepsPlans },
    );
    assign(sql);
  });

  afterAll(async () => {
    await sql.end({ timeout: 5 });
    await database.drop();
  });
}
