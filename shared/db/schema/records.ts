/** Rows of record files and the chunks that carry them. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';

const { bigint, boolean, check, index, integer, jsonb, pgTable, primaryKey, smallint, text, uuid } = pg;

export const RECORD_STATES = ['PENDING', 'RUNNING', 'SUCCESS', 'FAILED', 'AMBIGUOUS', 'REJECTED'] as const;
export type RecordState = (typeof RECORD_STATES)[number];

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

/** Which record stands for a business key: a row that is sent again is processed once. */
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
