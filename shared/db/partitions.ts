/**
 * Monthly partitions of the tables that only grow: made ahead of time, dropped as a whole when retention ends.
 * Rows that find no partition go to the default one, so a sweeper that was away costs nothing but a larger default.
 *
 * 1. DDL waits a second for its locks and no longer: whatever is written meanwhile stands behind it. What a long reader keeps from
 *    being done is left to the next call.
 * 2. A partition is filled with its rows of the default one before it is attached: PostgreSQL refuses it otherwise.
 * 3. What fails for one partition keeps no other from being made or dropped.
 */
import type { Sql } from './connect-database.ts';

interface PartitionedTable {
  readonly name: string;
  /** By which it is partitioned. */
  readonly column: string;
  readonly storage?: string;
}

const PARTITIONED_TABLES: readonly PartitionedTable[] = [
  { name: 'attempts', column: 'started_at' },
  { name: 'audit_events', column: 'at' },
  { name: 'audit_seals', column: 'event_at' },
  // A record is updated for each of its calls, and its neighbours with it, in the same statement: without room for a second version of each
  // row in its page, updates move to other pages, each with new entries in the indexes.
  { name: 'records', column: 'created_at', storage: 'WITH (fillfactor = 50)' },
  { name: 'record_attempts', column: 'started_at' },
  { name: 'partner_minutes', column: 'minute' },
  { name: 'sftp_actions', column: 'at' },
];
const LOCK_TIMEOUT = '1s';

export interface PartitionFault {
  readonly partition: string;
  readonly error: unknown;
}

/** Makes the partitions of this month and the next `monthsAhead`; repeating it changes nothing. Resolves to what could not be made. */
export async function ensurePartitions(sql: Sql, now: Date, monthsAhead = 2): Promise<PartitionFault[]> {
  const faults: PartitionFault[] = [];
  for (const { name: table, column, storage = '' } of PARTITIONED_TABLES) {
    const present = new Set((await partitionsOf(sql, table)).map(({ name }) => name));
    for (let offset = 0; offset <= monthsAhead; offset += 1) {
      const [from, to] = [startOfMonth(now, offset), startOfMonth(now, offset + 1)];
      const name = `${table}_${from.slice(0, 4)}_${from.slice(5, 7)}`;
      if (present.has(name)) continue;
      const range = `${column} >= '${from}' AND ${column} < '${to}'`;
      await attempt(faults, name, () =>
        runDdl(sql, [
          `CREATE TABLE IF NOT EXISTS ${name} (LIKE ${table} INCLUDING ALL) ${storage}`,
          `WITH strays AS (DELETE FROM ${table}_default WHERE ${range} RETURNING *) INSERT INTO ${name} SELECT * FROM strays`,
          `ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM ('${from}') TO ('${to}')`,
        ]),
      );
    }
  }
  return faults;
}

/** Drops the partitions that end before `before`. Resolves to their names, and to what could not be dropped. */
export async function dropExpiredPartitions(
  sql: Sql,
  before: Date,
): Promise<{ readonly dropped: string[]; readonly faults: PartitionFault[] }> {
  const oldestKept = `${before.getUTCFullYear()}_${String(before.getUTCMonth() + 1).padStart(2, '0')}`;
  const dropped: string[] = [];
  const faults: PartitionFault[] = [];
  for (const { name: table } of PARTITIONED_TABLES) {
    for (const { name } of await partitionsOf(sql, table)) {
      const month = /_(\d{4}_\d{2})$/.exec(name)?.[1];
      if (month === undefined || month >= oldestKept) continue;
      await attempt(faults, name, async () => {
        await runDdl(sql, [`DROP TABLE IF EXISTS ${name}`]);
        dropped.push(name);
      });
    }
  }
  return { dropped, faults };
}

async function partitionsOf(sql: Sql, table: string): Promise<readonly { readonly name: string }[]> {
  return await sql<{ name: string }[]>`
    SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = ${table}::regclass`;
}

/** In one statement, so that it happens as a whole, and the bound on its locks with it. */
async function runDdl(sql: Sql, statements: readonly string[]): Promise<void> {
  const body = statements.map((statement) => `EXECUTE $ddl$${statement}$ddl$;`).join(' ');
  await sql.unsafe(`DO $do$ BEGIN PERFORM set_config('lock_timeout', '${LOCK_TIMEOUT}', true); ${body} END $do$`);
}

async function attempt(faults: PartitionFault[], partition: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    faults.push({ partition, error });
  }
}

/** A reader, or another sweeper, was there first: the next call may find the way free. */
export function isLockTimeout({ error }: PartitionFault): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03';
}

function startOfMonth(now: Date, offset: number): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1)).toISOString();
}
