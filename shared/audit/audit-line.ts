/** What is sealed of a line of the audit: all of it, as text that is always the same. */
import { createHash } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';

/** Before the first line of a chain. */
export const NO_HASH = Buffer.alloc(32);

/** Of a row `e` of `audit_events`. The time in microseconds: as text it would depend on the time zone of the connection. */
export function lineText(sql: Sql) {
  return sql`jsonb_build_array(e.id, (extract(epoch FROM e.at) * 1000000)::bigint, e.type, e.tenant_id, e.file_id, e.job_id, e.actor,
    e.detail)::text`;
}

/** As `sha256(previous || convert_to(text, 'UTF8'))` of PostgreSQL. */
export function hashLine(previous: Buffer, text: string): Buffer {
  return createHash('sha256').update(previous).update(text, 'utf8').digest();
}
