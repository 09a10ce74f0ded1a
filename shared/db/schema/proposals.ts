/** Changes that one person asks for and another makes. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';

const { check, index, pgTable, text, uuid } = pg;

export const PROPOSAL_STATES = ['OPEN', 'APPLIED', 'REJECTED'] as const;

/** A request to the control API, as it will be made by whoever approves it. */
export const proposals = pgTable(
  'proposals',
  {
    id: uuid('id').primaryKey(),
    state: text('state').$type<(typeof PROPOSAL_STATES)[number]>().notNull().default('OPEN'),
    method: text('method').notNull(),
    path: text('path').notNull(),
    contentType: text('content_type'),
    body: text('body'),
    ifMatch: text('if_match'),
    /** Of what it changes; null of a file that names several. */
    tenantId: text('tenant_id'),
    reason: text('reason').notNull(),
    proposedBy: text('proposed_by').notNull(),
    createdAt: createdAt(),
    expiresAt: instant('expires_at').notNull(),
    /** Until then nobody else decides: the request of an approval is under way. */
    lockedUntil: instant('locked_until'),
    decidedBy: text('decided_by'),
    decidedAt: instant('decided_at'),
    note: text('note'),
  },
  (table) => [
    check('proposals_state', oneOf('state', PROPOSAL_STATES)),
    index('proposals_open').on(table.id).where(sql`state = 'OPEN'`),
    index('proposals_expiring').on(table.expiresAt),
  ],
);
