/**
 * Files along an index, in the order of a list.
 *
 * 1. A page looks at `STRIDE` rows at most, however rare what it looks for: it then has fewer files than were asked for, says how far it
 *    looked, and its cursor continues there. No request costs more with the number of files in the table.
 * 2. Several walks are merged: what is beyond the place where one of them stopped is left to the next page.
 */
import type { Reads } from '#shared/db/connect-database.ts';
import { and, asc, desc, eq, type SQL, sql } from '#shared/db/drizzle.ts';
import { type FileStatus, files, jobs, routes, routeVersions } from '#shared/db/schema.ts';
import { CALLS_PARTNER } from '#shared/partners/calls-partner.ts';
import type { PagePosition } from '../http/page-cursor.ts';
import { exactInstantOf } from '../records/read-columns.ts';
import {
  type FileFilters,
  type FileOrder,
  indexedConditions,
  otherConditions,
  statusGroupsOf,
} from './file-filters.ts';
import { type SummaryRow, summaryColumns } from './file-summary.ts';

/** 10,000 rows that are in memory take PostgreSQL 10 to 30 ms. */
const STRIDE = 10_000;
export const MOST_COUNTED = 10_000;
/** Looked at to count them. */
const MOST_LOOKED_AT = 4 * STRIDE;
/** Of one name, or that call one partner. */
const MOST_ROUTES = 200;

export interface PlacedFile extends PagePosition {
  readonly file: SummaryRow;
}

export interface FilePage {
  readonly rows: readonly PlacedFile[];
  /** Where the next page begins; undefined when there is none. */
  readonly next: PagePosition | undefined;
  /** It looked no further than `next`: there may be more, and the page is not full. */
  readonly isCutShort: boolean;
}

export interface PageOptions {
  readonly order?: FileOrder | undefined;
  readonly after?: PagePosition | undefined;
  readonly limit: number;
}

interface Walk {
  readonly rows: readonly PlacedFile[];
  readonly stop: PagePosition | undefined;
}

export async function walkFiles(reads: Reads, filters: FileFilters, options: PageOptions): Promise<FilePage> {
  const { order = 'newest', limit } = options;
  const walks = await findWalks(reads, filters, options);
  const isAfter = (a: PagePosition, b: PagePosition) =>
    order === 'oldest' ? place(a) > place(b) : place(a) < place(b);
  const inOrder = (a: PagePosition, b: PagePosition) => Number(isAfter(a, b)) - Number(isAfter(b, a));
  const stop = walks
    .map((walk) => walk.stop)
    .filter((each) => each !== undefined)
    .sort(inOrder)[0];
  const rows = walks
    .flatMap((walk) => walk.rows)
    .filter((row) => stop === undefined || !isAfter(row, stop))
    .sort(inOrder);
  const page = rows.slice(0, limit);
  if (rows.length > limit) return { rows: page, next: page.at(-1), isCutShort: false };
  return { rows: page, next: stop, isCutShort: stop !== undefined };
}

const place = ({ at, id }: PagePosition) => `${at} ${id}`;

async function findWalks(reads: Reads, filters: FileFilters, options: PageOptions): Promise<Walk[]> {
  if (filters.route !== undefined || filters.partner !== undefined) {
    const ids = await findRouteIds(reads, filters);
    return ids.length === 0 ? [] : [await walkJobs(reads, filters, options, ids)];
  }
  const groups = statusGroupsOf(filters) ?? [undefined];
  return await Promise.all(groups.map((group) => walkIndex(reads, filters, options, group)));
}

async function walkIndex(
  reads: Reads,
  filters: FileFilters,
  { order = 'newest', after, limit }: PageOptions,
  statuses: readonly FileStatus[] | undefined,
): Promise<Walk> {
  const column = order === 'finished' ? files.finishedAt : files.createdAt;
  const direction = order === 'oldest' ? asc : desc;
  const past = sql.raw(order === 'oldest' ? '>' : '<');
  const indexed = and(
    ...indexedConditions(reads, filters, statuses),
    after && sql`(${column}, ${files.id}) ${past} (${after.at}::timestamptz, ${after.id}::uuid)`,
  );
  const sorted = [direction(column), direction(files.id)];
  const at = exactInstantOf(column).as('at');
  const toRows = (found: (SummaryRow & { at: string })[]) =>
    found.map(({ at: instant, ...file }) => ({ file, at: instant, id: file.id }));
  const rest = otherConditions(filters, statuses);
  if (statuses !== undefined && rest.every((condition) => condition === undefined)) {
    // All that the index has belong to the list: a page of them is read, and not a stride.
    const found = await reads
      .select({ ...summaryColumns, at })
      .from(files)
      .where(indexed)
      .orderBy(...sorted)
      .limit(limit + 1);
    return { rows: toRows(found), stop: undefined };
  }
  const walked = reads
    .select()
    .from(files)
    .where(indexed)
    .orderBy(...sorted)
    .limit(STRIDE)
    .as('files');
  const rows = toRows(
    await reads
      .select({ ...summaryColumns, at })
      .from(walked as unknown as typeof files)
      .where(and(...rest))
      .orderBy(...sorted)
      .limit(limit + 1),
  );
  if (rows.length > limit) return { rows, stop: undefined };
  const [stop] = await reads
    .select({ at, id: files.id })
    .from(files)
    .where(indexed)
    .orderBy(...sorted)
    .offset(STRIDE - 1)
    .limit(1);
  return { rows, stop };
}

