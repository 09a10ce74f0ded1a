/**
 * Sources: when they are listed, and what a listing showed.
 *
 * `wakeSources`:  due, or with a wake-up or a lease that was lost.
 * `requestListing`: an operator asks for it: the source is due now.
 * `claimSource`:  lease and epoch, as of a job. Listings of one source never overlap.
 * `noteListing`:  up to 1,000 entries: new ones are `SEEN` where there is room, changed ones are seen again, ready ones are `TRIGGERED`. The lease is renewed.
 * `endListing`:   when the source is listed again. A whole listing forgets what it no longer shows.
 *
 * Events: `pull.triggered`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { coarseLimit } from '#shared/db/literal-limit.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { wakeBound } from '#shared/jobs/wake-chosen.ts';

export interface WokenSource {
  /** Its name. */
  readonly id: string;
  readonly tenantId: string;
  readonly wake: number;
}

export async function wakeSources(
  sql: Sql,
  { limit, boundMs }: { readonly limit: number; readonly boundMs: number },
): Promise<WokenSource[]> {
  return await sql<WokenSource[]>`
    WITH chosen AS (
      SELECT tenant_id, name FROM sources
      WHERE removed_at IS NULL AND next_action_at <= now() AND coalesce(lease_until < now(), true)
        AND (woken_at IS NULL OR woken_at < now() - ${wakeBound(sql, boundMs, sql`failures`)})
      ORDER BY next_action_at LIMIT ${coarseLimit(sql, limit)} FOR UPDATE SKIP LOCKED)
    UPDATE sources s SET woken_at = now(), wakes = s.wakes + 1 FROM chosen c
    WHERE s.tenant_id = c.tenant_id AND s.name = c.name
    RETURNING s.name AS id, s.tenant_id AS "tenantId", s.wakes AS wake`;
}

/** False: there is no such source. */
export async function requestListing(
  sql: Sql,
  { tenantId, name }: { readonly tenantId: string; readonly name: string },
): Promise<boolean> {
  const rows = await sql`
    UPDATE sources SET next_action_at = now(), woken_at = NULL
    WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL RETURNING name`;
  return rows.length > 0;
}

export interface ClaimedSource {
  readonly tenantId: string;
  readonly name: string;
  readonly definition: unknown;
  readonly epoch: number;
  readonly failures: number;
  readonly timeZone: string;
  /** Database time: what it cleans after this is not what the listing shows. */
  readonly claimedAt: string;
  /** The same in milliseconds since 1970. */
  readonly claimedAtMs: number;
  /** That of its schedule; null without one, and when it is gone: then every day counts. */
  readonly calendar: unknown;
  /** Seen and not fetched, counted up to 200,000. */
  readonly waitingFiles: number;
}

export async function claimSource(
  sql: Sql,
  options: {
    readonly tenantId: string;
    readonly name: string;
    readonly token: string;
    readonly worker: string;
    readonly leaseMs: number;
  },
): Promise<ClaimedSource | undefined> {
  const { tenantId, name, token, worker, leaseMs } = options;
  const [row] = await sql<ClaimedSource[]>`
    UPDATE sources s SET epoch = s.epoch + (s.claim_token IS DISTINCT FROM ${token}::uuid)::int, claim_token = ${token}::uuid,
      worker = ${worker}, lease_until = now() + ${leaseMs}::int * interval '1 ms', woken_at = NULL
    FROM tenants t
    WHERE s.tenant_id = ${tenantId} AND s.name = ${name} AND s.removed_at IS NULL AND t.id = s.tenant_id
      AND ((s.next_action_at <= now() AND coalesce(s.lease_until < now(), true)) OR s.claim_token = ${token}::uuid)
    RETURNING s.tenant_id AS "tenantId", s.name, s.definition, s.epoch, s.failures, t.time_zone AS "timeZone",
      (SELECT c.days FROM calendars c WHERE c.tenant_id = s.tenant_id AND c.name = s.definition -> 'when' ->> 'calendar'
        AND c.removed_at IS NULL) AS calendar,
      (SELECT count(*) FROM (SELECT FROM pulls p WHERE p.tenant_id = s.tenant_id AND p.source = s.name
        AND p.status IN ('SEEN', 'TRIGGERED', 'RUNNING') LIMIT 200000) AS w)::int AS "waitingFiles",
      now()::text AS "claimedAt", floor(extract(epoch FROM now()) * 1000)::float8 AS "claimedAtMs"`;
  return row;
}

