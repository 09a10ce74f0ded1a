/** What ends the life of finished files, and what keeps them. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { tenants } from './tenants.ts';

const { bigint, boolean, check, index, integer, pgTable, primaryKey, text, uuid } = pg;

/** One row: what holds where neither the route nor the tenant says anything. Written by the sweeper from its configuration. */
export const retentionDefaults = pgTable('retention_defaults', {
  isOnly: boolean('is_only').primaryKey().default(true),
  /** 0: for good. */
  filesMs: bigint('files_ms', { mode: 'number' }).notNull(),
});

/** Tenants whose retention changed: their finished files are dated again, in the order of their creation. */
export const retentionChanges = pgTable('retention_changes', {
  tenantId: text('tenant_id')
    .primaryKey()
    .references(() => tenants.id),
  /** Files up to this one are done; null: none yet. */
  afterCreatedAt: instant('after_created_at'),
  afterId: uuid('after_id'),
  changedAt: instant('changed_at').notNull().default(sql`now()`),
});

/** What must not be deleted: everything of a tenant, of one of its routes, or one file. */
export const legalHolds = pgTable(
  'legal_holds',
  {
    id: uuid('id').primaryKey().default(sql`uuid_v7()`),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    routeId: uuid('route_id'),
    fileId: uuid('file_id'),
    reason: text('reason').notNull(),
    placedBy: text('placed_by').notNull(),
    createdAt: createdAt(),
    releasedAt: instant('released_at'),
    releasedBy: text('released_by'),
    releaseReason: text('release_reason'),
  },
  (table) => [
    check('legal_holds_scope', sql`route_id IS NULL OR file_id IS NULL`),
    index('legal_holds_tenant').on(table.tenantId, table.id),
    index('legal_holds_file').on(table.fileId).where(sql`file_id IS NOT NULL AND released_at IS NULL`),
  ],
);

export const DELETED_THINGS = ['files', 'objects'] as const;

/** What was deleted by one statement, of one tenant and by one rule. */
export const deletionCertificates = pgTable(
  'deletion_certificates',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    /** `files`: rows and objects; `objects`: objects alone, before their rows. */
    what: text('what').$type<(typeof DELETED_THINGS)[number]>().notNull(),
    /** `route NAME`, `tenant` or `default`. */
    rule: text('rule').notNull(),
    files: integer('files').notNull(),
    jobs: integer('jobs').notNull(),
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
    finishedFrom: instant('finished_from').notNull(),
    finishedTo: instant('finished_to').notNull(),
    /** SHA-256 over the ids of the files in ascending order, each with a line feed, hex. */
    digest: text('digest').notNull(),
    objects: integer('objects').notNull(),
    /** Of them, those that the store has not deleted yet. */
    objectsLeft: integer('objects_left').notNull(),
    createdAt: createdAt(),
    /** When the last of the objects was deleted. */
    completedAt: instant('completed_at'),
  },
  (table) => [
    check('deletion_certificates_what', oneOf('what', DELETED_THINGS)),
    check('deletion_certificates_left', sql`objects_left >= 0 AND objects_left <= objects`),
    index('deletion_certificates_tenant').on(table.tenantId, table.id),
  ],
);

/** Object versions that are to be deleted: their rows are gone, or say that they are. A row is deleted once its object is. */
export const expiredObjects = pgTable(
  'expired_objects',
  {
    bucket: text('bucket').notNull(),
    key: text('key').notNull(),
    /** Empty for an output of which no version was noted: the newest one that `job_id` wrote. */
    versionId: text('version_id').notNull(),
    tenantId: text('tenant_id').notNull(),
    fileId: uuid('file_id').notNull(),
    jobId: uuid('job_id'),
    certificateId: uuid('certificate_id').notNull(),
    tries: integer('tries').notNull().default(0),
    nextActionAt: instant('next_action_at').notNull().default(sql`now()`),
    errorMessage: text('error_message'),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.bucket, table.key, table.versionId] }),
    index('expired_objects_due').on(table.nextActionAt),
    index('expired_objects_created').on(table.createdAt),
    index('expired_objects_file').on(table.fileId),
  ],
);

export const RESTORE_STATES = ['ASKED', 'THAWING', 'READY', 'FAILED'] as const;

/** Archive objects that are brought back from a cold tier. */
export const restores = pgTable(
  'restores',
  {
    fileId: uuid('file_id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    state: text('state').$type<(typeof RESTORE_STATES)[number]>().notNull(),
    /** For so many days the store keeps the copy that can be read. */
    days: integer('days').notNull(),
    tier: text('tier').notNull(),
    /** Its jobs are sent again as new once it can be read. */
    resends: boolean('resends').notNull().default(false),
    reason: text('reason').notNull(),
    actor: text('actor').notNull(),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
    nextActionAt: instant('next_action_at'),
    readableUntil: instant('readable_until'),
    createdAt: createdAt(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [
    check('restores_state', oneOf('state', RESTORE_STATES)),
    index('restores_due').on(table.nextActionAt).where(sql`next_action_at IS NOT NULL`),
  ],
);
