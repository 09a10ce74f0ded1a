/**
 * Longshore's state, as Drizzle sees it. Migrations in `shared/db/migrations/` are generated from here and then given what Drizzle
 * cannot say (partitions, functions); a test compares the two.
 *
 * 1. Rows, not messages, are the truth: every open row has a lease, a standing wake-up or a `next_action_at`.
 * 2. `woken_at`, `wakes` say that a wake-up for the row was sent and how often: the row is the outbox of its wake-ups.
 * 3. `epoch` is raised by every claim; a later write carries it and a stale one changes nothing.
 * 4. `attempts`, `audit_events`, `audit_seals`, `records`, `record_attempts` and `partner_minutes` are partitioned by time and nothing refers to them: retention drops
 *    partitions.
 * 5. A record belongs to one chunk, or has a `next_attempt_at`, or its job's operator decides. No index names `records.state`: its
 *    updates then stay within their page.
 */
import type { Role, SignInWay } from '#shared/access/permissions.ts';
import { pg, sql } from './drizzle.ts';

const {
  bigint,
  boolean,
  check,
  date,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} = pg;

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 6, mode: 'string' });
const transactionId = pg.customType<{ data: string }>({ dataType: () => 'xid8' });
const bytes = pg.customType<{ data: Buffer }>({ dataType: () => 'bytea' });
const createdAt = () => instant('created_at').notNull().default(sql`now()`);
/** Raised by whatever changes what is shown of a definition: what `ETag` and `If-Match` compare. */
const revision = () => integer('revision').notNull().default(1);
/** Since when the files that were applied no longer have it (`apply --prune`); applied again, it is back. */
const removedAt = () => instant('removed_at');
/** As it was written, with comments; null from before it was kept. */
const source = () => text('source');
const oneOf = (column: string, values: readonly string[]) =>
  sql.raw(`${column} IN (${values.map((value) => `'${value}'`).join(', ')})`);

export const FILE_STATUSES = [
  'UPLOADED',
  'QUEUED',
  'PROCESSING',
  'COMPLETED',
  'FAILED',
  'QUARANTINED',
  'COMPANION',
] as const;
export const JOB_STATES = ['PENDING', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export const RECORD_STATES = ['PENDING', 'RUNNING', 'SUCCESS', 'FAILED', 'AMBIGUOUS', 'REJECTED'] as const;
export const DEAD_LETTER_STATES = ['PARKED', 'REDRIVEN', 'DISCARDED'] as const;
export const EFFECT_STAGES = ['PREPARING', 'PREPARED', 'COMMITTING', 'DONE', 'UNKNOWN'] as const;
export const TRANSFER_STATES = ['COPYING', 'COMPLETING', 'ABORTING', 'DONE', 'ABORTED'] as const;

const NOTICE_STATES = ['PENDING', 'PARKED'] as const;

export const PULL_STATUSES = ['SEEN', 'TRIGGERED', 'RUNNING', 'COMPLETED', 'ERROR', 'SKIPPED'] as const;
export const PULL_STAGES = ['WAITING', 'CONNECTING', 'DOWNLOADING', 'VERIFYING', 'LANDED', 'CLEANING', 'DONE'] as const;
export type PullStatus = (typeof PULL_STATUSES)[number];
export type PullStage = (typeof PULL_STAGES)[number];

export const ACTION_STATES = ['PREVIEWED', 'AWAITING_APPROVAL', 'RUNNING', 'PAUSED', 'DONE', 'ABORTED'] as const;
export const ACTION_VERBS = [
  'retry',
  'cancel',
  'release',
  'reject',
  'skip',
  'reroute',
  'redrive',
  'discard',
  'resend',
] as const;
export const ACTION_ITEM_STATES = ['OPEN', 'DONE', 'REFUSED'] as const;

export const UPLOAD_STATES = ['OPEN', 'COMPLETING', 'COMPLETED', 'ABORTED'] as const;
export const UPLOAD_SOURCES = ['portal', 'http', 'link'] as const;

export type UploadState = (typeof UPLOAD_STATES)[number];
export type UploadSource = (typeof UPLOAD_SOURCES)[number];
export type ActionState = (typeof ACTION_STATES)[number];
export type ActionVerb = (typeof ACTION_VERBS)[number];
export type ActionItemState = (typeof ACTION_ITEM_STATES)[number];
export type EffectStage = (typeof EFFECT_STAGES)[number];
export type FileStatus = (typeof FILE_STATUSES)[number];
export type JobState = (typeof JOB_STATES)[number];
export type RecordState = (typeof RECORD_STATES)[number];

/** The tenant of objects that lie under no tenant's prefix; they are quarantined, not lost. */
export const UNASSIGNED_TENANT = 'unassigned';

export const tenants = pgTable('tenants', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  timeZone: text('time_zone').notNull().default('UTC'),
  homeRegion: text('home_region'),
  ignoreGlobs: text('ignore_globs').array().notNull(),
  /** How its people sign in; null: by mail. */
  signIn: jsonb('sign_in'),
  createdAt: createdAt(),
  disabledAt: instant('disabled_at'),
});

export const sftpUsers = pgTable('sftp_users', {
  username: text('username').primaryKey(),
  tenantId: text('tenant_id')
    .notNull()
    .references(() => tenants.id),
  /** One or more, a line each. */
  publicKey: text('public_key').notNull(),
  homePrefix: text('home_prefix').notNull(),
  /** In the tenant's file, which is the truth about it; not made by the launcher. */
  isDeclared: boolean('is_declared').notNull().default(true),
  createdAt: createdAt(),
  /** By an operator's word, which applying the file again does not take back. */
  disabledAt: instant('disabled_at'),
  /** Since when the tenant's file no longer has it. */
  removedAt: instant('removed_at'),
});

/** What is known of a user's keys beside the tenant's file: keys that were added here, and the times and the end of any key. */
export const sftpUserKeys = pgTable(
  'sftp_user_keys',
  {
    username: text('username')
      .notNull()
      .references(() => sftpUsers.username),
    /** Type and base64, without a comment. */
    publicKey: text('public_key').notNull(),
    /** `SHA256:...`, as `ssh-keygen -l` prints it. */
    fingerprint: text('fingerprint').notNull(),
    label: text('label').notNull(),
    validFrom: instant('valid_from'),
    validUntil: instant('valid_until'),
    /** In the tenant's file, with times; it goes when the file no longer has it. */
    isDeclared: boolean('is_declared').notNull().default(false),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
    revokedAt: instant('revoked_at'),
  },
  (table) => [primaryKey({ columns: [table.username, table.fingerprint] })],
);

