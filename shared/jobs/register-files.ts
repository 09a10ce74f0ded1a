/**
 * Arrival: an object version becomes a file, once.
 *
 * In:  object versions, each `QUEUED` (its upload is whole), `UPLOADED` (wait until it is known to be) or `QUARANTINED`.
 * Out: the files that this call made or moved on, with the wake-up to send for those now `QUEUED`, and the objects that the database
 *      refuses. What was registered before and has nothing new to say is absent.
 * Content that came before is flagged, of two in one batch the later upload. Whether another process registers the same content in the same moment
 * is asked afterwards, in its own statement: of two side by side the later one sees both.
 * Events: `file.uploaded`, `file.queued`, `file.quarantined`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock, runSet, toJsonb } from '#shared/db/run-statements.ts';
import type { FileStatus } from '#shared/db/schema.ts';
import type { StoredHead } from '#shared/files/object-store.ts';
import { uploadIdIn } from '#shared/uploads/upload-metadata.ts';
import { recordEvents } from './record-events.ts';

export interface ArrivedObject {
  /** UUIDv7, given by the caller; ignored when the object is registered already. */
  readonly id: string;
  readonly tenantId: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly etag: string;
  /** What steps need of the object besides, so that they need not ask again. */
  readonly head?: StoredHead;
  /** Of the store: orders the versions of one key that came in the same instant. */
  readonly sequencer?: string;
  /** Equal for equal bytes. */
  readonly contentHash?: string;
  readonly source: 'sftp' | 's3' | 'reconciliation';
  readonly uploadedBy?: string;
  /** When the upload ended, RFC 3339. */
  readonly uploadedAt: string;
  /** Files of one key keep their order on ordered routes: a hash of tenant and directory. */
  readonly orderKey: string;
  readonly status: Extract<FileStatus, 'UPLOADED' | 'QUEUED' | 'QUARANTINED'>;
  /** For `UPLOADED`: after how long without further word the upload counts as whole. */
  readonly quietMs?: number;
  readonly error?: { readonly code: string; readonly cause: string; readonly message: string };
}

export interface RegisteredFile {
  readonly id: string;
  readonly tenantId: string;
  readonly key: string;
  readonly status: FileStatus;
  readonly orderKey: string;
  readonly wake: number;
  readonly duplicateOf: string | null;
}

export interface RegisterResult {
  readonly files: RegisteredFile[];
  /** What the database says of each object that it refuses, by the id given to it. */
  readonly refused: ReadonlyMap<string, string>;
}

const PRECEDENCE = { UPLOADED: 0, QUARANTINED: 1, QUEUED: 2 } as const;

export async function registerFiles(
  sql: Sql,
  objects: readonly ArrivedObject[],
  actor: string,
): Promise<RegisterResult> {
  const { results, refused } = await runSet({
    rows: mergeRepeated(objects).map((object, place) => ({ ...object, place })),
    keyOf: objectKey,
    run: (rows) => registerSet(sql, rows, actor),
  });
  const flagged = await flagSimultaneous(sql, results.flat());
  const errors = new Map(refused.map(({ row, error }) => [objectKey(row), String(error)]));
  const reasons = objects.flatMap((object) => {
    const reason = errors.get(objectKey(object));
    return reason === undefined ? [] : [[object.id, reason] as const];
  });
  const files = results
    .flat()
    .map((file) => ({ ...file, duplicateOf: file.duplicateOf ?? flagged.get(file.id) ?? null }));
  return { files, refused: new Map(reasons) };
}

/** No statement that registers takes longer. */
const SIMULTANEOUS_MS = 120_000;
const MOST_SIMULTANEOUS = 100;

