/** `GET /api/v1/files` and `/api/v1/files/{id}`, and a person's word about a quarantined file: route it again. */
import { z } from 'zod';
import { FILE_STATUSES } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { requeueFiles } from '#shared/jobs/requeue-files.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField } from '../http/page-cursor.ts';
import {
  anyCaseListField,
  idParams,
  instantField,
  limitField,
  tenantField,
  textField,
  wordSchema,
} from '../http/request-fields.ts';
import { actorOf, callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { fileDetailSchema, filePageSchema, findFileDetail, findFiles } from './find-files.ts';

const filtersSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators. A tenant’s key always sees its own files only.'),
  status: anyCaseListField(FILE_STATUSES)
    .optional()
    .describe(
      `One or more of ${FILE_STATUSES.join(', ')}, with commas between them, in any case. Markers and checksums of other files are listed with \`companion\` alone.`,
    ),
  code: textField(64).optional().describe('Of failed and quarantined files: this error, e.g. NO_ROUTE.'),
  name: textField(1_024).optional().describe('Exact name, or a pattern with *.'),
  type: textField(64).toLowerCase().optional().describe('File extension without the dot.'),
  from: instantField.optional().describe('Registered at this time or later, RFC 3339.'),
  to: instantField.optional().describe('Registered before this time.'),
  cursor: cursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

export function handleFiles(app: ApiServer, { sql, reads, senders }: ApiParts): void {
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
        querystring: filtersSchema,
        response: { 200: filePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, status, cursor, ...filters } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { files: [], next_cursor: null };
      return await findFiles(reads, {
        ...filters,
        tenantId,
        statuses: status,
        after: cursor,
      });
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
        body: wordSchema,
        response: { 200: fileDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const file = await findOrRefuse(caller.tenantId, request.params.id);
      callerWith(request, 'files:reroute');
      const word = { fileIds: [file.file_id], actor: actorOf(caller), reason: request.body.reason };
      const requeued = await requeueFiles(sql, word);
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
