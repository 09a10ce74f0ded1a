/** The database of a measurement: seeding rows by the million is one statement that takes minutes. */
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';

const STATEMENT_TIMEOUT_MS = 600_000;

export function connectForBench(url = '', poolMax = 2): Sql {
  const config = {
    DATABASE_URL: url,
    DATABASE_POOL_MAX: poolMax,
    DATABASE_PREPARE: true,
    DATABASE_STATEMENT_TIMEOUT_MS: STATEMENT_TIMEOUT_MS,
  };
  return connectDatabase(config, 'bench');
}
