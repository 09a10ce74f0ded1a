/**
 * Products: files that a step made out of its job's file enter as their own files, each with its parent.
 *
 * In:  objects in the archive bucket, by a job that holds its epoch. They never were in landing, so no event tells of them.
 * Out: how many of them were new; `LEASE_LOST` when the job was taken over. The same again registers nothing twice: a product's id comes
 *      from its step and its place, and so does the version that its row names.
 * Events: `file.queued`, with the parent. The clock wakes the router for them.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from './record-events.ts';

export interface Product {
  readonly id: string;
  /** As it would be in landing: the path by which routes match it, below the tenant's prefix. */
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly orderKey: string;
  /** Where its bytes are. */
  readonly archive: { readonly bucket: string; readonly key: string; readonly versionId: string };
}

export interface ProductOwner {
  readonly jobId: string;
  readonly epoch: number;
  readonly tenantId: string;
  readonly fileId: string;
  readonly landingBucket: string;
  /** Actor of events. */
  readonly service: string;
}

export async function registerProducts(sql: Sql, products: readonly Product[], owner: ProductOwner): Promise<number> {
  const { jobId, epoch, tenantId, fileId, landingBucket, service } = owner;
  const rows = products.map((product, place) => ({ ...product, place }));
  const [row] = await sql<{ held: boolean; made: number }[]>`
    WITH holder AS (SELECT id FROM jobs WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' FOR UPDATE),
    input AS (
      SELECT r.* FROM holder CROSS JOIN jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS r(
        id uuid, key text, name text, "sizeBytes" bigint, etag text, "orderKey" text, archive jsonb, place int)),
    made AS (
      INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, parent_file_id,
        order_key, order_seq, status, queue, archive_bucket, archive_key, archive_version_id, archived_at)
      SELECT id, ${tenantId}, ${landingBucket}, key, 'product:' || id, name, "sizeBytes", etag, 'unpack', now(), ${fileId},
        "orderKey", nextval('file_order'), 'QUEUED', 'ingest', archive ->> 'bucket', archive ->> 'key', archive ->> 'versionId', now()
      FROM (SELECT * FROM input ORDER BY place OFFSET 0) AS in_order
      ON CONFLICT (bucket, key, version_id) DO NOTHING
      RETURNING *),
    event AS (
      SELECT 'file.queued' AS type, tenant_id, id AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('key', key, 'sizeBytes', size_bytes, 'source', source, 'parentFileId', parent_file_id) AS detail,
        '{events}'::text[] AS topics
      FROM made),
    ${recordEvents(sql, service)}
    SELECT EXISTS (SELECT 1 FROM holder) AS held, (SELECT count(*)::int FROM made) AS made`;
  if (row?.held !== true) throw new LongshoreError('LEASE_LOST', `The job ${jobId} was taken over by somebody else.`);
  return row.made;
}
