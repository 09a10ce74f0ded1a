/** Of a job: the objects of its file have not expired. Without them there is nothing to continue with. */
import type { Sql } from '#shared/db/connect-database.ts';

/** Reads `file_id` of the table `jobs`. */
export function hasObjects(sql: Sql) {
  return sql`NOT EXISTS (SELECT FROM files AS expired WHERE expired.id = file_id AND expired.objects_removed_at IS NOT NULL)`;
}
