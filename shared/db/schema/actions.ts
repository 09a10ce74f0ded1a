/** What operators do to sets of jobs, files and dead letters. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { tenants } from './tenants.ts';

const { check, doublePrecision, index, integer, jsonb, pgTable, primaryKey, text, unique, uuid } = pg;

export const DEAD_LETTER_STATES = ['PARKED', 'REDRIVEN', 'DISCARDED'] as const;
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
export type ActionState = (typeof ACTION_STATES)[number];
export type ActionVerb = (typeof ACTION_VERBS)[number];
export type ActionItemState = (typeof ACTION_ITEM_STATES)[number];

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
    index('dead_letters_file').on(table.fileId).where(sql`file_id IS NOT NULL`),
    index('dead_letters_job').on(table.jobId).where(sql`job_id IS NOT NULL`),
  ],
);

/** An operator's decision on a set of jobs, files or dead letters, carried in parts by the sweeper. */
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
