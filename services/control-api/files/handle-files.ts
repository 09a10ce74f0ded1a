/** `GET /api/v1/files`, `/count` and `/{id}`, and a person's decision about a quarantined file: route it again. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { LongshoreError } from '#shared/errors.ts';
import { requeueFiles } from '#shared/jobs/requeue-files.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField } from '../http/page-cursor.ts';
import { idParams, limitField, reasonBodySchema } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { refuseExpired } from '../retention/refuse-expired.ts';
import { FILE_ORDERS, fileFiltersSchema, isByFinish, toFileFilters } from './file-filters.ts';
import { fileDetailSchema, filePageSchema, findFileDetail, findFiles } from './find-files.ts';
import { countFiles, MOST_COUNTED } from './walk-files.ts';

const pageSchema = fileFiltersSchema.extend({
  order: z
    .enum(FILE_ORDERS)
    .default('newest')
    .describe('finished, the latest first, is for failed and quarantined files.'),
  cursor: cursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

const countSchema = z.object({
  count: z.number().describe(`At most ${MOST_COUNTED}.`),
  is_capped: z
    .boolean()
    .describe(`There may be more: counting ends at ${MOST_COUNTED}, and where too many other files are in between.`),
});
export type FileCount = z.infer<typeof countSchema>;

export function handleFiles(
  app: ApiServer,
  { sql, reads, senders, now = Date.now }: ApiParts & { readonly now?: () => number },
): void {
  async function findOrRefuse(tenantId: string | null, id: string) {
    const file = await findFileDetail({ sql, reads }, tenantId, id);
    if (file === undefined) throw new LongshoreError('NOT_FOUND', 'File not found');
    return file;
  }

  app.get(
    '/api/v1/files',
    {
      schema: {
        summary: 'Files, newest first',
        tags: ['files'],
        querystring: pageSchema,
        response: { 200: filePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { cursor, limit, order, ...asked } = request.query;
      const tenantId = scopeOf(callerOf(request), asked.tenant);
      if (tenantId === undefined) return { files: [], next_cursor: null, searched_to: null };
      const filters = toFileFilters(asked, tenantId, now());
      if (order === 'finished' && !isByFinish(filters))
        throw new LongshoreError('REQUEST_INVALID', 'Only failed and quarantined files are listed in this order.', {
          hint: 'Add status=failed,quarantined, and neither a route nor a partner.',
        });
      return await findFiles(reads, filters, { order, after: cursor, limit });
    },
  );

  app.get(
    '/api/v1/files/count',
    {
      schema: {
        summary: 'How many files match',
        tags: ['files'],
        querystring: fileFiltersSchema,
        response: { 200: countSchema, ...errorReplies },
      },
    },
    async (request) => {
      const tenantId = scopeOf(callerOf(request), request.query.tenant);
      if (tenantId === undefined) return { count: 0, is_capped: false };
      return await countFiles(reads, toFileFilters(request.query, tenantId, now()));
    },
  );

  app.get(
    '/api/v1/files/:id',
    {
      schema: {
        summary: 'One file with its jobs and its location',
        tags: ['files'],
        params: idParams,
        response: { 200: fileDetailSchema, ...errorReplies },
      },
    },
    (request) => findOrRefuse(callerOf(request).tenantId, request.params.id),
  );

  app.post(
    '/api/v1/files/:id/reroute',
    {
      schema: {
        summary: 'Route a quarantined file again with the current routes',
        tags: ['files'],
        params: idParams,
        body: reasonBodySchema,
        response: { 200: fileDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const file = await findOrRefuse(caller.tenantId, request.params.id);
      callerWith(request, 'files:reroute');
      const requeue = { fileIds: [file.file_id], actor: actorOf(caller), reason: request.body.reason };
      await refuseExpired(sql, file.file_id);
      const requeued = await requeueFiles(sql, requeue);
      if (requeued.length === 0) {
        throw new LongshoreError(
          'FILE_NOT_QUARANTINED',
          `The file is ${file.status}, and the router did not set it aside.`,
        );
      }
      await senders.wakeFiles(requeued);
      return await findOrRefuse(caller.tenantId, file.file_id);
    },
  );
}
