/** Failures after which a file is `QUARANTINED` and not `FAILED`: what is in it must not continue, whatever else its jobs came to. */
import type { Sql } from '#shared/db/connect-database.ts';

const QUARANTINING_CAUSES = ['SCAN_INFECTED', 'CONTENT_NOT_ALLOWED', 'SENSITIVE_DATA'];

/** As `isQuarantining`, of a cause at hand. */
export function quarantines(cause: string | null): boolean {
  return cause !== null && QUARANTINING_CAUSES.includes(cause);
}

/** Of the columns that are given, as booleans in SQL; false for null. */
export function isQuarantining(sql: Sql, cause: ReturnType<Sql>) {
  return sql`coalesce(${cause} = ANY(${QUARANTINING_CAUSES}::text[]), false)`;
}
