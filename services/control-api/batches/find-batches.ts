/** Reads of batches: files that a route takes together. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { BATCH_STATES, type BatchState } from '#shared/db/schema.ts';
import { encodeIdCursor } from '../http/page-cursor.ts';

const batchSchema = z.object({
  batch_id: z.string(),
  customer_id: z.string(),
  route: z.string(),
  directory: z.string().nullable().describe('Whose files it takes; null: all of the route.'),
  state: z
    .enum(BATCH_STATES)
    .describe(
      'OPEN: files join it. RUNNING: it is closed, and its files are processed. SUCCEEDED, FAILED: all have ended.',
    ),
  files: z.number(),
  full_at: z.number().nullable().describe('It closes with so many files.'),
  closes_at: z.string().nullable().describe('It closes then, whatever is there.'),
  opened_at: z.string(),
  last_joined_at: z.string(),
  closed_at: z.string().nullable(),
  closed_by: z.enum(['count', 'time', 'idle', 'manifest', 'operator', 'route']).nullable(),
  finished_at: z.string().nullable(),
  succeeded: z.number().nullable().describe('Files that succeeded; null until all have ended.'),
  failed: z.number().nullable(),
  expected: z.number().nullable().describe('Files that its manifest names; null without one.'),
  missing: z.array(z.string()).describe('Paths that its manifest named and that were not there when it closed.'),
  manifest_file_id: z.string().nullable(),
});

const memberSchema = z.object({
  file_id: z.string(),
  job_id: z.string(),
  path: z.string(),
  state: z.string().describe('Of its job. `WAITING` for `BATCH` until it begins.'),
  wait_reason: z.string().nullable(),
  code: z.string().nullable(),
  cause: z.string().nullable(),
  message: z.string().nullable(),
});

export const batchPageSchema = z
  .object({ batches: z.array(batchSchema.meta({ id: 'Batch' })), next_cursor: z.string().nullable() })
  .meta({ id: 'BatchPage' });
export const batchDetailSchema = batchSchema
  .extend({ members: z.array(memberSchema).describe('Its files, failed ones first; at most 1,000.') })
  .meta({ id: 'BatchDetail' });

type Batch = z.infer<typeof batchSchema>;
export type BatchPage = z.infer<typeof batchPageSchema>;
export type BatchDetail = z.infer<typeof batchDetailSchema>;

export interface BatchFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly route?: string | undefined;
  readonly states?: readonly BatchState[] | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

const MOST_MEMBERS = 1_000;

/** Newest first. */
export async function findBatches(
  sql: Sql,
  { tenantId, route, states, after, limit }: BatchFilters,
): Promise<BatchPage> {
  const rows = await sql<Batch[]>`
    SELECT ${columns(sql)} FROM batches b JOIN routes r ON r.id = b.route_id
    WHERE true ${tenantId === null ? sql`` : sql`AND b.tenant_id = ${tenantId}`}
      ${route === undefined ? sql`` : sql`AND r.name = ${route}`}
      ${states === undefined ? sql`` : sql`AND b.state = ANY(${[...states]}::text[])`}
      ${after === undefined ? sql`` : sql`AND b.id < ${after}::uuid`}
    ORDER BY b.id DESC LIMIT ${limit + 1}`;
  const batches = rows.slice(0, limit);
  const last = rows.length > limit ? batches.at(-1) : undefined;
  return { batches, next_cursor: last === undefined ? null : encodeIdCursor(last.batch_id) };
}

export async function findBatch(sql: Sql, tenantId: string | null, id: string): Promise<BatchDetail | undefined> {
  const [row] = await sql<BatchDetail[]>`
    SELECT ${columns(sql)}, coalesce((
      SELECT jsonb_agg(jsonb_build_object('file_id', m.file_id, 'job_id', m.id, 'path', substr(f.key, length(b.tenant_id) + 2),
        'state', m.state, 'wait_reason', m.wait_reason, 'code', m.error_code, 'cause', m.error_cause, 'message', m.error_message)
        ORDER BY m.state NOT IN ('FAILED', 'CANCELLED'), m.id)
      FROM (
        SELECT * FROM jobs j WHERE j.batch_id = b.id ORDER BY j.state NOT IN ('FAILED', 'CANCELLED'), j.id LIMIT ${MOST_MEMBERS}) AS m
      JOIN files f ON f.id = m.file_id), '[]') AS members
    FROM batches b JOIN routes r ON r.id = b.route_id
    WHERE b.id = ${id} ${tenantId === null ? sql`` : sql`AND b.tenant_id = ${tenantId}`}`;
  return row;
}

function columns(sql: Sql) {
  const instant = (column: string) =>
    sql`to_char(${sql.unsafe(column)} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  return sql`
    b.id AS batch_id, b.tenant_id AS customer_id, r.name AS route, nullif(b.key, '') AS directory, b.state, b.files, b.full_at,
    ${instant('b.close_at')} AS closes_at, ${instant('b.opened_at')} AS opened_at, ${instant('b.last_joined_at')} AS last_joined_at,
    ${instant('b.closed_at')} AS closed_at, b.closed_by, ${instant('b.finished_at')} AS finished_at,
    b.succeeded_files AS succeeded, b.failed_files AS failed, jsonb_array_length(b.expected) AS expected,
    coalesce(b.missing, '[]') AS missing, b.manifest_file_id`;
}
