/** Batches: files that a route takes together. Their jobs name them (`jobs.batch_id`). */
import { pg, sql } from '../drizzle.ts';
import { instant, oneOf } from './columns.ts';

const { check, index, integer, jsonb, pgTable, text, uniqueIndex, uuid } = pg;

export const BATCH_STATES = ['OPEN', 'RUNNING', 'SUCCEEDED', 'FAILED'] as const;
export type BatchState = (typeof BATCH_STATES)[number];

export const batches = pgTable(
  'batches',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    routeId: uuid('route_id').notNull(),
    /** Empty, or the directory whose files it gathers. */
    key: text('key').notNull(),
    state: text('state').$type<BatchState>().notNull().default('OPEN'),
    /** Closes with so many files. */
    fullAt: integer('full_at'),
    /** Closes when no file has joined for so long. */
    idleMs: integer('idle_ms'),
    /** How many of its files are processed at once; all when null. */
    maxConcurrency: integer('max_concurrency'),
    /** Files that have joined. */
    files: integer('files').notNull().default(0),
    /** Raised by each file that joins: a statement that read it before closes nothing. */
    changes: integer('changes').notNull().default(1),
    /** The file that names what must be there, and the paths that it names. */
    manifestFileId: uuid('manifest_file_id'),
    expected: jsonb('expected').$type<readonly string[]>(),
    /** What the manifest named and was not there at the close. */
    missing: jsonb('missing').$type<readonly string[]>(),
    /** Closes then, whatever is there. */
    closeAt: instant('close_at'),
    /** `count`, `idle`, `manifest`, `time`, `operator`, or `route`: the route takes no files together any more. */
    closedBy: text('closed_by'),
    /** When the clock looks at it next. */
    lookAt: instant('look_at').notNull(),
    openedAt: instant('opened_at').notNull().default(sql`now()`),
    lastJoinedAt: instant('last_joined_at').notNull().default(sql`now()`),
    closedAt: instant('closed_at'),
    finishedAt: instant('finished_at'),
    succeededFiles: integer('succeeded_files'),
    failedFiles: integer('failed_files'),
  },
  (table) => [
    check('batches_state', oneOf('state', BATCH_STATES)),
    uniqueIndex('batches_open').on(table.routeId, table.key).where(sql`state = 'OPEN'`),
    index('batches_due').on(table.lookAt).where(sql`state IN ('OPEN', 'RUNNING')`),
    index('batches_tenant').on(table.tenantId, table.id),
    index('batches_route').on(table.routeId, table.id),
    index('batches_finished').on(table.finishedAt).where(sql`finished_at IS NOT NULL`),
  ],
);
