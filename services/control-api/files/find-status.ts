/**
 * Where a file is, in the form that partners' programs read: one flat object.
 *
 * `reference` is our id, or the file's name, or its path (as its sender sees it, or as its key in the bucket); names and paths
 * come again, and then the newest counts.
 */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, inArray, or, sql } from '#shared/db/drizzle.ts';
import {
  attempts,
  type FileStatus,
  files,
  jobs,
  RECORD_STATES,
  type RecordState,
  recordAttempts,
  sftpUsers,
} from '#shared/db/schema.ts';
import type { RecordSummary } from '#shared/steps/record-store.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { idField } from '../http/request-fields.ts';
import { ofTenant } from '../http/tenant-scope.ts';
import type { CountRecords } from '../records/count-records.ts';

export const fileStatusSchema = z
  .object({
    file_id: z.string(),
    customer_id: z.string(),
    file_name: z.string(),
    source_bucket: z.string(),
    key: z.string(),
    destination_bucket: z.string().nullable().describe('Null until the file is delivered.'),
    file_size: z.number().describe('Bytes.'),
    file_type: z.string().nullable().describe('The extension of the name, lower case.'),
    status: z.enum(['uploaded', 'queued', 'processing', 'completed', 'failed']),
    upload_timestamp: z.string(),
    transfer_timestamp: z.string().nullable().describe('When the last delivery ended.'),
    processed_by: z
      .string()
      .nullable()
      .describe('The service that processed it: the large-file-worker for large files.'),
    processing_time_ms: z
      .number()
      .nullable()
      .describe('Working time, without waiting for operators, partners or retries; null before the end.'),
    retry_count: z.number().describe('Attempts after the first, and retries by operators.'),
    error_message: z.string().nullable(),
    held: z.boolean().describe('Whether it waits for an operator.'),
    records: z
      .object({
        total: z.number(),
        success: z.number(),
        failed: z.number(),
        ambiguous: z.number().describe('Records for which the result at the partner is unknown.'),
        rejected: z.number().describe('Rows that could not be read.'),
      })
      .nullable()
      .describe('For record files, over all jobs; null for other files.'),
  })
  .meta({ id: 'FileStatus' });
export type FileStatusReply = z.infer<typeof fileStatusSchema>;

/** A set-aside file failed, for its sender: it will not be delivered as it is. */
const PUBLIC_STATUSES: Readonly<Record<FileStatus, FileStatusReply['status']>> = {
  UPLOADED: 'uploaded',
  QUEUED: 'queued',
  PROCESSING: 'processing',
  COMPLETED: 'completed',
  FAILED: 'failed',
  QUARANTINED: 'failed',
  // It was read with the file that it belongs to, and nothing else is to become of it.
  COMPANION: 'completed',
  // The fleet of its home carries it.
  ELSEWHERE: 'processing',
};

/** `tenantId` null sees every tenant. Resolves to undefined when there is no such file in sight. */
export type FindStatus = (tenantId: string | null, reference: string) => Promise<FileStatusReply | undefined>;

export interface StatusParts {
  readonly reads: Reads;
  readonly countRecords: CountRecords;
}

const REMEMBERED_WORK = 10_000;
/** Tries that are noted after the end of their file are counted in after so long. */
const REMEMBER_WORK_MS = 60_000;

