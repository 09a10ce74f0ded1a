/** A partner's calls of a window from what workers reported by minute, their breakers, and the records that wait for it. */
import type { PartnerHealth } from '#shared/api/partner-health.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { durationAt } from '#shared/partners/call-durations.ts';
import { callsPartner } from '#shared/partners/calls-partner.ts';
import { lookAtSecrets } from '#shared/partners/look-at-secrets.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { PARTNER_BREAKER_OPEN, PARTNER_PAUSED } from '#shared/steps/step-outcome.ts';
import { findPartnerControl } from './find-partner-control.ts';

interface PartnerName {
  readonly tenant: string;
  readonly name: string;
}

const MOST_REPLIES = 100;
const MOST_JOBS = 1_000;

/** Undefined: there is no such partner. */
export async function findPartnerHealth(
  sql: Sql,
  { tenant, name }: PartnerName,
  windowMs: number,
  { viewer, secrets }: { readonly viewer: string | null; readonly secrets: SecretStore },
): Promise<PartnerHealth | undefined> {
  const control = await findPartnerControl(sql, { tenant, name }, viewer);
  if (control === undefined) return undefined;
  const from = sql`date_trunc('minute', now()) - ${windowMs}::float8 * interval '1 ms'`;
  const [replies, [measured], breakers, [waiting], [heldUp], [facts]] = await Promise.all([
    sql<PartnerHealth['replies'][number][]>`
      SELECT outcome, nullif(http_status, 0)::int AS http_status, nullif(cause, '') AS cause, sum(calls)::float8 AS calls
      FROM partner_minutes WHERE tenant_id = ${tenant} AND partner = ${name} AND minute >= ${from}
      GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ${MOST_REPLIES}`,
    sql<{ total: number; seconds: number; durations: number[] }[]>`
      WITH places AS (
        SELECT d.place, sum(d.calls)::float8 AS calls
        FROM partner_minutes m, unnest(m.durations) WITH ORDINALITY AS d(calls, place)
        WHERE m.tenant_id = ${tenant} AND m.partner = ${name} AND m.minute >= ${from} GROUP BY 1)
      SELECT coalesce(sum(calls), 0)::float8 AS total, extract(epoch FROM now() - (${from}))::float8 AS seconds,
        coalesce(array_agg(calls ORDER BY place), '{}') AS durations FROM places`,
    sql<PartnerHealth['breakers'][number][]>`
      SELECT worker, ${utc(sql, 'CASE WHEN open_until > now() THEN open_until END')} AS open_until, ${utc(sql, 'since')} AS since,
        ${utc(sql, 'reported_at')} AS reported_at
      FROM partner_breakers WHERE tenant_id = ${tenant} AND partner = ${name} AND reported_at > now() - interval '1 minute'
      ORDER BY worker`,
    // By `jobs_carrying` and `record_chunks_job`.
    sql<PartnerHealth['waiting'][]>`
      SELECT coalesce(sum(cardinality(c.lines)), 0)::float8 AS records, ${utc(sql, 'min(c.created_at)')} AS oldest_since
      FROM jobs j JOIN route_versions v ON v.id = j.route_version_id JOIN record_chunks c ON c.job_id = j.id
      WHERE j.tenant_id = ${tenant} AND j.state = 'WAITING' AND j.open_records > 0 AND c.lease_until IS NULL
        AND ${callsPartner(sql, sql`v.definition`, name)}`,
    // By `jobs_wait_reason` and `jobs_carrying`.
    sql<PartnerHealth['held_up'][]>`
      SELECT count(*)::int AS jobs, ${utc(sql, 'min(updated_at)')} AS oldest_since FROM (
        SELECT j.updated_at FROM jobs j JOIN route_versions v ON v.id = j.route_version_id
        WHERE j.tenant_id = ${tenant} AND j.state = 'WAITING'
          AND (j.wait_reason IN (${PARTNER_PAUSED}, ${PARTNER_BREAKER_OPEN}) OR j.open_records > 0)
          AND ${callsPartner(sql, sql`v.definition`, name)}
        LIMIT ${MOST_JOBS}) AS held`,
    sql<{ definition: unknown; limits: PartnerHealth['limits']; last_call_at: string | null }[]>`
      SELECT definition, jsonb_build_object('rate_per_second', definition #> '{limits,ratePerSecond}',
          'concurrency', coalesce((definition #>> '{limits,concurrency}')::int, 0)) AS limits,
        (SELECT ${utc(sql, 'max(minute)')} FROM partner_minutes m WHERE m.tenant_id = p.tenant_id AND m.partner = p.name) AS last_call_at
      FROM partners p WHERE p.tenant_id = ${tenant} AND p.name = ${name}`,
  ]);
  const { total, seconds, durations } = measured ?? { total: 0, seconds: windowMs / 1_000, durations: [] };
  return {
    customer_id: tenant,
    name,
    window_seconds: Math.round(seconds),
    control,
    limits: facts?.limits ?? { rate_per_second: null, concurrency: 0 },
    secrets: await secretsOf(facts?.definition, secretsOfTenant(secrets, tenant)),
    last_call_at: facts?.last_call_at ?? null,
    breakers: [...breakers],
    calls: {
      total,
      per_second: Math.round((total / seconds) * 100) / 100,
      p50_ms: durationAt(durations, 0.5),
      p95_ms: durationAt(durations, 0.95),
      p99_ms: durationAt(durations, 0.99),
    },
    replies: [...replies],
    held_up: heldUp ?? { jobs: 0, oldest_since: null },
    waiting: waiting ?? { records: 0, oldest_since: null },
  };
}

async function secretsOf(definition: unknown, secrets: SecretStore): Promise<PartnerHealth['secrets']> {
  const parsed = partnerDocumentSchema.safeParse(definition);
  const seen = parsed.success ? await lookAtSecrets(parsed.data, secrets) : [];
  return seen.map(({ name, changedAt, endsAt, state }) => ({ name, changed_at: changedAt, ends_at: endsAt, state }));
}

function utc(sql: Sql, column: string) {
  return sql.unsafe(`to_char((${column}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);
}
