/** A file on one route: jobs, their steps and attempts, and the order in which they go. */
import { LANES, type Lane } from '#shared/definitions/lanes.ts';
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { files } from './files.ts';

const { bigint, boolean, check, index, integer, jsonb, pgTable, primaryKey, smallint, text, unique, uuid } = pg;

export const JOB_STATES = ['PENDING', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export type JobState = (typeof JOB_STATES)[number];

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
    /** Whose queue its short steps go to: the route's `priority`, or its tenant's. */
    lane: text('lane').$type<Lane>().notNull().default('standard'),
    /** The batch that it belongs to (`shared/batches/`). */
    batchId: uuid('batch_id'),
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
    /** When an operator let a held job continue. */
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
    index('jobs_batch').on(table.batchId, table.id).where(sql`batch_id IS NOT NULL`),
    index('jobs_batch_waiting').on(table.batchId, table.id).where(sql`state = 'WAITING' AND wait_reason = 'BATCH'`),
    index('jobs_batch_going')
      .on(table.batchId)
      .where(sql`batch_id IS NOT NULL AND finished_at IS NULL AND wait_reason IS DISTINCT FROM 'BATCH'`),
    check('jobs_state', oneOf('state', JOB_STATES)),
    check('jobs_lane', oneOf('lane', LANES)),
    check('jobs_open_records', sql`open_records >= 0`),
    check('jobs_head_failure', oneOf('head_failure', ['block', 'skip'])),
    index('jobs_waiting_admission')
      .on(table.queue, table.tenantId, table.createdAt)
      .where(sql`state = 'PENDING' AND woken_at IS NULL AND NOT awaits_turn`),
    index('jobs_standing')
      .on(table.queue, table.tenantId, table.wokenAt)
      .where(sql`state = 'PENDING' AND woken_at IS NOT NULL`),
    index('jobs_waiting').on(table.queue, table.tenantId, table.nextActionAt).where(sql`state = 'WAITING'`),
    // Without `lease_until`: as many as there are slots, and a job that walks on or is renewed leaves every index as it is.
    index('jobs_running').on(table.queue).where(sql`state = 'RUNNING'`),
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
