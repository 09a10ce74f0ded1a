/** How it is with all remotes and sources, for the gauges of the fleet. */
import type { Sql } from '#shared/db/connect-database.ts';

export interface RemoteCounts {
  /** Whose last connection failed. */
  readonly failing: number;
  /** Nobody connects with these credentials for now. */
  readonly refused: number;
  readonly connections: number;
  /** Until the certificate that ends first ends; null without certificates. */
  readonly certificateDays: number | null;
  readonly overdueSources: number;
}

/** Failed listings in a row, after which a source is overdue. */
const MOST_FAILURES = 3;
const OVERDUE_SECONDS = 300;

export async function countRemotes(sql: Sql): Promise<RemoteCounts> {
  const [row] = await sql<RemoteCounts[]>`
    SELECT count(*) FILTER (WHERE error_code IS NOT NULL)::int AS failing,
      count(*) FILTER (WHERE breaker_until > now())::int AS refused,
      (SELECT count(*)::int FROM remote_connections WHERE lease_until > now()) AS connections,
      extract(epoch FROM min(certificate_ends_at) - now())::float8 / 86400 AS "certificateDays",
      (SELECT count(*)::int FROM sources WHERE removed_at IS NULL AND (failures >= ${MOST_FAILURES}
        OR next_action_at < now() - ${OVERDUE_SECONDS}::int * interval '1 second')) AS "overdueSources"
    FROM remotes WHERE removed_at IS NULL`;
  if (row === undefined) throw new Error('the database counted nothing');
  return row;
}
