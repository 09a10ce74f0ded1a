/**
 * What statements read of large tables, as PostgreSQL counted it while they ran: how many rows, and which tables from end to end. Their changes
 * are rolled back.
 */
import type { Sql } from '#shared/db/connect-database.ts';

export const PLAN_MODES = ['force_custom_plan', 'force_generic_plan'] as const;

export interface StatementCost {
  /** Large tables that were read whole. */
  readonly readWhole: string[];
  /** Rows of large tables. */
  readonly rows: number;
}

export interface StatementCostOptions {
  readonly sql: Sql;
  readonly tables: readonly string[];
  readonly planMode: string;
  /** Not counted. */
  readonly prepare?: (tx: Sql) => Promise<unknown>;
}

export async function statementCost(
  run: (tx: Sql) => Promise<unknown>,
  { sql, tables, planMode, prepare = async () => {} }: StatementCostOptions,
): Promise<StatementCost> {
  const tx = await sql.reserve();
  try {
    await tx`BEGIN`;
    await tx.unsafe(`SET LOCAL plan_cache_mode = ${planMode}; SET LOCAL session_replication_role = replica`);
    await prepare(tx);
    const before = await countersOf(tx, tables);
    await run(tx);
    const after = await countersOf(tx, tables);
    const of = (table: string) => ({
      scans: (after.get(table)?.scans ?? 0) - (before.get(table)?.scans ?? 0),
      rows: (after.get(table)?.rows ?? 0) - (before.get(table)?.rows ?? 0),
    });
    return {
      readWhole: tables.filter((table) => of(table).scans > 0),
      rows: tables.reduce((sum, table) => sum + of(table).rows, 0),
    };
  } finally {
    await tx`ROLLBACK`;
    tx.release();
  }
}

async function countersOf(tx: Sql, tables: readonly string[]): Promise<Map<string, { scans: number; rows: number }>> {
  const rows = await tx<{ name: string; scans: number; rows: number }[]>`
    SELECT relname AS name, seq_scan::int AS scans, (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS rows
    FROM pg_stat_xact_user_tables WHERE relname = ANY(${[...tables]})`;
  return new Map(rows.map(({ name, ...counters }) => [name, counters]));
}
