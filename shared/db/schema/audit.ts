/** What happened, sealed in a chain for each tenant. */
import { pg, sql } from '../drizzle.ts';
import { bytes, instant, transactionId } from './columns.ts';

const { bigint, boolean, index, jsonb, pgTable, primaryKey, text, uuid } = pg;

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
    /** Over all tenants, from 1, without gaps and in the order of commits; null of lines from before it was counted. */
    number: bigint('number', { mode: 'number' }),
  },
  (table) => [
    primaryKey({ columns: [table.eventAt, table.eventId] }),
    index('audit_seals_tenant').on(table.tenantId, table.seq),
    index('audit_seals_number').on(table.number).where(sql`number IS NOT NULL`),
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
  /** The last `number` that was given. */
  lines: bigint('lines', { mode: 'number' }).notNull().default(0),
});

/** Who goes over the sealed lines in the order of their numbers, and how far each is. */
export const auditReaders = pgTable('audit_readers', {
  name: text('name').primaryKey(),
  /** The number of the last line that is done. */
  line: bigint('line', { mode: 'number' }).notNull().default(0),
  /** The last line of the batch that is under way: a repetition takes the same lines. */
  planned: bigint('planned', { mode: 'number' }),
});
