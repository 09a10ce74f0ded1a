/**
 * Which notice an event is to the channels of its tenant, as SQL: null for most. Reads the columns `type` and `detail`.
 *
 * The names are those of `shared/definitions/notify-schema.ts`.
 */
import type { Sql } from '#shared/db/connect-database.ts';

export function noticeOf(sql: Sql) {
  return sql`CASE type
    WHEN 'file.routed' THEN CASE WHEN (detail ->> 'isLarge')::boolean THEN 'large-file' END
    WHEN 'job.held' THEN 'held'
    WHEN 'job.released' THEN 'released'
    WHEN 'file.failed' THEN 'failed'
    WHEN 'file.quarantined' THEN CASE WHEN detail ->> 'code' <> 'COMPANION_FILE' THEN 'failed' END
    WHEN 'file.completed' THEN 'completed'
    WHEN 'job.succeeded' THEN CASE WHEN detail ? 'records' THEN 'records-done' END
    WHEN 'job.failed' THEN CASE WHEN detail ? 'records' THEN 'records-done' END
  END`;
}
