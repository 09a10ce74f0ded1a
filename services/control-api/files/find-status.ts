/**
 * Where a file is, in the form that partners' programs read: one flat object.
 *
 * `reference` is our id, or the file's name, or its path (as its sender sees it, or as its key in the bucket); names and paths
 * come again, and then the newest counts.
 */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, inArray, or, sql } from '#shared/db/drizzle.ts';
import {
  attempts,
  type FileStatus,
  files,
  jobSteps,
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
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';

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
};

/** `tenantId` null sees every tenant. Resolves to undefined when there is no such file in sight. */
export async function findStatus(
  { reads, countRecords }: { readonly reads: Reads; readonly countRecords: CountRecords },
  tenantId: string | null,
  reference: string,
): Promise<FileStatusReply | undefined> {
  const file = await findFile(reads, tenantId, reference);
  if (file === undefined) return undefined;
  const isTerminal = file.finishedAt !== null;
  const [progress, delivery, workMs] = await Promise.all([
    findProgress(reads, file.id),
    findDelivery(reads, file.id),
    isTerminal ? findWorkMs(reads, file.id) : null,
  ]);
  const records = await countAll(progress.recordJobs, countRecords);
  return {
    file_id: file.id,
    customer_id: file.tenantId,
    file_name: file.name,
    source_bucket: file.bucket,
    key: file.key,
    destination_bucket: delivery?.bucket ?? null,
    file_size: file.sizeBytes,
    file_type: fileTypeOf(file.name),
    status: PUBLIC_STATUSES[file.status],
    upload_timestamp: file.uploadedAt,
    transfer_timestamp: delivery?.at ?? null,
    processed_by: progress.processedBy,
    processing_time_ms: isTerminal ? (workMs ?? progress.processingMs) : null,
    retry_count: progress.retryCount,
    error_message: file.errorMessage ?? progress.errorMessage,
    held: progress.isHeld,
    records,
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

const fileColumns = {
  id: files.id,
  tenantId: files.tenantId,
  name: files.name,
  bucket: files.bucket,
  key: files.key,
  sizeBytes: files.sizeBytes,
  status: files.status,
  uploadedAt: instantOf(files.uploadedAt),
  finishedAt: instantOrNullOf(files.finishedAt),
  errorMessage: files.errorMessage,
};

async function findFile(reads: Reads, tenantId: string | null, reference: string) {
  const select = () => reads.select(fileColumns).from(files);
  const id = idField.safeParse(reference);
  if (id.success) {
    const [byId] = await select().where(and(ofTenant(reads, files.tenantId, tenantId), eq(files.id, id.data)));
    if (byId !== undefined) return byId;
  }
  const [newest] = await select()
    .where(and(ofTenant(reads, files.tenantId, tenantId), namedBy(reads, reference)))
    .orderBy(desc(files.createdAt), desc(files.id))
    .limit(1);
  return newest;
}

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

async function findProgress(reads: Reads, fileId: string) {
  const [row] = await reads
    .select({
      retryCount: sql<number>`coalesce(sum(${jobs.retryCount} + ${jobs.generation} - 1), 0)::int`,
      processedBy: sql<
        string | null
      >`(array_agg(${jobs.processedBy} ORDER BY ${jobs.updatedAt} DESC) FILTER (WHERE ${jobs.processedBy} IS NOT NULL))[1]`,
      processingMs: sql<
        number | null
      >`round(extract(epoch FROM max(${jobs.finishedAt}) - min(${jobs.startedAt})) * 1000)::float8`,
      errorMessage: sql<
        string | null
      >`(array_agg(${jobs.errorMessage} ORDER BY ${jobs.finishedAt} DESC) FILTER (WHERE ${jobs.state} IN ('FAILED', 'CANCELLED')))[1]`,
      isHeld: sql<boolean>`coalesce(bool_or(${jobs.state} = 'WAITING' AND ${jobs.waitReason} = ${HELD}), false)`,
      recordJobs: sql<
        RecordJob[]
      >`coalesce(jsonb_agg(jsonb_build_object('id', ${jobs.id}, 'summary', ${jobs.recordSummary}))
        FILTER (WHERE ${jobs.openRecords} IS NOT NULL OR ${jobs.recordSummary} IS NOT NULL), '[]')`,
    })
    .from(jobs)
    .where(eq(jobs.fileId, fileId));
  return (
    row ?? { retryCount: 0, processedBy: null, processingMs: null, errorMessage: null, isHeld: false, recordJobs: [] }
  );
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

async function findDelivery(reads: Reads, fileId: string) {
  const [row] = await reads
    .select({ bucket: sql<string | null>`${jobSteps.output} ->> 'bucket'`, at: instantOf(jobSteps.finishedAt) })
    .from(jobSteps)
    .innerJoin(jobs, eq(jobs.id, jobSteps.jobId))
    .where(and(eq(jobs.fileId, fileId), eq(jobSteps.kind, 'deliver'), eq(jobSteps.state, 'SUCCEEDED')))
    .orderBy(desc(jobSteps.finishedAt))
    .limit(1);
  return row;
}
