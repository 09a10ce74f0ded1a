/**
 * The rows of `uploads`: begun, received under a lease, ended.
 *
 * 1. An upload is completed by the registration of its object alone (`register-files.ts`), so both are there or neither.
 * 2. One Idempotency-Key is one upload. Who receives its body holds a lease; after a crash the next request with the key takes it over.
 * 3. Before the last byte of a body is given to the store, its process says so under its epoch: one that was taken over writes nothing.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import type { FileStatus, UploadSource, UploadState } from '#shared/db/schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface UploadRow {
  readonly id: string;
  readonly tenantId: string;
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes: number | null;
  readonly contentType: string | null;
  readonly source: UploadSource;
  readonly uploadedBy: string;
  readonly linkId: string | null;
  readonly state: UploadState;
  readonly partBytes: number | null;
  readonly isChecked: boolean;
  readonly storeUploadId: string | null;
  readonly requestHash: string | null;
  readonly versionId: string | null;
  readonly errorCode: string | null;
  readonly isHeld: boolean;
  readonly epoch: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly isExpired: boolean;
  readonly fileId: string | null;
  readonly fileStatus: FileStatus | null;
}

export interface NewUpload {
  readonly id: string;
  readonly tenantId: string;
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes: number | null;
  readonly contentType?: string | undefined;
  readonly source: UploadSource;
  readonly uploadedBy: string;
  /** As it is in the audit. */
  readonly actor: string;
  readonly linkId?: string | undefined;
  readonly reason?: string | undefined;
  readonly partBytes?: number | undefined;
  readonly isChecked?: boolean | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly requestHash?: string | undefined;
  /** A process that receives the body holds it from the beginning. */
  readonly isHeld: boolean;
}

export const UPLOAD_LEASE_MS = 60_000;
const UPLOAD_HOURS = 24;

/** Undefined: there is one of this key or link already. Event: `upload.created`. */
export async function createUpload(sql: Sql, upload: NewUpload): Promise<UploadRow | undefined> {
  const { id, tenantId, sizeBytes, linkId = null, reason = null } = upload;
  const rows = await sql<{ id: string }[]>`
    WITH created AS (
      INSERT INTO uploads (id, tenant_id, bucket, key, size_bytes, content_type, source, uploaded_by, link_id, state, part_bytes,
        is_checked, idempotency_key, request_hash, lease_until, expires_at)
      VALUES (${id}, ${tenantId}, ${upload.bucket}, ${upload.key}, ${sizeBytes}, ${upload.contentType ?? null}, ${upload.source},
        ${upload.uploadedBy}, ${linkId}, 'OPEN', ${upload.partBytes ?? null}, ${upload.isChecked ?? false},
        ${upload.idempotencyKey ?? null}, ${upload.requestHash ?? null},
        CASE WHEN ${upload.isHeld} THEN now() + ${UPLOAD_LEASE_MS}::int * interval '1 ms' END,
        now() + ${UPLOAD_HOURS}::int * interval '1 hour')
      ON CONFLICT DO NOTHING RETURNING *),
    event AS (
      SELECT 'upload.created' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        ${detailOf(sql)} || jsonb_strip_nulls(jsonb_build_object('reason', ${reason}::text)) AS detail, '{events}'::text[] AS topics
      FROM created),
    ${recordEvents(sql, upload.actor)}
    SELECT id FROM created`;
  return rows.length === 0 ? undefined : await findUpload(sql, { id, tenantId });
}

function detailOf(sql: Sql) {
  return sql`jsonb_strip_nulls(jsonb_build_object('uploadId', id, 'key', key, 'sizeBytes', size_bytes, 'source', source,
    'uploadedBy', uploaded_by, 'linkId', link_id))`;
}

function columnsOf(sql: Sql) {
  return sql`u.id, u.tenant_id AS "tenantId", u.bucket, u.key, u.size_bytes::float8 AS "sizeBytes", u.content_type AS "contentType",
    u.source, u.uploaded_by AS "uploadedBy", u.link_id AS "linkId", u.state, u.part_bytes::float8 AS "partBytes",
    u.is_checked AS "isChecked", u.store_upload_id AS "storeUploadId", u.request_hash AS "requestHash",
    u.version_id AS "versionId", u.error_code AS "errorCode", coalesce(u.lease_until > now(), false) AS "isHeld", u.epoch,
    u.created_at AS "createdAt", u.expires_at AS "expiresAt",
    u.expires_at <= now() AS "isExpired", f.id AS "fileId", f.status AS "fileStatus"`;
}

/** Null of the tenant: an operator's, any. */
export async function findUpload(
  sql: Sql,
  { id, tenantId }: { readonly id: string; readonly tenantId: string | null },
): Promise<UploadRow | undefined> {
  const [row] = await sql<UploadRow[]>`
    SELECT ${columnsOf(sql)}
    FROM uploads u LEFT JOIN files f ON f.bucket = u.bucket AND f.key = u.key AND f.version_id = u.version_id
    WHERE u.id = ${id} AND (${tenantId}::text IS NULL OR u.tenant_id = ${tenantId})`;
  return row;
}

