/**
 * Occurrences of expectations. Any number of sweepers side by side.
 *
 * `findUnplanned`:     expectations whose next occurrences are not all there, or were planned from another version of them or their calendar.
 * `storePlan`:         brings what is still to open to a plan; what has opened stays as it was promised.
 * `findDue`:           occurrences whose time to be looked at has come.
 * `findArrivals`:      files of the tenant that were registered since they were last looked for.
 * `findNeighbours`:    other occurrences of the expectation whose windows overlap.
 * `findFiles`:         those that count already.
 * `findHistory`:       what was usual.
 * `storeVerdicts`:     bound to `updated_at`, so that of two sweepers that looked one stores, and each event is there once.
 * `excuseOccurrence`:  a person says that it will not come; `linkFile`: that this is the file. Events `expectation.excused`, `expectation.linked`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { OccurrenceState } from '#shared/db/schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { isNotHeld } from '#shared/retention/is-not-held.ts';
import type { ArrivalHistory, ArrivedFile, Verdict } from './judge-occurrence.ts';
import type { PlannedOccurrence } from './plan-occurrences.ts';
import type { Neighbour } from './share-arrivals.ts';

export interface UnplannedExpectation {
  readonly tenantId: string;
  readonly name: string;
  readonly definition: unknown;
  /** Null: its due times are on every day; also when the calendar is gone. */
  readonly calendar: unknown;
  readonly tenantTimeZone: string;
  readonly isRemoved: boolean;
  /** See `plannedFrom` of the table. */
  readonly planOf: string;
  /** Database time, ms since 1970. */
  readonly nowMs: number;
}

export function findUnplanned(sql: Sql, { limit }: { readonly limit: number }): Promise<UnplannedExpectation[]> {
  return sql<UnplannedExpectation[]>`
    SELECT e.tenant_id AS "tenantId", e.name, e.definition, c.days AS calendar, t.time_zone AS "tenantTimeZone",
      e.removed_at IS NOT NULL OR t.disabled_at IS NOT NULL AS "isRemoved", p.plan AS "planOf",
      floor(extract(epoch FROM now()) * 1000)::float8 AS "nowMs"
    FROM expectations e JOIN tenants t ON t.id = e.tenant_id
      LEFT JOIN calendars c ON c.tenant_id = e.tenant_id AND c.name = e.definition -> 'due' ->> 'calendar'
      CROSS JOIN LATERAL (SELECT concat_ws(' ', e.version, c.version, c.holidays_etag, t.time_zone,
        CASE WHEN e.removed_at IS NOT NULL OR t.disabled_at IS NOT NULL THEN 'removed' END) AS plan) p
    WHERE e.planned_from IS DISTINCT FROM p.plan
      OR e.removed_at IS NULL AND t.disabled_at IS NULL AND e.planned_until < now()
    ORDER BY e.planned_until NULLS FIRST LIMIT ${literalLimit(sql, limit)}`;
}

export interface StoredPlan {
  readonly tenantId: string;
  readonly name: string;
  readonly planOf: string;
  /** When it is to be planned again. */
  readonly untilMs: number;
  readonly occurrences: readonly PlannedOccurrence[];
}

/** What is planned twice at the same due time is one occurrence; one that was excused stays excused. */
export async function storePlan(sql: Sql, { tenantId, name, planOf, untilMs, occurrences }: StoredPlan): Promise<void> {
  await sql`
    WITH expectation AS (
      UPDATE expectations SET planned_from = ${planOf}, planned_until = to_timestamp(${untilMs}::float8 / 1000)
      WHERE tenant_id = ${tenantId} AND name = ${name} RETURNING tenant_id, name),
    input AS (
      SELECT to_timestamp("opensMs" / 1000) AS opens_at, to_timestamp("dueMs" / 1000) AS due_at, to_timestamp("closesMs" / 1000) AS closes_at
      FROM jsonb_to_recordset(${toJsonb(occurrences)}::text::jsonb) AS r("opensMs" float8, "dueMs" float8, "closesMs" float8)),
    gone AS (
      DELETE FROM expected_occurrences o USING expectation e
      WHERE o.tenant_id = e.tenant_id AND o.expectation = e.name AND o.state = 'PENDING' AND o.due_at NOT IN (SELECT due_at FROM input))
    INSERT INTO expected_occurrences AS o (tenant_id, expectation, opens_at, due_at, closes_at, next_look_at)
    SELECT e.tenant_id, e.name, i.opens_at, i.due_at, i.closes_at, i.opens_at FROM expectation e CROSS JOIN input i
    ON CONFLICT (tenant_id, expectation, due_at) DO UPDATE SET opens_at = excluded.opens_at, closes_at = excluded.closes_at,
      next_look_at = excluded.next_look_at, updated_at = now()
    WHERE o.state = 'PENDING' AND (o.opens_at, o.closes_at) IS DISTINCT FROM (excluded.opens_at, excluded.closes_at)`;
}

