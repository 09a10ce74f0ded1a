/** Files that are due. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { definitionColumns } from './definitions.ts';
import { tenants } from './tenants.ts';

const { check, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex, uuid } = pg;

/** Business days of a tenant, as they are described now. */
export const calendars = pgTable(
  'calendars',
  {
    ...definitionColumns(),
    /** Dates of the object that `holidaysFrom` names, as they were read last. */
    holidaysRead: jsonb('holidays_read'),
    holidaysEtag: text('holidays_etag'),
    /** Of the definition for which that object was looked at. */
    holidaysVersion: integer('holidays_version'),
    holidaysLookAt: instant('holidays_look_at'),
    /** The definition with all its holidays. */
    days: jsonb('days').generatedAlwaysAs(sql`
      CASE WHEN definition ? 'holidaysFrom' THEN jsonb_set(definition, '{holidays}',
        coalesce(definition -> 'holidays', '[]'::jsonb) || coalesce(holidays_read, '[]'::jsonb)) ELSE definition END`),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.name] }),
    index('calendars_reading').on(table.holidaysLookAt).where(sql`definition ? 'holidaysFrom'`),
  ],
);

/** What a tenant says will come, as it is described now. `plannedUntil`, `plannedFrom`: see `shared/expectations/plan-occurrences.ts`. */
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
