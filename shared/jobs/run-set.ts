/**
 * Runs one set-based statement over many rows so that one bad row does not cost the others.
 *
 * 1. Rows are sorted by their key: statements that run side by side then lock in one order.
 * 2. A deadlock (40P01) or serialisation failure (40001) repeats the same statement, which changed nothing.
 * 3. A row that the database refuses (SQLSTATE class 22 or 23) is found by halving; the rest is stored.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Repeats of one statement; more would hide a real conflict. */
const MAX_REPEATS = 8;

export interface RefusedRow<Row> {
  readonly row: Row;
  readonly error: unknown;
}

export interface SetResult<Row, Result> {
  readonly results: Result[];
  readonly refused: RefusedRow<Row>[];
}

export interface RunSetOptions<Row, Result> {
  readonly rows: readonly Row[];
  /** Sort key; rows with equal keys keep the last one only. */
  readonly keyOf: (row: Row) => string;
  readonly run: (rows: Row[]) => Promise<Result>;
}

/** Resolves to the results of the statements that ran (one, unless rows were refused). */
export async function runSet<Row, Result>(options: RunSetOptions<Row, Result>): Promise<SetResult<Row, Result>> {
  const byKey = new Map(options.rows.map((row) => [options.keyOf(row), row]));
  const rows = [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, row]) => row);
  const result: SetResult<Row, Result> = { results: [], refused: [] };
  if (rows.length > 0) await runHalving(rows, options.run, result);
  return result;
}

async function runHalving<Row, Result>(
  rows: Row[],
  run: (rows: Row[]) => Promise<Result>,
  into: SetResult<Row, Result>,
): Promise<void> {
  try {
    into.results.push(await repeatOnDeadlock(() => run(rows)));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (rows.length === 1) {
      into.refused.push({ row: rows[0] as Row, error });
      return;
    }
    const middle = Math.ceil(rows.length / 2);
    await runHalving(rows.slice(0, middle), run, into);
    await runHalving(rows.slice(middle), run, into);
  }
}

/** `run` is one statement outside of a transaction: what met another one has changed nothing. */
export async function repeatOnDeadlock<Result>(run: () => Promise<Result>): Promise<Result> {
  for (let repeat = 0; ; repeat += 1) {
    try {
      return await run();
    } catch (error) {
      const state = sqlState(error);
      if ((state !== '40P01' && state !== '40001') || repeat === MAX_REPEATS) throw error;
      await delay(Math.random() * 10 * 2 ** repeat);
    }
  }
}

/** Whether a row is at fault, and not the database. */
export function isRefusal(error: unknown): boolean {
  const state = sqlState(error);
  return state?.startsWith('22') === true || state?.startsWith('23') === true;
}

function sqlState(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
