/**
 * `GET` and `POST /api/v1/routes`, `GET /api/v1/tenants`.
 *
 * Applying takes an operator: a route moves bytes with the fleet's own rights. A tenant may look at its routes and check new
 * ones with `dry_run=true`.
 */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField } from '../http/page-cursor.ts';
import { flagField, limitField, reasonField, tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { appliedSchema, applyRouteFiles } from './apply-route-files.ts';
import {
  findRoutes,
  findTenant,
  findTenants,
  routePageSchema,
  tenantDetailSchema,
  tenantListSchema,
} from './find-routes.ts';
import { faulty, type PostedDefinitions, takeDefinitions } from './posted-definitions.ts';

export async function handleRoutes(server: ApiServer, parts: ApiParts, posted: PostedDefinitions): Promise<void> {
  server.get(
    '/api/v1/routes',
    {
      schema: {
        summary: 'Active routes, oldest first',
        tags: ['routes'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          cursor: cursorField.optional(),
          limit: limitField,
        }),
        response: { 200: routePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, cursor, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { routes: [], next_cursor: null };
      return await findRoutes(parts.reads, { tenantId, after: cursor, limit });
    },
  );

  server.get(
    '/api/v1/tenants',
    { schema: { summary: 'Tenants', tags: ['routes'], response: { 200: tenantListSchema, ...errorReplies } } },
    async (request) => await findTenants(parts.reads, callerOf(request).tenantId),
  );

  server.get(
    '/api/v1/tenants/:tenant',
    {
      schema: {
        summary: 'One tenant and what it has',
        tags: ['routes'],
        params: z.object({ tenant: tenantField }),
        response: { 200: tenantDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const tenant = await findTenant(parts, callerOf(request).tenantId, request.params.tenant);
      if (tenant === undefined) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      return tenant;
    },
  );

  // Its own context: here bodies stay text, so that faults carry the line and column of what was sent.
  await server.register(async (app: ApiServer) => {
    takeDefinitions(app);
    app.post(
      '/api/v1/routes',
      {
        schema: {
          summary: 'Apply definitions: tenants, partners, routes and whatever else tenants have',
          description:
            'The body is a route file: YAML with one or more documents, or the same as JSON, or `{"files": [{"name", "text"}]}`.' +
            ' With any fault nothing is applied, and all are listed.',
          tags: ['routes'],
          consumes: ['application/yaml', 'application/json'],
          querystring: z.strictObject({
            dry_run: flagField,
            prune: flagField.describe(
              'Remove what the files do not have, of the tenants and kinds that they have. What a route uses is kept.',
            ),
            reason: reasonField.optional(),
          }),
          response: { 200: appliedSchema, ...errorReplies },
        },
      },
      async (request, reply) => {
        const { dry_run: isDryRun, prune: isPruning, reason } = request.query;
        const caller = isDryRun ? callerOf(request) : callerWith(request, 'definitions:apply');
        const documents = await posted.read(request, reply);
        const result = await applyRouteFiles(parts, {
          documents,
          tenantId: caller.tenantId,
          isDryRun,
          isPruning,
          reason,
          actor: actorOf(caller),
        });
        if (result.type === 'applied') return result.applied;
        throw faulty(result.faults);
      },
    );
  });
}
