/**
 * The statements of a load. Of the database it needs the table `longshore_loads` (docs/guides/targets.md), next to the tables that it loads into
 * or elsewhere on the user's `search_path`.
 *
 * 1. All rows of a file and the key of the load are one transaction, under a lock of the key: a second load of it waits for the end of the
 *    first, and a key that is there loads nothing.
 * 2. A value becomes what the table's own column types make of its text. Rows go to the server by COPY, which costs it a third of an INSERT; where
 *    that is not the same (`canCopy`), by columns, as arrays: as JSON they cost it half as much again.
 * 3. No value is in a message: a refused row is named by its line.
 */

import { copyIn } from '#shared/databases/copy-in.ts';
import { DatabaseError } from '#shared/databases/database-error.ts';
import type { DatabaseTransaction, OpenDatabase } from '#shared/databases/open-database.ts';
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import type { Row } from './read-rows.ts';
import { arrayOf, linesOf, refusedLine } from './rows-as-text.ts';

export interface LoadPlan {
  readonly table: string;
  /** Of the table, with the columns of the file that fill them. */
  readonly columns: readonly (readonly [column: string, from: string])[];
  /** Of a unique index: rows that are there are replaced. */
  readonly upsert?: readonly string[] | undefined;
}

export interface TableLoad {
  /** Before any other. @throws DatabaseError `schema` when the table, or a column that is loaded, is not there. */
  check(): Promise<void>;
  /** Undefined: the key was loaded before. */
  begin(key: string): Promise<OpenLoad | undefined>;
  /** Waits for a load of the key that is being committed, or undone, by a connection that was lost. */
  isLoaded(key: string): Promise<boolean>;
  /** @throws DatabaseError `row-refused`, with the line. */
  upsert(rows: readonly Row[]): Promise<void>;
}

export interface OpenLoad {
  /**
   * Resolves once the server has the rows, after it has taken those before them: it works on them while the caller reads the next ones.
   *
   * @throws DatabaseError of these rows or of those before; with `row-refused` no further row can be added.
   */
  add(rows: readonly Row[]): Promise<void>;
  /** The server has taken all rows. @throws as `add` */
  added(): Promise<void>;
  /** As `add`, but a refused row leaves the load open, and is named by its line; then no row of `rows` is in it. */
  addCarefully(rows: readonly Row[]): Promise<void>;
  /** `not-loaded`: the connection was lost before, and the rows with it. */
  commit(rows: number): Promise<'loaded' | 'not-loaded'>;
  /** Undoes what is not committed. */
  end(): void;
}

/** Of PostgreSQL 12, whose COPY has a WHERE. */
const COPIES_SINCE = 120_000;

