/**
 * `POST /api/v1/downloads`: a URL by which somebody reads what belongs to a file, for a minute.
 *
 * 1. Of a tenant's own files only; originals take their own permission, and of an operator a reason.
 * 2. Each URL is in the audit with who asked for it and why (`file.downloaded`).
 */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { DOWNLOAD_URL_SECONDS, DOWNLOADS } from '#shared/api/uploads.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { idField, reasonField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { refuseExpired } from '../retention/refuse-expired.ts';
import { findMade, type Made } from './find-made.ts';
import type { UploadParts } from './handle-uploads.ts';

const bodySchema = z.strictObject({
  file_id: idField,
  what: z.enum(DOWNLOADS).default('original'),
  route: z.string().max(128).optional().describe('Of several routes that delivered the file.'),
  reason: reasonField.optional().describe('Required of operators; recorded in the audit.'),
});

const replySchema = z.object({
  url: z.string().describe('For one GET, for 60 seconds.'),
  name: z.string(),
  size: z.number(),
  expires_in: z.number().describe('Seconds.'),
});

export function handleDownloads(app: ApiServer, { sql, landing }: UploadParts): void {
  const ownBuckets = new Set(BUCKET_IDS.map((id) => bucketName(landing.prefix, id)));

  app.post(
    '/api/v1/downloads',
    {
      schema: {
        summary: 'A URL to read a file, or what was made of it, within a minute',
        tags: ['uploads'],
        body: bodySchema,
        response: { 200: replySchema, ...errorReplies },
      },
    },
    async (request) => {
      const { file_id: fileId, what, route, reason } = request.body;
      const isOfResults = what === 'results' || what === 'rejects';
      const caller = callerWith(request, isOfResults ? 'results:download' : 'files:download');
      if (caller.tenantId === null && reason === undefined)
        throw new LongshoreError('REQUEST_INVALID', 'reason: is required of operators');
      const asked = { tenantId: caller.tenantId, fileId };
      const found = await (what === 'original' ? findOriginal(sql, asked) : findMade(sql, { ...asked, what, route }));
      if (found === undefined)
        throw new LongshoreError('NOT_FOUND', what === 'original' ? 'File not found' : `The file has no ${what}.`);
      await refuseExpired(sql, fileId);
      if (!ownBuckets.has(found.bucket))
        throw new LongshoreError(
          'NOT_FOUND',
          'The file was delivered to a store of others, which only its owner can read.',
        );
      await noteDownload(sql, { ...found, what, reason, actor: actorOf(caller) });
      const name = found.key.slice(found.key.lastIndexOf('/') + 1);
      const url = await landing.sent.presignGet({ ...found, versionId: found.versionId ?? undefined }, name);
      return { url, name, size: found.sizeBytes, expires_in: DOWNLOAD_URL_SECONDS };
    },
  );
}

async function findOriginal(sql: Sql, { tenantId, fileId }: { tenantId: string | null; fileId: string }) {
  const [original] = await sql<Made[]>`
    SELECT tenant_id AS "tenantId", id AS "fileId", coalesce(archive_bucket, bucket) AS bucket, coalesce(archive_key, key) AS key,
      CASE WHEN archive_bucket IS NULL THEN version_id ELSE archive_version_id END AS "versionId", size_bytes::float8 AS "sizeBytes"
    FROM files WHERE id = ${fileId} AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId})`;
  return original;
}

/** Event: `file.downloaded`. */
async function noteDownload(
  sql: Sql,
  download: Made & { readonly what: string; readonly reason: string | undefined; readonly actor: string },
): Promise<void> {
  const { tenantId, fileId, bucket, key, versionId, what, reason = null, actor } = download;
  await sql`
    WITH event AS (
      SELECT 'file.downloaded' AS type, ${tenantId}::text AS tenant_id, ${fileId}::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('what', ${what}::text, 'bucket', ${bucket}::text, 'key', ${key}::text,
          'versionId', ${versionId}::text, 'reason', ${reason}::text)) AS detail, '{events}'::text[] AS topics),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}
