/** A proposal as the API shows it, and its reads. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, sql as expression } from '#shared/db/drizzle.ts';
import { PROPOSAL_STATES, proposals } from '#shared/db/schema.ts';
import { errorBodySchema } from '../http/error-reply.ts';
import { encodeIdCursor } from '../http/page-cursor.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';

export const PROPOSAL_VIEWS = [...PROPOSAL_STATES, 'EXPIRED'] as const;

const proposalSchema = z
  .object({
    proposal_id: z.string(),
    state: z.enum(PROPOSAL_VIEWS),
    customer_id: z.string().nullable().describe('Of what it changes; null of a file that names several.'),
    method: z.string(),
    path: z.string(),
    if_match: z.string().nullable(),
    reason: z.string(),
    proposed_by: z.string(),
    created_at: z.string(),
    expires_at: z.string().describe('Until when it can be approved.'),
    decided_by: z.string().nullable(),
    decided_at: z.string().nullable(),
    note: z.string().nullable().describe('Why it was rejected.'),
  })
  .meta({ id: 'Proposal' });
export type Proposal = z.infer<typeof proposalSchema>;

export const proposalDetailSchema = proposalSchema
  .extend({
    body: z.string().nullable(),
    check: z
      .object({
        status: z.number(),
        error: errorBodySchema.nullable().describe('Why the change could not be made now.'),
        would_apply: z
          .record(z.string(), z.unknown())
          .nullable()
          .describe('Of a definition: what a dry run answers, with the difference to what is in force.'),
      })
      .nullable()
      .describe('As of now; null of one that is not open.'),
  })
  .meta({ id: 'ProposalDetail' });
export type ProposalDetail = z.infer<typeof proposalDetailSchema>;

export const proposalPageSchema = z.object({
  proposals: z.array(proposalSchema),
  next_cursor: z.string().nullable(),
});
export type ProposalPage = z.infer<typeof proposalPageSchema>;

const columns = {
  id: proposals.id,
  state: expression<(typeof PROPOSAL_VIEWS)[number]>`
    CASE WHEN ${proposals.state} = 'OPEN' AND ${proposals.expiresAt} <= now() THEN 'EXPIRED' ELSE ${proposals.state} END`,
  method: proposals.method,
  path: proposals.path,
  contentType: proposals.contentType,
  body: proposals.body,
  ifMatch: proposals.ifMatch,
  tenantId: proposals.tenantId,
  reason: proposals.reason,
  proposedBy: proposals.proposedBy,
  createdAt: instantOf(proposals.createdAt),
  expiresAt: instantOf(proposals.expiresAt),
  decidedBy: proposals.decidedBy,
  decidedAt: instantOrNullOf(proposals.decidedAt),
  note: proposals.note,
};

export async function findProposal(reads: Reads, id: string) {
  const [row] = await reads.select(columns).from(proposals).where(eq(proposals.id, id));
  return row;
}
export type ProposalRow = NonNullable<Awaited<ReturnType<typeof findProposal>>>;

export interface ProposalFilters {
  readonly state: (typeof PROPOSAL_VIEWS)[number] | undefined;
  readonly after: string | undefined;
  readonly limit: number;
}

export async function findProposals(reads: Reads, { state, after, limit }: ProposalFilters): Promise<ProposalPage> {
  const { body: _, ...shown } = columns;
  const rows = await reads
    .select(shown)
    .from(proposals)
    .where(
      and(
        state === undefined ? undefined : eq(columns.state, state),
        after === undefined ? undefined : expression`${proposals.id} < ${after}::uuid`,
      ),
    )
    .orderBy(desc(proposals.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    proposals: page.map((row) => summaryOf(row)),
    next_cursor: last === undefined ? null : encodeIdCursor(last.id),
  };
}

export function toProposal(row: ProposalRow) {
  return { ...summaryOf(row), body: row.body };
}

function summaryOf(row: Omit<ProposalRow, 'body'>): Proposal {
  return {
    proposal_id: row.id,
    state: row.state,
    customer_id: row.tenantId,
    method: row.method,
    path: row.path,
    if_match: row.ifMatch,
    reason: row.reason,
    proposed_by: row.proposedBy,
    created_at: row.createdAt,
    expires_at: row.expiresAt,
    decided_by: row.decidedBy,
    decided_at: row.decidedAt,
    note: row.note,
  };
}