export const apiKeys = pgTable('api_keys', {
  id: uuid('id').primaryKey(),
  /** Null for an operator's key, which sees every tenant. */
  tenantId: text('tenant_id').references(() => tenants.id),
  label: text('label').notNull(),
  /** Null, from before there were roles: `defaultRole`. */
  role: text('role').$type<Role>(),
  /** SHA-256 of the key, hex; keys carry 256 random bits, so a plain hash is enough. */
  keyHash: text('key_hash').notNull().unique(),
  createdAt: createdAt(),
  expiresAt: instant('expires_at'),
  /** To the minute. */
  lastUsedAt: instant('last_used_at'),
  revokedAt: instant('revoked_at'),
});

/** Who signs in to the console and the portal; a person has one role, and one tenant or none. */
export const people = pgTable(
  'people',
  {
    id: uuid('id').primaryKey(),
    /** Null for an operator. */
    tenantId: text('tenant_id').references(() => tenants.id),
    /** Lower case. Names somebody only where the person signs in by mail, and then once in a tenant. */
    email: text('email'),
    name: text('name').notNull(),
    role: text('role').$type<Role>().notNull(),
    /** Of the OIDC provider, or `key` with a key's id as the subject; null: signs in by mail. */
    issuer: text('issuer'),
    subject: text('subject'),
    createdAt: createdAt(),
    lastSignedInAt: instant('last_signed_in_at'),
    disabledAt: instant('disabled_at'),
  },
  (table) => [
    /** With the tenant: several tenants may have the same provider. */
    uniqueIndex('people_identity_of_tenant')
      .on(table.issuer, table.subject, sql`coalesce(${table.tenantId}, '')`)
      .where(sql`${table.issuer} IS NOT NULL`),
    uniqueIndex('people_email').on(table.email, table.tenantId).where(sql`${table.issuer} IS NULL`),
    index('people_tenant').on(table.tenantId, table.id),
    check('people_identity', sql`CASE WHEN issuer IS NULL THEN email IS NOT NULL ELSE subject IS NOT NULL END`),
  ],
);

const SIGN_IN_WAYS: readonly SignInWay[] = ['link', 'oidc', 'mail'];

export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey(),
    /** SHA-256 of the 256 random bits in the cookie, hex. */
    tokenHash: text('token_hash').notNull().unique(),
    personId: uuid('person_id')
      .notNull()
      .references(() => people.id),
    /** At sign-in; a session does not outlive it. */
    role: text('role').$type<Role>().notNull(),
    way: text('way').$type<SignInWay>().notNull(),
    /** Of a link that a key made: the session ends with the key. */
    keyId: uuid('key_id').references(() => apiKeys.id),
    address: text('address').notNull(),
    userAgent: text('user_agent').notNull(),
    createdAt: createdAt(),
    /** When the person last proved who it is. */
    provedAt: instant('proved_at').notNull(),
    /** To the minute. */
    lastSeenAt: instant('last_seen_at').notNull().default(sql`now()`),
    idleSeconds: integer('idle_seconds').notNull(),
    expiresAt: instant('expires_at').notNull(),
    endedAt: instant('ended_at'),
  },
  (table) => [
    index('sessions_person').on(table.personId, table.id),
    index('sessions_expires').on(table.expiresAt),
    check('sessions_way', oneOf('way', SIGN_IN_WAYS)),
  ],
);

/** Sign-ins under way: each row is used once, and deleted some time after it expired. */
export const signIns = pgTable(
  'sign_ins',
  {
    id: uuid('id').primaryKey(),
    way: text('way').$type<SignInWay>().notNull(),
    /** SHA-256 of the token of a link or a mail, or of the state of OIDC, hex. */
    tokenHash: text('token_hash').notNull().unique(),
    /** SHA-256 of what the asking browser has in a cookie, hex. */
    browserHash: text('browser_hash'),
    /** SHA-256 of token and six-digit code, hex; for another browser than the asking one. */
    codeHash: text('code_hash'),
    codeTries: integer('code_tries').notNull().default(0),
    keyId: uuid('key_id').references(() => apiKeys.id),
    personId: uuid('person_id').references(() => people.id),
    /** That was asked for, whether anybody has it or not. */
    email: text('email'),
    /** Whose provider it is; null for the operators'. */
    tenantId: text('tenant_id').references(() => tenants.id),
    nonce: text('nonce'),
    verifier: text('verifier'),
    returnTo: text('return_to'),
    address: text('address'),
    createdAt: createdAt(),
    expiresAt: instant('expires_at').notNull(),
    usedAt: instant('used_at'),
  },
  (table) => [
    index('sign_ins_expires').on(table.expiresAt),
    index('sign_ins_email').on(table.email, table.createdAt),
    index('sign_ins_address').on(table.address, table.createdAt),
    check('sign_ins_way', oneOf('way', SIGN_IN_WAYS)),
  ],
);

export const routes = pgTable(
  'routes',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    activeVersion: integer('active_version').notNull(),
    revision: revision(),
    createdAt: createdAt(),
    disabledAt: instant('disabled_at'),
    removedAt: removedAt(),
  },
  (table) => [
    unique('routes_tenant_name').on(table.tenantId, table.name),
    index('routes_name').on(table.name.op('text_pattern_ops')),
  ],
);

