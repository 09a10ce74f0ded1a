/**
 * Where a file is, in the form that partners' programs read: one flat object.
 *
 * `reference` is our id, or the file's name, or its path (as its sender sees it, or as its key in the bucket); names and paths
 * come again, and then the newest counts.
 */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, inArray, or, sql } from '#shared/db/drizzle.ts';
import { type FileStatus, files, jobSteps, jobs, sftpUsers } from '#shared/db/schema.ts';
import { instantOf, instantOrNullOf } from './read-columns.ts';
import { idField } from './request-fields.ts';
import { ofTenant } from './tenant-scope.ts';

export const fileStatusSchema = z.object({
  file_id: z.string(),
  customer_id: z.string(),
  file_name: z.string(),
  source_bucket: z.string(),
  key: z.string(),
  destination_bucket: z.string().nullable().describe('Null until the file was delivered.'),
  file_size: z.number().describe('Bytes.'),
  file_type: z.string().nullable().describe('The extension of the name, lower case.'),
  status: z.enum(['uploaded', 'queued', 'processing', 'completed', 'failed']),
  upload_timestamp: z.string(),
  transfer_timestamp: z.string().nullable().describe('When the last delivery ended.'),
  processed_by: z.string().nullable().describe('The service that carried it: the large-file-worker when it is large.'),
  processing_time_ms: z.number().nullable().describe('From the first claim to the end; null before the end.'),
  retry_count: z.number(),
  error_message: z.string().nullable(),
});
export type FileStatusReply = z.infer<typeof fileStatusSchema>;

/** A set-aside file failed, for its sender: it will not be delivered as it is. */
const PUBLIC_STATUSES: Readonly<Record<FileStatus, FileStatusReply['status']>> = {
  UPLOADED: 'uploaded',
  QUEUED: 'queued',
  PROCESSING: 'processing',
  COMPLETED: 'completed',
  FAILED: 'failed',
  QUARANTINED: 'failed',
};

/** `tenantId` null sees every tenant. Resolves to undefined when there is no such file in sight. */
export async function findStatus(
  reads: Reads,
  tenantId: string | null,
  reference: string,
): Promise<FileStatusReply | undefined> {
  const file = await findFile(reads, tenantId, reference);
  if (file === undefined) return undefined;
  const [progress, delivery] = await Promise.all([findProgress(reads, file.id), findDelivery(reads, file.id)]);
  const isTerminal = file.finishedAt !== null;
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
    processing_time_ms: isTerminal ? progress.processingMs : null,
    retry_count: progress.retryCount,
    error_message: file.errorMessage ?? progress.errorMessage,
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
      retryCount: sql<number>`coalesce(sum(${jobs.retryCount}), 0)::int`,
      processedBy: sql<
        string | null
      >`(array_agg(${jobs.processedBy} ORDER BY ${jobs.updatedAt} DESC) FILTER (WHERE ${jobs.processedBy} IS NOT NULL))[1]`,
      processingMs: sql<
        number | null
      >`round(extract(epoch FROM max(${jobs.finishedAt}) - min(${jobs.startedAt})) * 1000)::float8`,
      errorMessage: sql<
        string | null
      >`(array_agg(${jobs.errorMessage} ORDER BY ${jobs.finishedAt} DESC) FILTER (WHERE ${jobs.state} IN ('FAILED', 'CANCELLED')))[1]`,
    })
    .from(jobs)
    .where(eq(jobs.fileId, fileId));
  return row ?? { retryCount: 0, processedBy: null, processingMs: null, errorMessage: null };
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
