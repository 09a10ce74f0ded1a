/** A file as lists have it. */
import { z } from 'zod';
import { FILE_STATUSES, type FileStatus, files } from '#shared/db/schema.ts';
import { failureOf, failureSchema } from '../jobs/job-summary.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';

export const fileSummarySchema = z
  .object({
    file_id: z.string(),
    customer_id: z.string(),
    file_name: z.string(),
    source_bucket: z.string(),
    key: z.string(),
    version_id: z.string(),
    file_size: z.number(),
    status: z.enum(FILE_STATUSES.map((status) => status.toLowerCase() as Lowercase<typeof status>)),
    upload_timestamp: z.string(),
    registered_at: z.string(),
    finished_at: z.string().nullable(),
    error: failureSchema.nullable(),
  })
  .meta({ id: 'File' });
export type FileSummary = z.infer<typeof fileSummarySchema>;

export const summaryColumns = {
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

export type SummaryRow = {
  [Name in keyof typeof summaryColumns]: Name extends 'sizeBytes'
    ? number
    : Name extends 'status'
      ? FileStatus
      : Name extends 'finishedAt' | 'errorCode' | 'errorCause' | 'errorMessage'
        ? string | null
        : string;
};

export function toFileSummary(row: SummaryRow): FileSummary {
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
