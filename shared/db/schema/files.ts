/** Files and the copies of their bytes that are under way. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { tenants } from './tenants.ts';

const { bigint, boolean, check, index, integer, jsonb, pgSequence, pgTable, primaryKey, text, unique, uuid } = pg;

export const FILE_STATUSES = [
  'UPLOADED',
  'QUEUED',
  'PROCESSING',
  'COMPLETED',
  'FAILED',
  'QUARANTINED',
  'COMPANION',
  'ELSEWHERE',
] as const;

export const TRANSFER_STATES = ['COPYING', 'COMPLETING', 'ABORTING', 'DONE', 'ABORTED'] as const;
export type FileStatus = (typeof FILE_STATUSES)[number];
const isUnsuccessful = sql`status IN ('FAILED', 'QUARANTINED')`;

/** Sequence numbers of `files.order_seq`, given when a file is settled. */
export const fileOrder = pgSequence('file_order');

export const files = pgTable(
  'files',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    bucket: text('bucket').notNull(),
    /** Of the collation C, so that `files_object` finds what begins with a path. */
    key: text('key').notNull(),
    versionId: text('version_id').notNull(),
    name: text('name').notNull(),
    /** Extension of the name, lower case, without the dot; null without one. */
    type: text('type').generatedAlwaysAs(sql`lower(substring(name FROM '.\\.([^.]+)$'))`),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    etag: text('etag').notNull(),
    source: text('source').notNull(),
    uploadedBy: text('uploaded_by'),
    uploadedAt: instant('uploaded_at').notNull(),
    parentFileId: uuid('parent_file_id'),
    /** The object's metadata, content headers and checksums when it arrived. */
    head: jsonb('head'),
    /** Equal for equal bytes, e.g. `CRC64NVME:...`; null where the store keeps nothing that says so. */
    contentHash: text('content_hash'),
    /** The store's, of one length: orders the versions of one key that came in the same instant. */
    sequencer: text('sequencer'),
    duplicateOf: uuid('duplicate_of'),
    status: text('status').$type<FileStatus>().notNull(),
    errorCode: text('error_code'),
    errorCause: text('error_cause'),
    errorMessage: text('error_message'),
    orderKey: text('order_key').notNull(),
    orderSeq: bigint('order_seq', { mode: 'number' }),
    isLarge: boolean('is_large').notNull().default(false),
    routedAt: instant('routed_at'),
    jobCount: integer('job_count').notNull().default(0),
    openJobs: integer('open_jobs').notNull().default(0),
    failedJobs: integer('failed_jobs').notNull().default(0),
    /** Where the bytes are once they left landing. */
    archiveBucket: text('archive_bucket'),
    archiveKey: text('archive_key'),
    archiveVersionId: text('archive_version_id'),
    archivedAt: instant('archived_at'),
    archiveAttempts: integer('archive_attempts').notNull().default(0),
    /** The queue that the next wake-up of this file belongs to. */
    queue: text('queue').notNull().default('ingest'),
    wokenAt: instant('woken_at'),
    wakes: integer('wakes').notNull().default(0),
    nextActionAt: instant('next_action_at'),
    epoch: integer('epoch').notNull().default(0),
    leaseUntil: instant('lease_until'),
    claimToken: uuid('claim_token'),
    createdAt: createdAt(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
    finishedAt: instant('finished_at'),
    /** When the row may be deleted: given by a trigger together with `finished_at`, and again when the retention changes. */
    expireAt: instant('expire_at'),
    /** When its objects may be deleted; null where they go together with the row. */
    objectsExpireAt: instant('objects_expire_at'),
    /** Its objects were deleted, or are about to be: it is not opened again. */
    objectsRemovedAt: instant('objects_removed_at'),
  },
  (table) => [
    unique('files_object').on(table.bucket, table.key, table.versionId),
    check('files_status', oneOf('status', FILE_STATUSES)),
    check('files_open_jobs', sql`open_jobs >= 0 AND failed_jobs >= 0`),
    check('files_objects_removed', sql`objects_removed_at IS NULL OR finished_at IS NOT NULL`),
    index('files_expiring').on(table.tenantId, table.expireAt).where(sql`expire_at IS NOT NULL`),
    index('files_objects_expiring').on(table.tenantId, table.objectsExpireAt).where(sql`objects_expire_at IS NOT NULL`),
    index('files_parent').on(table.parentFileId).where(sql`parent_file_id IS NOT NULL`),
    index('files_open').on(table.createdAt, table.id).where(sql`status IN ('UPLOADED', 'QUEUED', 'PROCESSING')`),
    index('files_settling').on(table.nextActionAt).where(sql`status = 'UPLOADED'`),
    index('files_queued').on(table.wokenAt).where(sql`status = 'QUEUED'`),
    index('files_open_key').on(table.bucket, table.key).where(sql`status = 'PROCESSING'`),
    index('files_archive_due').on(table.nextActionAt).where(sql`status = 'PROCESSING' AND open_jobs = 0`),
    index('files_unrouted')
      .on(table.orderKey, table.uploadedAt)
      .where(sql`routed_at IS NULL AND status IN ('UPLOADED', 'QUEUED')`),
    index('files_unsuccessful').on(table.status, table.createdAt, table.id).where(isUnsuccessful),
    index('files_unsuccessful_code').on(table.status, table.errorCode, table.createdAt, table.id).where(isUnsuccessful),
    index('files_unsuccessful_finished').on(table.status, table.finishedAt, table.id).where(isUnsuccessful),
    index('files_tenant_unsuccessful')
      .on(table.tenantId, table.status, table.createdAt, table.id)
      .where(isUnsuccessful),
    index('files_tenant_unsuccessful_code')
      .on(table.tenantId, table.status, table.errorCode, table.createdAt, table.id)
      .where(isUnsuccessful),
    index('files_tenant_unsuccessful_finished')
      .on(table.tenantId, table.status, table.finishedAt, table.id)
      .where(isUnsuccessful),
    index('files_created').on(table.createdAt, table.id),
    index('files_tenant_type').on(table.tenantId, table.type, table.createdAt, table.id),
    index('files_tenant_created').on(table.tenantId, table.createdAt, table.id),
    index('files_tenant_name').on(table.tenantId, table.name.op('text_pattern_ops'), table.createdAt),
    index('files_content').on(table.tenantId, table.contentHash, table.sizeBytes, table.createdAt),
  ],
);

