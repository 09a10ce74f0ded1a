/**
 * Monthly partitions of the tables that only grow: made ahead of time, dropped as a whole when retention ends.
 * Rows that find no partition go to the default one, so a sweeper that was away costs nothing but a larger default.
 *
 * 1. DDL waits a second for its locks and no longer: whatever is written meanwhile is behind it. What a long reader keeps from
 *    being done is left to the next call.
 * 2. A partition is filled with its rows of the default one before it is attached: PostgreSQL refuses it otherwise.
 * 3. What fails for one partition keeps no other from being made or dropped.
 * 4. A partition with rows of a tenant that has a legal hold is not dropped. Of what is not a chain the rows of others are deleted from it,
 *    in one pass from its first page to its last, and not again while the same tenants have holds: a month may be a hundred gigabytes.
 *    A hold that is placed meanwhile is waited for, or the drop is left to the next call.
 */
import type { Sql } from './connect-database.ts';

interface PartitionedTable {
  readonly name: string;
  /** By which it is partitioned. */
  readonly column: string;
  readonly storage?: string;
  /** Lines follow each other from month to month: one that is kept keeps the later ones, of every tenant. */
  readonly isChain?: boolean;
}

const PARTITIONED_TABLES: readonly PartitionedTable[] = [
  { name: 'attempts', column: 'started_at' },
  { name: 'audit_events', column: 'at', isChain: true },
  { name: 'audit_seals', column: 'event_at', isChain: true },
  // A record is updated for each of its calls, and its neighbours with it, in the same statement: without room for a second version of each
  // row in its page, updates move to other pages, each with new entries in the indexes.
  { name: 'records', column: 'created_at', storage: 'WITH (fillfactor = 50)' },
  { name: 'record_attempts', column: 'started_at' },
  { name: 'partner_minutes', column: 'minute' },
  { name: 'sftp_actions', column: 'at' },
];
const LOCK_TIMEOUT = '1s';
/** Of a partition, in one statement: 4 MB. */
const PAGES_AT_ONCE = 512;

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

/** By the name of a partition, the tenants with holds when the rows of all others had been deleted from it. */
export type ClearedPartitions = Map<string, string>;

/**
 * Drops the partitions that end before `before`. Resolves to their names, to what a legal hold kept, and to what could not be dropped.
 * `cleared` is remembered from call to call.
 */
export async function dropExpiredPartitions(
  sql: Sql,
  before: Date,
  {
    signal = new AbortController().signal,
    cleared = new Map(),
  }: { signal?: AbortSignal; cleared?: ClearedPartitions } = {},
): Promise<{ readonly dropped: string[]; readonly kept: string[]; readonly faults: PartitionFault[] }> {
  const oldestKept = `${before.getUTCFullYear()}_${String(before.getUTCMonth() + 1).padStart(2, '0')}`;
  const holders = await findHolders(sql);
  const dropped: string[] = [];
  const kept: string[] = [];
  const faults: PartitionFault[] = [];
  for (const { name: table, isChain = false } of PARTITIONED_TABLES) {
    let isHeld = false;
    for (const { name } of await partitionsOf(sql, table)) {
      const month = /_(\d{4}_\d{2})$/.exec(name)?.[1];
      if (month === undefined || month >= oldestKept || signal.aborted) continue;
      await attempt(faults, name, async () => {
        const isKnown = holders.length > 0 && cleared.get(name) === holders.join();
        isHeld = (isHeld && isChain) || isKnown || (await hasRowsOf(sql, name, holders));
        if (isHeld) {
          kept.push(name);
          const isCleared = isChain || cleared.get(name) === holders.join();
          if (!isCleared && (await deleteRowsOfOthers(sql, name, holders, signal))) cleared.set(name, holders.join());
        } else if (await dropUnlessHeld(sql, name, holders)) dropped.push(name);
      });
    }
  }
  return { dropped, kept, faults };
}

/** Tenants with a legal hold in force, in order. */
async function findHolders(sql: Sql): Promise<string[]> {
  const rows = await sql<{ tenantId: string }[]>`
    SELECT DISTINCT tenant_id AS "tenantId" FROM legal_holds WHERE released_at IS NULL ORDER BY tenant_id`;
  return rows.map(({ tenantId }) => tenantId);
}

async function hasRowsOf(sql: Sql, partition: string, tenants: readonly string[]): Promise<boolean> {
  if (tenants.length === 0) return false;
  const rows = await sql`SELECT 1 FROM ${sql(partition)} WHERE tenant_id = ANY(${[...tenants]}::text[]) LIMIT 1`;
  return rows.length > 0;
}

/** Resolves to whether it got to the end. */
async function deleteRowsOfOthers(
  sql: Sql,
  partition: string,
  tenants: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const [size] = await sql<{ pages: number }[]>`
    SELECT (pg_relation_size(${partition}::regclass) / current_setting('block_size')::int)::int AS pages`;
  for (let page = 0; page < (size?.pages ?? 0); page += PAGES_AT_ONCE) {
    if (signal.aborted) return false;
    const inPages = sql`ctid >= ${`(${page},0)`}::text::tid AND ctid < ${`(${page + PAGES_AT_ONCE},0)`}::text::tid`;
    // Said twice: without the first, PostgreSQL reads all pages to find the rows that were locked in these.
    await sql`
      DELETE FROM ${sql(partition)} WHERE ${inPages} AND ctid IN (
        SELECT ctid FROM ${sql(partition)} p WHERE ${inPages}
          AND tenant_id <> ALL(${[...tenants]}::text[])
          AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.tenant_id = p.tenant_id AND h.released_at IS NULL)
        FOR UPDATE SKIP LOCKED)`;
  }
  return true;
}

/** False when holds have changed since they were read. The lock keeps new ones out until the partition is gone. */
async function dropUnlessHeld(sql: Sql, partition: string, tenants: readonly string[]): Promise<boolean> {
  const known = `ARRAY[${tenants.map((tenant) => `'${tenant.replaceAll("'", "''")}'`).join(', ')}]::text[]`;
  await runDdl(sql, [
    'LOCK TABLE legal_holds IN SHARE MODE',
    `DO $held$ BEGIN
      IF ${known} IS NOT DISTINCT FROM ARRAY(SELECT DISTINCT tenant_id FROM legal_holds WHERE released_at IS NULL ORDER BY 1)
      THEN DROP TABLE IF EXISTS ${partition}; END IF; END $held$`,
  ]);
  const [row] = await sql<{ isGone: boolean }[]>`SELECT to_regclass(${partition}) IS NULL AS "isGone"`;
  return row?.isGone === true;
}

/** The oldest first. */
async function partitionsOf(sql: Sql, table: string): Promise<readonly { readonly name: string }[]> {
  return await sql<{ name: string }[]>`
    SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = ${table}::regclass ORDER BY name`;
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
