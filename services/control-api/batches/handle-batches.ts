/** `/api/v1/batches`: files that a route takes together, and a person's statement that one is complete. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { closeBatch } from '#shared/batches/close-batches.ts';
import { BATCH_STATES } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idCursorField } from '../http/page-cursor.ts';
import {
  anyCaseListField,
  idParams,
  limitField,
  reasonBodySchema,
  tenantField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { batchDetailSchema, batchPageSchema, findBatch, findBatches } from './find-batches.ts';

const filtersSchema = z.strictObject({
  tenant: tenantField.optional(),
  route: textField(64).optional(),
  state: anyCaseListField(BATCH_STATES)
    .optional()
    .describe(`One or more of ${BATCH_STATES.join(', ')}, with commas between them.`),
  cursor: idCursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

export function handleBatches(
  app: ApiServer,
  { sql, senders, admissionWindow: window }: Pick<ApiParts, 'sql' | 'senders' | 'admissionWindow'>,
): void {
  app.get(
    '/api/v1/batches',
    {
      schema: {
        summary: 'Batches: files that a route takes together, newest first',
        tags: ['batches'],
        querystring: filtersSchema,
        response: { 200: batchPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, route, state: states, cursor: after, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { batches: [], next_cursor: null };
      return await findBatches(sql, { tenantId, route, states, after, limit });
    },
  );

  app.get(
    '/api/v1/batches/:id',
    {
      schema: {
        summary: 'One batch with its files, and what is missing',
        tags: ['batches'],
        params: idParams,
        response: { 200: batchDetailSchema, ...errorReplies },
      },
    },
    async (request) => await findOrRefuse(callerOf(request).tenantId, request.params.id),
  );

  app.post(
    '/api/v1/batches/:id/close',
    {
      schema: {
        summary: 'Close an open batch with the files that are there',
        tags: ['batches'],
        params: idParams,
        body: reasonBodySchema,
        response: { 200: batchDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { state } = await findOrRefuse(callerOf(request).tenantId, id);
      const actor = actorOf(callerWith(request, 'jobs:review'));
      const woken = await closeBatch(sql, { id, actor, window, reason: request.body.reason });
      if (woken === undefined)
        throw new LongshoreError('BATCH_CLOSED', `The batch is ${state}; only an open one is closed.`);
      await senders.wakeJobs(woken);
      return await findOrRefuse(null, id);
    },
  );

  async function findOrRefuse(tenantId: string | null, id: string) {
    const found = await findBatch(sql, tenantId, id);
    if (found === undefined) throw new LongshoreError('NOT_FOUND', 'Batch not found');
    return found;
  }
}