/** By id, of what file each is a duplicate. Of what was registered so long ago nothing is looked at: those found it themselves. */
async function flagSimultaneous(sql: Sql, registered: readonly RegisteredFile[]): Promise<Map<string, string>> {
  const unflagged = registered.filter(({ duplicateOf }) => duplicateOf === null).map(({ id }) => id);
  if (unflagged.length === 0) return new Map();
  const isOfContent = sql`f.tenant_id = c.tenant_id AND f.content_hash = c.content_hash AND f.size_bytes = c.size_bytes
          AND f.created_at > now() - ${SIMULTANEOUS_MS}::int * interval '1 ms' AND f.duplicate_of IS NULL`;
  const rows = await repeatOnDeadlock(
    () => sql<{ id: string; duplicateOf: string }[]>`
    WITH content AS MATERIALIZED (
      SELECT DISTINCT tenant_id, content_hash, size_bytes FROM files
      WHERE id = ANY(${unflagged}::uuid[]) AND content_hash IS NOT NULL AND size_bytes > 0),
    later AS MATERIALIZED (
      SELECT same.id, first.id AS first_id FROM content c
      CROSS JOIN LATERAL (SELECT f.id FROM files f WHERE ${isOfContent} ORDER BY f.created_at, f.id LIMIT 1) AS first
      CROSS JOIN LATERAL (
        SELECT f.id FROM files f WHERE ${isOfContent} AND f.id <> first.id ORDER BY f.created_at, f.id LIMIT ${MOST_SIMULTANEOUS}) AS same),
    locked AS MATERIALIZED (SELECT id FROM files WHERE id IN (SELECT id FROM later) ORDER BY id FOR UPDATE)
    UPDATE files f SET duplicate_of = l.first_id FROM later l JOIN locked USING (id) WHERE f.id = l.id
    RETURNING f.id, f.duplicate_of AS "duplicateOf"`,
  );
  return new Map(rows.map(({ id, duplicateOf }) => [id, duplicateOf]));
}

/** Two events of one object in one batch: the one that says more counts. */
function mergeRepeated(objects: readonly ArrivedObject[]): ArrivedObject[] {
  const merged = new Map<string, ArrivedObject>();
  for (const object of objects) {
    const known = merged.get(objectKey(object));
    if (known === undefined || PRECEDENCE[object.status] > PRECEDENCE[known.status])
      merged.set(objectKey(object), object);
  }
  return [...merged.values()];
}

function objectKey(object: ArrivedObject): string {
  return `${object.bucket}\n${object.key}\n${object.versionId}`;
}

