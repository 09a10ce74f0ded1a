/** Rows of a few tables, kept and put back: for tests that begin at the same scene again and again. */
import type { Sql } from '#shared/db/connect-database.ts';

export interface KeptScene {
  /** No table of them has a row. */
  clear(): Promise<unknown>;
  /** What the tables hold now is the scene. */
  keep(): Promise<unknown>;
  restore(): Promise<unknown>;
}

/**
 * Of one database, in its own schema. Rows are deleted and not truncated: truncating throws every plan away that reads the tables.
 *
 * @param tables in the order in which rows may be inserted
 */
export async function createKeptScene(sql: Sql, tables: readonly string[]): Promise<KeptScene> {
  const emptied = (schema: string) =>
    tables
      .toReversed()
      .map((table) => `DELETE FROM ${schema}.${table}`)
      .join('; ');
  const columns = await storedColumns(sql);
  const copied = (from: string, to: string) =>
    tables
      .map((table) => `INSERT INTO ${to}.${table} (${columns(table)}) SELECT ${columns(table)} FROM ${from}.${table}`)
      .join('; ');
  // In functions, whose statements are planned once a connection.
  const made = (name: string, ...statements: readonly string[]) =>
    `CREATE FUNCTION scene.${name}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ${statements.join('; ')}; END $$`;
  const parts = [
    'CREATE SCHEMA scene',
    ...tables.map((table) => `CREATE TABLE scene.${table} AS TABLE ${table}`),
    made('clear', emptied('public')),
    made('keep', emptied('scene'), copied('public', 'scene')),
    made('restore', emptied('public'), copied('scene', 'public')),
  ];
  await sql.unsafe(parts.join(';\n'));
  return {
    clear: () => sql`SELECT scene.clear()`,
    keep: () => sql`SELECT scene.keep()`,
    restore: () => sql`SELECT scene.restore()`,
  };
}

/** Those of a table that are written; generated ones follow from them. */
async function storedColumns(sql: Sql): Promise<(table: string) => string> {
  const rows = await sql<{ table: string; columns: string }[]>`
    SELECT table_name AS table, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS columns
    FROM information_schema.columns WHERE table_schema = 'public' AND is_generated = 'NEVER' GROUP BY table_name`;
  const byTable = new Map(rows.map(({ table, columns }) => [table, columns]));
  return (table) => byTable.get(table) ?? '*';
}
