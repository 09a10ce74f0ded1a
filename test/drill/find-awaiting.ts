/** Files of which everything that is open waits for an object that the lost home had not copied, as a query for their ids and keys. */
import type { Sql } from '#shared/db/connect-database.ts';
import { REPLICA_AWAITED } from '#shared/worker/late-replicas.ts';

export function awaitingFiles(sql: Sql) {
  return sql`
    SELECT f.id, f.key FROM files f WHERE f.status = 'PROCESSING' AND NOT EXISTS (
        SELECT 1 FROM jobs j WHERE j.file_id = f.id AND j.finished_at IS NULL AND j.wait_reason IS DISTINCT FROM ${REPLICA_AWAITED})
      AND (f.open_jobs > 0 OR (
        SELECT e.detail ->> 'cause' FROM audit_events e WHERE e.file_id = f.id AND e.type = 'file.archive-retrying'
        ORDER BY e.at DESC LIMIT 1) = ${REPLICA_AWAITED})`;
}

export async function findAwaiting(sql: Sql): Promise<Set<string>> {
  const rows = await sql<{ key: string }[]>`${awaitingFiles(sql)}`;
  return new Set(rows.map(({ key }) => key));
}