function registerSet(
  sql: Sql,
  objects: (ArrivedObject & { readonly place: number })[],
  actor: string,
): Promise<RegisteredFile[]> {
  const rows = objects.map(({ error, ...object }) => ({
    ...object,
    errorCode: error?.code,
    errorCause: error?.cause,
    errorMessage: error?.message,
  }));
  return sql<RegisteredFile[]>`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS r(
        id uuid, "tenantId" text, bucket text, key text, "versionId" text, name text, "sizeBytes" bigint, etag text,
        source text, "uploadedBy" text, "uploadedAt" timestamptz, "orderKey" text, status text, "quietMs" int,
        "errorCode" text, "errorCause" text, "errorMessage" text, head jsonb, "contentHash" text, sequencer text, place int)),
    numbered AS MATERIALIZED (
      SELECT in_order.*, CASE WHEN status = 'QUEUED' THEN nextval('file_order') END AS seq
      FROM (SELECT * FROM input ORDER BY "uploadedAt", place OFFSET 0) AS in_order),
    fresh AS (
      SELECT id, first_value(id) OVER (PARTITION BY "tenantId", "contentHash", "sizeBytes" ORDER BY "uploadedAt", place) AS first_id
      FROM numbered n WHERE "contentHash" IS NOT NULL AND "sizeBytes" > 0 AND NOT EXISTS (
        SELECT FROM files f WHERE (f.bucket, f.key, f.version_id) = (n.bucket, n.key, n."versionId"))),
    -- Of what came over HTTP: who sent it. The id is in the metadata that the API gave the object; a key of others proves nothing.
    sender AS (
      SELECT n.id, u.id AS upload_id, u.source, u.uploaded_by FROM numbered n JOIN uploads u
        ON u.id = ${uploadIdIn(sql, sql`n.head`)} AND u.bucket = n.bucket AND u.key = n.key),
    registered AS (
      INSERT INTO files AS f (
        id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_by, uploaded_at, order_key,
        order_seq, status, error_code, error_cause, error_message, queue, wakes, woken_at, next_action_at, finished_at,
        head, content_hash, sequencer, duplicate_of)
      SELECT
        id, "tenantId", bucket, key, "versionId", name, "sizeBytes", etag,
        coalesce((SELECT s.source FROM sender s WHERE s.id = numbered.id), source),
        coalesce((SELECT s.uploaded_by FROM sender s WHERE s.id = numbered.id), "uploadedBy"), "uploadedAt", "orderKey",
        seq, status, "errorCode", "errorCause", "errorMessage", 'ingest',
        CASE WHEN status = 'QUEUED' THEN 1 ELSE 0 END,
        CASE WHEN status = 'QUEUED' THEN now() END,
        CASE WHEN status = 'UPLOADED' THEN now() + "quietMs" * interval '1 ms' END,
        CASE WHEN status = 'QUARANTINED' THEN now() END,
        head, "contentHash", sequencer,
        coalesce((SELECT d.id FROM files d
         WHERE d.tenant_id = "tenantId" AND d.content_hash = "contentHash" AND d.size_bytes = "sizeBytes" AND "sizeBytes" > 0
           AND (d.bucket, d.key, d.version_id) <> (numbered.bucket, numbered.key, numbered."versionId")
         ORDER BY d.created_at LIMIT 1), (SELECT nullif(f.first_id, f.id) FROM fresh f WHERE f.id = numbered.id))
      FROM numbered ORDER BY bucket, key, "versionId"
      ON CONFLICT (bucket, key, version_id) DO UPDATE SET
        status = excluded.status, uploaded_at = excluded.uploaded_at, order_seq = excluded.order_seq,
        head = coalesce(excluded.head, f.head), content_hash = coalesce(excluded.content_hash, f.content_hash),
        sequencer = coalesce(excluded.sequencer, f.sequencer), duplicate_of = coalesce(f.duplicate_of, excluded.duplicate_of),
        uploaded_by = coalesce(excluded.uploaded_by, f.uploaded_by),
        source = CASE WHEN f.source = 'pull' THEN f.source ELSE excluded.source END, error_code = excluded.error_code, error_cause = excluded.error_cause,
        error_message = excluded.error_message, wakes = f.wakes + excluded.wakes, woken_at = excluded.woken_at,
        next_action_at = excluded.next_action_at, finished_at = excluded.finished_at, updated_at = now()
      WHERE f.status = 'UPLOADED' AND excluded.status <> 'UPLOADED'
      RETURNING f.*),
    -- An upload whose process ended before it could say so is completed by this, with the first of what it brought.
    ended AS (
      UPDATE uploads u SET state = 'COMPLETED', version_id = s.version_id, lease_until = NULL, finished_at = now()
      FROM (
        SELECT DISTINCT ON (upload_id) upload_id, version_id FROM registered r JOIN sender USING (id)
        ORDER BY upload_id, r.uploaded_at, r.order_seq) AS s
      WHERE u.id = s.upload_id AND u.state IN ('OPEN', 'COMPLETING')),
    event AS (
      SELECT 'file.' || lower(status) AS type, tenant_id, id AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object(
          'key', key, 'sizeBytes', size_bytes, 'source', source, 'uploadedBy', uploaded_by, 'duplicateOf', duplicate_of,
          'code', error_code, 'cause', error_cause, 'message', error_message)) AS detail,
        CASE WHEN status = 'QUARANTINED' THEN '{events,failure}'::text[] ELSE '{events}'::text[] END AS topics
      FROM registered),
    ${recordEvents(sql, actor)}
    SELECT id, tenant_id AS "tenantId", key, status, order_key AS "orderKey", wakes AS wake, duplicate_of AS "duplicateOf"
    FROM registered ORDER BY uploaded_at, order_seq`;
}
