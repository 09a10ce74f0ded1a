/**
 * After a failover: rows speak of the buckets of a region that is lost, whose replicas, with the same keys and version ids, are in others.
 *
 * 1. Files go last: while one speaks of the old landing bucket the move is not done, and the next run does it again.
 * 2. Where no file does, as on every other day, one look at an index is all.
 * 3. Before any service runs. With the old names reconciliation would take each replica in landing for a new file.
 */

import type { Sql } from '#shared/db/connect-database.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';

export interface Move {
  readonly fromPrefix: string;
  readonly toPrefix: string;
}

/** Resolves to the number of files that have moved. */
export async function moveObjects(sql: Sql, { fromPrefix, toPrefix }: Move): Promise<number> {
  const from = BUCKET_IDS.map((id) => bucketName(fromPrefix, id));
  const to = BUCKET_IDS.map((id) => bucketName(toPrefix, id));
  const [found] = await sql`SELECT FROM files WHERE bucket = ANY(${from}) LIMIT 1`;
  if (found === undefined) return 0;
  for (const [index, old] of from.entries()) await moveReferences(sql, old, to[index] ?? '');
  const moved = await sql`
    UPDATE files f SET
      bucket = coalesce((SELECT m.new FROM unnest(${from}::text[], ${to}::text[]) AS m(old, new) WHERE m.old = f.bucket), f.bucket),
      archive_bucket = coalesce(
        (SELECT m.new FROM unnest(${from}::text[], ${to}::text[]) AS m(old, new) WHERE m.old = f.archive_bucket), f.archive_bucket)
    WHERE f.bucket = ANY(${from}) OR f.archive_bucket = ANY(${from})`;
  return moved.count;
}

/** In jsonb a bucket's name is a whole string: nothing that only contains it is changed. */
async function moveReferences(sql: Sql, old: string, next: string): Promise<void> {
  const [before, after] = [JSON.stringify(old), JSON.stringify(next)];
  const like = `%${before}%`;
  await sql`UPDATE job_steps SET output = replace(output::text, ${before}, ${after})::jsonb WHERE output::text LIKE ${like}`;
  await sql`UPDATE jobs SET object = replace(object::text, ${before}, ${after})::jsonb WHERE object::text LIKE ${like}`;
  // Their uploads are of the lost region: whoever goes on finds them gone, and begins anew.
  await sql`UPDATE transfers SET bucket = ${next} WHERE bucket = ${old}`;
}
