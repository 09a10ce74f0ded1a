import type { Fragment, Sql } from '#shared/db/connect-database.ts';

/** The object metadata that names the row of `uploads`: the API signs it into every upload that it allows. */
export const UPLOAD_METADATA = 'longshore-upload';

/** The id of the upload that an object's head names; null where it names none. Anybody can write it: compare bucket and key too. */
export function uploadIdIn(sql: Sql, head: Fragment): Fragment {
  const named = sql`${head} -> 'metadata' ->> ${UPLOAD_METADATA}::text`;
  return sql`CASE WHEN ${named} ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (${named})::uuid END`;
}
