/** Reads of the audit: by tenant, person, type, file and time, in the order of time. Each filter has an index in every partition. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { encodeCursor, type PagePosition } from '../http/page-cursor.ts';

export const auditEventSchema = z.object({
  event_id: z.string(),
  at: z.string(),
  type: z.string().describe('As in docs/reference/events.md.'),
  tenant: z.string(),
  file_id: z.string().nullable(),
  job_id: z.string().nullable(),
  actor: z.string().describe('A service, `operator:<label>` or `tenant:<tenant>:<label>`.'),
  detail: z.record(z.string(), z.unknown()),
  line: z.number().nullable().describe('Its number in the tenant’s chain; null until it is sealed, seconds later.'),
  hash: z.string().nullable().describe('Of this line and the hash of the line before it, hex.'),
});
export type AuditEvent = z.infer<typeof auditEventSchema>;
export const auditPageSchema = z.object({ events: z.array(auditEventSchema), next_cursor: z.string().nullable() });
export type AuditReply = z.infer<typeof auditPageSchema>;

export interface AuditFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly actor?: string | undefined;
  readonly type?: string | undefined;
  readonly fileId?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface AuditPage extends AuditFilters {
  readonly after?: PagePosition | undefined;
  readonly limit: number;
  /** For an export: oldest first. */
  readonly isOldestFirst?: boolean;
}

interface Row extends Omit<AuditEvent, 'line'> {
  readonly line: number | null;
}

export async function findAuditEvents(sql: Sql, page: AuditPage): Promise<z.infer<typeof auditPageSchema>> {
  const rows = await readRows(sql, page);
  const events = rows.slice(0, page.limit);
  const last = rows.length > page.limit ? events.at(-1) : undefined;
  return { events, next_cursor: last === undefined ? null : encodeCursor({ at: last.at, id: last.event_id }) };
}

/** Every event that fits, oldest first, a page at a time. */
export async function* streamAuditEvents(
  sql: Sql,
  filters: AuditFilters,
  pageSize: number,
): AsyncGenerator<AuditEvent> {
  let after: PagePosition | undefined;
  for (;;) {
    const rows = await readRows(sql, { ...filters, after, limit: pageSize - 1, isOldestFirst: true });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = { at: last.at, id: last.event_id };
  }
}

/** One row more than the page has, when there are more. */
async function readRows(sql: Sql, page: AuditPage): Promise<Row[]> {
  const { tenantId, actor, type, fileId, from, to, after, limit, isOldestFirst = false } = page;
  const order = isOldestFirst ? sql`ASC` : sql`DESC`;
  const isAfter = isOldestFirst ? sql`>` : sql`<`;
  return await sql<Row[]>`
    SELECT e.id AS event_id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, e.type, e.tenant_id AS tenant,
      e.file_id, e.job_id, e.actor, e.detail, s.seq::float8 AS line, encode(s.hash, 'hex') AS hash
    FROM (
      SELECT * FROM audit_events e
      WHERE true
        ${tenantId === null ? sql`` : sql`AND e.tenant_id = ${tenantId}`}
        ${actor === undefined ? sql`` : sql`AND e.actor = ${actor}`}
        ${actor?.includes(':') ? sql`AND strpos(e.actor, ':') > 0` : sql``}
        ${type === undefined ? sql`` : sql`AND e.type = ${type}`}
        ${fileId === undefined ? sql`` : sql`AND e.file_id = ${fileId}::uuid`}
        ${from === undefined ? sql`` : sql`AND e.at >= ${from}::timestamptz`}
        ${to === undefined ? sql`` : sql`AND e.at < ${to}::timestamptz`}
        ${after === undefined ? sql`` : sql`AND (e.at, e.id) ${isAfter} (${after.at}::timestamptz, ${after.id}::uuid)`}
      ORDER BY e.at ${order}, e.id ${order} LIMIT ${limit + 1}) AS e
    LEFT JOIN audit_seals s ON s.event_at = e.at AND s.event_id = e.id
    ORDER BY e.at ${order}, e.id ${order}`;
}