/** Of an expectation that is no more, or whose tenant is disabled: nothing is late then. */
export async function endOccurrences(
  sql: Sql,
  { tenantId, name }: { readonly tenantId: string; readonly name: string },
): Promise<void> {
  await sql`
    UPDATE expected_occurrences SET state = 'EXCUSED', next_look_at = NULL, note = 'the expectation was removed', updated_at = now()
    WHERE tenant_id = ${tenantId} AND expectation = ${name} AND next_look_at IS NOT NULL AND state <> 'PENDING'`;
}

export interface DueOccurrence {
  readonly id: string;
  readonly tenantId: string;
  readonly expectation: string;
  readonly definition: unknown;
  readonly calendar: unknown;
  readonly tenantTimeZone: string;
  readonly state: OccurrenceState;
  readonly opensMs: number;
  readonly dueMs: number;
  readonly closesMs: number;
  readonly lookedUntil: string | null;
  readonly isAtRisk: boolean;
  readonly fileIds: readonly string[];
  readonly oddities: readonly string[];
  /** With microseconds. */
  readonly updatedAt: string;
  readonly nowMs: number;
}

export function findDue(sql: Sql, { limit }: { readonly limit: number }): Promise<DueOccurrence[]> {
  return sql<DueOccurrence[]>`
    SELECT o.id, o.tenant_id AS "tenantId", o.expectation, e.definition, c.days AS calendar, t.time_zone AS "tenantTimeZone", o.state,
      floor(extract(epoch FROM o.opens_at) * 1000)::float8 AS "opensMs", floor(extract(epoch FROM o.due_at) * 1000)::float8 AS "dueMs",
      floor(extract(epoch FROM o.closes_at) * 1000)::float8 AS "closesMs", o.looked_until::text AS "lookedUntil",
      o.at_risk_at IS NOT NULL AS "isAtRisk", o.file_ids AS "fileIds", o.oddities, o.updated_at::text AS "updatedAt",
      floor(extract(epoch FROM now()) * 1000)::float8 AS "nowMs"
    FROM expected_occurrences o JOIN tenants t ON t.id = o.tenant_id
      JOIN expectations e ON e.tenant_id = o.tenant_id AND e.name = o.expectation
      LEFT JOIN calendars c ON c.tenant_id = e.tenant_id AND c.name = e.definition -> 'due' ->> 'calendar'
    WHERE o.next_look_at <= now() ORDER BY o.next_look_at LIMIT ${literalLimit(sql, limit)}`;
}

export type Arrival = ArrivedFile & { readonly key: string };

export interface ArrivalsOf {
  readonly tenantId: string;
  readonly lookedUntil: string | null;
  readonly opensMs: number;
  readonly closesMs: number;
  /** Keys begin with it. */
  readonly keyPrefix: string;
  readonly limit: number;
}

/** A transaction that registers files takes no longer; what was looked at so long ago is looked at once more. */
export const OVERLAP_MS = 120_000;

/** In the order of their registration. */
export function findArrivals(
  sql: Sql,
  { tenantId, lookedUntil, opensMs, closesMs, keyPrefix, limit }: ArrivalsOf,
): Promise<Arrival[]> {
  return sql<Arrival[]>`
    SELECT id, key, name, size_bytes::float8 AS "sizeBytes", content_hash AS "contentHash",
      floor(extract(epoch FROM created_at) * 1000)::float8 AS "atMs"
    FROM files
    WHERE tenant_id = ${tenantId} AND status <> 'COMPANION' AND starts_with(key, ${keyPrefix})
      AND created_at >= greatest(to_timestamp(${opensMs}::float8 / 1000),
        ${lookedUntil}::timestamptz - ${OVERLAP_MS}::float8 * interval '1 ms')
      AND created_at <= to_timestamp(${closesMs}::float8 / 1000)
    ORDER BY created_at, id LIMIT ${limit}::int`;
}

/** Of a schedule of every minute with a grace of days only the nearest matter. */
const MOST_NEIGHBOURS = 500;

