/** Uploads over HTTP, and links for them. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { tenants } from './tenants.ts';

const { bigint, boolean, check, index, integer, pgTable, text, uniqueIndex, uuid } = pg;

export const UPLOAD_STATES = ['OPEN', 'COMPLETING', 'COMPLETED', 'ABORTED'] as const;
export const UPLOAD_SOURCES = ['portal', 'http', 'link'] as const;
export type UploadState = (typeof UPLOAD_STATES)[number];
export type UploadSource = (typeof UPLOAD_SOURCES)[number];

/** Links by which somebody without a key sends one file to a tenant's routes. */
export const uploadLinks = pgTable(
  'upload_links',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    /** SHA-256 of the token, hex; the token has 256 random bits. */
    tokenHash: text('token_hash').notNull().unique(),
    /** Directory in the tenant's home; empty: the home itself. */
    directory: text('directory').notNull(),
    reason: text('reason').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('upload_links_expires').on(table.expiresAt)],
);

/**
 * Files on their way in over HTTP: in parts by presigned URLs, or as one body. The object carries the id in its metadata, by which its
 * registration knows the sender.
 */
export const uploads = pgTable(
  'uploads',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    bucket: text('bucket').notNull(),
    key: text('key').notNull(),
    /** Null: the body says it, by its end. */
    sizeBytes: bigint('size_bytes', { mode: 'number' }),
    contentType: text('content_type'),
    source: text('source').$type<UploadSource>().notNull(),
    uploadedBy: text('uploaded_by').notNull(),
    linkId: uuid('link_id').references(() => uploadLinks.id),
    state: text('state').$type<UploadState>().notNull(),
    /** Of parts that the sender puts by presigned URLs; null: one body. */
    partBytes: bigint('part_bytes', { mode: 'number' }),
    /** The sender has to give the CRC64NVME of the whole. */
    isChecked: boolean('is_checked').notNull().default(false),
    /** The store's id of the multipart upload. */
    storeUploadId: text('store_upload_id'),
    idempotencyKey: text('idempotency_key'),
    /** Of what the key was used for. */
    requestHash: text('request_hash'),
    versionId: text('version_id'),
    errorCode: text('error_code'),
    /** While a process receives the body. */
    leaseUntil: instant('lease_until'),
    epoch: integer('epoch').notNull().default(0),
    createdAt: createdAt(),
    expiresAt: instant('expires_at').notNull(),
    finishedAt: instant('finished_at'),
  },
  (table) => [
    check('uploads_state', oneOf('state', UPLOAD_STATES)),
    check('uploads_source', oneOf('source', UPLOAD_SOURCES)),
    uniqueIndex('uploads_idempotency_key')
      .on(table.tenantId, table.idempotencyKey)
      .where(sql`idempotency_key IS NOT NULL`),
    // A link makes one file.
    uniqueIndex('uploads_link').on(table.linkId).where(sql`link_id IS NOT NULL AND state <> 'ABORTED'`),
    index('uploads_open').on(table.expiresAt).where(sql`state IN ('OPEN', 'COMPLETING')`),
    index('uploads_finished').on(table.finishedAt).where(sql`finished_at IS NOT NULL`),
  ],
);
