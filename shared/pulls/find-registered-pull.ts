/** The version of a pull that is a file already: its event came first, and the file may have left landing since. */
import type { Sql } from '#shared/db/connect-database.ts';
import { PULL_MARK } from '#shared/files/copies/pull-multipart.ts';

export async function findRegisteredPull(
  sql: Sql,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  mark: string,
): Promise<{ versionId: string; etag: string; sizeBytes: number } | undefined> {
  const [row] = await sql<{ versionId: string; etag: string; sizeBytes: number }[]>`
    SELECT version_id AS "versionId", etag, size_bytes::float8 AS "sizeBytes" FROM files
    WHERE bucket = ${bucket} AND key = ${key} AND head #>> ${['metadata', PULL_MARK]}::text[] = ${mark} LIMIT 1`;
  return row;
}
