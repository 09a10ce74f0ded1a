/** Mail campaigns: senders, templates, what was sent and what happened to it. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { definitionColumns } from './definitions.ts';
import { tenants } from './tenants.ts';

const {
  bigint,
  boolean,
  check,
  date,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} = pg;

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
    /** When it was last given mails of the account's rate, and until when it waits for its next turn. */
    turnGivenAt: instant('turn_given_at'),
    turnWantedUntil: instant('turn_wanted_until'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.name] }),
    index('senders_turns').on(table.turnWantedUntil).where(sql`turn_wanted_until IS NOT NULL`),
  ],
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

export const CAMPAIGN_CONTROLS = ['GO', 'PAUSED', 'HELD', 'CANCELLED'] as const;
export type CampaignControl = (typeof CAMPAIGN_CONTROLS)[number];
export const CAMPAIGN_STAGES = ['CREATED', 'STARTED', 'SENT', 'DONE'] as const;

/**
 * One template version, one file of recipients, one sender, one schedule. It is processed by its own job id on a route that takes no
 * other file; its recipients are the job's records. `word` is what people decided of it, by the name that the version before
 * reads; the rest of its status is the job’s.
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
    control: text('word').$type<CampaignControl>().notNull().default('GO'),
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
    check('campaigns_word', oneOf('word', CAMPAIGN_CONTROLS)),
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
