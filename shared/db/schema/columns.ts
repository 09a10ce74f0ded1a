/** Columns that tables of several areas have. */
import { pg, sql } from '../drizzle.ts';

const { integer, text, timestamp } = pg;

export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 6, mode: 'string' });
export const transactionId = pg.customType<{ data: string }>({ dataType: () => 'xid8' });
export const textSearch = pg.customType<{ data: string }>({ dataType: () => 'tsvector' });
export const bytes = pg.customType<{ data: Buffer }>({ dataType: () => 'bytea' });
export const createdAt = () => instant('created_at').notNull().default(sql`now()`);

/** Raised by whatever changes what is shown of a definition: what `ETag` and `If-Match` compare. */
export const revision = () => integer('revision').notNull().default(1);

/** Since when the files that were applied no longer have it (`apply --prune`); applied again, it is back. */
export const removedAt = () => instant('removed_at');

/** As it was written, with comments; null from before it was kept. */
export const source = () => text('source');

export const oneOf = (column: string, values: readonly string[]) =>
  sql.raw(`${column} IN (${values.map((value) => `'${value}'`).join(', ')})`);
