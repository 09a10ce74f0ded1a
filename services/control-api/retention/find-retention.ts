/** Reads of retention: what expires when, what is held, what was deleted. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { DELETED_THINGS } from '#shared/db/schema.ts';
import { encodeIdCursor } from '../http/page-cursor.ts';

/** More are shown as so many and more. */
export const MOST_COUNTED = 10_000;

const periodSchema = z.number().nullable().describe('Seconds from the end of a file; null: for good.');

export const retentionSchema = z
  .object({
    default_files_seconds: periodSchema,
    tenants: z.array(
      z.object({
        customer_id: z.string(),
        files_seconds: periodSchema,
        objects_seconds: periodSchema,
        routes: z.array(z.object({ route: z.string(), files_seconds: periodSchema, objects_seconds: periodSchema })),
        expired: z
          .number()
          .describe(`Files that are due to be deleted; at most ${MOST_COUNTED} are counted, as below.`),
        within_day: z.number(),
        within_month: z.number(),
        next_at: z.string().nullable().describe('When the next file expires.'),
        holds: z.number().describe('Legal holds in force.'),
        is_held: z.boolean().describe('One of them is for everything of the tenant.'),
        is_dating: z.boolean().describe('A changed retention is still being brought to files that have ended.'),
      }),
    ),
    objects_waiting: z.number().describe('Objects of deleted rows that the store has not deleted yet.'),
  })
  .meta({ id: 'Retention' });
export type RetentionReply = z.infer<typeof retentionSchema>;

export async function findRetention(sql: Sql, tenantId: string | null): Promise<RetentionReply> {
  const counted = (until: ReturnType<Sql>) => sql`(SELECT count(*)::int FROM (
      SELECT FROM files f WHERE f.tenant_id = t.id AND ${until} LIMIT ${MOST_COUNTED}) AS c)`;
  const seconds = (value: ReturnType<Sql>) => sql`(${value})::float8 / 1000`;
  const [defaults, tenants, [waiting]] = await Promise.all([
    sql<{ seconds: number | null }[]>`SELECT ${seconds(sql`nullif(files_ms, 0)`)} AS seconds FROM retention_defaults`,
    sql<RetentionReply['tenants']>`
      SELECT t.id AS customer_id, ${seconds(sql`coalesce((t.retention ->> 'files')::bigint, nullif(d.files_ms, 0))`)} AS files_seconds,
        ${seconds(sql`coalesce((t.retention ->> 'objects')::bigint, (t.retention ->> 'files')::bigint, nullif(d.files_ms, 0))`)} AS objects_seconds,
        coalesce((
          SELECT jsonb_agg(jsonb_build_object('route', r.name,
            'files_seconds', ${seconds(sql`r.retention ->> 'files'`)}, 'objects_seconds', ${seconds(sql`r.retention ->> 'objects'`)}) ORDER BY r.name)
          FROM routes r WHERE r.tenant_id = t.id AND r.retention IS NOT NULL AND r.removed_at IS NULL), '[]') AS routes,
        ${counted(sql`f.expire_at <= now()`)} AS expired,
        ${counted(sql`f.expire_at <= now() + interval '1 day'`)} AS within_day,
        ${counted(sql`f.expire_at <= now() + interval '30 days'`)} AS within_month,
        (SELECT ${instant(sql, sql`f.expire_at`)} FROM files f WHERE f.tenant_id = t.id AND f.expire_at < 'infinity' ORDER BY f.expire_at LIMIT 1) AS next_at,
        h.holds, h.is_held, EXISTS (SELECT FROM retention_changes c WHERE c.tenant_id = t.id) AS is_dating
      FROM tenants t LEFT JOIN retention_defaults d ON true
      CROSS JOIN LATERAL (
        SELECT count(*)::int AS holds, coalesce(bool_or(route_id IS NULL AND file_id IS NULL), false) AS is_held
        FROM legal_holds h WHERE h.tenant_id = t.id AND h.released_at IS NULL) AS h
      WHERE ${tenantId}::text IS NULL OR t.id = ${tenantId} ORDER BY t.id`,
    sql<{ objects: number }[]>`
      SELECT count(*)::int AS objects FROM (
        SELECT FROM expired_objects WHERE ${tenantId}::text IS NULL OR tenant_id = ${tenantId} LIMIT ${MOST_COUNTED}) AS c`,
  ]);
  return {
    default_files_seconds: defaults[0]?.seconds ?? null,
    tenants: [...tenants],
    objects_waiting: waiting?.objects ?? 0,
  };
}

export const holdSchema = z
  .object({
    hold_id: z.string(),
    customer_id: z.string(),
    route: z.string().nullable().describe('Null: of every route.'),
    file_id: z.string().nullable(),
    reason: z.string(),
    placed_by: z.string(),
    placed_at: z.string(),
    released_at: z.string().nullable(),
    released_by: z.string().nullable(),
    release_reason: z.string().nullable(),
  })
  .meta({ id: 'LegalHold' });
export type Hold = z.infer<typeof holdSchema>;
export const holdPageSchema = z.object({ holds: z.array(holdSchema), next_cursor: z.string().nullable() });

