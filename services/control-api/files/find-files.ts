/** Reads of files: a page of them by filters, and one with its jobs and where its bytes are. */
import { z } from 'zod';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { and, asc, desc, eq, sql } from '#shared/db/drizzle.ts';
import { type FileStatus, files, jobSteps, jobs, routes, routeVersions, tenants } from '#shared/db/schema.ts';
import { toLikePattern } from '#shared/text/like-pattern.ts';
import { findTransfersOf } from '#shared/transfers/find-transfers.ts';
import { encodeCursor, type PagePosition } from '../http/page-cursor.ts';
import { ofTenant } from '../http/tenant-scope.ts';
import { auditSchema, findAuditOfFile } from '../jobs/find-audit.ts';
import { failureOf, failureSchema, jobSummaryColumns, jobSummarySchema, toJobSummary } from '../jobs/job-summary.ts';
import { exactInstantOf, instantOf, instantOrNullOf } from '../records/read-columns.ts';
import { toTransferSummary, transferSummarySchema } from './transfer-summary.ts';

const fileSummarySchema = z
  .object({
    file_id: z.string(),
    customer_id: z.string(),
    file_name: z.string(),
    source_bucket: z.string(),
    key: z.string(),
    version_id: z.string(),
    file_size: z.number(),
    status: z.enum(['uploaded', 'queued', 'processing', 'completed', 'failed', 'quarantined', 'companion']),
    upload_timestamp: z.string(),
    registered_at: z.string(),
    finished_at: z.string().nullable(),
    error: failureSchema.nullable(),
  })
  .meta({ id: 'File' });
type FileSummary = z.infer<typeof fileSummarySchema>;

export const filePageSchema = z.object({ files: z.array(fileSummarySchema), next_cursor: z.string().nullable() });

const placeSchema = z.object({ bucket: z.string(), key: z.string(), version_id: z.string().nullable() });

export const fileDetailSchema = fileSummarySchema
  .extend({
    etag: z.string(),
    source: z.string().describe('How it arrived: sftp, s3 or reconciliation.'),
    uploaded_by: z.string().nullable(),
    is_large: z.boolean(),
    duplicate_of: z.string().nullable().describe('An earlier file with the same content.'),
    parent_file_id: z.string().nullable(),
    location: placeSchema.extend({ place: z.enum(['landing', 'archive']) }).describe('Current location of the object.'),
    deliveries: z.array(placeSchema.extend({ job_id: z.string(), delivered_at: z.string() })),
    jobs: z.array(jobSummarySchema),
    transfers: z.array(transferSummarySchema).describe('Multipart copies of its jobs and to the archive.'),
    audit: auditSchema.describe('Who did what with it, without the events of records; the newest 200.'),
  })
  .meta({ id: 'FileDetail' });

export interface FileFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  /** Without any, companions are left out. */
  readonly statuses?: readonly FileStatus[] | undefined;
  /** Exact, or with `*` for any run of characters. */
  readonly name?: string | undefined;
  /** Why it failed or was set aside. */
  readonly code?: string | undefined;
  /** Extension, lower case, without the dot. */
  readonly type?: string | undefined;
  /** Registered at or after, and before. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly after?: PagePosition | undefined;
  readonly limit: number;
}

const summaryColumns = {
  id: files.id,
  tenantId: files.tenantId,
  name: files.name,
  bucket: files.bucket,
  key: files.key,
  versionId: files.versionId,
  sizeBytes: files.sizeBytes,
  status: files.status,
  uploadedAt: instantOf(files.uploadedAt).as('uploaded_text'),
  registeredAt: instantOf(files.createdAt).as('registered_text'),
  finishedAt: instantOrNullOf(files.finishedAt).as('finished_text'),
  errorCode: files.errorCode,
  errorCause: files.errorCause,
  errorMessage: files.errorMessage,
};

type SummaryRow = {
  [Name in keyof typeof summaryColumns]: Name extends 'sizeBytes'
    ? number
    : Name extends 'status'
      ? FileStatus
      : Name extends 'finishedAt' | 'errorCode' | 'errorCause' | 'errorMessage'
        ? string | null
        : string;
};

/** Each of these has a stretch of a partial index of its own: a rare status costs no walk through everything else. */
const UNSUCCESSFUL: readonly FileStatus[] = ['FAILED', 'QUARANTINED'];
const OPEN: readonly FileStatus[] = ['UPLOADED', 'QUEUED', 'PROCESSING'];

/** Newest first. */
export async function findFiles(reads: Reads, filters: FileFilters): Promise<z.infer<typeof filePageSchema>> {
  const rows = await findNewest(reads, filters);
  const page = rows.slice(0, filters.limit);
  const last = rows.length > filters.limit ? page.at(-1) : undefined;
  return {
    files: page.map(toSummary),
    next_cursor: last === undefined ? null : encodeCursor({ at: last.position, id: last.id }),
  };
}

/** One row more than the page has, when there are more. */
async function findNewest(reads: Reads, filters: FileFilters): Promise<NewestRow[]> {
  const { code, limit } = filters;
  const statuses = filters.statuses ?? (code === undefined ? undefined : UNSUCCESSFUL);
  const isIndexed = (status: FileStatus) => OPEN.includes(status) || UNSUCCESSFUL.includes(status);
  if (!statuses?.every(isIndexed)) return await findByTenant(reads, filters);
  const open = statuses.filter((status) => OPEN.includes(status));
  const groups = [open, ...UNSUCCESSFUL.filter((status) => statuses.includes(status)).map((status) => [status])];
  const found = await Promise.all(
    groups.filter((group) => group.length > 0).map((group) => findWithStatuses(reads, filters, group)),
  );
  return found
    .flat()
    .sort(byNewest)
    .slice(0, limit + 1);
}

