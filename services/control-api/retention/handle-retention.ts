/** `GET /api/v1/retention`, `/deletion-certificates` and `/legal-holds`, and the operator actions that place a hold and release it. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { LongshoreError } from '#shared/errors.ts';
import { placeHold, releaseHold } from '#shared/retention/legal-holds.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idCursorField } from '../http/page-cursor.ts';
import {
  flagField,
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
import {
  certificatePageSchema,
  findCertificates,
  findHolds,
  findRetention,
  type Hold,
  holdPageSchema,
  holdSchema,
  retentionSchema,
} from './find-retention.ts';

const pageFields = {
  tenant: tenantField.optional(),
  cursor: idCursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
};

const placeSchema = z
  .strictObject({
    tenant: tenantField.optional().describe('Everything of it, unless route is given.'),
    route: textField(128).optional(),
    file_id: idField.optional(),
    reason: reasonField,
  })
  .refine(({ tenant, route, file_id: file }) => (file === undefined ? tenant !== undefined : !(tenant ?? route)), {
    error: 'needs a tenant, a tenant and its route, or a file_id alone',
  });

export function handleRetention(app: ApiServer, { sql }: ApiParts): void {
  app.get(
    '/api/v1/retention',
    {
      schema: {
        summary: 'For how long files are kept, and how many expire when',
        tags: ['retention'],
        querystring: z.strictObject({ tenant: tenantField.optional() }),
        response: { 200: retentionSchema, ...errorReplies },
      },
    },
    async (request) => {
      const tenantId = scopeOf(callerOf(request), request.query.tenant);
      return await findRetention(sql, tenantId === undefined ? '' : tenantId);
    },
  );

  app.get(
    '/api/v1/deletion-certificates',
    {
      schema: {
        summary: 'What was deleted, by which rule, newest first',
        tags: ['retention'],
        querystring: z.strictObject({ ...pageFields, from: instantField.optional(), to: instantField.optional() }),
        response: { 200: certificatePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, cursor: after, ...others } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { certificates: [], next_cursor: null };
      return await findCertificates(sql, { tenantId, after, ...others });
    },
  );

  app.get(
    '/api/v1/legal-holds',
    {
      schema: {
        summary: 'Legal holds, newest first',
        tags: ['retention'],
        querystring: z.strictObject({ ...pageFields, all: flagField.describe('Those that were released, too.') }),
        response: { 200: holdPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, all, cursor: after, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { holds: [], next_cursor: null };
      return await findHolds(sql, { tenantId, includesReleased: all, after, limit });
    },
  );

  app.post(
    '/api/v1/legal-holds',
    {
      schema: {
        summary: 'Keep everything of a tenant, of a route, or one file until it is released',
        tags: ['retention'],
        body: placeSchema,
        response: { 200: holdSchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'holds:change'));
      const { reason, ...named } = request.body;
      const scope = await findScope(named);
      if (scope === undefined) throw new LongshoreError('NOT_FOUND', 'There is no such tenant, route or file.');
      return await findHold(await placeHold(sql, { ...scope, reason, actor }));
    },
  );

  app.post(
    '/api/v1/legal-holds/:id/release',
    {
      schema: {
        summary: 'Release a legal hold',
        tags: ['retention'],
        params: idParams,
        body: reasonBodySchema,
        response: { 200: holdSchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'holds:change'));
      const hold = await findHold(request.params.id);
      if (!(await releaseHold(sql, { holdId: hold.hold_id, reason: request.body.reason, actor })))
        throw new LongshoreError('HOLD_RELEASED', 'The hold was released already.');
      return await findHold(hold.hold_id);
    },
  );

  async function findHold(id: string): Promise<Hold> {
    const { holds } = await findHolds(sql, { tenantId: null, id, includesReleased: true, limit: 1 });
    if (holds[0] === undefined) throw new LongshoreError('NOT_FOUND', 'There is no such hold.');
    return holds[0];
  }

  async function findScope(named: Pick<z.output<typeof placeSchema>, 'tenant' | 'route' | 'file_id'>) {
    const { tenant = null, route = null, file_id: fileId = null } = named;
    const [row] = await sql<{ tenantId: string; routeId: string | undefined; fileId: string | undefined }[]>`
      SELECT t.id AS "tenantId", r.id AS "routeId", f.id AS "fileId"
      FROM tenants t LEFT JOIN routes r ON r.tenant_id = t.id AND r.name = ${route} LEFT JOIN files f ON f.id = ${fileId} AND f.tenant_id = t.id
      WHERE (${fileId}::uuid IS NULL AND t.id = ${tenant} OR f.id IS NOT NULL) AND (${route}::text IS NULL OR r.id IS NOT NULL)`;
    return row && { tenantId: row.tenantId, routeId: row.routeId ?? undefined, fileId: row.fileId ?? undefined };
  }
}
