/**
 * Monthly partitions of the tables that only grow: made ahead of time, dropped as a whole when retention ends.
 * Rows that find no partition go to the default one, so a sweeper that was away costs nothing but a larger default.
 */
import type { Sql } from './connect-database.ts';

const PARTITIONED_TABLES = ['attempts', 'audit_events', 'records', 'record_attempts'] as const;
/**
 * A record is updated for each of its calls, and its neighbours with it, in the same statement: without room for a second version of each
 * row in its page, updates move to other pages, each with new entries in the indexes.
 */
const STORAGE: Readonly<Partial<Record<(typeof PARTITIONED_TABLES)[number], string>>> = {
  records: ' WITH (fillfactor = 50)',
};

/** Makes the partitions of this month and the next `monthsAhead`; repeating it changes nothing. */
export async function ensurePartitions(sql: Sql, now: Date, monthsAhead = 2): Promise<void> {
  for (const table of PARTITIONED_TABLES) {
    for (let offset = 0; offset <= monthsAhead; offset += 1) {
      const from = startOfMonth(now, offset);
      const to = startOfMonth(now, offset + 1);
      const name = `${table}_${from.slice(0, 4)}_${from.slice(5, 7)}`;
      await sql.unsafe(
        `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table} FOR VALUES FROM ('${from}') TO ('${to}')${STORAGE[table] ?? ''}`,
      );
    }
  }
}

/** Drops the partitions that end before `before`. Resolves to their names. */
export async function dropExpiredPartitions(sql: Sql, before: Date): Promise<string[]> {
  const oldestKept = `${before.getUTCFullYear()}_${String(before.getUTCMonth() + 1).padStart(2, '0')}`;
  const dropped: string[] = [];
  for (const table of PARTITIONED_TABLES) {
    const partitions = await sql<{ name: string }[]>`
      SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = ${table}::regclass`;
    for (const { name } of partitions) {
      const month = /_(\d{4}_\d{2})$/.exec(name)?.[1];
      if (month === undefined || month >= oldestKept) continue;
      await sql`DROP TABLE IF EXISTS ${sql(name)}`;
      dropped.push(name);
    }
  }
  return dropped;
}

function startOfMonth(now: Date, offset: number): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1)).toISOString();
}
