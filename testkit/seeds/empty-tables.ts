/**
 * Tables without rows, for a file whose tests share a database.
 *
 * Rows are deleted, not truncated: truncating makes new files for every table and index, which takes a hundred times longer, and
 * throws away each plan that reads them. As with `TRUNCATE … CASCADE`, tables that refer to one of them are emptied too, and
 * transactions that write to one of them are waited for.
 *
 * Neither foreign keys nor triggers of rows have a say, since all that refers to these rows goes as well. A session that changes
 * `session_replication_role` forgets each plan it has, so a pool has its own connection for this, which never changes it.
 */
import postgres from 'postgres';
import type { Sql } from '#shared/db/connect-database.ts';

interface Emptier {
  readonly alone: postgres.Sql;
  /** By the names of the tables. */
  readonly statements: Map<string, string>;
}

const emptiers = new WeakMap<Sql, Emptier>();
/** Of a pool that was ended: the connection goes with its database or after this time. */
const IDLE_S = 20;

export async function emptyTables(sql: Sql, ...tables: readonly string[]): Promise<void> {
  const emptier = emptiers.get(sql) ?? { alone: connectAlone(sql), statements: new Map<string, string>() };
  emptiers.set(sql, emptier);
  const key = tables.join();
  const statement = emptier.statements.get(key) ?? (await writeStatement(emptier.alone, tables));
  emptier.statements.set(key, statement);
  await emptier.alone.unsafe(statement);
}

function connectAlone({ options }: Sql): postgres.Sql {
  const { host, port, database, user, pass } = options;
  return postgres({
    ...{ host: host[0], port: port[0], database, username: user, max: 1, idle_timeout: IDLE_S, onnotice: () => {} },
    ...(pass !== null && { password: pass }),
    connection: { application_name: 'empty-tables', session_replication_role: 'replica' },
  });
}

async function writeStatement(sql: postgres.Sql, tables: readonly string[]): Promise<string> {
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
    ...names.map((name) => `DELETE FROM ${name}`),
  ].join('; ');
}