/** By its Idempotency-Key, or by the link that it came by. */
export async function findUploadOf(
  sql: Sql,
  of: { readonly tenantId: string; readonly idempotencyKey: string } | { readonly linkId: string },
): Promise<UploadRow | undefined> {
  const condition =
    'linkId' in of
      ? sql`u.link_id = ${of.linkId} AND u.state <> 'ABORTED'`
      : sql`u.tenant_id = ${of.tenantId} AND u.idempotency_key = ${of.idempotencyKey}`;
  const [row] = await sql<UploadRow[]>`
    SELECT ${columnsOf(sql)}
    FROM uploads u LEFT JOIN files f ON f.bucket = u.bucket AND f.key = u.key AND f.version_id = u.version_id
    WHERE ${condition}`;
  return row;
}

/** It is sent once more: undefined when another process holds it, or it is completed. */
export async function takeUpload(
  sql: Sql,
  { id, sizeBytes }: { readonly id: string; readonly sizeBytes: number | null },
) {
  const rows = await sql<{ epoch: number }[]>`
    UPDATE uploads SET state = 'OPEN', epoch = epoch + 1, error_code = NULL, store_upload_id = NULL, finished_at = NULL, size_bytes = ${sizeBytes},
      lease_until = CASE WHEN part_bytes IS NULL THEN now() + ${UPLOAD_LEASE_MS}::int * interval '1 ms' END, expires_at = now() + ${UPLOAD_HOURS}::int * interval '1 hour'
    WHERE id = ${id} AND state <> 'COMPLETED' AND (lease_until IS NULL OR lease_until <= now()) RETURNING epoch`;
  return rows[0]?.epoch;
}

export interface HeldUpload {
  readonly id: string;
  readonly epoch: number;
}

/** False: it is another's by now. */
export async function renewUpload(sql: Sql, { id, epoch }: HeldUpload): Promise<boolean> {
  const rows = await sql`
    UPDATE uploads SET lease_until = now() + ${UPLOAD_LEASE_MS}::int * interval '1 ms'
    WHERE id = ${id} AND epoch = ${epoch} AND state IN ('OPEN', 'COMPLETING') AND lease_until > now() RETURNING 1`;
  return rows.length > 0;
}

/** All bytes are there and right: from now on the object may appear. Longer than the store is given to answer. */
export async function beginCompletion(sql: Sql, { id, epoch }: HeldUpload): Promise<boolean> {
  const rows = await sql`
    UPDATE uploads SET state = 'COMPLETING', lease_until = CASE WHEN lease_until IS NOT NULL THEN now() + interval '3 minutes' END
    WHERE id = ${id} AND epoch = ${epoch} AND state IN ('OPEN', 'COMPLETING') AND (lease_until IS NULL OR lease_until > now())
    RETURNING 1`;
  return rows.length > 0;
}

/** The multipart upload in the store; false when the row is another's by now. */
export async function noteStoreUpload(sql: Sql, { id, epoch }: HeldUpload, storeUploadId: string): Promise<boolean> {
  const rows = await sql`
    UPDATE uploads SET store_upload_id = ${storeUploadId}
    WHERE id = ${id} AND epoch = ${epoch} AND state IN ('OPEN', 'COMPLETING') AND store_upload_id IS NULL RETURNING 1`;
  return rows.length > 0;
}

export interface UploadAbort extends HeldUpload {
  readonly code: string;
  readonly actor: string;
  /** Only before its completion began. */
  readonly isOpen?: boolean;
}

/** False when it had ended before. Event: `upload.aborted`. */
export async function abortUploadRow(
  sql: Sql,
  { id, epoch, code, actor, isOpen = false }: UploadAbort,
): Promise<boolean> {
  const rows = await sql`
    WITH aborted AS (
      UPDATE uploads SET state = 'ABORTED', error_code = ${code}, lease_until = NULL, finished_at = now()
      WHERE id = ${id} AND epoch = ${epoch} AND (state = 'OPEN' OR state = 'COMPLETING' AND NOT ${isOpen}) RETURNING *),
    event AS (
      SELECT 'upload.aborted' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        ${detailOf(sql)} || jsonb_build_object('code', error_code) AS detail, '{events}'::text[] AS topics
      FROM aborted),
    ${recordEvents(sql, actor)}
    SELECT 1 FROM aborted`;
  return rows.length > 0;
}

export interface ExpiredUpload extends HeldUpload {
  readonly bucket: string;
  readonly key: string;
  readonly storeUploadId: string | null;
}

export async function findExpiredUploads(sql: Sql, limit: number): Promise<ExpiredUpload[]> {
  return await sql<ExpiredUpload[]>`
    SELECT id, epoch, bucket, key, store_upload_id AS "storeUploadId" FROM uploads
    WHERE state IN ('OPEN', 'COMPLETING') AND expires_at <= now() AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY expires_at LIMIT ${literalLimit(sql, limit)}`;
}

/** Rows of uploads that ended, and links without uploads, after `days`. */
export async function deleteEndedUploads(sql: Sql, days: number, limit: number): Promise<void> {
  await sql`
    DELETE FROM uploads WHERE id IN (
      SELECT id FROM uploads WHERE finished_at < now() - ${days}::int * interval '1 day' LIMIT ${literalLimit(sql, limit)})`;
  await sql`
    DELETE FROM upload_links WHERE id IN (
      SELECT l.id FROM upload_links l WHERE l.expires_at < now() - ${days}::int * interval '1 day'
        AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.link_id = l.id) LIMIT ${literalLimit(sql, limit)})`;
}
