/** What SFTP servers report of their sessions. */
import { pg } from '../drizzle.ts';
import { instant } from './columns.ts';

const { bigint, index, integer, pgTable, primaryKey, text } = pg;

/** Partitioned by `at`. */
export const sftpActions = pgTable(
  'sftp_actions',
  {
    /** When it ended, as the server said: the same for a repeated report. */
    at: instant('at').notNull(),
    /** Of the report. */
    eventId: text('event_id').notNull(),
    sessionId: text('session_id').notNull(),
    tenantId: text('tenant_id').notNull(),
    action: text('action').notNull(),
    /** `/bucket/key`. */
    path: text('path').notNull(),
    newPath: text('new_path'),
    sizeBytes: bigint('size_bytes', { mode: 'number' }),
    durationMs: bigint('duration_ms', { mode: 'number' }),
    /** Null: it succeeded. */
    failure: text('failure'),
  },
  (table) => [
    primaryKey({ columns: [table.at, table.eventId] }),
    index('sftp_actions_session').on(table.sessionId, table.at, table.eventId),
  ],
);

/** Added up from the actions, so that a list reads one row per session. */
export const sftpSessions = pgTable(
  'sftp_sessions',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    username: text('username').notNull(),
    clientIp: text('client_ip'),
    serverId: text('server_id'),
    firstAt: instant('first_at').notNull(),
    lastAt: instant('last_at').notNull(),
    uploads: integer('uploads').notNull().default(0),
    uploadedBytes: bigint('uploaded_bytes', { mode: 'number' }).notNull().default(0),
    downloads: integer('downloads').notNull().default(0),
    downloadedBytes: bigint('downloaded_bytes', { mode: 'number' }).notNull().default(0),
    others: integer('others').notNull().default(0),
    failures: integer('failures').notNull().default(0),
  },
  (table) => [
    index('sftp_sessions_first').on(table.firstAt, table.id),
    index('sftp_sessions_tenant').on(table.tenantId, table.firstAt, table.id),
    index('sftp_sessions_last').on(table.lastAt),
  ],
);