export interface HoldFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly id?: string | undefined;
  readonly includesReleased: boolean;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function findHolds(sql: Sql, filters: HoldFilters): Promise<z.infer<typeof holdPageSchema>> {
  const { tenantId, id = null, includesReleased, after = null, limit } = filters;
  const rows = await sql<Hold[]>`
    SELECT h.id AS hold_id, h.tenant_id AS customer_id, r.name AS route, h.file_id, h.reason, h.placed_by,
      ${instant(sql, sql`h.created_at`)} AS placed_at, ${instant(sql, sql`h.released_at`)} AS released_at, h.released_by, h.release_reason
    FROM legal_holds h LEFT JOIN routes r ON r.id = h.route_id
    WHERE (${tenantId}::text IS NULL OR h.tenant_id = ${tenantId}) AND (${id}::uuid IS NULL OR h.id = ${id})
      AND (${includesReleased} OR h.released_at IS NULL) AND (${after}::uuid IS NULL OR h.id < ${after})
    ORDER BY h.id DESC LIMIT ${limit + 1}`;
  const { page, next } = pageOf(rows, limit, (hold) => hold.hold_id);
  return { holds: page, next_cursor: next };
}

const CERTIFIED = ['matches', 'differs', 'missing', 'dropped'] as const;

export const certificateSchema = z
  .object({
    certificate_id: z.string(),
    customer_id: z.string(),
    what: z.enum(DELETED_THINGS).describe('files: rows and objects. objects: objects alone, before their rows.'),
    rule: z.string().describe('route NAME, tenant or default: whose retention it was.'),
    files: z.number(),
    jobs: z.number(),
    bytes: z.number().describe('Of the originals.'),
    finished_from: z.string().describe('When the first of the files had ended.'),
    finished_to: z.string(),
    digest: z.string().describe('SHA-256 over the ids of the files in ascending order, each with a line feed, hex.'),
    objects: z.number(),
    objects_left: z.number().describe('Of them, those that the store has not deleted yet.'),
    deleted_at: z.string(),
    completed_at: z.string().nullable().describe('When the last of the objects was deleted.'),
    audit: z
      .enum(CERTIFIED)
      .describe(
        'Its line in the audit: differs or missing says that one of the two was altered; dropped, that the audit of that time is past retention.',
      ),
  })
  .meta({ id: 'DeletionCertificate' });
export type Certificate = z.infer<typeof certificateSchema>;
export const certificatePageSchema = z.object({
  certificates: z.array(certificateSchema),
  next_cursor: z.string().nullable(),
});

export interface CertificateFilters {
  readonly tenantId: string | null;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function findCertificates(
  sql: Sql,
  filters: CertificateFilters,
): Promise<z.infer<typeof certificatePageSchema>> {
  const { tenantId, limit } = filters;
  const [from, to, after] = [filters.from ?? null, filters.to ?? null, filters.after ?? null];
  const rows = await sql<Certificate[]>`
    SELECT id AS certificate_id, tenant_id AS customer_id, what, rule, files, jobs, bytes::float8 AS bytes,
      ${instant(sql, sql`finished_from`)} AS finished_from, ${instant(sql, sql`finished_to`)} AS finished_to, digest, objects, objects_left,
      ${instant(sql, sql`created_at`)} AS deleted_at, ${instant(sql, sql`completed_at`)} AS completed_at,
      ${auditOf(sql)} AS audit
    FROM deletion_certificates c
    WHERE (${tenantId}::text IS NULL OR tenant_id = ${tenantId}) AND (${after}::uuid IS NULL OR id < ${after})
      AND (${from}::timestamptz IS NULL OR created_at >= ${from}) AND (${to}::timestamptz IS NULL OR created_at <= ${to})
    ORDER BY id DESC LIMIT ${limit + 1}`;
  const { page, next } = pageOf(rows, limit, (certificate) => certificate.certificate_id);
  return { certificates: page, next_cursor: next };
}

/** The certificate `c` against the lines of its statements, which have its times: `longshore audit verify` says whether these are the sealed ones. */
function auditOf(sql: Sql) {
  const line = (at: ReturnType<Sql>, types: readonly string[]) => sql`
    FROM audit_events e WHERE e.tenant_id = c.tenant_id AND e.at = ${at} AND e.type = ANY(${[...types]}::text[])
      AND e.detail ->> 'certificate' = c.id::text`;
  const deleted = line(sql`c.created_at`, ['retention.files-deleted', 'retention.objects-expired']);
  const said = sql`e.type = CASE c.what WHEN 'files' THEN 'retention.files-deleted' ELSE 'retention.objects-expired' END
    AND e.detail @> jsonb_build_object('rule', c.rule, 'files', c.files, 'jobs', c.jobs, 'bytes', c.bytes, 'objects', c.objects,
      'finishedFrom', c.finished_from, 'finishedTo', c.finished_to, 'digest', c.digest)`;
  const isDropped = (at: ReturnType<Sql>) =>
    sql`NOT EXISTS (SELECT FROM audit_events e WHERE e.tenant_id = c.tenant_id AND e.at < ${at})`;
  return sql`CASE
    WHEN NOT EXISTS (SELECT ${deleted}) THEN CASE WHEN ${isDropped(sql`c.created_at`)} THEN 'dropped' ELSE 'missing' END
    WHEN NOT EXISTS (SELECT ${deleted} AND ${said}) OR c.objects_left = 0 AND c.completed_at IS NULL
      OR c.objects_left > 0 AND c.completed_at IS NOT NULL THEN 'differs'
    WHEN c.completed_at IS NOT NULL AND c.objects > 0 AND NOT EXISTS (
      SELECT ${line(sql`c.completed_at`, ['retention.objects-deleted'])}) THEN 'missing'
    ELSE 'matches' END`;
}

function pageOf<Row>(rows: readonly Row[], limit: number, idOf: (row: Row) => string) {
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { page, next: last === undefined ? null : encodeIdCursor(idOf(last)) };
}

/** As every other answer has it. */
export function instant(sql: Sql, value: ReturnType<Sql>) {
  return sql`to_char(${value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
