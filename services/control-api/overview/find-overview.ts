/**
 * The numbers of the board, read once for all who ask: for operators, and for each tenant of its own.
 *
 * Each number walks an index over its own rows or over one day; ids of jobs carry when they were made.
 */
import type { Overview } from '#shared/api/overview.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { isQuarantining } from '#shared/jobs/quarantine.ts';
import { isHeldByHand } from '#shared/partners/control-partner.ts';
import { HELD } from '#shared/steps/step-outcome.ts';

const DAY_MS = 86_400_000;
const MOST_GROUPS = 20;

export async function findOverview(sql: Sql, tenantId: string | null, now: number): Promise<Overview> {
  const [needs, minutes, failing] = await Promise.all([
    findNeeds(sql, tenantId, now),
    findMinutes(sql, tenantId, now),
    findFailing(sql, tenantId, now),
  ]);
  const sum = (of: 'arrived' | 'failed') => minutes.reduce((total, minute) => total + minute[of], 0);
  return {
    at: new Date(now).toISOString(),
    needs_person: needs,
    last_day: { arrived: sum('arrived'), failed: sum('failed') },
    minutes,
    failing,
  };
}

/** The first id of version 7 of that time. */
function idAt(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

async function findNeeds(sql: Sql, tenantId: string | null, now: number): Promise<Overview['needs_person']> {
  const own = tenantId === null ? sql`` : sql`AND tenant_id = ${tenantId}`;
  const [row] = await sql<Overview['needs_person'][]>`
    SELECT
      (SELECT count(*)::int FROM jobs WHERE state = 'WAITING' AND wait_reason = ${HELD} ${own}) AS held_jobs,
      (SELECT count(*)::int FROM jobs WHERE state = 'FAILED' AND superseded_by IS NULL AND parent_job_id IS NULL AND id >= ${idAt(now - DAY_MS)}::uuid ${own})
        AS failed_jobs,
      (SELECT count(*)::int FROM dead_letters WHERE state = 'PARKED' ${own}) AS parked_dead_letters,
      (SELECT count(*)::int FROM notices WHERE state = 'PARKED' AND delivery_id = event_id ${own}) AS parked_notices,
      (SELECT count(*)::int FROM actions WHERE state = 'AWAITING_APPROVAL' ${own}) AS actions_to_approve,
      (SELECT count(*)::int FROM proposals WHERE state = 'OPEN' AND expires_at > now() AND ${tenantId === null}::boolean) AS changes_to_approve,
      (SELECT count(*)::int FROM partners WHERE ${isHeldByHand(sql)} ${own}) AS held_partners,
      -- A late one is looked at again, when it closes.
      (SELECT count(*)::int FROM expected_occurrences WHERE state = 'LATE' AND next_look_at IS NOT NULL ${own})
        + (SELECT count(*)::int FROM expected_occurrences WHERE state = 'MISSED' AND due_at >= ${new Date(now - DAY_MS)} ${own}) AS late_files,
      (SELECT count(DISTINCT (tenant_id, partner))::int FROM partner_breakers b
        WHERE open_until > now() AND reported_at > now() - interval '1 minute' ${own} AND NOT EXISTS (
          SELECT FROM partners WHERE partners.tenant_id = b.tenant_id AND name = b.partner AND ${isHeldByHand(sql)})) AS open_breakers,
      (SELECT count(*)::int FROM effects e WHERE e.stage <> 'DONE' AND e.stage = 'UNKNOWN' ${own}
        AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = e.job_id AND j.superseded_by IS NOT NULL)) AS effects_in_doubt`;
  if (row === undefined) throw new Error('the counts had no row');
  return row;
}

async function findMinutes(sql: Sql, tenantId: string | null, now: number): Promise<Overview['minutes']> {
  const own = tenantId === null ? sql`` : sql`AND tenant_id = ${tenantId}`;
  const from = new Date(now - DAY_MS);
  return await sql<Overview['minutes'][number][]>`
    WITH arrived AS (
      SELECT date_trunc('minute', created_at) AS minute, count(*)::int AS files FROM files WHERE created_at >= ${from} ${own} GROUP BY 1),
    failed AS (
      SELECT date_trunc('minute', created_at) AS minute, count(*)::int AS files FROM files
      WHERE status IN ('FAILED', 'QUARANTINED') AND created_at >= ${from} ${own} GROUP BY 1)
    SELECT to_char(minute AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, a.files AS arrived, coalesce(f.files, 0) AS failed
    FROM arrived a LEFT JOIN failed f USING (minute) ORDER BY minute`;
}

async function findFailing(sql: Sql, tenantId: string | null, now: number): Promise<Overview['failing']> {
  const own = tenantId === null ? sql`` : sql`AND j.tenant_id = ${tenantId}`;
  const [today, before, after] = [now - DAY_MS, now - 8 * DAY_MS, now - 7 * DAY_MS].map(idAt) as [
    string,
    string,
    string,
  ];
  return await sql<Overview['failing'][number][]>`
    WITH top AS (
      SELECT j.tenant_id, j.route_id, j.error_code AS code, j.error_cause AS cause, count(*)::int AS count, min(j.created_at) AS since,
        count(*) FILTER (
          WHERE j.parent_job_id IS NULL AND j.superseded_by IS NULL AND NOT ${isQuarantining(sql, sql`j.error_cause`)})::int AS retryable
      FROM jobs j WHERE j.state = 'FAILED' AND j.id >= ${today}::uuid AND j.error_code IS NOT NULL ${own}
      GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC, 1, 2, 3, 4 LIMIT ${MOST_GROUPS}),
    earlier AS (
      SELECT j.tenant_id, j.route_id, j.error_code AS code, j.error_cause AS cause, count(*)::int AS count
      FROM jobs j WHERE j.state = 'FAILED' AND j.id >= ${before}::uuid AND j.id < ${after}::uuid ${own} GROUP BY 1, 2, 3, 4)
    SELECT top.code, top.cause, r.name AS route, top.tenant_id AS tenant, top.count, top.retryable,
      coalesce(e.count, 0) AS week_before,
      to_char(top.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS since
    FROM top JOIN routes r ON r.id = top.route_id
    LEFT JOIN earlier e ON e.tenant_id = top.tenant_id AND e.route_id = top.route_id AND e.code = top.code
      AND e.cause IS NOT DISTINCT FROM top.cause
    ORDER BY top.count DESC, top.tenant_id, r.name, top.code`;
}
