/** Servers of others, and the files that are fetched there. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { definitionColumns } from './definitions.ts';
import { tenants } from './tenants.ts';

const { bigint, boolean, check, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex, uuid } = pg;

export const PULL_STATUSES = ['SEEN', 'TRIGGERED', 'RUNNING', 'COMPLETED', 'ERROR', 'SKIPPED'] as const;
export const PULL_STAGES = ['WAITING', 'CONNECTING', 'DOWNLOADING', 'VERIFYING', 'LANDED', 'CLEANING', 'DONE'] as const;
export type PullStatus = (typeof PULL_STATUSES)[number];
export type PullStage = (typeof PULL_STAGES)[number];

/** Servers with files that are not ours. Only the present definition is kept. */
export const remotes = pgTable(
  'remotes',
  {
    ...definitionColumns(),
    /** No connection is opened before, unless its secrets have another version than `breaker_secret`. */
    breakerUntil: instant('breaker_until'),
    breakerSecret: text('breaker_secret'),
    /** Fewer than its `limits.connections`, after the server refused more; no longer than `connections_until`. */
    connectionsLearned: integer('connections_learned'),
    connectionsUntil: instant('connections_until'),
    /** Why the last connection failed; null once one succeeded. */
    errorCode: text('error_code'),
    errorAt: instant('error_at'),
    connectedAt: instant('connected_at'),
    /** The host key or certificate that was trusted with the last connection. */
    fingerprint: text('fingerprint'),
    certificateEndsAt: instant('certificate_ends_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.name] })],
);

/** Connections to a remote, over all processes: each holds a slot of its `limits.connections` for the length of a lease. */
export const remoteConnections = pgTable(
  'remote_connections',
  {
    tenantId: text('tenant_id').notNull(),
    remote: text('remote').notNull(),
    slot: integer('slot').notNull(),
    token: uuid('token').notNull(),
    worker: text('worker').notNull(),
    leaseUntil: instant('lease_until').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.remote, table.slot] }),
    index('remote_connections_token').on(table.token),
  ],
);

/** What is fetched from a remote, and when it is listed. */
export const sources = pgTable(
  'sources',
  {
    ...definitionColumns(),
    wokenAt: instant('woken_at'),
    wakes: integer('wakes').notNull().default(0),
    /** Null: listed on request only. */
    nextActionAt: instant('next_action_at').default(sql`now()`),
    epoch: integer('epoch').notNull().default(0),
    leaseUntil: instant('lease_until'),
    claimToken: uuid('claim_token'),
    worker: text('worker'),
    /** When the last whole listing began. */
    listedAt: instant('listed_at'),
    /** Entries that it showed and the source takes. */
    listedFiles: integer('listed_files'),
    failures: integer('failures').notNull().default(0),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.name] }),
    index('sources_due').on(table.nextActionAt).where(sql`next_action_at IS NOT NULL`),
    index('sources_held').on(table.leaseUntil).where(sql`lease_until IS NOT NULL`),
  ],
);

/**
 * Files of remotes, each fetched once: the system of record of what is fetched. A row that somebody inserts with the status `TRIGGERED`, or
 * sets back to it, runs.
 */
export const pulls = pgTable(
  'pulls',
  {
    id: uuid('id').primaryKey().default(sql`uuid_v7()`),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    /** Null when it was asked for on its own. */
    source: text('source'),
    project: text('project').notNull(),
    pipeline: text('pipeline').notNull().default(''),
    remote: text('remote').notNull(),
    remotePath: text('remote_path').notNull(),
    fileName: text('file_name').notNull().generatedAlwaysAs(sql`substring(remote_path FROM '[^/]*$')`),
    /** `{size, time, hash}`, as the remote told of it: by these the file is known again. */
    identity: jsonb('identity'),
    identityHash: text('identity_hash'),
    seenAt: instant('seen_at'),
    changedAt: instant('changed_at'),
    lastListedAt: instant('last_listed_at'),
    status: text('status').$type<PullStatus>().notNull().default('TRIGGERED'),
    transferStage: text('transfer_stage').$type<PullStage>().notNull().default('WAITING'),
    generation: integer('generation').notNull().default(1),
    /** Of the download, the present one included; once the file has landed, of its cleaning, without the present one. */
    attempts: integer('attempts').notNull().default(0),
    maxAttempts: integer('max_attempts').notNull().default(5),
    /** How often the file changed while it was fetched. */
    unsettled: integer('unsettled').notNull().default(0),
    fileId: uuid('file_id'),
    bucket: text('bucket'),
    key: text('key'),
    versionId: text('version_id'),
    etag: text('etag'),
    sizeBytes: bigint('size_bytes', { mode: 'number' }),
    sha256: text('sha256'),
    /** The remote file was gone, moved or left as the source says. */
    cleanedAt: instant('cleaned_at'),
    /** Another file had its name when it was to be cleaned; that one was left untouched. */
    sourceReplaced: boolean('source_replaced').notNull().default(false),
    errorCode: text('error_code'),
    errorCause: text('error_cause'),
    errorMessage: text('error_message'),
    wokenAt: instant('woken_at'),
    wakes: integer('wakes').notNull().default(0),
    nextActionAt: instant('next_action_at'),
    waitReason: text('wait_reason'),
    epoch: integer('epoch').notNull().default(0),
    /** The epoch under which parts were finished that a takeover finds. */
    progressEpoch: integer('progress_epoch'),
    leaseUntil: instant('lease_until'),
    claimToken: uuid('claim_token'),
    worker: text('worker'),
    createdAt: createdAt(),
    startedAt: instant('started_at'),
    completedAt: instant('completed_at'),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [
    check('pulls_status', oneOf('status', PULL_STATUSES)),
    check('pulls_transfer_stage', oneOf('transfer_stage', PULL_STAGES)),
    /** Sources that overlap share the pull. */
    uniqueIndex('pulls_identity')
      .on(table.tenantId, table.remote, table.remotePath, table.identityHash)
      .where(sql`source IS NOT NULL AND cleaned_at IS NULL AND status <> 'SKIPPED'`),
    index('pulls_entering')
      .on(table.tenantId, table.remote, table.createdAt)
      .where(sql`status = 'TRIGGERED' AND woken_at IS NULL`),
    index('pulls_standing')
      .on(table.tenantId, table.remote, table.wokenAt)
      .where(sql`status = 'TRIGGERED' AND woken_at IS NOT NULL`),
    index('pulls_running').on(table.tenantId, table.remote, table.leaseUntil).where(sql`status = 'RUNNING'`),
    index('pulls_source_path').on(table.tenantId, table.remote, table.remotePath),
    index('pulls_tenant').on(table.tenantId, table.id),
    index('pulls_tenant_status').on(table.tenantId, table.status, table.id),
    index('pulls_status').on(table.status, table.id),
    index('pulls_cleaned').on(table.cleanedAt).where(sql`cleaned_at IS NOT NULL`),
    index('pulls_file').on(table.fileId).where(sql`file_id IS NOT NULL`),
    index('pulls_listed').on(table.lastListedAt).where(sql`last_listed_at IS NOT NULL AND completed_at IS NOT NULL`),
  ],
);
