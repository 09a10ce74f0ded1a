import type { Sql } from './connect-database.ts';

/**
 * The limit of a batch, in the text of its statement. As a parameter of a kept plan PostgreSQL takes it for a tenth of all that fits, and of
 * a backlog reads whole tables for each batch.
 */
export function literalLimit(sql: Sql, limit: number) {
  return sql.unsafe(String(Math.trunc(limit)));
}