export const routeVersions = pgTable(
  'route_versions',
  {
    id: uuid('id').primaryKey(),
    routeId: uuid('route_id')
      .notNull()
      .references(() => routes.id),
    version: integer('version').notNull(),
    definition: jsonb('definition').notNull(),
    definitionHash: text('definition_hash').notNull(),
    source: source(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
  },
  (table) => [unique('route_versions_route_version').on(table.routeId, table.version)],
);

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
  },
  (table) => [
    unique('files_object').on(table.bucket, table.key, table.versionId),
    check('files_status', oneOf('status', FILE_STATUSES)),
    check('files_open_jobs', sql`open_jobs >= 0 AND failed_jobs >= 0`),
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

export const jobs = pgTable(
  'jobs',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    fileId: uuid('file_id')
      .notNull()
      .references(() => files.id),
    routeId: uuid('route_id').notNull(),
    routeVersionId: uuid('route_version_id').notNull(),
    state: text('state').$type<JobState>().notNull(),
    generation: integer('generation').notNull().default(1),
    isLarge: boolean('is_large').notNull().default(false),
    stepSeq: integer('step_seq').notNull().default(0),
    stepKind: text('step_kind').notNull(),
    stepCount: integer('step_count').notNull(),
    /** Of this file on this route: raised by an operator's "resend as new" alone. */
    run: integer('run').notNull().default(1),
    /** The job that waits for this one, at its step `parent_seq` (`shared/jobs/start-branches.ts`). */
    parentJobId: uuid('parent_job_id'),
    parentSeq: integer('parent_seq'),
    /** The branch of the parent's `parallel` that it runs; null for a route that the parent's `run` names. */
    branch: text('branch'),
    /** How many parents are above it. */
    depth: smallint('depth').notNull().default(0),
    /** Outputs of the steps before it in its parents, by kind. */
    inputs: jsonb('inputs'),
    /** The job of the next run: this one has ended permanently. */
    supersededBy: uuid('superseded_by'),
    /** Attempts of the current step in this generation; a crash is counted too, unless what was done under that claim stays. */
    stepAttempts: integer('step_attempts').notNull().default(0),
    /** Tries of the current step over all generations: above 1, an effect may already be there. */
    stepTries: integer('step_tries').notNull().default(0),
    maxAttempts: integer('max_attempts').notNull(),
    retryCount: integer('retry_count').notNull().default(0),
    /** The job's bytes after a stage or transform step; the file's own location when null. */
    object: jsonb('object'),
    /** Of a record file: how many of its records are not yet counted as ended; null before its record steps begin. */
    openRecords: integer('open_records'),
    /** Of a record file: counts by state and code, once its record steps ended. */
    recordSummary: jsonb('record_summary'),
    /** When an operator let a held job go on. */
    releasedAt: instant('released_at'),
    queue: text('queue').notNull(),
    wokenAt: instant('woken_at'),
    wakes: integer('wakes').notNull().default(0),
    nextActionAt: instant('next_action_at'),
    epoch: integer('epoch').notNull().default(0),
    /** The epoch under which something of the current step was finished that a takeover finds. */
    progressEpoch: integer('progress_epoch'),
    leaseUntil: instant('lease_until'),
    claimToken: uuid('claim_token'),
    /** The tenant's, when the file was routed: dates in keys are those of that zone, on every try. */
    timeZone: text('time_zone').notNull().default('UTC'),
    /** When it was last claimed, the key of its file had other versions (`delivery-places.ts`). */
    sharesPlace: boolean('shares_place').notNull().default(false),
    worker: text('worker'),
    processedBy: text('processed_by'),
    isOrdered: boolean('is_ordered').notNull().default(false),
    headFailure: text('head_failure').notNull().default('block'),
    orderKey: text('order_key'),
    /** Place in its line: when the upload ended, then `order_seq`. */
    orderAt: instant('order_at'),
    orderSeq: bigint('order_seq', { mode: 'number' }),
    /** Of an ordered route: others are before it. It has no wake-up and is in no admission window (`shared/jobs/give-turns.ts`). */
    awaitsTurn: boolean('awaits_turn').notNull().default(false),
    waitReason: text('wait_reason'),
    errorCode: text('error_code'),
    errorCause: text('error_cause'),
    errorMessage: text('error_message'),
    createdAt: createdAt(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
  },
  (table) => [
    unique('jobs_file_route')
      .on(table.fileId, table.routeId, table.run, table.parentJobId, table.parentSeq, table.branch)
      .nullsNotDistinct(),
    index('jobs_parent').on(table.parentJobId, table.parentSeq).where(sql`parent_job_id IS NOT NULL`),
    check('jobs_state', oneOf('state', JOB_STATES)),
    check('jobs_open_records', sql`open_records >= 0`),
    check('jobs_head_failure', oneOf('head_failure', ['block', 'skip'])),
    index('jobs_waiting_admission')
      .on(table.queue, table.tenantId, table.createdAt)
      .where(sql`state = 'PENDING' AND woken_at IS NULL AND NOT awaits_turn`),
    index('jobs_standing')
      .on(table.queue, table.tenantId, table.wokenAt)
      .where(sql`state = 'PENDING' AND woken_at IS NOT NULL`),
    index('jobs_waiting').on(table.queue, table.tenantId, table.nextActionAt).where(sql`state = 'WAITING'`),
    index('jobs_running').on(table.leaseUntil).where(sql`state = 'RUNNING'`),
    // For lists, newest first: ids are in the order of time.
    index('jobs_tenant').on(table.tenantId, table.id),
    index('jobs_route').on(table.routeId, table.id),
    index('jobs_wait_reason').on(table.waitReason, table.id).where(sql`state = 'WAITING'`),
    index('jobs_failed').on(table.id).where(sql`state IN ('FAILED', 'CANCELLED')`),
    index('jobs_tenant_failed').on(table.tenantId, table.id).where(sql`state IN ('FAILED', 'CANCELLED')`),
    index('jobs_turn')
      .on(table.orderKey, table.routeId, table.orderAt, table.orderSeq)
      .where(sql`awaits_turn AND state = 'PENDING'`),
    index('jobs_carrying').on(table.tenantId).where(sql`state = 'WAITING' AND open_records > 0`),
  ],
);

/**
 * A line: the jobs of one directory on an ordered route. One of them has the turn; the others await it. A line without jobs has no row.
 */
export const jobLines = pgTable(
  'job_lines',
  {
    orderKey: text('order_key').notNull(),
    routeId: uuid('route_id').notNull(),
    tenantId: text('tenant_id').notNull(),
    /** The job that has the turn, until it leaves the line: a failed one keeps it where `head_failure` is `block`. */
    holder: uuid('holder'),
    /** Raised by each change of the line: a statement that read it before gives no turn. */
    changes: integer('changes').notNull().default(1),
    /** When the clock looks at it next. */
    lookAt: instant('look_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orderKey, table.routeId] }), index('job_lines_due').on(table.lookAt)],
);

/** Destinations that several versions of one key are delivered to: who writes there, and which file is the newest there. */
export const deliveryPlaces = pgTable('delivery_places', {
  /** SHA-256 of store, bucket and key. */
  id: text('id').primaryKey(),
  fileId: uuid('file_id'),
  uploadedAt: instant('uploaded_at'),
  sequencer: text('sequencer'),
  orderSeq: bigint('order_seq', { mode: 'number' }),
  /** The job that writes, as long as it runs. */
  holder: uuid('holder'),
});

export const jobSteps = pgTable(
  'job_steps',
  {
    jobId: uuid('job_id').notNull(),
    seq: integer('seq').notNull(),
    kind: text('kind').notNull(),
    state: text('state').notNull(),
    attempts: integer('attempts').notNull(),
    output: jsonb('output'),
    errorCode: text('error_code'),
    errorCause: text('error_cause'),
    errorMessage: text('error_message'),
    startedAt: instant('started_at').notNull(),
    finishedAt: instant('finished_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.seq] })],
);

/** Partitioned by `started_at`. */
export const attempts = pgTable(
  'attempts',
  {
    id: uuid('id').notNull().default(sql`uuid_v7()`),
    tenantId: text('tenant_id').notNull(),
    jobId: uuid('job_id').notNull(),
    generation: integer('generation').notNull(),
    stepSeq: integer('step_seq').notNull(),
    stepKind: text('step_kind').notNull(),
    attempt: integer('attempt').notNull(),
    outcome: text('outcome').notNull(),
    code: text('code'),
    cause: text('cause'),
    message: text('message'),
    worker: text('worker').notNull(),
    startedAt: instant('started_at').notNull(),
    durationMs: integer('duration_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.startedAt, table.id] }), index('attempts_job').on(table.jobId)],
);

/**
 * Rows of record files. Partitioned by `created_at`, which is the creation of their job: the same for all of a job, so that the key
 * holds over a parse that began again.
 */
export const records = pgTable(
  'records',
  {
    jobId: uuid('job_id').notNull(),
    /** In the file, from 1. */
    line: bigint('line', { mode: 'number' }).notNull(),
    createdAt: instant('created_at').notNull(),
    tenantId: text('tenant_id').notNull(),
    /** Who works on it: set at parsing and by each sweep, null while it waits for its `next_attempt_at`. */
    chunkId: uuid('chunk_id'),
    state: text('state').$type<RecordState>().notNull(),
    /** Which of the route's `call` steps, from 0. */
    step: smallint('step').notNull().default(0),
    /** Tries of that step in this generation of the record, a crash counted too. */
    tries: smallint('tries').notNull().default(0),
    /** A call that must not be repeated blindly may be under way. */
    hasIntent: boolean('has_intent').notNull().default(false),
    /** Raised by an operator's "resend as new" alone: part of the idempotency key. */
    keyGeneration: smallint('key_generation').notNull().default(0),
    businessKey: text('business_key'),
    /** Null for a rejected row. */
    values: jsonb('values'),
    /** Outputs of the calls done so far, by the step's name. */
    replies: jsonb('replies'),
    /** What the partner knows the record by. */
    reference: text('reference'),
    errorCode: text('error_code'),
    errorCause: text('error_cause'),
    errorMessage: text('error_message'),
    nextAttemptAt: instant('next_attempt_at'),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [
    primaryKey({ columns: [table.jobId, table.line, table.createdAt] }),
    check('records_state', oneOf('state', RECORD_STATES)),
    index('records_due').on(table.nextAttemptAt).where(sql`next_attempt_at IS NOT NULL`),
    index('records_code').on(table.jobId, table.errorCode, table.line).where(sql`error_code IS NOT NULL`),
  ],
);

/** Records that one wake-up carries; a chunk is deleted when each of its records has a stored outcome. */
export const recordChunks = pgTable(
  'record_chunks',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    jobId: uuid('job_id').notNull(),
    lines: bigint('lines', { mode: 'number' }).array().notNull(),
    wokenAt: instant('woken_at'),
    wakes: integer('wakes').notNull().default(0),
    nextActionAt: instant('next_action_at'),
    epoch: integer('epoch').notNull().default(0),
    leaseUntil: instant('lease_until'),
    claimToken: uuid('claim_token'),
    worker: text('worker'),
    createdAt: createdAt(),
  },
  (table) => [
    index('record_chunks_job').on(table.jobId, table.id),
    index('record_chunks_standing').on(table.wokenAt).where(sql`woken_at IS NOT NULL AND lease_until IS NULL`),
    index('record_chunks_due').on(table.nextActionAt).where(sql`woken_at IS NULL AND lease_until IS NULL`),
    index('record_chunks_waiting')
      .on(table.jobId, table.id)
      .where(sql`woken_at IS NULL AND lease_until IS NULL AND next_action_at IS NULL`),
    index('record_chunks_occupying')
      .on(table.jobId)
      .where(sql`woken_at IS NOT NULL OR lease_until IS NOT NULL OR next_action_at IS NOT NULL`),
    index('record_chunks_leased').on(table.leaseUntil).where(sql`lease_until IS NOT NULL`),
  ],
);

/** Partitioned by `started_at`. */
export const recordAttempts = pgTable(
  'record_attempts',
  {
    jobId: uuid('job_id').notNull(),
    line: bigint('line', { mode: 'number' }).notNull(),
    startedAt: instant('started_at').notNull(),
    tenantId: text('tenant_id').notNull(),
    generation: integer('generation').notNull(),
    step: smallint('step').notNull(),
    stepName: text('step_name').notNull(),
    attempt: smallint('attempt').notNull(),
    outcome: text('outcome').notNull(),
    httpStatus: smallint('http_status'),
    code: text('code'),
    cause: text('cause'),
    message: text('message'),
    requestId: uuid('request_id').notNull(),
    worker: text('worker').notNull(),
    durationMs: integer('duration_ms').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.jobId, table.line, table.startedAt, table.requestId] }),
    // Rows come in the order of time, and a request id carries its time: an index of a few pages finds it.
    index('record_attempts_started').using('brin', table.startedAt).with({ autosummarize: true, pages_per_range: 32 }),
  ],
);

/** Which record stands for a business key: a row that is sent again is carried once. */
export const recordKeys = pgTable(
  'record_keys',
  {
    tenantId: text('tenant_id').notNull(),
    routeId: uuid('route_id').notNull(),
    businessKey: text('business_key').notNull(),
    jobId: uuid('job_id').notNull(),
    line: bigint('line', { mode: 'number' }).notNull(),
    /** The record's. */
    createdAt: instant('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.routeId, table.businessKey] }),
    index('record_keys_created').on(table.createdAt),
  ],
);

/** Remote systems that a tenant's routes call. */
export const partners = pgTable(
  'partners',
  {
    ...definitionColumns(),
    /** Until when the calls that its rate allows are given away to tasks. */
    rateGivenUntil: instant('rate_given_until'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.name] }),
    index('partners_name').on(table.name.op('text_pattern_ops')),
  ],
);

/**
 * Calls of partners by minute, added up by the processes that made them (`shared/partners/report-calls.ts`). Partitioned by `minute`.
 */
export const partnerMinutes = pgTable(
  'partner_minutes',
  {
    tenantId: text('tenant_id').notNull(),
    partner: text('partner').notNull(),
    minute: instant('minute').notNull(),
    outcome: text('outcome').notNull(),
    /** 0: no reply. */
    httpStatus: smallint('http_status').notNull(),
    /** Empty where nothing went wrong. */
    cause: text('cause').notNull(),
    calls: bigint('calls', { mode: 'number' }).notNull(),
    /** How many took how long, by the steps of `shared/partners/call-durations.ts`. */
    durations: bigint('durations', { mode: 'number' }).array().notNull(),
  },
  (table) => [
    primaryKey({
      name: 'partner_minutes_key',
      columns: [table.tenantId, table.partner, table.minute, table.outcome, table.httpStatus, table.cause],
    }),
  ],
);

/** Breakers as each process has them, reported every few seconds; a row that is not reported any more is deleted. */
export const partnerBreakers = pgTable(
  'partner_breakers',
  {
    tenantId: text('tenant_id').notNull(),
    partner: text('partner').notNull(),
    worker: text('worker').notNull(),
    /** Null: calls pass. */
    openUntil: instant('open_until'),
    /** Since when it has been open or closed. */
    since: instant('since').notNull(),
    reportedAt: instant('reported_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.partner, table.worker] }),
    index('partner_breakers_reported').on(table.reportedAt),
  ],
);

export const DEFINITION_KINDS = [
  'partner',
  'store',
  'database',
  'remote',
  'source',
  'calendar',
  'expectation',
  'sender',
] as const;
export type DefinitionKind = (typeof DEFINITION_KINDS)[number];

/** Every version of partners, stores, remotes and sources; the present one is in their own tables too, where work reads it. */
export const definitionVersions = pgTable(
  'definition_versions',
  {
    kind: text('kind').$type<DefinitionKind>().notNull(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    version: integer('version').notNull(),
    definition: jsonb('definition').notNull(),
    definitionHash: text('definition_hash').notNull(),
    source: source(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.kind, table.name, table.version] })],
);

/** Of a definition that is kept as it is now. */
function definitionColumns() {
  return {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    definition: jsonb('definition').notNull(),
    definitionHash: text('definition_hash').notNull(),
    version: integer('version').notNull(),
    revision: revision(),
    removedAt: removedAt(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  };
}

/** Object external stores, as they are described now; a definition names secrets and holds none. */
export const stores = pgTable('stores', definitionColumns(), (table) => [
  primaryKey({ columns: [table.tenantId, table.name] }),
]);

/** Databases that a tenant's routes load rows into, as they are described now; a definition names secrets and holds none. */
export const databases = pgTable('databases', definitionColumns(), (table) => [
  primaryKey({ columns: [table.tenantId, table.name] }),
]);

/** What steps do at targets outside, one row for each visible act. `epoch` is the job's at the last write; `key` the same over retries. */
export const effects = pgTable(
  'effects',
  {
    id: uuid('id').notNull().default(sql`uuid_v7()`),
    jobId: uuid('job_id').notNull(),
    stepSeq: integer('step_seq').notNull(),
    part: integer('part').notNull(),
    tenantId: text('tenant_id').notNull(),
    key: text('key').notNull(),
    /** The step's kind. */
    kind: text('kind').notNull(),
    stage: text('stage').$type<EffectStage>().notNull(),
    /** What asking and going on need, such as the name that was chosen; no secrets. */
    facts: jsonb('facts').notNull(),
    epoch: integer('epoch').notNull(),
    createdAt: createdAt(),
    /** Of its stage. */
    at: instant('at').notNull().default(sql`now()`),
  },
  (table) => [
    primaryKey({ columns: [table.jobId, table.stepSeq, table.part] }),
    unique('effects_id').on(table.id),
    check('effects_stage', oneOf('stage', EFFECT_STAGES)),
    index('effects_open').on(table.kind, table.stage).where(sql`stage <> 'DONE'`),
    index('effects_open_tenant').on(table.tenantId, table.id).where(sql`stage <> 'DONE'`),
    index('effects_tenant').on(table.tenantId, table.id),
  ],
);

/** Signed statements of what was received and delivered, a chain for each tenant. */
export const receipts = pgTable(
  'receipts',
  {
    tenantId: text('tenant_id').notNull(),
    /** In the tenant's chain, from 1. */
    seq: bigint('seq', { mode: 'number' }).notNull(),
    fileId: uuid('file_id').notNull(),
    jobId: uuid('job_id').notNull(),
    stepSeq: integer('step_seq').notNull(),
    /** JWS in compact form. */
    jws: text('jws').notNull(),
    /** SHA-256 of `jws`, hexadecimal, which the next receipt of the tenant holds. */
    hash: text('hash').notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.seq] }),
    unique('receipts_step').on(table.jobId, table.stepSeq),
    index('receipts_file').on(table.fileId, table.seq),
  ],
);

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
    /** Null when it was asked for by itself. */
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
    index('pulls_file').on(table.fileId).where(sql`file_id IS NOT NULL`),
    index('pulls_listed').on(table.lastListedAt).where(sql`last_listed_at IS NOT NULL AND completed_at IS NOT NULL`),
  ],
);