export function findNeighbours(
  sql: Sql,
  { id, tenantId, expectation, opensMs, dueMs, closesMs }: DueOccurrence,
  arrived: readonly string[],
): Promise<Neighbour[]> {
  return sql<Neighbour[]>`
    SELECT floor(extract(epoch FROM opens_at) * 1000)::float8 AS "opensMs", floor(extract(epoch FROM due_at) * 1000)::float8 AS "dueMs",
      floor(extract(epoch FROM closes_at) * 1000)::float8 AS "closesMs", cardinality(file_ids) AS files,
      ARRAY(SELECT f FROM unnest(file_ids) AS f WHERE f = ANY(${[...arrived]}::uuid[])) AS taken,
      next_look_at IS NOT NULL AND state <> 'EXCUSED' AS "isOpen"
    FROM expected_occurrences
    WHERE tenant_id = ${tenantId} AND expectation = ${expectation} AND id <> ${id}
      AND opens_at <= to_timestamp(${closesMs}::float8 / 1000) AND closes_at >= to_timestamp(${opensMs}::float8 / 1000)
    ORDER BY abs(extract(epoch FROM due_at) * 1000 - ${dueMs}::float8) LIMIT ${MOST_NEIGHBOURS}`;
}

export function findFiles(
  sql: Sql,
  { tenantId, ids }: { readonly tenantId: string; readonly ids: readonly string[] },
): Promise<ArrivedFile[]> {
  return sql<ArrivedFile[]>`
    SELECT id, name, size_bytes::float8 AS "sizeBytes", content_hash AS "contentHash", floor(extract(epoch FROM created_at) * 1000)::float8 AS "atMs"
    FROM files WHERE tenant_id = ${tenantId} AND id = ANY(${[...ids]}::uuid[]) ORDER BY created_at, id`;
}

/** Fewer say nothing about what is usual. */
const FEWEST = 5;
const HISTORY = 20;

export async function findHistory(
  sql: Sql,
  { tenantId, expectation, dueMs }: Pick<DueOccurrence, 'tenantId' | 'expectation' | 'dueMs'>,
): Promise<ArrivalHistory> {
  const [row] = await sql<
    { met: number; usualMs: number | null; sizes: number; medianBytes: number | null; previousHashes: string[] }[]
  >`
    WITH met AS (
      SELECT opens_at, due_at, met_at, file_ids FROM expected_occurrences
      WHERE tenant_id = ${tenantId} AND expectation = ${expectation} AND met_at IS NOT NULL AND due_at < to_timestamp(${dueMs}::float8 / 1000)
      ORDER BY due_at DESC LIMIT ${HISTORY}),
    sized AS (
      SELECT f.size_bytes, f.content_hash, m.due_at FROM met m CROSS JOIN unnest(m.file_ids[1:50]) AS u(id) JOIN files f ON f.id = u.id)
    SELECT (SELECT count(*)::int FROM met) AS met,
      (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM met_at - opens_at)::float8 * 1000) FROM met) AS "usualMs",
      (SELECT count(*)::int FROM sized) AS sizes,
      (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY size_bytes::float8) FROM sized) AS "medianBytes",
      coalesce((SELECT array_agg(DISTINCT content_hash) FROM sized
        WHERE content_hash IS NOT NULL AND due_at = (SELECT max(due_at) FROM met)), '{}') AS "previousHashes"`;
  return {
    medianBytes: row !== undefined && row.sizes >= FEWEST ? (row.medianBytes ?? undefined) : undefined,
    usualMs: row !== undefined && row.met >= FEWEST ? (row.usualMs ?? undefined) : undefined,
    previousHashes: row?.previousHashes ?? [],
  };
}

export interface StoredVerdict {
  readonly id: string;
  readonly updatedAt: string;
  readonly verdict: Verdict;
  readonly fileIds: readonly string[];
  readonly needed: number;
  /** Files registered before it have been looked at. */
  readonly lookedMs: number;
}

