/** Pages of jobs, newest first: ids are in the order of time, so that every filter is walked by an index that ends in the id. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, inArray, or, sql } from '#shared/db/drizzle.ts';
import { files, type JobState, jobs, routes, routeVersions } from '#shared/db/schema.ts';
import { encodeIdCursor } from '../http/page-cursor.ts';
import { jobSummaryColumns, jobSummarySchema, toJobSummary } from './job-summary.ts';

export const jobPageSchema = z.object({
  jobs: z.array(jobSummarySchema.extend({ file_name: z.string() })),
  next_cursor: z.string().nullable(),
});

export type JobPage = z.infer<typeof jobPageSchema>;

export interface JobFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly states?: readonly JobState[] | undefined;
  readonly waitReason?: string | undefined;
  readonly route?: string | undefined;
  readonly code?: string | undefined;
  readonly cause?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Literals, as in the partial indexes: a parameter would not be seen to fit them. */
const ENDED_BADLY = sql`${jobs.state} IN ('FAILED', 'CANCELLED')`;
const WAITING = sql`${jobs.state} = 'WAITING'`;
const IN_STATE: Readonly<Record<JobState, ReturnType<typeof sql>>> = {
  // Two indexes have them, each those with or without a wake-up.
  PENDING: sql`((${jobs.state} = 'PENDING' AND ${jobs.wokenAt} IS NULL) OR (${jobs.state} = 'PENDING' AND ${jobs.wokenAt} IS NOT NULL))`,
  RUNNING: sql`${jobs.state} = 'RUNNING'`,
  WAITING,
  SUCCEEDED: sql`${jobs.state} = 'SUCCEEDED'`,
  FAILED: sql`${ENDED_BADLY} AND ${jobs.state} = 'FAILED'`,
  CANCELLED: sql`${ENDED_BADLY} AND ${jobs.state} = 'CANCELLED'`,
};

export async function findJobs(reads: Reads, filters: JobFilters): Promise<JobPage> {
  const { tenantId, states, waitReason, route, code, cause, after, limit } = filters;
  const ofRoute = reads
    .select({ id: routes.id })
    .from(routes)
    .where(and(eq(routes.name, route ?? ''), tenantId === null ? undefined : eq(routes.tenantId, tenantId)));
  const rows = await reads
    .select({ ...jobSummaryColumns, fileName: files.name })
    .from(jobs)
    .innerJoin(files, eq(files.id, jobs.fileId))
    .innerJoin(routes, eq(routes.id, jobs.routeId))
    .innerJoin(routeVersions, eq(routeVersions.id, jobs.routeVersionId))
    .where(
      and(
        tenantId === null ? undefined : eq(jobs.tenantId, tenantId),
        states && or(...states.map((state) => IN_STATE[state])),
        code === undefined && cause === undefined ? undefined : ENDED_BADLY,
        waitReason === undefined ? undefined : and(WAITING, eq(jobs.waitReason, waitReason)),
        route === undefined ? undefined : inArray(jobs.routeId, ofRoute),
        code === undefined ? undefined : eq(jobs.errorCode, code),
        cause === undefined ? undefined : eq(jobs.errorCause, cause),
        after === undefined ? undefined : sql`${jobs.id} < ${after}::uuid`,
      ),
    )
    .orderBy(desc(jobs.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    jobs: page.map((row) => ({ ...toJobSummary(row), file_name: row.fileName })),
    next_cursor: last === undefined ? null : encodeIdCursor(last.id),
  };
}
