/**
 * After how long a wake-up that was sent counts as lost, whatever its queue says: the bound doubles with each wake-up, up to 64 times.
 *
 * The exponent is capped and not only the result: `power(2, 1024)` is an error (22003), and one such row would fail the clock of everybody.
 */
import type { Sql } from '#shared/db/connect-database.ts';

const MOST_DOUBLINGS = 6;

/** An interval in SQL. `wakes`: how many wake-ups of the row were sent. */
export function wakeBound(sql: Sql, boundMs: number, wakes: ReturnType<Sql>) {
  return sql`${boundMs}::int * interval '1 ms' * power(2, least(greatest(${wakes}, 1) - 1, ${MOST_DOUBLINGS}::int))`;
}