/**
 * Copies in parts, so that the worker that takes one over goes on at the first missing part. The owner is a job, or a file for its archive copy;
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

/** Partitioned by `at`. */
export const auditEvents = pgTable(
  'audit_events',
  {
    id: uuid('id').notNull().default(sql`uuid_v7()`),
    at: instant('at').notNull().default(sql`now()`),
    type: text('type').notNull(),
    tenantId: text('tenant_id').notNull(),
    fileId: uuid('file_id'),
    jobId: uuid('job_id'),
    actor: text('actor').notNull(),
    detail: jsonb('detail').notNull(),
    /** The transaction that wrote it: what is older than every running one is there for good, and can be sealed. */
    written: transactionId('written').notNull().default(sql`pg_current_xact_id()`),
  },
  (table) => [
    primaryKey({ columns: [table.at, table.id] }),
    index('audit_events_file').on(table.fileId),
    index('audit_events_job').on(table.jobId),
    index('audit_events_tenant').on(table.tenantId, table.at, table.id),
    // People and their keys; services write nearly everything else.
    index('audit_events_person').on(table.actor, table.at, table.id).where(sql`strpos(actor, ':') > 0`),
    index('audit_events_written').on(table.written, table.id),
  ],
);

/** The chain over a tenant's audit, a seal for each line (`shared/audit/seal-lines.ts`). Partitioned by `event_at`, as what it seals. */
export const auditSeals = pgTable(
  'audit_seals',
  {
    eventAt: instant('event_at').notNull(),
    eventId: uuid('event_id').notNull(),
    tenantId: text('tenant_id').notNull(),
    /** From 1. */
    seq: bigint('seq', { mode: 'number' }).notNull(),
    /** The hash of the line before; zeros for the first. */
    previous: bytes('previous').notNull(),
    hash: bytes('hash').notNull(),
    sealedAt: instant('sealed_at').notNull().default(sql`now()`),
  },
  (table) => [
    primaryKey({ columns: [table.eventAt, table.eventId] }),
    index('audit_seals_tenant').on(table.tenantId, table.seq),
  ],
);

