/**
 * Archiving: the file's own last step, once all its jobs have ended. It is done under the file's lease and epoch.
 *
 * `claimArchives`. In: file ids from wake-ups. Out: the files claimed. Event: `file.archive-claimed`.
 * `storeArchives`. In: where each object is now, or why it could not be moved yet. A stale epoch changes nothing.
 *                  Events: `file.completed`, `file.failed`, `file.quarantined`, `file.archive-retrying`, and `file.archived` or
 *                  `file.archive-lost` when a job was reopened meanwhile.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { type RefusedRow, runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { FileStatus } from '#shared/db/schema.ts';
import { isQuarantining } from './quarantine.ts';
import { recordEvents } from './record-events.ts';
import type { ClosedFile } from './store-outcomes.ts';

export interface ClaimArchivesOptions {
  readonly fileIds: readonly string[];
  readonly token: string;
  readonly service: string;
  readonly leaseMs: number;
}

/** The same token again returns the same files: the first reply can have been lost. */
export async function claimArchives(sql: Sql, options: ClaimArchivesOptions): Promise<ClosedFile[]> {
  return await sql<ClosedFile[]>`
    WITH candidate AS (
      SELECT id, claim_token IS NOT DISTINCT FROM ${options.token}::uuid AS is_repeat FROM files
      WHERE id = ANY(${[...options.fileIds]}::uuid[]) AND status = 'PROCESSING' AND open_jobs = 0 AND archived_at IS NULL
        AND routed_at IS NOT NULL AND (lease_until IS NULL OR lease_until < now() OR claim_token = ${options.token}::uuid)
        AND coalesce(next_action_at <= now(), true)
      ORDER BY id FOR UPDATE),
    claimed AS (
      UPDATE files f SET
        updated_at = now(), woken_at = NULL, next_action_at = NULL, claim_token = ${options.token}::uuid,
        lease_until = now() + ${options.leaseMs}::int * interval '1 ms',
        epoch = f.epoch + (NOT c.is_repeat)::int, archive_attempts = f.archive_attempts + (NOT c.is_repeat)::int
      FROM candidate c WHERE f.id = c.id RETURNING f.*, c.is_repeat),
    event AS (
      SELECT 'file.archive-claimed' AS type, tenant_id, id AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('epoch', epoch, 'attempt', archive_attempts) AS detail, '{}'::text[] AS topics
      FROM claimed WHERE NOT is_repeat),
    ${recordEvents(sql, options.service)}
    SELECT id, tenant_id AS "tenantId", name, key, bucket, version_id AS "versionId", size_bytes::float8 AS "sizeBytes", etag,
      to_jsonb(uploaded_at) #>> '{}' AS "uploadedAt", head, status, epoch, wakes AS wake, 'held' AS archive
    FROM claimed ORDER BY id`;
}

export type ArchiveOutcome =
  | {
      readonly type: 'archived';
      readonly fileId: string;
      readonly epoch: number;
      readonly bucket: string;
      readonly key: string;
      readonly versionId: string;
    }
  | {
      readonly type: 'later';
      readonly fileId: string;
      readonly epoch: number;
      readonly delayMs: number;
      readonly cause: string;
      readonly message: string;
    }
  /** The object is neither in landing nor in the archive, and will not come back: a version id is never given twice. */
  | { readonly type: 'gone'; readonly fileId: string; readonly epoch: number; readonly message: string };

/**
 * What a file's time may be compared with: `records` go at their partners' pace, and `attended` by an operator (held, reopened, cancelled)
 * at a person's.
 */
export type FileClass = 'small' | 'large' | 'records' | 'attended';

export interface FinishedFile {
  readonly id: string;
  readonly tenantId: string;
  readonly status: FileStatus;
  readonly class: FileClass;
  /** Since the end of its upload, by the database's clock. */
  readonly seconds: number;
}

/** Resolves to the files that are terminal now, and to the rows that the database refuses (class 22/23); the others are stored. */
export async function storeArchives(
  sql: Sql,
  outcomes: readonly ArchiveOutcome[],
  service: string,
): Promise<{ readonly finished: FinishedFile[]; readonly refused: RefusedRow<ArchiveOutcome>[] }> {
  const { results, refused } = await runSet({
    rows: outcomes,
    keyOf: (outcome) => outcome.fileId,
    run: (rows) => storeSet(sql, rows, service),
  });
  return { finished: results.flat(), refused };
}

