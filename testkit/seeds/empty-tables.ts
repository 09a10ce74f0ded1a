/**
 * Tables without rows, for a file whose tests share a database.
 *
 * Rows are deleted, not truncated: truncating makes new files for every table and index, which takes a hundred times longer, and
 * throws away each plan that reads them. As with `TRUNCATE … CASCADE`, tables that refer to one of them are emptied too, and
 * transactions that write to one of them are waited for.
 */
import type { Sql } from '#shared/db/connect-database.ts';

const statements = new WeakMap<Sql, Map<string, string>>();

export async function emptyTables(sql: Sql, ...tables: readonly string[]): Promise<void> {
  const known = statements.get(sql) ?? new Map<string, string>();
  statements.set(sql, known);
  const key = tables.join();
  const statement = known.get(key) ?? (await writeStatement(sql, tables));
  known.set(key, statement);
  await sql.unsafe(statement);
}

async function writeStatement(sql: Sql, tables: readonly string[]): Promise<string> {
  const rows = await sql<{ name: string }[]>`
    WITH RECURSIVE emptied (oid) AS (
      SELECT name::regclass::oid FROM unnest(${tables as string[]}::text[]) AS name
      UNION
      SELECT conrelid FROM pg_constraint JOIN emptied ON confrelid = emptied.oid WHERE contype = 'f'
    )
    SELECT pg_class.oid::regclass::text AS name FROM emptied JOIN pg_class USING (oid) WHERE NOT relispartition ORDER BY name`;
  const names = rows.map(({ name }) => name);
  return [
    `LOCK TABLE ${names.join(', ')} IN SHARE ROW EXCLUSIVE MODE`,
    // Neither foreign keys nor triggers of rows have a say: all that refers to these rows goes as well.
    "SELECT set_config('session_replication_role', 'replica', true)",
    ...names.map((name) => `DELETE FROM ${name}`),
  ].join('; ');
}