/** The last line of each tenant's chain. */
export const auditHeads = pgTable('audit_heads', {
  tenantId: text('tenant_id').primaryKey(),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  hash: bytes('hash').notNull(),
});

/** One row: up to where lines are sealed. */
export const auditSealing = pgTable('audit_sealing', {
  isOnly: boolean('is_only').primaryKey().default(true),
  written: transactionId('written').notNull(),
  id: uuid('id').notNull(),
});

/** Events on their way to the topics; a row is deleted once its topic took it. */
export const outbox = pgTable(
  'outbox',
  {
    eventId: uuid('event_id').notNull(),
    topic: text('topic').notNull(),
    body: jsonb('body').notNull(),
    createdAt: createdAt(),
    lockedUntil: instant('locked_until'),
  },
  (table) => [
    primaryKey({ columns: [table.eventId, table.topic] }),
    // Each way out has its own index: what waits for one costs the other nothing.
    index('outbox_channels').on(table.createdAt).where(sql`topic = 'channels'`),
    index('outbox_topics').on(table.createdAt).where(sql`topic <> 'channels'`),
  ],
);

/** Whom a tenant wants told of what: of all its files, or of those of one route. Written with the definition that says so. */
export const noticeChannels = pgTable(
  'notice_channels',
  {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    /** Empty: of all of the tenant's files. */
    route: text('route').notNull(),
    name: text('name').notNull(),
    notices: text('notices').array().notNull(),
    /** For so long notices are gathered into one; 0 sends each by itself. */
    digestMs: integer('digest_ms').notNull(),
    definition: jsonb('definition').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.route, table.name] })],
);

