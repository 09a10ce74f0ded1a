/** Refuses what needs the objects of a file after they were deleted. */
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';

/** @throws LongshoreError `FILE_EXPIRED` */
export async function refuseExpired(sql: Sql, fileId: string): Promise<void> {
  const [row] = await sql<{ at: string | null }[]>`
    SELECT to_char(objects_removed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at FROM files WHERE id = ${fileId}`;
  if (row?.at != null) throw new LongshoreError('FILE_EXPIRED', `The objects of the file expired at ${row.at}.`);
}
