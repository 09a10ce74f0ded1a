/** SFTP sessions and what was done in them, as their servers reported. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { SFTP_ACTIONS } from '#shared/sftp/record-sftp-actions.ts';
import { encodeTextCursor, type TextPosition } from '../http/page-cursor.ts';

export const sessionSchema = z
  .object({
    session_id: z.string(),
    tenant: z.string(),
    username: z.string(),
    client_ip: z.string().nullable(),
    server_id: z.string().nullable(),
    first_at: z.string().describe('When its first action began.'),
    last_at: z.string().describe('When its last action ended, up to now.'),
    uploads: z.number().describe('Files that were received whole.'),
    uploaded_bytes: z.number(),
    downloads: z.number(),
    downloaded_bytes: z.number(),
    other_actions: z.number().describe('Renames, deletions and changes of directories.'),
    failures: z.number().describe('Actions that failed.'),
  })
  .meta({ id: 'SftpSession' });

export const actionSchema = z.object({
  event_id: z.string().describe('Id of the server’s report.'),
  at: z.string().describe('When it ended.'),
  action: z.enum(SFTP_ACTIONS),
  path: z.string().describe('`/bucket/key`.'),
  new_path: z.string().nullable(),
  size_bytes: z.number().nullable(),
  duration_ms: z.number().nullable(),
  failure: z.string().nullable().describe('Null: it succeeded.'),
});

export type SftpSession = z.infer<typeof sessionSchema>;
type SftpAction = z.infer<typeof actionSchema>;

export interface SessionFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly username?: string | undefined;
  readonly clientIp?: string | undefined;
  readonly failed?: boolean | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

interface Paged {
  readonly after?: TextPosition | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function findSftpSessions(
  sql: Sql,
  { tenantId, username, clientIp, failed = false, from, to, after, limit }: SessionFilters & Paged,
): Promise<{ sessions: SftpSession[]; next_cursor: string | null }> {
  const rows = await sql<SftpSession[]>`
    SELECT ${sessionColumns(sql)} FROM sftp_sessions
    WHERE true
      ${tenantId === null ? sql`` : sql`AND tenant_id = ${tenantId}`}
      ${username === undefined ? sql`` : sql`AND username = ${username}`}
      ${clientIp === undefined ? sql`` : sql`AND client_ip = ${clientIp}`}
      ${failed ? sql`AND failures > 0` : sql``}
      ${from === undefined ? sql`` : sql`AND first_at >= ${from}::timestamptz`}
      ${to === undefined ? sql`` : sql`AND first_at < ${to}::timestamptz`}
      ${after === undefined ? sql`` : sql`AND (first_at, id) < (${after.at}::timestamptz, ${after.key})`}
    ORDER BY first_at DESC, id DESC LIMIT ${limit + 1}`;
  const sessions = rows.slice(0, limit);
  const last = rows.length > limit ? sessions.at(-1) : undefined;
  return {
    sessions,
    next_cursor: last === undefined ? null : encodeTextCursor({ at: last.first_at, key: last.session_id }),
  };
}

/** With its actions, oldest first; undefined when the tenant has no such session. */
export async function findSftpSession(
  sql: Sql,
  { id, tenantId, after, limit }: Paged & { readonly id: string; readonly tenantId: string | null },
): Promise<(SftpSession & { actions: SftpAction[]; next_cursor: string | null }) | undefined> {
  const [session] = await sql<SftpSession[]>`
    SELECT ${sessionColumns(sql)} FROM sftp_sessions
    WHERE id = ${id} ${tenantId === null ? sql`` : sql`AND tenant_id = ${tenantId}`}`;
  if (session === undefined) return undefined;
  const rows = await sql<SftpAction[]>`
    SELECT event_id, ${instantText(sql, sql`at`)} AS at, action, path, new_path, size_bytes::float8 AS size_bytes,
      duration_ms::float8 AS duration_ms, failure
    FROM sftp_actions
    WHERE session_id = ${id} AND tenant_id = ${session.tenant}
      ${after === undefined ? sql`` : sql`AND (at, event_id) > (${after.at}::timestamptz, ${after.key})`}
    ORDER BY at, event_id LIMIT ${limit + 1}`;
  const actions = rows.slice(0, limit);
  const last = rows.length > limit ? actions.at(-1) : undefined;
  const next = last === undefined ? null : encodeTextCursor({ at: last.at, key: last.event_id });
  return { ...session, actions, next_cursor: next };
}

function sessionColumns(sql: Sql) {
  return sql`
    id AS session_id, tenant_id AS tenant, username, client_ip, server_id, ${instantText(sql, sql`first_at`)} AS first_at,
    ${instantText(sql, sql`last_at`)} AS last_at, uploads, uploaded_bytes::float8 AS uploaded_bytes, downloads,
    downloaded_bytes::float8 AS downloaded_bytes, others AS other_actions, failures`;
}

function instantText(sql: Sql, instant: ReturnType<Sql>) {
  return sql`to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