export interface ListedFile {
  readonly remotePath: string;
  readonly identityHash: string;
  readonly size: number | null;
  readonly time: string | null;
  /** A marker says so, or nothing has to. */
  readonly isReady: boolean;
}

export interface ListingFacts {
  readonly tenantId: string;
  readonly name: string;
  readonly epoch: number;
  readonly claimedAt: string;
  readonly remote: string;
  readonly project: string;
  readonly pipeline: string;
  readonly maxAttempts: number;
  /** Unchanged, or first seen, for so long; null where `isReady` alone counts. */
  readonly stableMs: number | null;
  readonly ageMs: number | null;
  readonly leaseMs: number;
  /** False: too many of its files wait; new ones are left for a later listing. */
  readonly mayAdd: boolean;
}

export interface NotedListing {
  readonly added: number;
  readonly left: number;
}

/** Undefined: the source was taken over. Paths are unique. */
export async function noteListing(
  sql: Sql,
  facts: ListingFacts,
  files: readonly ListedFile[],
  actor: string,
): Promise<NotedListing | undefined> {
  const { tenantId, name, epoch, claimedAt, remote, project, pipeline, maxAttempts, stableMs, ageMs, leaseMs } = facts;
  const [row] = await sql<NotedListing[]>`
    WITH held AS (
      UPDATE sources SET lease_until = now() + ${leaseMs}::int * interval '1 ms'
      WHERE tenant_id = ${tenantId} AND name = ${name} AND epoch = ${epoch} AND lease_until > now() RETURNING name),
    input AS (
      SELECT r.*, jsonb_build_object('size', r.size, 'time', r.time) AS identity
      FROM jsonb_to_recordset(${toJsonb(files)}::text::jsonb) AS r(
        "remotePath" text, "identityHash" text, size bigint, time text, "isReady" boolean), held),
    -- The newest row of a path that still counts: one that was cleaned does not, unless that was after this listing began.
    known AS (
      SELECT DISTINCT ON (p.remote_path) p.* FROM pulls p JOIN input i ON i."remotePath" = p.remote_path
      WHERE p.tenant_id = ${tenantId} AND p.remote = ${remote} AND p.source IS NOT NULL
        AND (p.cleaned_at IS NULL OR p.cleaned_at > ${claimedAt}::timestamptz)
        AND (p.status <> 'SKIPPED' OR p.completed_at > ${claimedAt}::timestamptz)
      ORDER BY p.remote_path, p.created_at DESC),
    unknown AS (
      SELECT i.* FROM input i LEFT JOIN known k ON k.remote_path = i."remotePath"
      WHERE k.id IS NULL
        -- Fetched, and there again with another size or time: another file.
        OR (k.completed_at IS NOT NULL AND k.identity_hash IS DISTINCT FROM i."identityHash" AND k.cleaned_at IS NULL)),
    fresh AS (
      INSERT INTO pulls (tenant_id, source, project, pipeline, remote, remote_path, identity, identity_hash, seen_at, changed_at,
        last_listed_at, status, max_attempts)
      SELECT ${tenantId}, ${name}, ${project}, ${pipeline}, ${remote}, i."remotePath", i.identity, i."identityHash", now(), now(),
        now(), CASE WHEN i."isReady" AND coalesce(${stableMs}::int, 0) = 0 AND coalesce(${ageMs}::int, 0) = 0 THEN 'TRIGGERED' ELSE 'SEEN' END,
        ${maxAttempts}
      FROM unknown i WHERE ${facts.mayAdd}
      ORDER BY i."remotePath"
      ON CONFLICT (tenant_id, remote, remote_path, identity_hash)
        WHERE source IS NOT NULL AND cleaned_at IS NULL AND status <> 'SKIPPED' DO NOTHING
      RETURNING *),
    seen AS (
      UPDATE pulls p SET last_listed_at = now(), updated_at = now(),
        identity = i.identity, identity_hash = i."identityHash",
        changed_at = CASE WHEN p.identity_hash IS DISTINCT FROM i."identityHash" THEN now() ELSE p.changed_at END,
        status = CASE WHEN i."isReady" AND p.identity_hash IS NOT DISTINCT FROM i."identityHash"
            AND coalesce(p.changed_at, p.created_at) <= now() - coalesce(${stableMs}::int, 0) * interval '1 ms'
            AND coalesce(p.seen_at, p.created_at) <= now() - coalesce(${ageMs}::int, 0) * interval '1 ms'
          THEN 'TRIGGERED' ELSE p.status END
      FROM input i JOIN known k ON k.remote_path = i."remotePath"
      WHERE p.id = k.id AND k.status = 'SEEN' AND p.status = 'SEEN'
      RETURNING p.*),
    still AS (
      UPDATE pulls p SET last_listed_at = now() FROM input i JOIN known k ON k.remote_path = i."remotePath"
      WHERE p.id = k.id AND k.status <> 'SEEN' AND k.identity_hash IS NOT DISTINCT FROM i."identityHash"),
    event AS (
      SELECT 'pull.triggered' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('pullId', id, 'remote', remote, 'remotePath', remote_path, 'project', project, 'source', source) AS detail,
        '{events}'::text[] AS topics
      FROM (SELECT * FROM fresh UNION ALL SELECT * FROM seen) AS any_of WHERE status = 'TRIGGERED'),
    ${recordEvents(sql, actor)}
    SELECT (SELECT count(*) FROM fresh)::int AS added,
      CASE WHEN ${facts.mayAdd} THEN 0 ELSE (SELECT count(*) FROM unknown) END::int AS "left"
    FROM held`;
  return row;
}

