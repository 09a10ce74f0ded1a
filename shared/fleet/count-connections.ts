/** Connections to the database server by program and state, as bounded labels: a name that is not ours counts as `other`. */
import type { Sql } from '#shared/db/connect-database.ts';

/** The `application_name` that each program gives itself, before its version. */
const APPLICATIONS: readonly string[] = [
  'longshore-ingestor',
  'longshore-router',
  'longshore-partner-worker',
  'longshore-large-file-worker',
  'longshore-retry-sweeper',
  'longshore-sftp',
  'longshore-launcher',
  'control-api',
  'control-api-reads',
];
const OTHER = 'other';

export interface DatabaseConnections {
  /** What the server takes at most, from everyone. */
  readonly max: number;
  readonly groups: readonly { readonly application: string; readonly state: string; readonly connections: number }[];
}

/** Of the whole server, other databases included, because its bound is over them all. */
export async function countConnections(sql: Sql): Promise<DatabaseConnections> {
  // Other users' states are hidden from a plain user, hence `unknown`.
  const rows = await sql<{ application: string; state: string; connections: number; max: number }[]>`
    SELECT CASE WHEN split_part(application_name, '/', 1) = ANY(${sql.array([...APPLICATIONS])}) THEN split_part(application_name, '/', 1)
        ELSE ${OTHER} END AS application,
      CASE WHEN state IN ('active', 'idle') THEN state WHEN state LIKE 'idle in transaction%' THEN 'idle in transaction'
        ELSE 'unknown' END AS state,
      count(*)::int AS connections, current_setting('max_connections')::int AS max
    FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2`;
  // This connection is one of them, so there is always a row.
  return { max: rows[0]?.max ?? 0, groups: rows };
}
