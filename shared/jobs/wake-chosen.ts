/**
 * How the clocks wake rows: one statement reads which rows need it and locks nothing, a second one wakes those that are still as they were read.
 *
 * 1. Several sweepers may read the same rows; the first to wake one raises `wakes`, and the others leave it alone.
 * 2. A row that the database refuses is put off and reported; the others are woken.
 */

import type { Sql } from '#shared/db/connect-database.ts';
import { runSet } from '#shared/db/run-statements.ts';

/** A row as it was read: a claim raises `epoch`, a wake-up `wakes`. */
export interface ChosenRow {
  readonly id: string;
  readonly why: string;
  readonly epoch: number;
  readonly wakes: number;
}

export type OnRefused = (id: string, error: unknown) => void;

export interface WakeChosenOptions<Row, Woken> {
  readonly chosen: readonly Row[];
  readonly wake: (rows: Row[]) => Promise<Woken[]>;
  /** Moves a refused row out of the way of the rows behind it, for as long as a lost wake-up would be waited for. */
  readonly putOff: (id: string) => Promise<unknown>;
  readonly onRefused?: OnRefused | undefined;
}

export async function wakeChosen<Row extends ChosenRow, Woken>(
  options: WakeChosenOptions<Row, Woken>,
): Promise<Woken[]> {
  const { chosen, wake, putOff, onRefused } = options;
  const { results, refused } = await runSet({ rows: chosen, keyOf: ({ id }) => id, run: wake });
  for (const { row, error } of refused) {
    onRefused?.(row.id, error);
    // One that cannot even be put off is met, and reported, by the next tick.
    await putOff(row.id).catch(() => undefined);
  }
  return results.flat();
}

const MOST_DOUBLINGS = 6;

/** An interval in SQL. `wakes`: how many wake-ups of the row were sent. */
export function wakeBound(sql: Sql, boundMs: number, wakes: ReturnType<Sql>) {
  return sql`${boundMs}::int * interval '1 ms' * power(2, least(greatest(${wakes}, 1) - 1, ${MOST_DOUBLINGS}::int))`;
}