export function createTableLoad(database: OpenDatabase, plan: LoadPlan, signal: AbortSignal): TableLoad {
  const { table, columns } = plan;
  const names = columns.map(([column]) => column);
  /** Of the columns, without length or precision: those are held to when a row is inserted. By `check`. */
  let types: readonly string[] = [];
  /** COPY has no views, rules and row security, and gives values to columns that take none. By `check`. */
  let canCopy = false;
  const run = <Result>(statement: Parameters<OpenDatabase['run']>[0]) => database.run<Result>(statement, signal);
  const into = (sql: Sql): Fragment => sql`INSERT INTO ${sql(table)} (${listOf(sql, names)})`;

  function valuesOf(rows: readonly Row[]): (sql: Sql) => Fragment {
    const arrays = columns.map(([, from]) => arrayOf(rows, from));
    return (sql) => {
      const cast = types.map((type, index) => sql`${sql(`c${index}`)}::${sql.unsafe(type)}`);
      const given = arrays.map((text) => sql`${text}::text::text[]`);
      const called = arrays.map((_text, index) => sql`${sql(`c${index}`)}`);
      return sql`SELECT ${joined(sql, cast)} FROM unnest(${joined(sql, given)}) AS r(${joined(sql, called)})`;
    };
  }

  async function upsertRows(rows: readonly Row[]): Promise<void> {
    const { upsert = [] } = plan;
    const lastOfKey = new Map(rows.map((row) => [JSON.stringify(keyOf(row, columns, upsert)), row]));
    const values = valuesOf([...lastOfKey.values()]);
    const set = (sql: Sql): Fragment => {
      const replaced = names.filter((name) => !upsert.includes(name));
      const all = replaced.length > 0 ? replaced : upsert.slice(0, 1);
      return joined(
        sql,
        all.map((name) => sql`${sql(name)} = excluded.${sql(name)}`),
      );
    };
    await run((sql) => sql`${into(sql)} ${values(sql)} ON CONFLICT (${listOf(sql, upsert)}) DO UPDATE SET ${set(sql)}`);
  }

  return {
    async check() {
      const rows = await run<{ name: string; type: string; copies: boolean }>(
        (sql) => sql`
          WITH RECURSIVE place AS (
            SELECT oid, relkind IN ('r', 'p') AND NOT relhasrules AND NOT relrowsecurity
                AND current_setting('server_version_num')::int >= ${COPIES_SINCE} AS copies
            FROM pg_class WHERE oid = to_regclass(${table.split('.').map(quoted).join('.')})),
          base AS (
            SELECT attname AS name, atttypid AS type, copies AND attidentity <> 'a' AS copies
            FROM pg_attribute JOIN place ON attrelid = place.oid WHERE attnum > 0 AND NOT attisdropped
            UNION ALL
            SELECT b.name, t.typbasetype, copies FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd')
          SELECT b.name, quote_ident(n.nspname) || '.' || quote_ident(t.typname) AS type, copies
          FROM base b JOIN pg_type t ON t.oid = b.type JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype <> 'd'`,
      );
      if (rows.length === 0)
        throw new DatabaseError(
          'schema',
          `The database ${database.definition.name} has no table ${table} that its user sees.`,
        );
      const present = new Map(rows.map((row) => [row.name, row]));
      const absent = [...names, ...(plan.upsert ?? [])].filter((name) => !present.has(name));
      if (absent.length > 0)
        throw new DatabaseError('schema', `The table ${table} has no column ${absent.join(', ')}.`);
      types = names.map((name) => present.get(name)?.type ?? '');
      canCopy = names.every((name) => present.get(name)?.copies);
    },
    begin,
    async isLoaded(key) {
      const load = await begin(key);
      load?.end();
      return load === undefined;
    },
    async upsert(rows) {
      await byHalves(rows, upsertRows);
    },
  };

  async function begin(key: string): Promise<OpenLoad | undefined> {
    const transaction = await database.begin(signal);
    try {
      await transaction.run((sql) => sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`);
      const known = await transaction.run((sql) => sql`SELECT FROM longshore_loads WHERE key = ${key}`);
      if (known.length === 0) return openLoad(transaction, key);
    } catch (error) {
      transaction.end();
      throw error;
    }
    transaction.end();
    return undefined;
  }

  async function hasKey(key: string): Promise<boolean> {
    return (await run((sql) => sql`SELECT FROM longshore_loads WHERE key = ${key}`)).length > 0;
  }

  function openLoad(transaction: DatabaseTransaction, key: string): OpenLoad {
    const copied = (rows: readonly Row[], onSent?: () => void) => {
      const text = linesOf(
        rows,
        columns.map(([, from]) => from),
      );
      return (sql: Sql) =>
        copyIn(
          sql`COPY ${sql(table)} (${listOf(sql, names)}) FROM STDIN WHERE txid_current() = ${sql.unsafe(transaction.id)}`,
          text,
          onSent,
        );
    };
    // Looked up once in a statement, not for each row.
    const isHere = (sql: Sql): Fragment => sql`(SELECT txid_current()) = ${transaction.id}::text::bigint`;
    const inserted = (rows: readonly Row[]) => {
      const values = valuesOf(rows);
      return (sql: Sql) => sql`${into(sql)} ${values(sql)} WHERE ${isHere(sql)}`;
    };
    let adding: Promise<unknown> = Promise.resolve();
    const added = async (): Promise<void> => void (await adding);
    return {
      async add(rows) {
        const sent = Promise.withResolvers<void>();
        // Made into text while the server takes the rows before.
        const statement = canCopy ? copied(rows, sent.resolve) : inserted(rows);
        await added();
        adding = transaction.run(statement);
        adding.catch(() => {});
        // A loop that is busy with the next rows would leave the server to wait for these.
        if (canCopy) await Promise.race([sent.promise, adding]);
      },
      added,
      async addCarefully(rows) {
        await byHalves(rows, async (some) => {
          await transaction.run((sql) => sql`SAVEPOINT rows`);
          try {
            await transaction.run(canCopy ? copied(some) : inserted(some));
          } catch (error) {
            if (isRefused(error)) await transaction.run((sql) => sql`ROLLBACK TO SAVEPOINT rows`);
            throw error;
          }
          await transaction.run((sql) => sql`RELEASE SAVEPOINT rows`);
        });
      },
      async commit(rows) {
        await added();
        await transaction.run(
          (sql) => sql`
            INSERT INTO longshore_loads (key, "table", rows)
            SELECT ${key}, ${table}, ${rows}::bigint WHERE ${isHere(sql)} ON CONFLICT (key) DO NOTHING`,
        );
        await transaction.commit();
        return (await hasKey(key)) ? 'loaded' : 'not-loaded';
      },
      end: () => transaction.end(),
    };
  }
}

function isRefused(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && error.fault === 'row-refused';
}

/** The rows in their order, in ever smaller parts where one is refused. @throws DatabaseError `row-refused`, with the line of the first. */
async function byHalves(rows: readonly Row[], insert: (rows: readonly Row[]) => Promise<void>): Promise<void> {
  try {
    await insert(rows);
  } catch (error) {
    if (!isRefused(error)) throw error;
    const [only] = rows;
    if (rows.length === 1 && only !== undefined) throw refusedLine(only.line, error.message);
    const middle = Math.ceil(rows.length / 2);
    await byHalves(rows.slice(0, middle), insert);
    await byHalves(rows.slice(middle), insert);
  }
}

function joined(sql: Sql, parts: readonly Fragment[]): Fragment {
  return parts.reduce((list, part) => sql`${list}, ${part}`);
}

function listOf(sql: Sql, names: readonly string[]): Fragment {
  return joined(
    sql,
    names.map((name) => sql`${sql(name)}`),
  );
}

function keyOf({ values }: Row, columns: LoadPlan['columns'], upsert: readonly string[]): unknown[] {
  return columns.filter(([column]) => upsert.includes(column)).map(([, from]) => values[from] ?? null);
}

function quoted(name: string): string {
  return `"${name}"`;
}
