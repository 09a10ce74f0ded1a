/** SQL expressions that several reads share. */
import { sql } from '#shared/db/drizzle.ts';
import type { files } from '#shared/db/schema.ts';

type Column = (typeof files)[keyof typeof files & ('createdAt' | 'finishedAt')] | ReturnType<typeof sql>;

/** RFC 3339 in UTC, with milliseconds. */
export function instantOf(column: unknown) {
  return sql<string>`to_char(${column as Column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** As `instantOf`, with all that the column holds: for cursors. */
export function exactInstantOf(column: unknown) {
  return sql<string>`to_char(${column as Column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** As `instantOf`, of a column that can be null. */
export function instantOrNullOf(column: unknown) {
  return instantOf(column) as ReturnType<typeof sql<string | null>>;
}
