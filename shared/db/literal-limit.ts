import type { Sql } from './connect-database.ts';

/**
 * The limit of a batch, in the text of its statement. As a parameter of a kept plan PostgreSQL takes it for a tenth of all that fits, and of
 * a backlog reads whole tables for each batch.
 */
export function literalLimit(sql: Sql, limit: number) {
  return sql.unsafe(String(Math.trunc(limit)));
}

/** The same of a limit that varies, rounded down to 1, 2 or 5 times a power of ten: each text is a statement to be kept. */
export function coarseLimit(sql: Sql, limit: number) {
  if (limit < 1) return literalLimit(sql, 0);
  const power = 10 ** Math.floor(Math.log10(limit));
  const first = limit / power;
  return literalLimit(sql, (first < 2 ? 1 : first < 5 ? 2 : 5) * power);
}
