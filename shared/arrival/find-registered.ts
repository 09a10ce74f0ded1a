/** The object versions of some keys that are registered already. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { FileStatus } from '#shared/db/schema.ts';

export interface RegisteredVersion {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly uploadedAt: Date;
  readonly status: FileStatus;
}

export interface VersionQuestion {
  readonly bucket: string;
  readonly key: string;
  /** This very version, and ... */
  readonly versionId?: string | undefined;
  /** ... every version uploaded since. */
  readonly since?: Date | undefined;
}

export async function findRegistered(sql: Sql, asked: readonly VersionQuestion[]): Promise<RegisteredVersion[]> {
  // One name that the table cannot have would fail the question about all of them.
  const questions = asked.filter(({ key, versionId = '' }) => !`${key}${versionId}`.includes('\0'));
  if (questions.length === 0) return [];
  return await sql<RegisteredVersion[]>`
    SELECT DISTINCT f.id, f.bucket, f.key, f.version_id AS "versionId", f.size_bytes::float8 AS "sizeBytes", f.etag,
      f.uploaded_at AS "uploadedAt", f.status
    FROM unnest(
      ${questions.map(({ bucket }) => bucket)}::text[], ${questions.map(({ key }) => key)}::text[],
      ${questions.map(({ versionId }) => versionId ?? null)}::text[],
      ${questions.map(({ since }) => since?.toISOString() ?? null)}::timestamptz[]) AS q(bucket, key, version_id, since)
    JOIN files f ON f.bucket = q.bucket AND f.key = q.key AND (f.version_id = q.version_id OR f.uploaded_at >= q.since)`;
}
