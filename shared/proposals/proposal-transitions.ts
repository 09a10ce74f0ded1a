/**
 * A change that somebody proposes who may not make it: made, applied or rejected once, or expired.
 *
 * 1. Whoever approves makes the request in his own name (`handle-proposals.ts`); here is only what happened to it.
 * 2. While that request is under way nobody else decides. A process that dies in it leaves the proposal open after a while: what it carries
 *    has `If-Match` or changes nothing the second time.
 *
 * Events, for the audit alone: `proposal.made`, `proposal.applied`, `proposal.rejected`.
 */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface NewProposal {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | null;
  readonly body: string | null;
  readonly ifMatch: string | null;
  readonly tenantId: string | null;
  readonly reason: string;
  readonly actor: string;
}

/** For so long a proposal can be approved. */
const OPEN_MS = 7 * 86_400_000;

/** Resolves to its id. */
export async function makeProposal(sql: Sql, proposal: NewProposal): Promise<string> {
  const { method, path, contentType, body, ifMatch, tenantId, reason, actor } = proposal;
  const [row] = await sql<{ id: string }[]>`
    WITH moved AS (
      INSERT INTO proposals (id, method, path, content_type, body, if_match, tenant_id, reason, proposed_by, expires_at)
      VALUES (uuid_v7(), ${method}, ${path}, ${contentType}, ${body}, ${ifMatch}, ${tenantId}, ${reason}, ${actor},
        now() + ${OPEN_MS}::float8 * interval '1 ms')
      RETURNING *),
    event AS (${eventOf(sql, 'proposal.made', sql`reason`)}),
    ${recordEvents(sql, actor)}
    SELECT id FROM moved`;
  if (row === undefined) throw new Error('the proposal had no row');
  return row.id;
}

/** For the time of one request. Resolves to whether it was open, and nobody else's. */
export async function lockProposal(sql: Sql, id: string, lockMs: number): Promise<boolean> {
  const { count } = await sql`
    UPDATE proposals SET locked_until = now() + ${lockMs}::float8 * interval '1 ms' WHERE id = ${id} AND ${isOpen(sql)}`;
  return count > 0;
}

export async function unlockProposal(sql: Sql, id: string): Promise<void> {
  await sql`UPDATE proposals SET locked_until = NULL WHERE id = ${id} AND state = 'OPEN'`;
}

export interface DecideProposal {
  readonly id: string;
  readonly note: string | null;
  readonly actor: string;
}

/** After its request was made under `lockProposal`. */
export function noteApplied(sql: Sql, decision: DecideProposal): Promise<boolean> {
  return decide(sql, decision, { when: sql`state = 'OPEN'`, state: 'APPLIED', event: 'proposal.applied' });
}

export function rejectProposal(sql: Sql, decision: DecideProposal): Promise<boolean> {
  return decide(sql, decision, { when: isOpen(sql), state: 'REJECTED', event: 'proposal.rejected' });
}

function isOpen(sql: Sql): Fragment {
  return sql`state = 'OPEN' AND expires_at > now() AND coalesce(locked_until <= now(), true)`;
}

async function decide(
  sql: Sql,
  { id, note, actor }: DecideProposal,
  { when, state, event }: { readonly when: Fragment; readonly state: string; readonly event: string },
): Promise<boolean> {
  const rows = await sql`
    WITH moved AS (
      UPDATE proposals SET state = ${state}, decided_by = ${actor}, decided_at = now(), note = ${note}, locked_until = NULL
      WHERE id = ${id} AND ${when} RETURNING *),
    event AS (${eventOf(sql, event, sql`coalesce(note, reason)`)}),
    ${recordEvents(sql, actor)}
    SELECT id FROM moved`;
  return rows.length > 0;
}

function eventOf(sql: Sql, type: string, reason: Fragment): Fragment {
  return sql`
    SELECT ${type}::text AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
      jsonb_build_object('proposalId', id, 'request', method || ' ' || path, 'proposedBy', proposed_by, 'reason', ${reason}) AS detail,
      '{}'::text[] AS topics
    FROM moved`;
}

/** More than a fleet proposes between two looks. */
const DELETED_AT_ONCE = 5_000;

/** Those that could be approved until before `before`, whatever became of them. */
export async function deleteExpiredProposals(sql: Sql, before: Date): Promise<void> {
  await sql`
    DELETE FROM proposals WHERE id IN (
      SELECT id FROM proposals WHERE expires_at < ${before} LIMIT ${literalLimit(sql, DELETED_AT_ONCE)})`;
}