/** Events: `expectation.at-risk`, `.late`, `.missed`, `.met`, `.odd`. Resolves to the number that were stored. */
export async function storeVerdicts(sql: Sql, verdicts: readonly StoredVerdict[], actor: string): Promise<number> {
  if (verdicts.length === 0) return 0;
  const rows = verdicts.map(({ verdict, ...rest }) => ({ ...rest, ...verdict }));
  const [row] = await sql<{ stored: number }[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS r(
        id uuid, "updatedAt" timestamptz, state text, "isAtRisk" boolean, "metMs" float8, oddities jsonb, events jsonb, "nextLookMs" float8,
        "fileIds" jsonb, needed int, "lookedMs" float8)),
    moved AS (
      UPDATE expected_occurrences o SET state = i.state, at_risk_at = CASE WHEN i."isAtRisk" THEN coalesce(o.at_risk_at, now()) END,
        met_at = to_timestamp(i."metMs" / 1000), oddities = ARRAY(SELECT jsonb_array_elements_text(i.oddities)),
        file_ids = ARRAY(SELECT jsonb_array_elements_text(i."fileIds")::uuid), looked_until = to_timestamp(i."lookedMs" / 1000),
        next_look_at = to_timestamp(i."nextLookMs" / 1000), updated_at = clock_timestamp()
      FROM input i WHERE o.id = i.id AND o.updated_at = i."updatedAt"
      RETURNING o.*),
    event AS (
      SELECT 'expectation.' || named.event AS type, m.tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        ${detailOf(sql)} || jsonb_build_object('needed', i.needed) AS detail, '{events}'::text[] AS topics
      FROM moved m JOIN input i ON i.id = m.id CROSS JOIN jsonb_array_elements_text(i.events) AS named(event)),
    ${recordEvents(sql, actor)}
    SELECT count(*)::int AS stored FROM moved`;
  return row?.stored ?? 0;
}

function detailOf(sql: Sql) {
  return sql`jsonb_build_object('expectation', m.expectation, 'occurrenceId', m.id, 'state', m.state, 'files', cardinality(m.file_ids),
    'opensAt', to_jsonb(m.opens_at), 'dueAt', to_jsonb(m.due_at), 'closesAt', to_jsonb(m.closes_at), 'oddities', array_to_string(m.oddities, ' '))`;
}

export interface OccurrenceWord {
  readonly id: string;
  /** Null: an operator. */
  readonly tenantId: string | null;
  readonly reason: string;
  readonly actor: string;
}

/** Resolves to whether there was one that could still come. */
export async function excuseOccurrence(sql: Sql, { id, tenantId, reason, actor }: OccurrenceWord): Promise<boolean> {
  const rows = await sql`
    WITH moved AS (
      UPDATE expected_occurrences SET state = 'EXCUSED', next_look_at = NULL, note = ${reason}, noted_by = ${actor}, updated_at = clock_timestamp()
      WHERE id = ${id} AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId}) AND state IN ('PENDING', 'OPEN', 'LATE', 'MISSED')
      RETURNING *),
    event AS (
      SELECT 'expectation.excused' AS type, m.tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        ${detailOf(sql)} || jsonb_build_object('reason', ${reason}::text) AS detail, '{events}'::text[] AS topics
      FROM moved m),
    ${recordEvents(sql, actor)}
    SELECT id FROM moved`;
  return rows.length > 0;
}

/** By hand, whatever its path; it counts from when it was registered. Resolves to whether both were there. */
export async function linkFile(
  sql: Sql,
  { id, tenantId, reason, actor, fileId }: OccurrenceWord & { readonly fileId: string },
): Promise<boolean> {
  const rows = await sql`
    WITH moved AS (
      UPDATE expected_occurrences o SET file_ids = array_append(array_remove(o.file_ids, f.id), f.id), note = ${reason}, noted_by = ${actor},
        state = CASE WHEN o.state = 'EXCUSED' THEN o.state ELSE 'OPEN' END, next_look_at = CASE WHEN o.state <> 'EXCUSED' THEN now() END,
        updated_at = clock_timestamp()
      FROM files f
      WHERE o.id = ${id} AND f.id = ${fileId} AND f.tenant_id = o.tenant_id AND (${tenantId}::text IS NULL OR o.tenant_id = ${tenantId})
        AND o.state <> 'PENDING'
      RETURNING o.*, f.id AS file_id),
    event AS (
      SELECT 'expectation.linked' AS type, m.tenant_id, m.file_id, NULL::uuid AS job_id,
        ${detailOf(sql)} || jsonb_build_object('reason', ${reason}::text) AS detail, '{events}'::text[] AS topics
      FROM moved m),
    ${recordEvents(sql, actor)}
    SELECT id FROM moved`;
  return rows.length > 0;
}

export async function countOccurrences(sql: Sql): Promise<{ readonly state: string; readonly count: number }[]> {
  return await sql<{ state: string; count: number }[]>`
    SELECT state, count(*)::int AS count FROM (
      SELECT CASE WHEN state = 'OPEN' AND at_risk_at IS NOT NULL THEN 'AT_RISK' ELSE state END AS state
      FROM expected_occurrences
      WHERE next_look_at IS NOT NULL AND state <> 'PENDING' OR state = 'MISSED' AND due_at > now() - interval '1 day') AS current
    GROUP BY state`;
}

/** Those that were due before `before`. */
export async function deleteExpiredOccurrences(sql: Sql, before: Date): Promise<number> {
  const rows = await sql`
    DELETE FROM expected_occurrences WHERE id IN (
      SELECT id FROM expected_occurrences o WHERE due_at < ${before} AND next_look_at IS NULL AND ${isNotHeld(sql, sql`o.tenant_id`)}
      ORDER BY due_at LIMIT 5000) RETURNING 1`;
  return rows.length;
}
