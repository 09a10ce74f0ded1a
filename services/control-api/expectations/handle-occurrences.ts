/** `/api/v1/occurrences`: what is to come and what came, and a person's decision about it. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { OCCURRENCE_STATES } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { excuseOccurrence, linkFile } from '#shared/expectations/expectation-transitions.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField } from '../http/page-cursor.ts';
import {
  anyCaseListField,
  idField,
  idParams,
  instantField,
  limitField,
  reasonBodySchema,
  reasonField,
  tenantField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { findOccurrence, findOccurrences, occurrencePageSchema, occurrenceSchema } from './find-occurrences.ts';

const filtersSchema = z.strictObject({
  tenant: tenantField.optional(),
  expectation: textField(64).optional(),
  state: anyCaseListField(OCCURRENCE_STATES).optional(),
  from: instantField.optional().describe('Due at or after it; a day ago by default.'),
  to: instantField.optional().describe('Due at or before it; in a week by default.'),
  cursor: cursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

export function handleOccurrences(app: ApiServer, { sql }: Pick<ApiParts, 'sql'>, now: () => number = Date.now): void {
  app.get(
    '/api/v1/occurrences',
    {
      schema: {
        summary: 'Times at which files are expected, in the order in which they are due',
        tags: ['expectations'],
        querystring: filtersSchema,
        response: { 200: occurrencePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, expectation, state: states, from, to, cursor: after, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { occurrences: [], next_cursor: null };
      return await findOccurrences(sql, {
        ...{ tenantId, expectation, states, after, limit },
        from: from ?? new Date(now() - DAY_MS).toISOString(),
        to: to ?? new Date(now() + WEEK_MS).toISOString(),
      });
    },
  );

  app.get(
    '/api/v1/occurrences/:id',
    {
      schema: {
        summary: 'One time at which files are expected',
        tags: ['expectations'],
        params: idParams,
        response: { 200: occurrenceSchema, ...errorReplies },
      },
    },
    async (request) => await findOrRefuse(callerOf(request).tenantId, request.params.id),
  );

  app.post(
    '/api/v1/occurrences/:id/excuse',
    {
      schema: {
        summary: 'Say that the files will not come this time: no notice says that they are late',
        tags: ['expectations'],
        params: idParams,
        body: reasonBodySchema,
        response: { 200: occurrenceSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { state } = await findOrRefuse(callerOf(request).tenantId, id);
      const actor = actorOf(callerWith(request, 'jobs:review'));
      if (!(await excuseOccurrence(sql, { id, tenantId: null, actor, reason: request.body.reason })))
        throw new LongshoreError('OCCURRENCE_OVER', `The occurrence is ${state}; there is nothing to excuse.`);
      return await findOrRefuse(null, id);
    },
  );

  app.post(
    '/api/v1/occurrences/:id/link',
    {
      schema: {
        summary: 'Say that a file is one that was expected, whatever its path',
        tags: ['expectations'],
        params: idParams,
        body: z.strictObject({ file_id: idField, reason: reasonField }),
        response: { 200: occurrenceSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { state } = await findOrRefuse(callerOf(request).tenantId, id);
      const actor = actorOf(callerWith(request, 'jobs:review'));
      const { file_id: fileId, reason } = request.body;
      if (!(await linkFile(sql, { id, tenantId: null, actor, reason, fileId })))
        throw state === 'PENDING'
          ? new LongshoreError('OCCURRENCE_OVER', 'The occurrence has not opened yet.')
          : new LongshoreError('NOT_FOUND', 'The tenant has no such file.');
      return await findOrRefuse(null, id);
    },
  );

  async function findOrRefuse(tenantId: string | null, id: string) {
    const found = await findOccurrence(sql, tenantId, id);
    if (found === undefined) throw new LongshoreError('NOT_FOUND', 'Occurrence not found');
    return found;
  }
}
