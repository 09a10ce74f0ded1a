/**
 * The statements of a load. Of the database it needs two tables, `longshore_loads` and `longshore_rows` (docs/guides/targets.md), next to the
 * tables that it loads into or elsewhere on the user's `search_path`.
 *
 * 1. `stage` writes rows where nobody looks, under the try's own name: what an earlier try left is never mixed with it.
 * 2. `commit` is one statement: the load's key and all rows of the target, or nothing. A key that is there loads nothing.
 * 3. A value becomes what the table's own column types make of its text.
 * 4. No value is in a message: a refused row is named by its line.
 */

import { DatabaseError } from '#shared/databases/database-error.ts';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { Row } from './read-rows.ts';

export interface LoadPlan {
  readonly table: string;
  /** Of the table, with the columns of the file that fill them. */
  readonly columns: readonly (readonly [column: string, from: string])[];
  /** Of a unique index: rows that are there are replaced. */
  readonly upsert?: readonly string[] | undefined;
}

export interface StagedLoad {
  /** Of the effect. */
  readonly key: string;
  /** Of the try. */
  readonly stage: string;
  readonly rows: number;
}

export interface TableLoad {
  /** @throws DatabaseError `schema` when the table, or a column that is loaded, is not there. */
  check(): Promise<void>;
  /** As one batch; a row for each costs the server several times as much. `after`: rows of the file before. */
  stage(stage: Omit<StagedLoad, 'rows'>, rows: readonly Row[], after: number): Promise<void>;
  commit(load: StagedLoad): Promise<'loaded' | 'not-loaded'>;
  isLoaded(key: string): Promise<boolean>;
  forget(key: string): Promise<void>;
  /** The first row, by its line, with which the load is refused; undefined when none is found. Nothing is loaded. */
  findRefused(load: StagedLoad): Promise<number | undefined>;
  /** @throws DatabaseError `row-refused`, with the line. */
  upsert(rows: readonly Row[]): Promise<void>;
}

/** JSON writes both as escapes; PostgreSQL's text has neither. */
const UNSTORABLE = /[\0\ud800-\udfff]/u;