export function createStatusFinder({ reads, countRecords }: StatusParts): FindStatus {
  /** Of files that ended. Programs ask for those again and again, and counting reads the tries of all their records. */
  const workMs = new LRUCache<string, { readonly ms: number | null }>({ max: REMEMBERED_WORK, ttl: REMEMBER_WORK_MS });

  async function workOf({ id, endedAt, retryCount }: StatusRow): Promise<number | null> {
    if (endedAt === null) return null;
    const key = `${id} ${endedAt} ${retryCount}`;
    const known = workMs.get(key);
    if (known !== undefined) return known.ms;
    const ms = await findWorkMs(reads, id);
    workMs.set(key, { ms });
    return ms;
  }

  return async (tenantId, reference) => {
    const file = await findFile(reads, tenantId, reference);
    if (file === undefined) return undefined;
    const [work, records] = await Promise.all([workOf(file), countAll(file.recordJobs, countRecords)]);
    return {
      file_id: file.id,
      customer_id: file.tenantId,
      file_name: file.name,
      source_bucket: file.bucket,
      key: file.key,
      destination_bucket: file.deliveredTo,
      file_size: file.sizeBytes,
      file_type: fileTypeOf(file.name),
      status: PUBLIC_STATUSES[file.status],
      upload_timestamp: file.uploadedAt,
      transfer_timestamp: file.deliveredAt,
      processed_by: file.processedBy,
      processing_time_ms: file.endedAt === null ? null : (work ?? file.processingMs),
      retry_count: file.retryCount,
      error_message: file.errorMessage,
      held: file.isHeld,
      records,
    };
  };
}

type RecordJob = { readonly id: string; readonly summary: RecordSummary | null };

async function countAll(recordJobs: readonly RecordJob[], count: CountRecords): Promise<FileStatusReply['records']> {
  if (recordJobs.length === 0) return null;
  const summaries = await Promise.all(recordJobs.map(({ id, summary }) => summary ?? count(id)));
  const of = (state: RecordState) => summaries.reduce((sum, { byState }) => sum + (byState[state] ?? 0), 0);
  return {
    total: RECORD_STATES.reduce((sum, state) => sum + of(state), 0),
    success: of('SUCCESS'),
    failed: of('FAILED'),
    ambiguous: of('AMBIGUOUS'),
    rejected: of('REJECTED'),
  };
}

/** `csv` of `Orders.CSV`; null without an extension. */
function fileTypeOf(name: string): string | null {
  const dot = name.lastIndexOf('.');
  return dot > 0 && dot < name.length - 1 ? name.slice(dot + 1).toLowerCase() : null;
}

async function findFile(reads: Reads, tenantId: string | null, reference: string): Promise<StatusRow | undefined> {
  const id = idField.safeParse(reference);
  const byId = id.success ? await findById(reads, tenantId, id.data) : undefined;
  if (byId !== undefined) return byId;
  const [newest] = await reads
    .select({ id: files.id })
    .from(files)
    .where(and(ofTenant(reads, files.tenantId, tenantId), namedBy(reads, reference), NO_REPEAT))
    .orderBy(desc(files.createdAt), desc(files.id))
    .limit(1);
  return newest && (await findById(reads, tenantId, newest.id));
}

interface StatusRow {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly status: FileStatus;
  readonly uploadedAt: string;
  /** With microseconds. */
  readonly endedAt: string | null;
  readonly retryCount: number;
  readonly processedBy: string | null;
  /** From the first claim to the end. */
  readonly processingMs: number | null;
  readonly errorMessage: string | null;
  readonly isHeld: boolean;
  readonly recordJobs: readonly RecordJob[];
  readonly deliveredTo: string | null;
  readonly deliveredAt: string | null;
}

const INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';