/**
 * What is to be told to one channel. Rows that are sent as one carry the event id of the first of them, whose row stands for all: it
 * has the lease, the attempts and the time of the next one. Rows are deleted when the channel took them.
 */
export const notices = pgTable(
  'notices',
  {
    eventId: uuid('event_id').notNull(),
    tenantId: text('tenant_id').notNull(),
    route: text('route').notNull(),
    channel: text('channel').notNull(),
    notice: text('notice').notNull(),
    body: jsonb('body').notNull(),
    createdAt: createdAt(),
    /** Null while a digest is gathered. */
    deliveryId: uuid('delivery_id'),
    state: text('state').$type<(typeof NOTICE_STATES)[number]>().notNull().default('PENDING'),
    attempts: integer('attempts').notNull().default(0),
    nextActionAt: instant('next_action_at').notNull(),
    lockedUntil: instant('locked_until'),
    errorCause: text('error_cause'),
    errorMessage: text('error_message'),
  },
  (table) => [
    primaryKey({ columns: [table.eventId, table.tenantId, table.route, table.channel] }),
    check('notices_state', oneOf('state', NOTICE_STATES)),
    index('notices_due').on(table.nextActionAt).where(sql`delivery_id = event_id AND state = 'PENDING'`),
    index('notices_gathering')
      .on(table.tenantId, table.route, table.channel, table.createdAt)
      .where(sql`delivery_id IS NULL`),
    index('notices_delivery').on(table.deliveryId),
  ],
);

/** Business days of a tenant, as they are described now. */
export const calendars = pgTable('calendars', definitionColumns(), (table) => [
  primaryKey({ columns: [table.tenantId, table.name] }),
]);

/** What a tenant says will come, as it is described now. `plannedUntil`, `plannedFrom`: see `shared/expectations/plan-expectations.ts`. */
export const expectations = pgTable(
  'expectations',
  {
    ...definitionColumns(),
    /** Until then enough of its occurrences are in `expected_occurrences`. */
    plannedUntil: instant('planned_until'),
    /** Versions of the expectation and of its calendar that they were planned from. */
    plannedFrom: text('planned_from'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.name] })],
);

export const OCCURRENCE_STATES = ['PENDING', 'OPEN', 'MET', 'LATE', 'MET_LATE', 'MISSED', 'EXCUSED'] as const;
export type OccurrenceState = (typeof OCCURRENCE_STATES)[number];

