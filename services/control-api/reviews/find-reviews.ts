/** Reads of open reviews: jobs that are held, the oldest first, with the last comment of a person. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { encodeIdCursor } from '../http/page-cursor.ts';

const reviewSchema = z.object({
  job_id: z.string(),
  file_id: z.string(),
  file_name: z.string(),
  customer_id: z.string(),
  route: z.string(),
  held_since: z.string(),
  age_seconds: z.number(),
  person: z.string().nullable().describe('Who commented last.'),
  comment: z.string().nullable(),
  commented_at: z.string().nullable(),
});
export const reviewPageSchema = z.object({ reviews: z.array(reviewSchema), next_cursor: z.string().nullable() });
export type ReviewPage = z.infer<typeof reviewPageSchema>;

export interface ReviewFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly after?: string | undefined;
  readonly limit: number;
}

export async function findReviews(sql: Sql, { tenantId, after, limit }: ReviewFilters): Promise<ReviewPage> {
  const instant = (value: ReturnType<Sql>) =>
    sql`to_char(${value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  const rows = await sql<z.infer<typeof reviewSchema>[]>`
    SELECT j.id AS job_id, f.id AS file_id, f.name AS file_name, j.tenant_id AS customer_id, r.name AS route,
      ${instant(sql`since.at`)} AS held_since, greatest(0, round(extract(epoch FROM now() - since.at)))::float8 AS age_seconds,
      c.actor AS person, c.detail ->> 'comment' AS comment, ${instant(sql`c.at`)} AS commented_at
    FROM (
      SELECT * FROM jobs WHERE state = 'WAITING' AND wait_reason = ${HELD}
        ${tenantId === null ? sql`` : sql`AND tenant_id = ${tenantId}`}
        ${after === undefined ? sql`` : sql`AND id > ${after}::uuid`}
      ORDER BY id LIMIT ${limit + 1}) AS j
    JOIN files f ON f.id = j.file_id JOIN routes r ON r.id = j.route_id
    CROSS JOIN LATERAL (
      SELECT coalesce(min(e.at), j.updated_at) AS at FROM audit_events e
      WHERE e.job_id = j.id AND e.type = 'job.held' AND e.at > coalesce(j.released_at, '-infinity')
        AND (e.detail ->> 'generation')::int = j.generation) AS since
    LEFT JOIN LATERAL (
      SELECT actor, at, detail FROM audit_events e WHERE e.job_id = j.id AND e.type = 'job.commented'
      ORDER BY e.at DESC, e.id DESC LIMIT 1) AS c ON true
    ORDER BY j.id`;
  const reviews = rows.slice(0, limit);
  const last = rows.length > limit ? reviews.at(-1) : undefined;
  return { reviews, next_cursor: last === undefined ? null : encodeIdCursor(last.job_id) };
}
