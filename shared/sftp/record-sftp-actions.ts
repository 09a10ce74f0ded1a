/**
 * What an SFTP server reports of its sessions, stored: a row per action, and the sums of each session.
 *
 * 1. A repeated report changes nothing: it has the id and the time of the first.
 * 2. The tenant is the one of the user; of a user that is not known here, the one whose directory it is.
 * 3. A report that names no session, or that the database refuses, is not stored: no file waits for it.
 *
 * Out: how many actions are new. Events: `sftp.upload` and so on (audit only).
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet, toJsonb } from '#shared/db/run-statements.ts';
import { UNASSIGNED_TENANT } from '#shared/db/schema/tenants.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { SftpEvent } from '#shared/messages/landing-events.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export const SFTP_ACTIONS = ['upload', 'download', 'rename', 'delete', 'make-directory', 'remove-directory'] as const;
type SftpAction = (typeof SFTP_ACTIONS)[number];

/** Of the event's name, without how it ended. */
const ACTION_OF: Readonly<Record<string, SftpAction>> = {
  'File Upload': 'upload',
  'File Download': 'download',
  'File Rename': 'rename',
  'File Delete': 'delete',
  'Directory Create': 'make-directory',
  'Directory Delete': 'remove-directory',
};

interface Action {
  readonly at: string;
  readonly eventId: string;
  readonly sessionId: string;
  readonly serverId: string | undefined;
  readonly username: string;
  readonly clientIp: string | undefined;
  readonly action: SftpAction;
  readonly path: string;
  readonly newPath: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly durationMs: number | undefined;
  readonly failure: string | undefined;
}

export async function recordSftpActions(
  sql: Sql,
  events: readonly SftpEvent[],
  { actor, logger }: { readonly actor: string; readonly logger: Logger },
): Promise<number> {
  const { results, refused } = await runSet({
    rows: events.flatMap((event) => actionOf(event) ?? []),
    keyOf: ({ sessionId, at, eventId }) => `${sessionId} ${at} ${eventId}`,
    run: (actions) => storeSet(sql, actions, actor),
  });
  for (const { row, error } of refused) logger.error({ err: error, eventId: row.eventId }, 'SFTP action not recorded');
  return results.reduce((sum, count) => sum + count, 0);
}

function actionOf({ type, id, time, detail }: SftpEvent): Action | undefined {
  const [, what = '', end] = /^SFTP Server (.+) (Completed|Failed)$/.exec(type) ?? [];
  const { 'session-id': sessionId, username, 'start-timestamp': startedAt, 'end-timestamp': endedAt = time } = detail;
  const action = ACTION_OF[what];
  if (action === undefined || id === undefined || sessionId === undefined || username === undefined) return undefined;
  const at = new Date(endedAt);
  return {
    at: at.toISOString(),
    eventId: id,
    sessionId,
    serverId: detail['server-id'],
    username,
    clientIp: detail['client-ip'],
    action,
    path: pathOf(detail),
    newPath: 'renamed-file-path' in detail ? detail['renamed-file-path'] : undefined,
    sizeBytes: 'bytes' in detail ? detail.bytes : undefined,
    durationMs: startedAt === undefined ? undefined : Math.max(0, at.getTime() - Date.parse(startedAt)),
    failure: end === 'Failed' ? failureOf(detail) : undefined,
  };
}

function pathOf(detail: Readonly<Record<string, unknown>>): string {
  return String(detail['file-path'] ?? detail['directory-path'] ?? detail['original-file-path'] ?? '');
}

function failureOf(detail: Readonly<Record<string, unknown>>): string {
  return String(detail['failure-message'] ?? 'The server gave no reason.');
}

async function storeSet(sql: Sql, actions: readonly Action[], actor: string): Promise<number> {
  const rows = await sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(actions)}::text::jsonb) AS r(
        at timestamptz, "eventId" text, "sessionId" text, "serverId" text, username text, "clientIp" text, action text, path text,
        "newPath" text, "sizeBytes" bigint, "durationMs" bigint, failure text)),
    owned AS (
      SELECT i.*, coalesce(u.tenant_id, t.id, ${UNASSIGNED_TENANT}) AS tenant_id
      FROM input i LEFT JOIN sftp_users u ON u.username = i.username LEFT JOIN tenants t ON t.id = split_part(i.path, '/', 3)),
    added AS (
      INSERT INTO sftp_actions (at, event_id, session_id, tenant_id, action, path, new_path, size_bytes, duration_ms, failure)
      SELECT at, "eventId", "sessionId", tenant_id, action, path, "newPath", "sizeBytes", "durationMs", failure FROM owned
      ORDER BY "sessionId", at, "eventId"
      ON CONFLICT DO NOTHING RETURNING at, event_id),
    fresh AS (SELECT o.* FROM owned o JOIN added a ON a.at = o.at AND a.event_id = o."eventId"),
    counted AS (
      INSERT INTO sftp_sessions AS s (id, tenant_id, username, client_ip, server_id, first_at, last_at, uploads, uploaded_bytes,
        downloads, downloaded_bytes, others, failures)
      SELECT "sessionId", min(tenant_id), min(username), min("clientIp"), min("serverId"),
        min(at - coalesce("durationMs", 0) * interval '1 ms'), max(at),
        count(*) FILTER (WHERE action = 'upload' AND failure IS NULL),
        coalesce(sum("sizeBytes") FILTER (WHERE action = 'upload' AND failure IS NULL), 0),
        count(*) FILTER (WHERE action = 'download' AND failure IS NULL),
        coalesce(sum("sizeBytes") FILTER (WHERE action = 'download' AND failure IS NULL), 0),
        count(*) FILTER (WHERE action NOT IN ('upload', 'download') AND failure IS NULL), count(failure)
      FROM fresh GROUP BY "sessionId" ORDER BY "sessionId"
      ON CONFLICT (id) DO UPDATE SET first_at = least(s.first_at, excluded.first_at), last_at = greatest(s.last_at, excluded.last_at),
        uploads = s.uploads + excluded.uploads, uploaded_bytes = s.uploaded_bytes + excluded.uploaded_bytes,
        downloads = s.downloads + excluded.downloads, downloaded_bytes = s.downloaded_bytes + excluded.downloaded_bytes,
        others = s.others + excluded.others, failures = s.failures + excluded.failures),
    event AS (
      SELECT 'sftp.' || action AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('sessionId', "sessionId", 'username', username, 'clientIp', "clientIp", 'path', path,
          'newPath', "newPath", 'sizeBytes', "sizeBytes", 'durationMs', "durationMs", 'failure', failure, 'endedAt', at)) AS detail,
        '{}'::text[] AS topics
      FROM fresh),
    ${recordEvents(sql, actor)}
    SELECT 1 FROM fresh`;
  return rows.length;
}
