/** Reads of files: a page of them by filters, and one with its jobs and where its bytes are. */
import { z } from 'zod';
import { DOWNLOADS } from '#shared/api/uploads.ts';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { and, asc, eq, sql } from '#shared/db/drizzle.ts';
import { files, jobSteps, jobs, routes, routeVersions } from '#shared/db/schema.ts';
import { findTransfersOf } from '#shared/transfers/find-transfers.ts';
import { encodeCursor } from '../http/page-cursor.ts';
import { ofTenant } from '../http/tenant-scope.ts';
import { auditSchema, findAuditOfFile } from '../jobs/find-audit.ts';
import { jobSummaryColumns, jobSummarySchema, toJobSummary } from '../jobs/job-summary.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';
import { findMadeKinds } from '../uploads/find-made.ts';
import type { FileFilters } from './file-filters.ts';
import { fileSummarySchema, summaryColumns, toFileSummary } from './file-summary.ts';
import { toTransferSummary, transferSummarySchema } from './transfer-summary.ts';
import { type PageOptions, walkFiles } from './walk-files.ts';

export const filePageSchema = z.object({
  files: z.array(fileSummarySchema),
  next_cursor: z.string().nullable(),
  searched_to: z
    .string()
    .nullable()
    .describe(
      'Where the search ended before the page was full: files beyond this time were not looked at. next_cursor, where there is one, continues there.',
    ),
});

export type FilePage = z.infer<typeof filePageSchema>;

const placeSchema = z.object({ bucket: z.string(), key: z.string(), version_id: z.string().nullable() });

export const fileDetailSchema = fileSummarySchema
  .extend({
    etag: z.string(),
    checksum: z.string().nullable().describe('Equal for equal content; null where the store keeps none.'),
    source: z.string().describe('How it arrived: sftp, s3 or reconciliation.'),
    uploaded_by: z.string().nullable(),
    is_large: z.boolean(),
    duplicate_of: z.string().nullable().describe('An earlier file with the same content.'),
    parent_file_id: z.string().nullable(),
    expires_at: z.string().nullable().describe('When its retention ends; null: not finished, or kept for good.'),
    objects_expired_at: z.string().nullable().describe('Its objects were deleted; it cannot be retried or downloaded.'),
    location: placeSchema.extend({ place: z.enum(['landing', 'archive']) }).describe('Current location of the object.'),
    deliveries: z.array(placeSchema.extend({ job_id: z.string(), delivered_at: z.string() })),
    downloads: z.array(z.enum(DOWNLOADS)).describe('What there is to read by POST /api/v1/downloads.'),
    jobs: z.array(jobSummarySchema),
    transfers: z.array(transferSummarySchema).describe('Multipart copies of its jobs and to the archive.'),
    audit: auditSchema.describe('Who did what with it, without the events of records; the newest 200.'),
  })
  .meta({ id: 'FileDetail' });

export type FileDetail = z.infer<typeof fileDetailSchema>;

/** Newest first, unless another order is asked for. */
export async function findFiles(reads: Reads, filters: FileFilters, options: PageOptions): Promise<FilePage> {
  const { rows, next, isCutShort } = await walkFiles(reads, filters, options);
  const isWindow = filters.name?.startsWith('*') === true && next === undefined;
  return {
    files: rows.map(({ file }) => toFileSummary(file)),
    next_cursor: next === undefined ? null : encodeCursor(next),
    searched_to: (isCutShort ? next?.at : undefined) ?? (isWindow ? filters.from : undefined) ?? null,
  };
}

/** Resolves to undefined when there is no such file in the tenant's sight. */
export async function findFileDetail(
  { sql: plain, reads }: { readonly sql: Sql; readonly reads: Reads },
  tenantId: string | null,
  id: string,
): Promise<FileDetail | undefined> {
  const [file] = await reads
    .select({
      ...summaryColumns,
      etag: files.etag,
      contentHash: files.contentHash,
      source: files.source,
      uploadedBy: files.uploadedBy,
      isLarge: files.isLarge,
      duplicateOf: files.duplicateOf,
      parentFileId: files.parentFileId,
      archiveBucket: files.archiveBucket,
      archiveKey: files.archiveKey,
      archiveVersionId: files.archiveVersionId,
      expiresAt: sql<string | null>`CASE WHEN isfinite(${files.expireAt}) THEN ${instantOf(files.expireAt)} END`,
      objectsExpiredAt: instantOrNullOf(files.objectsRemovedAt),
    })
    .from(files)
    .where(and(ofTenant(reads, files.tenantId, tenantId), eq(files.id, id)));
  if (file === undefined) return undefined;
  const [jobRows, deliveries, audit, made] = await Promise.all([
    findJobsOfFile(reads, id),
    findDeliveries(reads, id),
    findAuditOfFile(reads, id),
    findMadeKinds(plain, id),
  ]);
  const transfers = await findTransfersOf(plain, [id, ...jobRows.map((job) => job.id)]);
  const { archiveBucket, archiveKey } = file;
  return {
    ...toFileSummary(file),
    checksum: file.contentHash,
    etag: file.etag,
    source: file.source,
    uploaded_by: file.uploadedBy,
    is_large: file.isLarge,
    duplicate_of: file.duplicateOf,
    parent_file_id: file.parentFileId,
    expires_at: file.expiresAt,
    objects_expired_at: file.objectsExpiredAt,
    location:
      archiveBucket === null || archiveKey === null
        ? { place: 'landing', bucket: file.bucket, key: file.key, version_id: file.versionId }
        : { place: 'archive', bucket: archiveBucket, key: archiveKey, version_id: file.archiveVersionId },
    deliveries: deliveries.flatMap(({ bucket, key, versionId, jobId, deliveredAt }) =>
      bucket === null || key === null
        ? []
        : [{ job_id: jobId, bucket, key, version_id: versionId, delivered_at: deliveredAt }],
    ),
    downloads: file.objectsExpiredAt === null ? ['original', ...made] : [],
    jobs: jobRows.map(toJobSummary),
    transfers: transfers.map(toTransferSummary),
    audit,
  };
}

function findJobsOfFile(reads: Reads, fileId: string) {
  return reads
    .select(jobSummaryColumns)
    .from(jobs)
    .innerJoin(routes, eq(routes.id, jobs.routeId))
    .innerJoin(routeVersions, eq(routeVersions.id, jobs.routeVersionId))
    .where(eq(jobs.fileId, fileId))
    .orderBy(asc(jobs.createdAt), asc(jobs.id));
}

function findDeliveries(reads: Reads, fileId: string) {
  const output = (field: string) => sql<string | null>`${jobSteps.output} ->> ${field}::text`;
  return reads
    .select({
      jobId: jobSteps.jobId,
      bucket: output('bucket'),
      key: output('key'),
      versionId: output('versionId'),
      deliveredAt: instantOf(jobSteps.finishedAt),
    })
    .from(jobSteps)
    .innerJoin(jobs, eq(jobs.id, jobSteps.jobId))
    .where(and(eq(jobs.fileId, fileId), eq(jobSteps.kind, 'deliver'), eq(jobSteps.state, 'SUCCEEDED')))
    .orderBy(asc(jobSteps.finishedAt));
}