/** One time at which an expectation's files are due. */
export const expectedOccurrences = pgTable(
  'expected_occurrences',
  {
    id: uuid('id').primaryKey().default(sql`uuid_v7()`),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    expectation: text('expectation').notNull(),
    opensAt: instant('opens_at').notNull(),
    dueAt: instant('due_at').notNull(),
    /** After it nothing counts any more. */
    closesAt: instant('closes_at').notNull(),
    state: text('state').$type<OccurrenceState>().notNull().default('PENDING'),
    /** Null when it is over. */
    nextLookAt: instant('next_look_at'),
    /** Files registered before it have been looked at. */
    lookedUntil: instant('looked_until'),
    atRiskAt: instant('at_risk_at'),
    /** When the last of the files that were needed was registered. */
    metAt: instant('met_at'),
    /** At most one more than a person reads: see `MOST_FILES`. */
    fileIds: uuid('file_ids').array().notNull().default(sql`'{}'`),
    oddities: text('oddities').array().notNull().default(sql`'{}'`),
    /** Why it was excused, and by whom. */
    note: text('note'),
    notedBy: text('noted_by'),
    createdAt: createdAt(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [
    check('expected_occurrences_state', oneOf('state', OCCURRENCE_STATES)),
    uniqueIndex('expected_occurrences_due').on(table.tenantId, table.expectation, table.dueAt),
    index('expected_occurrences_look').on(table.nextLookAt).where(sql`next_look_at IS NOT NULL`),
    index('expected_occurrences_tenant').on(table.tenantId, table.dueAt),
    index('expected_occurrences_at').on(table.dueAt),
  ],
);

/** Requests of a customer in a window, as each process of the API counted them; unlogged, for it may be lost. */
export const apiRates = pgTable(
  'api_rates',
  {
    /** The window: how many of its length there were since 1970. */
    slot: bigint('slot', { mode: 'number' }).notNull(),
    customer: text('customer').notNull(),
    process: uuid('process').notNull(),
    requests: integer('requests').notNull(),
    /** Up to so many it lets in until it counts again. */
    committed: integer('committed').notNull(),
  },
  (table) => [primaryKey({ columns: [table.slot, table.customer, table.process] })],
);

/** What may be used once, such as a signed request: kept until it could not come again. */
export const usedOnce = pgTable(
  'used_once',
  {
    /** SHA-256, hex. */
    digest: text('digest').primaryKey(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('used_once_expires').on(table.expiresAt)],
);

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

export const deadLetters = pgTable(
  'dead_letters',
  {
    id: uuid('id').primaryKey(),
    queue: text('queue').notNull(),
    messageId: text('message_id').notNull(),
    body: text('body').notNull(),
    attributes: jsonb('attributes').notNull(),
    receiveCount: integer('receive_count').notNull(),
    reason: text('reason').notNull(),
    tenantId: text('tenant_id'),
    fileId: uuid('file_id'),
    jobId: uuid('job_id'),
    state: text('state').notNull(),
    note: text('note'),
    createdAt: createdAt(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [
    unique('dead_letters_message').on(table.queue, table.messageId),
    check('dead_letters_state', oneOf('state', DEAD_LETTER_STATES)),
    index('dead_letters_state_created').on(table.state, table.createdAt),
  ],
);

/** An operator's word on a set of jobs, files or dead letters, carried in parts by the sweeper. */
export const actions = pgTable(
  'actions',
  {
    id: uuid('id').primaryKey(),
    verb: text('verb').$type<ActionVerb>().notNull(),
    state: text('state').$type<ActionState>().notNull(),
    /** Of the key that asked; null for an operator's. */
    tenantId: text('tenant_id').references(() => tenants.id),
    filter: jsonb('filter').notNull(),
    preview: jsonb('preview').notNull(),
    /** Who had it previewed, then who ran it. */
    actor: text('actor').notNull(),
    reason: text('reason'),
    approvedBy: text('approved_by'),
    ratePerSecond: doublePrecision('rate_per_second'),
    /** After so many are done it pauses, once. */
    canary: integer('canary'),
    stopAtPercent: doublePrecision('stop_at_percent'),
    /** How many rows its set has. */
    takes: integer('takes').notNull(),
    done: integer('done').notNull().default(0),
    refused: integer('refused').notNull().default(0),
    pauseReason: text('pause_reason'),
    /** Items before this one say nothing about a failing share: it was resumed since. */
    judgedFrom: uuid('judged_from'),
    /** Of a preview, or of a wait for approval. */
    expiresAt: instant('expires_at'),
    nextActionAt: instant('next_action_at'),
    createdAt: createdAt(),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [
    check('actions_verb', oneOf('verb', ACTION_VERBS)),
    check('actions_state', oneOf('state', ACTION_STATES)),
    check('actions_counts', sql`done + refused <= takes`),
    index('actions_due').on(table.nextActionAt).where(sql`state = 'RUNNING'`),
    index('actions_expiring').on(table.expiresAt).where(sql`state IN ('PREVIEWED', 'AWAITING_APPROVAL')`),
    index('actions_tenant').on(table.tenantId, table.id),
    index('actions_finished').on(table.finishedAt).where(sql`finished_at IS NOT NULL`),
  ],
);

/** The set of an action, frozen when it was previewed. */
export const actionItems = pgTable(
  'action_items',
  {
    actionId: uuid('action_id').notNull(),
    /** A job, a file or a dead letter, by the action's verb. */
    subject: uuid('subject').notNull(),
    state: text('state').$type<ActionItemState>().notNull().default('OPEN'),
    /** Why it was refused. */
    code: text('code'),
  },
  (table) => [
    primaryKey({ columns: [table.actionId, table.subject] }),
    check('action_items_state', oneOf('state', ACTION_ITEM_STATES)),
    index('action_items_open').on(table.actionId, table.subject).where(sql`state = 'OPEN'`),
    index('action_items_refused').on(table.actionId, table.subject).where(sql`state = 'REFUSED'`),
  ],
);

/** Who a tenant's campaigns are sent from, as it is described now. */
export const senders = pgTable(
  'senders',
  {
    ...definitionColumns(),
    /** Until when the mails that its rate allows are given away to tasks. */
    rateGivenUntil: instant('rate_given_until'),
    /** The day in UTC that `given` counts. */
    givenOn: date('given_on'),
    /** Mails given away to tasks on that day. */
    given: integer('given').notNull().default(0),
    /** Of its rate, after the service refused mails as too many; grows back to 1. */
    pace: doublePrecision('pace').notNull().default(1),
    slowedUntil: instant('slowed_until'),
    /** The service takes no more mails of this day. */
    quotaUntil: instant('quota_until'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.name] })],
);

/** The account at the mail service that all senders share, as it was last asked about. */
export const mailAccounts = pgTable('mail_accounts', {
  /** Such as `ses/eu-central-1`. */
  name: text('name').primaryKey(),
  maxPerSecond: doublePrecision('max_per_second'),
  maxPerDay: doublePrecision('max_per_day'),
  sentLastDay: doublePrecision('sent_last_day'),
  askedAt: instant('asked_at'),
  rateGivenUntil: instant('rate_given_until'),
  /** Of the part of the rate that marketing may use. */
  marketingGivenUntil: instant('marketing_given_until'),
});

export const TEMPLATE_STATUSES = ['AWAITING_UPLOAD', 'READY', 'INVALID', 'EXPIRED'] as const;
export const TEMPLATE_FORMATS = ['html', 'mjml', 'json'] as const;

/** Versions of mail templates. What is READY never changes: it is read from here, not from the object that was uploaded. */
export const templates = pgTable(
  'templates',
  {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    id: text('id').notNull(),
    version: integer('version').notNull(),
    format: text('format').$type<(typeof TEMPLATE_FORMATS)[number]>().notNull(),
    topic: text('topic').notNull(),
    status: text('status').$type<(typeof TEMPLATE_STATUSES)[number]>().notNull().default('AWAITING_UPLOAD'),
    /** Where the upload goes, in the staging bucket. */
    key: text('key').notNull(),
    sha256: text('sha256'),
    sizeBytes: integer('size_bytes'),
    subject: text('subject'),
    html: text('html'),
    text: text('text'),
    variables: text('variables').array().notNull().default(sql`'{}'`),
    warnings: text('warnings').array().notNull().default(sql`'{}'`),
    /** `{code, message, line?}` each. */
    faults: jsonb('faults').notNull().default(sql`'[]'`),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
    expiresAt: instant('expires_at').notNull(),
    checkedAt: instant('checked_at'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.id, table.version] }),
    check('templates_status', oneOf('status', TEMPLATE_STATUSES)),
    check('templates_format', oneOf('format', TEMPLATE_FORMATS)),
  ],
);

export const CAMPAIGN_WORDS = ['GO', 'PAUSED', 'HELD', 'CANCELLED'] as const;
export type CampaignWord = (typeof CAMPAIGN_WORDS)[number];
export const CAMPAIGN_STAGES = ['CREATED', 'STARTED', 'SENT', 'DONE'] as const;

/**
 * One template version, one file of recipients, one sender, one schedule. It is carried by its own job id on a route that takes no
 * other file; its recipients are the job's records. `word` is what people say of it, the rest of its status is the job's.
 */
export const campaigns = pgTable(
  'campaigns',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    routeId: uuid('route_id').notNull(),
    routeVersionId: uuid('route_version_id').notNull(),
    templateId: text('template_id').notNull(),
    templateVersion: integer('template_version').notNull(),
    sender: text('sender').notNull(),
    topic: text('topic').notNull(),
    isMarketing: boolean('is_marketing').notNull(),
    /** Of an upload or of a file. */
    fileRef: uuid('file_ref').notNull(),
    word: text('word').$type<CampaignWord>().notNull().default('GO'),
    heldReason: text('held_reason'),
    /** Values of variables that a row lacks. */
    defaults: jsonb('defaults').notNull().default(sql`'{}'`),
    /** Nothing is sent before. */
    startsAt: instant('starts_at'),
    /** `{from, to, timeZone}` of a day. */
    window: jsonb('send_window'),
    /** Name of the tenant's calendar whose business days the window is limited to. */
    calendar: text('calendar'),
    /** `2026-06-01T10:00:00[Europe/Berlin]`: the start by each recipient's clock, and the zone of those who have none. */
    localStart: text('local_start'),
    isRecipientZone: boolean('is_recipient_zone').notNull().default(false),
    ratePerSecond: doublePrecision('rate_per_second'),
    rateGivenUntil: instant('rate_given_until'),
    /** Held for a person when more recipients than these are valid. */
    holdOver: integer('hold_over'),
    /** Opens and clicks are reported. */
    isTracked: boolean('is_tracked').notNull().default(false),
    /** The one notice channel that hears of it; null: every channel that asks for its notices. */
    channel: text('channel'),
    /** The last stage that an event told of. */
    announced: text('announced').$type<(typeof CAMPAIGN_STAGES)[number]>().notNull().default('CREATED'),
    idempotencyKey: text('idempotency_key'),
    requestHash: text('request_hash').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
    /** When its file was there and its job was made. */
    begunAt: instant('begun_at'),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [
    check('campaigns_word', oneOf('word', CAMPAIGN_WORDS)),
    check('campaigns_announced', oneOf('announced', CAMPAIGN_STAGES)),
    uniqueIndex('campaigns_idempotency_key')
      .on(table.tenantId, table.idempotencyKey)
      .where(sql`idempotency_key IS NOT NULL`),
    index('campaigns_tenant').on(table.tenantId, table.id),
    index('campaigns_waiting').on(table.id).where(sql`begun_at IS NULL AND word <> 'CANCELLED'`),
    index('campaigns_announced').on(table.id).where(sql`begun_at IS NOT NULL AND announced <> 'DONE'`),
  ],
);

/** What the mail service says of messages; one row for each fact, so that order and repetition change nothing. */
export const mailEvents = pgTable(
  'mail_events',
  {
    /** With `line` the record's key: the message. */
    campaignId: uuid('campaign_id').notNull(),
    line: bigint('line', { mode: 'number' }).notNull(),
    kind: text('kind').notNull(),
    /** Empty for what a message has once. */
    eventKey: text('event_key').notNull().default(''),
    tenantId: text('tenant_id').notNull(),
    messageId: text('message_id'),
    at: instant('at').notNull(),
    /** Such as the SMTP code of a bounce, or the link of a click. */
    detail: jsonb('detail').notNull().default(sql`'{}'`),
    addressHash: text('address_hash'),
    receivedAt: instant('received_at').notNull().default(sql`now()`),
  },
  (table) => [
    primaryKey({ columns: [table.campaignId, table.line, table.kind, table.eventKey] }),
    index('mail_events_received').on(table.receivedAt),
    index('mail_events_causes')
      .on(table.campaignId, table.kind)
      .where(sql`kind IN ('bounced_hard', 'bounced_soft', 'clicked')`),
    index('mail_events_soft').on(table.tenantId, table.addressHash).where(sql`kind = 'bounced_soft'`),
  ],
);

/** Events by hour, added up as they are stored. */
export const campaignStats = pgTable(
  'campaign_stats',
  {
    campaignId: uuid('campaign_id').notNull(),
    hour: instant('hour').notNull(),
    kind: text('kind').notNull(),
    /** Of the recipients. */
    domain: text('domain').notNull(),
    n: bigint('n', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.campaignId, table.hour, table.kind, table.domain] })],
);

export const SUPPRESSION_REASONS = [
  'unsubscribed',
  'complaint',
  'hard-bounce',
  'soft-bounces',
  'imported',
  'operator',
] as const;

/** Addresses that get nothing of a topic, or with the topic `*` nothing at all. */
export const suppressions = pgTable(
  'suppressions',
  {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    topic: text('topic').notNull(),
    /** SHA-256 of the address in lower case, hex: it stays when the address is erased. */
    addressHash: text('address_hash').notNull(),
    address: text('address'),
    reason: text('reason').$type<(typeof SUPPRESSION_REASONS)[number]>().notNull(),
    /** The campaign, or who said so. */
    origin: text('origin').notNull(),
    createdAt: createdAt(),
    expiresAt: instant('expires_at'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.addressHash, table.topic] }),
    check('suppressions_reason', oneOf('reason', SUPPRESSION_REASONS)),
  ],
);
