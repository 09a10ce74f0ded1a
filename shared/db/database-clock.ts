import type { Sql } from './connect-database.ts';

/** The database's time in milliseconds since 1970, asked once and carried on by a monotonic clock: this machine's own may jump. */
export async function databaseClock(sql: Sql): Promise<() => number> {
  // As a number: where Drizzle has the client, timestamps are texts.
  const [row] = await sql<{ ms: number }[]>`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`;
  const { ms } = row as { ms: number };
  const askedMs = performance.now();
  return () => ms + performance.now() - askedMs;
}