function byNewest(a: NewestRow, b: NewestRow): number {
  return Number(a.position < b.position) - Number(a.position > b.position) || Number(a.id < b.id) - Number(a.id > b.id);
}

const newestColumns = { ...summaryColumns, position: exactInstantOf(files.createdAt).as('position') };
type NewestRow = SummaryRow & { readonly position: string };

/** The statuses are spelled out in the statement: PostgreSQL then knows that their partial index holds all of them. */
function findWithStatuses(reads: Reads, filters: FileFilters, statuses: readonly FileStatus[]): Promise<NewestRow[]> {
  const isWanted = sql.raw(`status IN (${statuses.map((status) => `'${status}'`).join(', ')})`);
  const isOfTenant = filters.tenantId === null ? undefined : eq(files.tenantId, filters.tenantId);
  return reads
    .select(newestColumns)
    .from(files)
    .where(and(isOfTenant, isWanted, ...conditionsOf({ ...filters, statuses: undefined })))
    .orderBy(desc(files.createdAt), desc(files.id))
    .limit(filters.limit + 1);
}

/** Each tenant's newest come from its own stretch of the index, and are then merged. */
async function findByTenant(reads: Reads, filters: FileFilters): Promise<NewestRow[]> {
  const newestOfTenant = reads
    .select({ ...newestColumns, createdAt: files.createdAt })
    .from(files)
    .where(and(eq(files.tenantId, tenants.id), ...conditionsOf(filters)))
    .orderBy(desc(files.createdAt), desc(files.id))
    .limit(filters.limit + 1)
    .as('newest');
  const rows = await reads
    .select()
    .from(tenants)
    .crossJoinLateral(newestOfTenant)
    .where(filters.tenantId === null ? undefined : eq(tenants.id, filters.tenantId))
    .orderBy(desc(newestOfTenant.createdAt), desc(newestOfTenant.id))
    .limit(filters.limit + 1);
  return rows.map((row) => row.newest);
}

function conditionsOf({ statuses, code, name, type, from, to, after }: FileFilters) {
  return [
    statuses ? sql`${files.status} = ANY(${sql.param([...statuses])}::text[])` : sql`${files.status} <> 'COMPANION'`,
    code !== undefined && eq(files.errorCode, code),
    name !== undefined && nameCondition(name),
    type !== undefined && sql`lower(substring(${files.name} FROM '.\\.([^.]+)$')) = ${type}`,
    from !== undefined && sql`${files.createdAt} >= ${from}::timestamptz`,
    to !== undefined && sql`${files.createdAt} < ${to}::timestamptz`,
    after && sql`(${files.createdAt}, ${files.id}) < (${after.at}::timestamptz, ${after.id}::uuid)`,
  ].filter((condition) => typeof condition === 'object');
}

/** The index of names serves what comes before the first `*`, when that is named as a range of its own. */
function nameCondition(name: string) {
  if (!name.includes('*')) return eq(files.name, name);
  const isLike = sql`${files.name} LIKE ${toLikePattern(name)}`;
  const prefix = name.slice(0, name.indexOf('*'));
  return prefix === ''
    ? isLike
    : sql`${isLike} AND ${files.name} ~>=~ ${prefix} AND ${files.name} ~<=~ ${`${prefix}\u{10ffff}`}`;
}

function toSummary(row: SummaryRow): FileSummary {
  return {
    file_id: row.id,
    customer_id: row.tenantId,
    file_name: row.name,
    source_bucket: row.bucket,
    key: row.key,
    version_id: row.versionId,
    file_size: row.sizeBytes,
    status: row.status.toLowerCase() as FileSummary['status'],
    upload_timestamp: row.uploadedAt,
    registered_at: row.registeredAt,
    finished_at: row.finishedAt,
    error: failureOf(row),
  };
}

/** Resolves to undefined when there is no such file in the tenant's sight. */
export async function findFileDetail(
  { sql: plain, reads }: { readonly sql: Sql; readonly reads: Reads },
  tenantId: string | null,
  id: string,
): Promise<z.infer<typeof fileDetailSchema> | undefined> {
  const [file] = await reads
    .select({
      ...summaryColumns,
      etag: files.etag,
      source: files.source,
      uploadedBy: files.uploadedBy,
      isLarge: files.isLarge,
      duplicateOf: files.duplicateOf,
      parentFileId: files.parentFileId,
      archiveBucket: files.archiveBucket,
      archiveKey: files.archiveKey,
      archiveVersionId: files.archiveVersionId,
    })
    .from(files)
    .where(and(ofTenant(reads, files.tenantId, tenantId), eq(files.id, id)));
  if (file === undefined) return undefined;
  const [jobRows, deliveries, audit] = await Promise.all([
    findJobsOfFile(reads, id),
    findDeliveries(reads, id),
    findAuditOfFile(reads, id),
  ]);
  const transfers = await findTransfersOf(plain, [id, ...jobRows.map((job) => job.id)]);
  const { archiveBucket, archiveKey } = file;
  return {
    ...toSummary(file),
    etag: file.etag,
    source: file.source,
    uploaded_by: file.uploadedBy,
    is_large: file.isLarge,
    duplicate_of: file.duplicateOf,
    parent_file_id: file.parentFileId,
    location:
      archiveBucket === null || archiveKey === null
        ? { place: 'landing', bucket: file.bucket, key: file.key, version_id: file.versionId }
        : { place: 'archive', bucket: archiveBucket, key: archiveKey, version_id: file.archiveVersionId },
    deliveries: deliveries.flatMap(({ bucket, key, versionId, jobId, deliveredAt }) =>
      bucket === null || key === null
        ? []
        : [{ job_id: jobId, bucket, key, version_id: versionId, delivered_at: deliveredAt }],
    ),
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
