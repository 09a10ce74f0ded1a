/**
 * `GET` and `POST /api/v1/routes`, `GET /api/v1/routes/{tenant}/{name}`, `GET /api/v1/tenants`.
 *
 * Applying takes an operator: a route moves bytes with the fleet's own rights. A tenant may look at its routes and check new
 * ones with `dry_run=true`.
 */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import type { RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField } from '../http/page-cursor.ts';
import { flagField, limitField, tenantField, textField } from '../http/request-fields.ts';
import { callerOf, callerWith, customerOf, spend } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { appliedSchema, applyRouteFiles } from './apply-route-files.ts';
import {
  findRoute,
  findRoutes,
  findTenants,
  routeDetailSchema,
  routePageSchema,
  tenantListSchema,
} from './find-routes.ts';
import { createDefinitionParser } from './parse-definitions.ts';
import { MOST_FAULTS } from './read-definitions.ts';

const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'];

/** Each costs a thread for a while. */
const DRY_RUNS_PER_WINDOW = 20;
const DRY_RUN_WINDOW_MS = 10_000;
/** Of a tenant's key, which checks a file or two and not a fleet's. */
const LARGEST_DRY_RUN_BYTES = 262_144;

export async function handleRoutes(server: ApiServer, parts: ApiParts): Promise<void> {
  const parser = createDefinitionParser();
  const dryRunLimit = server.createRateLimit({
    max: DRY_RUNS_PER_WINDOW,
    timeWindow: DRY_RUN_WINDOW_MS,
    keyGenerator: (request) => customerOf(callerOf(request)),
  });

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
    '/api/v1/routes/:tenant/:name',
    {
      schema: {
        summary: 'One route: what it takes, its steps and its versions',
        tags: ['routes'],
        params: z.object({ tenant: tenantField, name: textField(128) }),
        response: { 200: routeDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const route = await findRoute(parts.reads, { ...request.params, tenantId: callerOf(request).tenantId });
      if (route === undefined) throw new LongshoreError('NOT_FOUND', 'Route not found');
      return route;
    },
  );

  server.get(
    '/api/v1/tenants',
    { schema: { summary: 'Tenants', tags: ['routes'], response: { 200: tenantListSchema, ...errorReplies } } },
    async (request) => await findTenants(parts.reads, callerOf(request).tenantId),
  );

  // A context of its own: here bodies stay text, so that faults carry the line and column of what was sent.
  await server.register(async (app: ApiServer) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser([...YAML_TYPES, 'application/json'], { parseAs: 'string' }, (_request, text, done) =>
      done(null, text),
    );
    app.post(
      '/api/v1/routes',
      {
        schema: {
          summary: 'Apply tenants, partners and routes',
          description:
            'The body is a route file: YAML with one or more documents, or the same as JSON, or `{"files": [{"name", "text"}]}`.' +
            ' With any fault nothing is applied, and all are listed.',
          tags: ['routes'],
          consumes: ['application/yaml', 'application/json'],
          querystring: z.strictObject({ dry_run: flagField }),
          response: { 200: appliedSchema, ...errorReplies },
        },
      },
      async (request, reply) => {
        const isDryRun = request.query.dry_run;
        const caller = isDryRun ? callerOf(request) : callerWith(request, 'definitions:apply');
        if (caller.tenantId !== null) await spend(dryRunLimit, request, reply);
        const text = typeof request.body === 'string' ? request.body : '';
        if (caller.tenantId !== null && Buffer.byteLength(text) > LARGEST_DRY_RUN_BYTES)
          throw new LongshoreError('PAYLOAD_TOO_LARGE', 'With the key of a tenant a dry run takes 256 KiB at most.', {
            hint: 'Check the files in parts.',
          });
        const definitions = await parser.parse(
          { text, contentType: request.headers['content-type'] ?? '' },
          { customer: customerOf(caller), signal: request.ended },
        );
        if (!definitions.ok) throw faulty(definitions.faults, definitions.faultCount);
        const result = await applyRouteFiles(parts, {
          documents: definitions.documents,
          tenantId: caller.tenantId,
          isDryRun,
          actor: actorOf(caller),
        });
        if (result.type === 'applied') return result.applied;
        throw faulty(result.faults);
      },
    );
  });
}

function faulty(faults: readonly RouteFileFault[], count = faults.length): LongshoreError {
  const message =
    count === 1 ? 'There is 1 fault; nothing was applied.' : `There are ${count} faults; nothing was applied.`;
  return new LongshoreError('ROUTE_INVALID', message, { details: { faults: faults.slice(0, MOST_FAULTS) } });
}
