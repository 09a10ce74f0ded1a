/**
 * What an operator decides about the calls of a partner: pause and resume, the breaker opened and closed.
 *
 * 1. Each is one statement on the partner's row, which every process looks at again within seconds (`partner-directory.ts`). What is as it
 *    should be stays as it is: a second pause keeps the reason of the first.
 * 2. With `revision` it is done only while nobody else has changed it.
 * 3. What waits for the partner is due at once when calls may pass again, by statements after the first: a job that was marked before is seen,
 *    one that is marked later finds that the pause is over (`note-paused.ts`). A wake-up that this misses comes by the clock.
 * 4. Nothing here concerns the same name of another tenant.
 *
 * Events: `partner.paused`, `partner.resumed`, `partner.breaker-opened`, `partner.breaker-closed`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { PARTNER_BREAKER_OPEN, PARTNER_PAUSED, RECORDS } from '#shared/steps/step-outcome.ts';
import { callsPartner } from './calls-partner.ts';

export interface PartnerName {
  readonly tenantId: string;
  readonly name: string;
}

export type ControlVerb = 'pause' | 'resume' | 'open-breaker' | 'close-breaker';

export interface ControlPartner extends PartnerName {
  readonly verb: ControlVerb;
  /** Of a breaker that is opened; until it is closed when absent. */
  readonly forMs?: number | undefined;
  readonly revision?: number | undefined;
  readonly reason: string;
  readonly actor: string;
}

/** `same`: it was so already. */
export type Controlled = 'changed' | 'same' | 'absent' | 'stale';

const EVENTS: Readonly<Record<ControlVerb, string>> = {
  pause: 'partner.paused',
  resume: 'partner.resumed',
  'open-breaker': 'partner.breaker-opened',
  'close-breaker': 'partner.breaker-closed',
};

export async function controlPartner(sql: Sql, options: ControlPartner): Promise<Controlled> {
  const { tenantId, name, verb, forMs, revision, reason, actor } = options;
  const [row] = await sql<{ isChanged: boolean; isStale: boolean }[]>`
    WITH present AS MATERIALIZED (
      SELECT tenant_id, name, control_revision IS DISTINCT FROM coalesce(${revision ?? null}::int, control_revision) AS is_stale
      FROM partners WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL FOR UPDATE),
    said AS (
      UPDATE partners p SET ${change(sql, verb, { forMs, reason, actor })}, control_revision = p.control_revision + 1
      FROM present WHERE p.tenant_id = present.tenant_id AND p.name = present.name AND NOT present.is_stale AND ${isAnother(sql, verb)}
      RETURNING p.*),
    event AS (
      SELECT ${EVENTS[verb]} AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('partner', name, 'reason', ${reason}::text, 'until', breaker_open_until)) AS detail,
        '{events}'::text[] AS topics
      FROM said),
    ${recordEvents(sql, actor)}
    SELECT present.is_stale AS "isStale", EXISTS (SELECT 1 FROM said) AS "isChanged" FROM present`;
  if (row === undefined) return 'absent';
  if (row.isStale) return 'stale';
  if (!row.isChanged) return 'same';
  if (verb === 'resume' || verb === 'close-breaker') await wakeWaiting(sql, options);
  return 'changed';
}

function change(
  sql: Sql,
  verb: ControlVerb,
  { forMs, reason, actor }: Pick<ControlPartner, 'forMs' | 'reason' | 'actor'>,
) {
  switch (verb) {
    case 'pause':
      return sql`paused_at = now(), paused_by = ${actor}, paused_reason = ${reason}`;
    case 'resume':
      return sql`paused_at = NULL, paused_by = NULL, paused_reason = NULL, trials = p.trials + 1`;
    case 'open-breaker':
      return sql`breaker_opened_at = now(), breaker_opened_by = ${actor}, breaker_reason = ${reason},
        breaker_open_until = now() + ${forMs ?? null}::float8 * interval '1 ms'`;
    case 'close-breaker':
      return sql`breaker_opened_at = NULL, breaker_opened_by = NULL, breaker_reason = NULL, breaker_open_until = NULL, trials = p.trials + 1`;
  }
}

/** To close a breaker that no operator opened is a change: that of a worker may be open. */
function isAnother(sql: Sql, verb: ControlVerb) {
  if (verb === 'pause') return sql`p.paused_at IS NULL`;
  return verb === 'resume' ? sql`p.paused_at IS NOT NULL` : sql`true`;
}

/** Rows in one statement, and such statements: what is left comes by the clock. */
const AT_ONCE = 1_000;
const MOST_STATEMENTS = 20;

async function wakeWaiting(sql: Sql, name: PartnerName): Promise<void> {
  for (const wake of [wakeSteps, wakeRecords]) {
    let woken = AT_ONCE;
    for (let count = 0; count < MOST_STATEMENTS && woken === AT_ONCE; count += 1) woken = await wake(sql, name);
  }
}

/** Files whose step calls the partner. */
async function wakeSteps(sql: Sql, { tenantId, name }: PartnerName): Promise<number> {
  const { count } = await sql`
    WITH waiting AS (
      SELECT j.id FROM jobs j JOIN route_versions v ON v.id = j.route_version_id
      WHERE j.tenant_id = ${tenantId} AND j.state = 'WAITING' AND j.wait_reason IN (${PARTNER_PAUSED}, ${PARTNER_BREAKER_OPEN})
        AND j.step_kind <> 'call' AND j.next_action_at > now() AND ${callsPartner(sql, sql`v.definition`, name)}
      ORDER BY j.id LIMIT ${AT_ONCE} FOR UPDATE OF j SKIP LOCKED)
    UPDATE jobs j SET next_action_at = now(), updated_at = now() FROM waiting w WHERE j.id = w.id`;
  return count;
}

/** Jobs whose records call it: the chunks that wait are due, and the jobs wait for their records again. */
async function wakeRecords(sql: Sql, { tenantId, name }: PartnerName): Promise<number> {
  const [row] = await sql<{ chunks: number }[]>`
    WITH carried AS (
      SELECT j.id FROM jobs j JOIN route_versions v ON v.id = j.route_version_id
      WHERE j.tenant_id = ${tenantId} AND j.state = 'WAITING' AND j.open_records > 0 AND ${callsPartner(sql, sql`v.definition`, name)}),
    noted AS (
      UPDATE jobs j SET wait_reason = ${RECORDS}, updated_at = now() FROM carried c
      WHERE j.id = c.id AND j.wait_reason = ${PARTNER_PAUSED}),
    waiting AS (
      SELECT r.id FROM record_chunks r JOIN carried c ON c.id = r.job_id
      WHERE r.next_action_at > now() AND r.lease_until IS NULL ORDER BY r.id LIMIT ${AT_ONCE} FOR UPDATE OF r SKIP LOCKED),
    due AS (UPDATE record_chunks r SET next_action_at = now() FROM waiting w WHERE r.id = w.id RETURNING 1)
    SELECT count(*)::int AS chunks FROM due`;
  return row?.chunks ?? 0;
}

/** Of a row of `partners`: an operator lets no call pass now. */
export function isHeldByHand(sql: Sql) {
  return sql`(removed_at IS NULL AND (paused_at IS NOT NULL OR breaker_opened_at IS NOT NULL)
    AND (paused_at IS NOT NULL OR coalesce(breaker_open_until > now(), true)))`;
}
