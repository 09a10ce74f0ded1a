/** Events on their way out, and who is notified of what. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { tenants } from './tenants.ts';

const { check, index, integer, jsonb, pgTable, primaryKey, text, uuid } = pg;

const NOTICE_STATES = ['PENDING', 'PARKED'] as const;

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
    /** For so long notices are gathered into one; 0 sends each on its own. */
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
    index('notices_due_of_channel')
      .on(table.tenantId, table.route, table.channel, table.nextActionAt, table.eventId)
      .where(sql`delivery_id = event_id AND state = 'PENDING'`),
    index('notices_digest_due')
      .on(table.tenantId, table.route, table.channel, table.nextActionAt)
      .where(sql`delivery_id IS NULL`),
    index('notices_gathering')
      .on(table.tenantId, table.route, table.channel, table.createdAt)
      .where(sql`delivery_id IS NULL`),
    index('notices_delivery').on(table.deliveryId),
    index('notices_parked').on(table.createdAt).where(sql`state = 'PARKED'`),
  ],
);
