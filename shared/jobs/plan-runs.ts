/** What a person's "this file on that route once more" would create, by the routes as they are now, or why it cannot. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import type { RouteCache } from '#shared/definitions/route-cache.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { newJob } from './new-job.ts';
import type { NewRun } from './resend-jobs.ts';

export interface PlannedRuns {
  readonly runs: readonly NewRun[];
  /** By job. */
  readonly refused: Readonly<Record<string, ErrorCode>>;
}

interface RunRow {
  readonly fileId: string;
  readonly after: string | null;
  readonly isEnded: boolean;
  readonly isSuperseded: boolean;
  readonly isBranch: boolean;
  readonly isLarge: boolean;
  readonly routeId: string;
  readonly routeVersionId: string;
  readonly isRouteDisabled: boolean;
  readonly isTenantDisabled: boolean;
  readonly priority: Lane;
  readonly isExpired: boolean;
}

type FindRoute = Pick<RouteCache, 'find'>;

/** After jobs that have ended. */
export async function planRuns(sql: Sql, routes: FindRoute, jobIds: readonly string[]): Promise<PlannedRuns> {
  const rows = await sql<RunRow[]>`
    SELECT ${runColumns(sql)}, j.id AS after, j.finished_at IS NOT NULL AS "isEnded", j.superseded_by IS NOT NULL AS "isSuperseded",
      j.parent_job_id IS NOT NULL AS "isBranch"
    FROM jobs j JOIN files f ON f.id = j.file_id JOIN routes r ON r.id = j.route_id ${joins(sql)}
    WHERE j.id = ANY(${[...jobIds]}::uuid[])`;
  const planned = await Promise.all(rows.map(async (row) => ({ row, run: await planRun(routes, row) })));
  return {
    runs: planned.flatMap(({ run }) => (typeof run === 'string' ? [] : [run])),
    refused: Object.fromEntries(
      planned.flatMap(({ row, run }) => (typeof run === 'string' && row.after !== null ? [[row.after, run]] : [])),
    ),
  };
}

/** Of a file on a route that it never was on. */
export async function planFirstRun(
  sql: Sql,
  routes: FindRoute,
  { fileId, routeId }: { readonly fileId: string; readonly routeId: string },
): Promise<NewRun | ErrorCode> {
  const [row] = await sql<RunRow[]>`
    SELECT ${runColumns(sql)}, NULL AS after, true AS "isEnded", false AS "isSuperseded", false AS "isBranch"
    FROM files f JOIN routes r ON r.id = ${routeId} AND r.tenant_id = f.tenant_id ${joins(sql)} WHERE f.id = ${fileId}`;
  return row === undefined ? 'NOT_FOUND' : await planRun(routes, row);
}

function runColumns(sql: Sql) {
  return sql`
    f.id AS "fileId", f.is_large AS "isLarge", r.id AS "routeId", v.id AS "routeVersionId",
    r.disabled_at IS NOT NULL AS "isRouteDisabled", t.disabled_at IS NOT NULL AS "isTenantDisabled", t.priority,
    f.objects_removed_at IS NOT NULL AS "isExpired"`;
}

function joins(sql: Sql) {
  return sql`JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version JOIN tenants t ON t.id = f.tenant_id`;
}

async function planRun(routes: FindRoute, row: RunRow): Promise<NewRun | ErrorCode> {
  const { fileId, after, routeId, routeVersionId } = row;
  if (!row.isEnded) return 'JOB_NOT_ENDED';
  if (row.isBranch) return 'JOB_IS_BRANCH';
  if (row.isSuperseded) return 'JOB_SUPERSEDED';
  if (row.isExpired) return 'FILE_EXPIRED';
  if (row.isTenantDisabled) return 'TENANT_DISABLED';
  if (row.isRouteDisabled) return 'ROUTE_DISABLED';
  const found = await routes.find(routeVersionId);
  if (!found.ok) return 'ROUTE_INVALID';
  // Its records have their own keys, which a new job would not change.
  if (found.route.calls.length > 0 && after !== null) return 'RESEND_OF_RECORDS';
  return { ...newJob({ routeId, routeVersionId, route: found.route }, row), fileId, after };
}
