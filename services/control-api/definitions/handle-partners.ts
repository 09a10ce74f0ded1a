/** `GET /api/v1/partners`, `/api/v1/stores` and `/api/v1/databases`. They are applied with the routes that name them, see `handle-routes.ts`. */
import { z } from 'zod';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { limitField, tenantField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import {
  databasePageSchema,
  definitionCursorField,
  findDatabases,
  findPartners,
  findStores,
  partnerPageSchema,
  storePageSchema,
} from './find-partners.ts';

const querystring = z.strictObject({
  tenant: tenantField.optional(),
  cursor: definitionCursorField.optional(),
  limit: limitField,
});

export function handlePartners(server: ApiServer, parts: ApiParts): void {
  server.get(
    '/api/v1/partners',
    {
      schema: {
        summary: 'Partners with their current definitions',
        tags: ['routes'],
        querystring,
        response: { 200: partnerPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, cursor, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { partners: [], next_cursor: null };
      return await findPartners(parts.reads, { tenantId, after: cursor, limit });
    },
  );
  server.get(
    '/api/v1/stores',
    {
      schema: {
        summary: 'External stores with their current definitions',
        tags: ['routes'],
        querystring,
        response: { 200: storePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, cursor, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { stores: [], next_cursor: null };
      return await findStores(parts.reads, { tenantId, after: cursor, limit });
    },
  );
  server.get(
    '/api/v1/databases',
    {
      schema: {
        summary: 'Databases with their current definitions',
        tags: ['routes'],
        querystring,
        response: { 200: databasePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, cursor, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { databases: [], next_cursor: null };
      return await findDatabases(parts.reads, { tenantId, after: cursor, limit });
    },
  );
}