/** One prepared statement: partners' programs ask often, and Drizzle takes longer to write a statement than PostgreSQL to run this one. */
async function findById({ $client: sql }: Reads, tenantId: string | null, id: string): Promise<StatusRow | undefined> {
  const [row] = await sql<StatusRow[]>`
    SELECT f.id, f.tenant_id AS "tenantId", f.name, f.bucket, f.key, f.size_bytes::float8 AS "sizeBytes", f.status,
      to_char(f.uploaded_at AT TIME ZONE 'UTC', ${INSTANT}) AS "uploadedAt", f.finished_at::text AS "endedAt",
      coalesce(f.error_message, p.error_message) AS "errorMessage", p.retry_count AS "retryCount", p.processed_by AS "processedBy",
      p.processing_ms AS "processingMs", p.is_held AS "isHeld", p.record_jobs AS "recordJobs", d.bucket AS "deliveredTo",
      to_char(d.at AT TIME ZONE 'UTC', ${INSTANT}) AS "deliveredAt"
    FROM files f
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(j.retry_count + j.generation - 1), 0)::int AS retry_count,
        (array_agg(j.processed_by ORDER BY j.updated_at DESC) FILTER (WHERE j.processed_by IS NOT NULL))[1] AS processed_by,
        round(extract(epoch FROM max(j.finished_at) - min(j.started_at)) * 1000)::float8 AS processing_ms,
        (array_agg(j.error_message ORDER BY j.finished_at DESC) FILTER (WHERE j.state IN ('FAILED', 'CANCELLED')))[1] AS error_message,
        coalesce(bool_or(j.state = 'WAITING' AND j.wait_reason = ${HELD}), false) AS is_held,
        coalesce(jsonb_agg(jsonb_build_object('id', j.id, 'summary', j.record_summary))
          FILTER (WHERE j.open_records IS NOT NULL OR j.record_summary IS NOT NULL), '[]') AS record_jobs
      FROM jobs j WHERE j.file_id = f.id) p
    LEFT JOIN LATERAL (
      SELECT s.output ->> 'bucket' AS bucket, s.finished_at AS at
      FROM jobs j JOIN job_steps s ON s.job_id = j.id
      WHERE j.file_id = f.id AND s.kind = 'deliver' AND s.state = 'SUCCEEDED' ORDER BY s.finished_at DESC LIMIT 1) d ON true
    WHERE f.id = ${id}::uuid AND (${tenantId}::text IS NULL OR f.tenant_id = ${tenantId})`;
  return row;
}

/** A copy that a repeated PUT made says nothing of the file. */
const NO_REPEAT = sql`${files.errorCode} IS DISTINCT FROM 'UPLOAD_REPEATED'`;

/** By the indexed name first; a path must then be the whole key, or the whole path under a user's home. */
function namedBy(reads: Reads, reference: string) {
  const path = reference.replace(/^\/+/, '');
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (path === name && path === reference) return eq(files.name, name);
  const homes = reads
    .select({ key: sql<string>`${sftpUsers.homePrefix} || ${path}::text` })
    .from(sftpUsers)
    .where(eq(sftpUsers.tenantId, files.tenantId));
  const ownKey = sql<boolean>`${files.key} = ${files.tenantId} || '/' || ${path}::text`;
  return and(eq(files.name, name), or(inArray(files.key, [path, reference]), ownKey, inArray(files.key, homes)));
}

/** A file with more tries of records than this is measured from its first claim to its end. */
const MOST_TRIES = 20_000;

/** How long something of the file was under way: tries side by side count once. Null when its tries are not known (any more). */
async function findWorkMs(reads: Reads, fileId: string): Promise<number | null> {
  const [row] = await reads.execute<{ ms: number | null }>(sql`
    WITH job AS (SELECT id FROM ${jobs} WHERE file_id = ${fileId}::uuid),
    record_try AS (
      SELECT r.started_at, r.duration_ms FROM job JOIN ${recordAttempts} r ON r.job_id = job.id LIMIT ${MOST_TRIES + 1}),
    busy AS (
      SELECT range_agg(tstzrange(started_at, started_at + duration_ms * interval '1 millisecond')) AS spans FROM (
        SELECT a.started_at, a.duration_ms FROM job JOIN ${attempts} a ON a.job_id = job.id
        UNION ALL SELECT * FROM record_try) t)
    SELECT CASE WHEN (SELECT count(*) FROM record_try) <= ${MOST_TRIES} THEN (
      SELECT round(sum(extract(epoch FROM upper(span) - lower(span))) * 1000)::float8 FROM busy, unnest(spans) AS span) END AS ms`);
  return row?.ms ?? null;
}
