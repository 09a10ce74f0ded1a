/**
 * Routing: what happens to a file is decided once. A second delivery, or a new route version in between, changes nothing.
 *
 * In:  per file the jobs to create (one per route that takes it), or why none does.
 * Out: the jobs let into their queues now, each with the wake-up to send. Jobs beyond the tenant's admission window wait as
 *      `PENDING` without one; the sweeper lets them in as others finish. Jobs of ordered routes always wait, for their turn (`give-turns.ts`).
 * Events: `file.routed`, `file.quarantined`, `file.companion`.
 */
import { type JoinedBatch, joinBatches, type ManifestOfBatch } from '#shared/batches/join-batches.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import type { WorkQueue } from '#shared/runtime/config/resource-names.ts';
import { BATCH, QUIET_HOURS, TURN } from '#shared/steps/step-outcome.ts';
import { ADMISSION_WINDOW, admit } from './admission.ts';
import { joinLines } from './job-lines.ts';
import { recordEvents } from './record-events.ts';

/** For how long a file of an ordered route leaves room for files whose uploads ended before its own and whose events come later. */
export const ORDER_SETTLE_MS = 5_000;

export interface NewJob {
  /** UUIDv7. */
  readonly id: string;
  readonly routeId: string;
  readonly routeVersionId: string;
  readonly lane: Lane;
  readonly queue: WorkQueue;
  readonly stepKind: string;
  readonly stepCount: number;
  readonly maxAttempts: number;
  readonly isOrdered: boolean;
  readonly headFailure: 'block' | 'skip';
  /** Whose files are taken together. */
  readonly batch?: JoinedBatch | undefined;
  /** When its quiet hours begin. */
  readonly startAt?: Date | undefined;
}

export interface RoutingDecision {
  readonly fileId: string;
  readonly isLarge: boolean;
  /** Empty: the file is quarantined with `error`, is a companion, or is left to another fleet. */
  readonly jobs: readonly NewJob[];
  /** The route that reads the file together with another one, as its marker or checksum. */
  readonly companionOf?: string;
  /** Its tenant's home is another region: `error` says which. */
  readonly isForOtherRegion?: boolean;
  /** Batches whose files it names. */
  readonly manifests?: readonly ManifestOfBatch[];
  readonly error?: { readonly code: string; readonly cause: string; readonly message: string };
}

export interface WokenJob {
  readonly id: string;
  readonly fileId: string;
  readonly tenantId: string;
  readonly queue: WorkQueue;
  readonly wake: number;
}

export interface RouteFilesOptions {
  /** Wake-ups of one tenant that may be in one queue. */
  readonly window?: number;
  readonly settleMs?: number;
}

export async function routeFiles(
  sql: Sql,
  decisions: readonly RoutingDecision[],
  actor: string,
  { window = ADMISSION_WINDOW, settleMs = ORDER_SETTLE_MS }: RouteFilesOptions = {},
): Promise<WokenJob[]> {
  const { results, refused } = await runSet({
    rows: decisions,
    keyOf: (decision) => decision.fileId,
    run: (rows) => routeSet(sql, rows, actor, { window, settleMs }),
  });
  if (refused[0] !== undefined) throw refused[0].error;
  return results.flat();
}