/** Those of the name, and that call the partner in any of their versions. */
async function findRouteIds(reads: Reads, { tenantId, route, partner }: FileFilters): Promise<string[]> {
  const calls = sql`EXISTS (SELECT 1 FROM ${routeVersions} v WHERE v.route_id = ${routes.id}
    AND jsonb_path_exists(v.definition, ${CALLS_PARTNER}::jsonpath, jsonb_build_object('name', ${partner}::text)))`;
  const rows = await reads
    .select({ id: routes.id })
    .from(routes)
    .where(
      and(
        tenantId === null ? undefined : eq(routes.tenantId, tenantId),
        route === undefined ? undefined : eq(routes.name, route),
        partner === undefined ? undefined : calls,
      ),
    )
    .limit(MOST_ROUTES);
  return rows.map(({ id }) => id);
}

/** In the order of the first job of each file on these routes; places are those of jobs. */
function firstJobsOf(
  routeIds: readonly string[],
  { order = 'newest', after }: Pick<PageOptions, 'order' | 'after'>,
  most: number,
): SQL {
  const [direction, past] = order === 'oldest' ? [sql.raw('ASC'), sql.raw('>')] : [sql.raw('DESC'), sql.raw('<')];
  const ids = sql`${sql.param([...routeIds])}::uuid[]`;
  const isPast = after === undefined ? sql`` : sql`AND j.id ${past} ${after.id}::uuid`;
  // A file that is on several of the routes is listed once.
  const isOnce =
    routeIds.length === 1
      ? sql``
      : sql`AND NOT EXISTS (SELECT 1 FROM ${jobs} o WHERE o.file_id = j.file_id AND o.route_id = ANY(${ids}) AND o.run = 1 AND o.id < j.id)`;
  return sql`
    SELECT first.id AS job_id, first.file_id, first.created_at AS job_created_at FROM unnest(${ids}) AS on_route(id) CROSS JOIN LATERAL (
      SELECT j.id, j.file_id, j.created_at FROM ${jobs} j
      WHERE j.route_id = on_route.id AND j.run = 1 ${isPast} ${isOnce}
      ORDER BY j.id ${direction} LIMIT ${most}::int) first
    ORDER BY first.id ${direction} LIMIT ${most}::int`;
}

/** LIMIT makes PostgreSQL look each up by its id: expecting so many, it would rather read all files. */
function fileOf(reads: Reads) {
  return reads.select().from(files).where(sql`${files.id} = walked.file_id`).limit(1).as('files');
}

async function walkJobs(
  reads: Reads,
  filters: FileFilters,
  options: PageOptions,
  routeIds: readonly string[],
): Promise<Walk> {
  const { order, limit } = options;
  const direction = order === 'oldest' ? asc : desc;
  const jobId = sql<string>`job_id`;
  const at = exactInstantOf(sql`job_created_at`);
  const firstJobs = firstJobsOf(routeIds, options, STRIDE);
  const found = await reads
    .select({ ...summaryColumns, at, jobId })
    .from(sql`(${firstJobs}) AS walked`)
    .innerJoinLateral(fileOf(reads), sql`true`)
    .where(and(...indexedConditions(reads, filters, undefined), ...otherConditions(filters)))
    .orderBy(direction(jobId))
    .limit(limit + 1);
  const rows = found.map(({ at: instant, jobId: id, ...file }) => ({ file, at: instant, id }));
  if (rows.length > limit) return { rows, stop: undefined };
  const [stop] = await reads.execute<{ at: string; id: string }>(sql`
    SELECT ${at} AS at, job_id AS id FROM (${firstJobs}) AS walked
    ORDER BY ${direction(jobId)} OFFSET ${STRIDE - 1} LIMIT 1`);
  return { rows, stop };
}

/** Exact up to `MOST_COUNTED`, and where no more than `MOST_LOOKED_AT` rows have to be looked at. */
export async function countFiles(reads: Reads, filters: FileFilters): Promise<{ count: number; is_capped: boolean }> {
  const counts = await Promise.all(
    (await findCountables(reads, filters)).map(async ({ walked, fits }) => {
      const [counted] = await reads.execute<{ count: number }>(sql`
        SELECT count(*)::int AS count FROM (
          SELECT 1 FROM (${walked}) AS ${files} WHERE ${fits} LIMIT ${MOST_COUNTED + 1}) AS counted`);
      const count = counted?.count ?? 0;
      if (count > MOST_COUNTED) return { count, isCutShort: true };
      const rest = await reads.execute(sql`SELECT 1 FROM (${walked}) AS ${files} OFFSET ${MOST_LOOKED_AT - 1} LIMIT 1`);
      return { count, isCutShort: rest.length > 0 };
    }),
  );
  const count = counts.reduce((sum, each) => sum + each.count, 0);
  const isCapped = count > MOST_COUNTED || counts.some(({ isCutShort }) => isCutShort);
  return { count: Math.min(count, MOST_COUNTED), is_capped: isCapped };
}

async function findCountables(reads: Reads, filters: FileFilters): Promise<{ walked: SQL; fits: SQL }[]> {
  const fits = and(...otherConditions(filters)) ?? sql`true`;
  if (filters.route !== undefined || filters.partner !== undefined) {
    const ids = await findRouteIds(reads, filters);
    if (ids.length === 0) return [];
    const indexed = and(...indexedConditions(reads, filters, undefined)) ?? sql`true`;
    const walked = sql`SELECT ${files}.* FROM (${firstJobsOf(ids, {}, MOST_LOOKED_AT)}) AS walked CROSS JOIN LATERAL ${fileOf(reads)}`;
    return [{ walked, fits: sql`${indexed} AND ${fits}` }];
  }
  return (statusGroupsOf(filters) ?? [undefined]).map((statuses) => {
    const indexed = and(...indexedConditions(reads, filters, statuses)) ?? sql`true`;
    const walked = sql`SELECT * FROM ${files} WHERE ${indexed} ORDER BY ${files.createdAt} DESC LIMIT ${MOST_LOOKED_AT}::int`;
    return { walked, fits };
  });
}