/**
 * Copies in parts, so that the worker that takes one over continues at the first missing part. The owner is a job, or a file for its archive copy;
 * `epoch` is the owner's.
 */
export const transfers = pgTable(
  'transfers',
  {
    ownerId: uuid('owner_id').notNull(),
    /** The job's step; 0 for a file; the generation of a pull. */
    seq: integer('seq').notNull(),
    owner: text('owner').$type<'job' | 'file' | 'pull'>().notNull(),
    /** The step's kind, `archive` or `pull`. */
    purpose: text('purpose').notNull(),
    tenantId: text('tenant_id').notNull(),
    /** Of a pull, its own id: there is no file yet. */
    fileId: uuid('file_id').notNull(),
    epoch: integer('epoch').notNull(),
    state: text('state').$type<(typeof TRANSFER_STATES)[number]>().notNull(),
    plan: text('plan').notNull(),
    /** Of a copy to an external store, its name. */
    store: text('store'),
    bucket: text('bucket').notNull(),
    key: text('key').notNull(),
    /** Null before the upload was begun. */
    uploadId: text('upload_id'),
    sourceEtag: text('source_etag').notNull(),
    partBytes: bigint('part_bytes', { mode: 'number' }).notNull(),
    /** Null of a stream whose length is not known. */
    bytesTotal: bigint('bytes_total', { mode: 'number' }),
    bytesDone: bigint('bytes_done', { mode: 'number' }).notNull().default(0),
    bytesPerSecond: bigint('bytes_per_second', { mode: 'number' }).notNull().default(0),
    /** How often somebody went on with the upload that was there. */
    resumes: integer('resumes').notNull().default(0),
    worker: text('worker').notNull(),
    /** When its upload is aborted once more; set by the sweeper alone. */
    nextActionAt: instant('next_action_at'),
    startedAt: instant('started_at').notNull().default(sql`now()`),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
    finishedAt: instant('finished_at'),
  },
  (table) => [
    primaryKey({ columns: [table.ownerId, table.seq] }),
    check('transfers_owner', oneOf('owner', ['job', 'file', 'pull'])),
    check('transfers_state', oneOf('state', TRANSFER_STATES)),
    check('transfers_plan', oneOf('plan', ['server-side', 'streamed', 'unknown-length', 'pulled'])),
    index('transfers_open').on(table.updatedAt).where(sql`state IN ('COPYING', 'COMPLETING', 'ABORTING')`),
  ],
);

/** Finished parts of open transfers. */
export const transferParts = pgTable(
  'transfer_parts',
  {
    ownerId: uuid('owner_id').notNull(),
    seq: integer('seq').notNull(),
    number: integer('number').notNull(),
    etag: text('etag').notNull(),
    checksum: text('checksum'),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.ownerId, table.seq, table.number] })],
);