function routeSet(
  sql: Sql,
  decisions: RoutingDecision[],
  actor: string,
  { window, settleMs }: Required<RouteFilesOptions>,
): Promise<WokenJob[]> {
  const files = decisions.map(({ fileId, isLarge, jobs, companionOf, isForOtherRegion = false, error }) => ({
    fileId,
    companionOf,
    isForOtherRegion,
    isLarge,
    jobCount: jobs.length,
    errorCode: error?.code,
    errorCause: error?.cause,
    errorMessage: error?.message,
  }));
  const jobs = decisions.flatMap(({ fileId, isLarge, jobs }) => jobs.map((job) => ({ ...job, fileId, isLarge })));
  const manifests = decisions.flatMap(({ fileId, manifests = [] }) =>
    manifests.map(({ routeId, expected, ...batch }) => ({ fileId, routeId, expected, batch })),
  );
  return sql<WokenJob[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(files)}::text::jsonb) AS r(
        "fileId" uuid, "isLarge" boolean, "companionOf" text, "isForOtherRegion" boolean, "jobCount" int, "errorCode" text, "errorCause" text, "errorMessage" text)),
    job_input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(jobs)}::text::jsonb) AS r(
        id uuid, "fileId" uuid, "isLarge" boolean, "routeId" uuid, "routeVersionId" uuid, lane text, queue text, "stepKind" text,
        "stepCount" int, "maxAttempts" int, "isOrdered" boolean, "headFailure" text, "startAt" timestamptz, batch jsonb)),
    manifest_input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(manifests)}::text::jsonb) AS r(
        "fileId" uuid, "routeId" uuid, expected jsonb, batch jsonb)),
    locked AS (
      SELECT id FROM files
      WHERE id IN (SELECT "fileId" FROM input) AND routed_at IS NULL AND status = 'QUEUED'
      ORDER BY id FOR UPDATE),
    routed AS (
      UPDATE files f SET
        routed_at = now(), updated_at = now(), woken_at = NULL, next_action_at = NULL, is_large = i."isLarge",
        job_count = i."jobCount", open_jobs = i."jobCount",
        status = CASE WHEN i."jobCount" > 0 THEN 'PROCESSING' WHEN i."companionOf" IS NOT NULL THEN 'COMPANION'
          WHEN i."isForOtherRegion" THEN 'ELSEWHERE' ELSE 'QUARANTINED' END,
        finished_at = CASE WHEN i."jobCount" > 0 THEN NULL ELSE now() END,
        error_code = i."errorCode", error_cause = i."errorCause", error_message = i."errorMessage"
      FROM input i WHERE f.id = i."fileId" AND f.id IN (SELECT id FROM locked)
      RETURNING f.*, i."companionOf" AS companion_of),
    candidate AS (
      SELECT j.*, r.tenant_id, t.time_zone, r.order_key, r.uploaded_at AS order_at, r.order_seq,
        j."startAt" > now() AND NOT j."isOrdered" AS is_early,
        greatest(CASE WHEN j."isOrdered" THEN least(r.uploaded_at, r.created_at) + ${settleMs}::int * interval '1 ms' END, j."startAt") AS starts_at
      FROM job_input j JOIN routed r ON r.id = j."fileId" JOIN tenants t ON t.id = r.tenant_id),
    asking AS (SELECT id, tenant_id, queue, order_seq AS place FROM candidate WHERE NOT "isOrdered" AND is_early IS NOT TRUE AND batch IS NULL),
    ${admit(sql, window)},
    joining_batch AS (
      SELECT tenant_id, "routeId" AS route_id, batch, 1 AS files, NULL::uuid AS manifest_file_id, NULL::jsonb AS expected
      FROM candidate WHERE batch IS NOT NULL
      UNION ALL
      SELECT r.tenant_id, m."routeId", m.batch, 0, r.id, m.expected FROM manifest_input m JOIN routed r ON r.id = m."fileId"),
    ${joinBatches(sql)},
    created AS (
      INSERT INTO jobs (
        id, tenant_id, file_id, route_id, route_version_id, batch_id, state, is_large, lane, step_kind, step_count, max_attempts, queue,
        is_ordered, head_failure, order_key, order_at, order_seq, awaits_turn, wait_reason, next_action_at, time_zone, woken_at, wakes)
      SELECT c.id, c.tenant_id, c."fileId", c."routeId", c."routeVersionId", b.id, CASE WHEN c.is_early OR b.id IS NOT NULL THEN 'WAITING' ELSE 'PENDING' END,
        c."isLarge", c.lane, c."stepKind", c."stepCount", c."maxAttempts", c.queue, c."isOrdered", c."headFailure", c.order_key, c.order_at, c.order_seq,
        c."isOrdered", CASE WHEN c."isOrdered" THEN ${TURN} WHEN b.id IS NOT NULL THEN ${BATCH} WHEN c.is_early THEN ${QUIET_HOURS} END, c.starts_at, c.time_zone,
        CASE WHEN a.id IS NOT NULL THEN now() END, (a.id IS NOT NULL)::int
      FROM candidate c LEFT JOIN admitted a USING (id)
        LEFT JOIN batch_joined b ON b.route_id = c."routeId" AND b.key = c.batch ->> 'key'
      RETURNING id, tenant_id, file_id, queue, wakes, woken_at),
    joining AS (SELECT order_key, "routeId" AS route_id, tenant_id FROM candidate WHERE "isOrdered"),
    ${joinLines(sql)},
    event AS (
      SELECT CASE WHEN status = 'PROCESSING' THEN 'file.routed' ELSE 'file.' || lower(status) END AS type,
        tenant_id, id AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('key', key, 'sizeBytes', size_bytes, 'parentFileId', parent_file_id, 'jobs', job_count, 'isLarge', is_large, 'route', companion_of,
          'code', error_code, 'cause', error_cause, 'message', error_message)) AS detail,
        CASE WHEN status = 'QUARANTINED' THEN '{events,failure}'::text[] ELSE '{events}'::text[] END AS topics
      FROM routed),
    ${recordEvents(sql, actor)}
    SELECT id, file_id AS "fileId", tenant_id AS "tenantId", queue, wakes AS wake FROM created WHERE woken_at IS NOT NULL`;
}
