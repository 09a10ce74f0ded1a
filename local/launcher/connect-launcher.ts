/** The launcher's own connection to the database: one, for a few statements. The caller ends it. */
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';

export function connectLauncher(databaseUrl: string): Sql {
  return connectDatabase(
    { DATABASE_URL: databaseUrl, DATABASE_POOL_MAX: 1, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 10_000 },
    'longshore-launcher',
  );
}