function storeSet(sql: Sql, outcomes: ArchiveOutcome[], service: string): Promise<FinishedFile[]> {
  /** A failed job says more about its file than that the original went after it. */
  const isLost = sql`i.type = 'gone' AND f.open_jobs = 0 AND f.failed_jobs = 0`;
  return sql<FinishedFile[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(outcomes)}::text::jsonb) AS r(
        type text, "fileId" uuid, epoch int, bucket text, key text, "versionId" text, "delayMs" float8, cause text,
        message text)),
    locked AS (
      SELECT f.id FROM files f JOIN input i ON f.id = i."fileId"
      WHERE f.epoch = i.epoch AND f.status = 'PROCESSING' AND f.archived_at IS NULL
      ORDER BY f.id FOR UPDATE OF f),
    moved AS (
      UPDATE files f SET
        updated_at = now(), lease_until = NULL, claim_token = NULL,
        archive_bucket = i.bucket, archive_key = i.key, archive_version_id = i."versionId",
        archived_at = CASE WHEN i.type = 'archived' THEN now() END,
        finished_at = CASE WHEN i.type <> 'later' AND f.open_jobs = 0 THEN now() END,
        next_action_at = CASE WHEN i.type = 'later' THEN now() + i."delayMs" * interval '1 ms' END,
        status = CASE WHEN i.type = 'later' OR f.open_jobs > 0 THEN f.status
          WHEN f.failed_jobs > 0 AND ${isQuarantining(sql, sql`f.error_cause`)} THEN 'QUARANTINED'
          WHEN i.type = 'gone' OR f.failed_jobs > 0 THEN 'FAILED' ELSE 'COMPLETED' END,
        error_code = CASE WHEN ${isLost} THEN 'ARCHIVE_ERROR' ELSE f.error_code END,
        error_cause = CASE WHEN ${isLost} THEN 'SOURCE_GONE' ELSE f.error_cause END,
        error_message = CASE WHEN ${isLost} THEN i.message ELSE f.error_message END
      FROM input i WHERE f.id = i."fileId" AND f.id IN (SELECT id FROM locked)
      RETURNING f.*, i.type AS outcome, i.cause, i.message),
    event AS (
      SELECT CASE WHEN outcome = 'later' THEN 'file.archive-retrying' WHEN open_jobs = 0 THEN 'file.' || lower(status)
          WHEN outcome = 'archived' THEN 'file.archived' ELSE 'file.archive-lost' END AS type,
        tenant_id, id AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('key', key, 'sizeBytes', size_bytes, 'jobs', job_count, 'failedJobs', failed_jobs,
          'durationMs', CASE WHEN status <> 'PROCESSING' THEN greatest(0, round(extract(epoch FROM now() - uploaded_at) * 1000)) END,
          'archive', CASE WHEN outcome = 'archived' THEN jsonb_build_object('bucket', archive_bucket, 'key', archive_key,
            'versionId', archive_version_id) END,
          'code', CASE WHEN status IN ('FAILED', 'QUARANTINED') THEN error_code END,
          'cause', CASE WHEN status IN ('FAILED', 'QUARANTINED') THEN error_cause ELSE cause END,
          'message', CASE WHEN status IN ('FAILED', 'QUARANTINED') THEN error_message ELSE message END,
          'nextActionAt', next_action_at)) AS detail,
        CASE WHEN status = 'PROCESSING' THEN '{events}'::text[] WHEN status = 'COMPLETED' THEN '{events,success}'::text[]
          ELSE '{events,failure}'::text[] END AS topics
      FROM moved),
    ${recordEvents(sql, service)}
    SELECT id, tenant_id AS "tenantId", status, greatest(0, extract(epoch FROM now() - uploaded_at))::float8 AS seconds,
      CASE WHEN j.is_attended THEN 'attended' WHEN j.has_records THEN 'records' WHEN is_large THEN 'large' ELSE 'small' END AS class
    FROM moved CROSS JOIN LATERAL (
      SELECT bool_or(generation > 1 OR released_at IS NOT NULL OR error_cause IS NOT DISTINCT FROM 'OPERATOR') AS is_attended,
        bool_or(open_records IS NOT NULL) AS has_records
      FROM jobs WHERE file_id = moved.id) AS j
    WHERE status IN ('COMPLETED', 'FAILED', 'QUARANTINED') ORDER BY id`;
}
