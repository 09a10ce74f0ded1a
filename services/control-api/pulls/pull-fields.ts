/** A pull as the API shows it: the FileChecks item, field for field, and what else is known. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { PULL_STAGES, PULL_STATUSES } from '#shared/db/schema.ts';

export const pullSchema = z
  .object({
    jobId: z.string(),
    project: z.string(),
    pipeline: z.string(),
    status: z
      .enum(PULL_STATUSES)
      .describe('SEEN: listed by a source, and not ready yet. SKIPPED: it vanished before it was fetched.'),
    createdAt: z.string().describe('RFC 3339 with microseconds and offset, as all times here.'),
    startedAt: z.string().nullable(),
    completedAt: z.string().nullable(),
    updatedAt: z.string(),
    transferStage: z.enum(PULL_STAGES),
    file: z.object({ fileName: z.string(), remotePath: z.string() }),
    s3: z
      .object({ bucket: z.string(), key: z.string() })
      .nullable()
      .describe('Where the first delivery of the file put it; before there is one, where it landed.'),
    error: z
      .object({ code: z.string(), cause: z.string(), message: z.string() })
      .nullable()
      .describe('Of the last failure, also while it is tried again.'),
    tenant: z.string(),
    remote: z.string(),
    source: z.string().nullable().describe('Null: requested one by one, not found by a source.'),
    generation: z.number(),
    attempts: z
      .number()
      .describe(
        'Tries of the download, the present one included; once the file has landed, of deleting or moving its source.',
      ),
    nextActionAt: z.string().nullable(),
    waitReason: z.string().nullable(),
    fileId: z.string().nullable().describe('The file that it became; see /api/v1/files.'),
    sizeBytes: z.number().nullable(),
    sha256: z.string().nullable(),
    bytesDone: z.number().nullable().describe('Of a download under way.'),
    sourceReplaced: z
      .boolean()
      .describe('Another file had its name when it was to be deleted; that one was left untouched.'),
  })
  .meta({ id: 'Pull' });
export type Pull = z.infer<typeof pullSchema>;

export const pullPageSchema = z.object({ pulls: z.array(pullSchema), next_cursor: z.string().nullable() });
export type PullPage = z.infer<typeof pullPageSchema>;

interface PullQuery {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly id?: string | undefined;
  readonly status?: string | undefined;
  readonly remote?: string | undefined;
  readonly source?: string | undefined;
  readonly project?: string | undefined;
  /** Older than this id. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function findPulls(sql: Sql, query: PullQuery): Promise<Pull[]> {
  const {
    tenantId,
    id = null,
    status = null,
    remote = null,
    source = null,
    project = null,
    before = null,
    limit,
  } = query;
  const at = (column: string) =>
    sql`to_char(p.${sql(column)} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')`;
  return await sql<Pull[]>`
    SELECT p.id AS "jobId", p.project, p.pipeline, p.status, ${at('created_at')} AS "createdAt", ${at('started_at')} AS "startedAt",
      ${at('completed_at')} AS "completedAt", ${at('updated_at')} AS "updatedAt", p.transfer_stage AS "transferStage",
      jsonb_build_object('fileName', p.file_name, 'remotePath', p.remote_path) AS file,
      CASE WHEN p.key IS NOT NULL THEN jsonb_build_object('bucket', coalesce(d.bucket, p.bucket), 'key', coalesce(d.key, p.key)) END AS s3,
      CASE WHEN p.error_code IS NOT NULL THEN jsonb_build_object('code', p.error_code, 'cause', coalesce(p.error_cause, ''),
        'message', coalesce(p.error_message, '')) END AS error,
      p.tenant_id AS tenant, p.remote, p.source, p.generation,
      -- The column counts what failed once the file had landed.
      p.attempts + (p.transfer_stage IN ('LANDED', 'CLEANING', 'DONE') AND p.status <> 'TRIGGERED')::int AS attempts, ${at('next_action_at')} AS "nextActionAt",
      p.wait_reason AS "waitReason", p.file_id AS "fileId", p.size_bytes::float8 AS "sizeBytes", p.sha256,
      t.bytes_done::float8 AS "bytesDone", p.source_replaced AS "sourceReplaced"
    FROM (
      SELECT * FROM pulls p
      WHERE (${tenantId}::text IS NULL OR p.tenant_id = ${tenantId}) AND (${id}::uuid IS NULL OR p.id = ${id}::uuid)
        AND (${status}::text IS NULL OR p.status = ${status}) AND (${remote}::text IS NULL OR p.remote = ${remote})
        AND (${source}::text IS NULL OR p.source = ${source}) AND (${project}::text IS NULL OR p.project = ${project})
        AND (${before}::uuid IS NULL OR p.id < ${before}::uuid)
      ORDER BY p.id DESC LIMIT ${limit}) AS p
    LEFT JOIN transfers t ON t.owner_id = p.id AND t.seq = p.generation AND t.state IN ('COPYING', 'COMPLETING')
    LEFT JOIN LATERAL (
      SELECT s.output ->> 'bucket' AS bucket, s.output ->> 'key' AS key FROM jobs j JOIN job_steps s ON s.job_id = j.id
      WHERE j.file_id = p.file_id AND s.kind = 'deliver' AND s.state = 'SUCCEEDED' ORDER BY s.finished_at LIMIT 1) AS d ON true
    ORDER BY p.id DESC`;
}