export interface ListingEnd {
  readonly tenantId: string;
  readonly name: string;
  readonly epoch: number;
  readonly claimedAt: string;
  readonly remote: string;
  /** How many entries the source takes; undefined when the listing did not come whole. */
  readonly files: number | undefined;
  /** Milliseconds from now; null: on request only. */
  readonly nextMs: number | null;
  /** Earlier, because something that was seen is not ready yet. */
  readonly unreadyMs: number | null;
  /** With `files`, what was passed over; no failure then. */
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

export async function endListing(sql: Sql, end: ListingEnd): Promise<void> {
  const { tenantId, name, epoch, claimedAt, remote, files, nextMs, unreadyMs, error } = end;
  await sql`
    WITH ended AS (
      UPDATE sources s SET lease_until = NULL, claim_token = NULL, woken_at = NULL,
        listed_at = CASE WHEN ${files !== undefined} THEN ${claimedAt}::timestamptz ELSE s.listed_at END,
        listed_files = coalesce(${files ?? null}::int, s.listed_files),
        failures = CASE WHEN ${error === undefined || files !== undefined} THEN 0 ELSE s.failures + 1 END,
        error_code = ${error?.code ?? null}, error_message = ${error?.message ?? null},
        next_action_at = now() + least(${nextMs}::float8, CASE WHEN EXISTS (
          SELECT 1 FROM pulls p WHERE p.tenant_id = s.tenant_id AND p.source = s.name AND p.status = 'SEEN')
          THEN ${unreadyMs}::float8 END) * interval '1 ms'
      WHERE tenant_id = ${tenantId} AND name = ${name} AND epoch = ${epoch} RETURNING name)
    UPDATE pulls p SET status = 'SKIPPED', completed_at = now(), updated_at = now(), error_code = 'PULL_ERROR',
      error_cause = 'REMOTE_PATH_GONE', error_message = 'The file vanished before it was ready.'
    FROM ended e
    WHERE ${files !== undefined} AND p.tenant_id = ${tenantId} AND p.source = e.name AND p.remote = ${remote} AND p.status = 'SEEN'
      AND p.last_listed_at < ${claimedAt}::timestamptz`;
}

/** Rows of files that were fetched and kept, once no listing has shown them for `afterDays`. */
export async function markPullsCleaned(sql: Sql, afterDays: number): Promise<number> {
  const rows = await sql`
    UPDATE pulls SET cleaned_at = now() WHERE id IN (
      SELECT id FROM pulls WHERE last_listed_at < now() - ${afterDays}::int * interval '1 day' AND completed_at IS NOT NULL
        AND cleaned_at IS NULL AND source IS NOT NULL LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING id`;
  return rows.length;
}