export function createTableLoad(database: OpenDatabase, plan: LoadPlan, signal: AbortSignal): TableLoad {
  const { table, columns } = plan;
  const names = columns.map(([column]) => column);
  const run = <Result>(statement: Parameters<OpenDatabase['run']>[0]) => database.run<Result>(statement, signal);
  const into = (sql: Sql): Fragment => sql`INSERT INTO ${sql(table)} (${listOf(sql, names)})`;
  const values = (sql: Sql): Fragment =>
    names.map((name) => sql`r.${sql(name)}`).reduce((list, name) => sql`${list}, ${name}`);
  /** Batches of one try, in the order of the file. */
  const staged = (sql: Sql, { key, stage }: Omit<StagedLoad, 'rows'>): Fragment =>
    sql`(SELECT seq, rows FROM longshore_rows WHERE key = ${key} AND stage = ${stage}::uuid ORDER BY seq) s`;

  function toRow({ line, values: read }: Row): object {
    const row: Record<string, unknown> = {};
    for (const [column, from] of columns) {
      const value = read[from] ?? null;
      if (typeof value === 'string' && UNSTORABLE.test(value))
        throw refusedLine(line, 'it has a NUL character or a lone surrogate');
      row[column] = value;
    }
    return row;
  }

  async function upsertRows(rows: readonly Row[]): Promise<void> {
    const { upsert = [] } = plan;
    const lastOfKey = new Map(rows.map((row) => [JSON.stringify(keyOf(row, columns, upsert)), row]));
    const kept = [...lastOfKey.values()];
    const set = (sql: Sql): Fragment =>
      names
        .filter((name) => !upsert.includes(name))
        .map((name) => sql`${sql(name)} = excluded.${sql(name)}`)
        .reduce(
          (list, each) => (list === undefined ? each : sql`${list}, ${each}`),
          undefined as Fragment | undefined,
        ) ?? sql`${sql(upsert[0] ?? '')} = excluded.${sql(upsert[0] ?? '')}`;
    await run(
      (sql) => sql`
        ${into(sql)} SELECT ${values(sql)} FROM jsonb_array_elements(${toJsonb(kept.map(toRow))}::text::jsonb) WITH ORDINALITY AS s(row, seq),
          jsonb_populate_record(NULL::${sql(table)}, s.row) r ORDER BY s.seq
        ON CONFLICT (${listOf(sql, upsert)}) DO UPDATE SET ${set(sql)}`,
    );
  }

  return {
    async check() {
      const rows = await run<{ name: string }>(
        (sql) => sql`
          SELECT attname AS name FROM pg_attribute
          WHERE attrelid = to_regclass(${table.split('.').map(quoted).join('.')}) AND attnum > 0 AND NOT attisdropped`,
      );
      if (rows.length === 0)
        throw new DatabaseError(
          'schema',
          `The database ${database.definition.name} has no table ${table} that its user sees.`,
        );
      const present = new Set(rows.map(({ name }) => name));
      const absent = [...names, ...(plan.upsert ?? [])].filter((name) => !present.has(name));
      if (absent.length > 0)
        throw new DatabaseError('schema', `The table ${table} has no column ${absent.join(', ')}.`);
    },
    async stage({ key, stage }, rows, after) {
      const lines = `{${rows.map(({ line }) => line).join(',')}}`;
      await run(
        (sql) => sql`
          INSERT INTO longshore_rows (key, stage, seq, lines, rows)
          VALUES (${key}, ${stage}::uuid, ${after}::bigint, ${lines}::text::bigint[], ${toJsonb(rows.map(toRow))}::text::json)
          ON CONFLICT DO NOTHING`,
      );
    },
    async commit(load) {
      const { key, stage, rows } = load;
      const found = await run<{ key: string }>(
        (sql) => sql`
          WITH claimed AS (
            INSERT INTO longshore_loads (key, "table", rows)
            SELECT ${key}, ${table}, ${rows}::bigint
            WHERE (SELECT coalesce(sum(cardinality(lines)), 0) FROM longshore_rows WHERE key = ${key} AND stage = ${stage}::uuid)
              = ${rows}::bigint
            ON CONFLICT (key) DO NOTHING RETURNING key),
          loaded AS (
            ${into(sql)} SELECT ${values(sql)} FROM ${staged(sql, load)}, json_populate_recordset(NULL::${sql(table)}, s.rows) r
            WHERE EXISTS (SELECT 1 FROM claimed))
          SELECT key FROM claimed`,
      );
      return found.length > 0 ? 'loaded' : 'not-loaded';
    },
    async isLoaded(key) {
      return (await run((sql) => sql`SELECT 1 FROM longshore_loads WHERE key = ${key}`)).length > 0;
    },
    async forget(key) {
      await run((sql) => sql`DELETE FROM longshore_rows WHERE key = ${key}`);
    },
    async findRefused(load) {
      // All rows up to this one are taken, and all up to that one are not.
      let [taken, refused] = [0, load.rows];
      while (refused - taken > 1) {
        const middle = Math.floor((taken + refused) / 2);
        if (await isTaken(load, middle)) taken = middle;
        else refused = middle;
      }
      if (await isTaken(load, refused)) return undefined;
      const [row] = await run<{ line: string }>(
        (sql) => sql`
          SELECT lines[${refused}::bigint - seq] AS line FROM longshore_rows
          WHERE key = ${load.key} AND stage = ${load.stage}::uuid AND seq < ${refused}::bigint ORDER BY seq DESC LIMIT 1`,
      );
      return row === undefined ? undefined : Number(row.line);
    },
    async upsert(rows) {
      try {
        await upsertRows(rows);
      } catch (error) {
        if (!(error instanceof DatabaseError) || error.fault !== 'row-refused') throw error;
        const [only] = rows;
        if (rows.length === 1 && only !== undefined) throw refusedLine(only.line, error.message);
        const middle = Math.ceil(rows.length / 2);
        await this.upsert(rows.slice(0, middle));
        await this.upsert(rows.slice(middle));
      }
    },
  };

  /** A statement that loads the first rows, and then fails on its own: nothing stays, in whatever connection it ran. */
  async function isTaken(load: StagedLoad, rows: number): Promise<boolean> {
    try {
      await run(
        (sql) => sql`
          WITH loaded AS (
            ${into(sql)} SELECT ${values(sql)} FROM ${staged(sql, load)}, json_array_elements(s.rows) WITH ORDINALITY AS e(row, n),
              json_populate_record(NULL::${sql(table)}, e.row) r
            WHERE s.seq + e.n <= ${rows}::bigint RETURNING 1)
          SELECT 1 / (count(*) - count(*)) FROM loaded`,
      );
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.fault !== 'row-refused') throw error;
      return error.sqlState === DIVISION_BY_ZERO;
    }
    throw new Error('a probe of a load did not fail');
  }
}

const DIVISION_BY_ZERO = '22012';

/** @returns what an error of the whole load becomes once its line is known. */
export function refusedLine(line: number, why: string): DatabaseError {
  const reason = why.replace(/\.$/, '');
  return new DatabaseError('row-refused', `Line ${line}: ${reason.charAt(0).toLowerCase()}${reason.slice(1)}.`);
}

function listOf(sql: Sql, names: readonly string[]): Fragment {
  return names.map((name) => sql`${sql(name)}`).reduce((list, name) => sql`${list}, ${name}`);
}

function keyOf({ values }: Row, columns: LoadPlan['columns'], upsert: readonly string[]): unknown[] {
  return columns.filter(([column]) => upsert.includes(column)).map(([, from]) => values[from] ?? null);
}

function quoted(name: string): string {
  return `"${name}"`;
}
