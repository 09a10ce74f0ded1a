/** Remote systems that routes call, and how they did. */
import { pg, sql } from '../drizzle.ts';
import { instant } from './columns.ts';
import { definitionColumns } from './definitions.ts';

const { bigint, index, integer, pgTable, primaryKey, smallint, text } = pg;

/** Remote systems that a tenant's routes call. */
export const partners = pgTable(
  'partners',
  {
    ...definitionColumns(),
    /** Until when the calls that its rate allows are given away to tasks. */
    rateGivenUntil: instant('rate_given_until'),
    /** While it is not null no call is made: an operator paused it. */
    pausedAt: instant('paused_at'),
    pausedBy: text('paused_by'),
    pausedReason: text('paused_reason'),
    /** Since when an operator holds the breaker open; until `breakerOpenUntil`, or until it is closed. */
    breakerOpenedAt: instant('breaker_opened_at'),
    breakerOpenUntil: instant('breaker_open_until'),
    breakerOpenedBy: text('breaker_opened_by'),
    breakerReason: text('breaker_reason'),
    /** Raised by each change by hand. */
    controlRevision: integer('control_revision').notNull().default(0),
    /** Raised by whatever lets calls pass again by hand: each process then makes one call as a trial first. */
    trials: integer('trials').notNull().default(0),
    /** Last test call by a person. */
    testedAt: instant('tested_at'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.name] }),
    index('partners_name').on(table.name.op('text_pattern_ops')),
    index('partners_held').on(table.tenantId).where(sql`paused_at IS NOT NULL OR breaker_opened_at IS NOT NULL`),
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
