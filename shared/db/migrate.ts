/** Brings the database to this version's schema. Any number of processes may do so at once: one works, the others wait. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import type { Sql } from './connect-database.ts';
import { databaseClock } from './database-clock.ts';
import { ensurePartitions, isLockTimeout } from './partitions.ts';

const require = createRequire(import.meta.url);

/** For whoever changes schema or rights. Any constant serves, as long as every version uses the same one. */
const MIGRATION_LOCK = 7_206_514;

export async function migrate(databaseUrl: string): Promise<void> {
  const { drizzle } = require('drizzle-orm/postgres-js') as typeof import('drizzle-orm/postgres-js');
  const migrator = require('drizzle-orm/postgres-js/migrator') as typeof import('drizzle-orm/postgres-js/migrator');
  // One connection, never recycled: the session lock would be lost with it.
  const client = postgres(databaseUrl, { max: 1, max_lifetime: null, idle_timeout: 0, onnotice: () => {} });
  try {
    // Drizzle's migrator is not safe to run twice at once on an empty database.
    await client`SELECT pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrator.migrate(drizzle(client), {
      migrationsFolder: fileURLToPath(new URL('migrations', import.meta.url)),
    });
    const fault = (await ensurePartitions(client, new Date((await databaseClock(client))()))).find(
      (each) => !isLockTimeout(each),
    );
    if (fault !== undefined) throw fault.error;
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** One transaction that no migration runs next to. */
export async function withMigrationLock(sql: Sql, work: (tx: postgres.TransactionSql) => Promise<void>): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    await work(tx);
  });
}
