/**
 * `GET` and `POST /api/v1/routes`, `GET /api/v1/tenants`.
 *
 * Applying takes an operator: a route moves bytes with the fleet's own rights. A tenant may look at its routes and check new
 * ones with `dry_run=true`.
 */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import type { RouteFile } from '#shared/routes/parse-route-files.ts';
import { type ApiParts, type ApiServer, errorReplies } from './api-server.ts';
import { appliedSchema, applyRouteFiles } from './apply-route-files.ts';
import { findRoutes, findTenants, routePageSchema, tenantListSchema } from './find-routes.ts';
import { cursorField } from './page-cursor.ts';
import { flagField, limitField, tenantField } from './request-fields.ts';
import { actorOf, callerOf, operatorOf } from './request-guard.ts';

const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'];

/** Several files at once, each with the name that its faults are listed under. */
const filesSchema = z.strictObject({
  files: z
    .array(z.strictObject({ name: z.string().min(1).max(1_024), text: z.string() }))
    .min(1)
    .max(500),
});

export async function handleRoutes(server: ApiServer, parts: ApiParts): Promise<void> {
  server.get(
    '/api/v1/routes',
    {
      schema: {
        summary: 'Routes in force, oldest first',
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
      const caller = callerOf(request);
      const { tenant, cursor, limit } = request.query;
      if (caller.tenantId !== null && tenant !== undefined && tenant !== caller.tenantId)
        return { routes: [], next_cursor: null };
      return await findRoutes(parts.reads, { tenantId: caller.tenantId ?? tenant ?? null, after: cursor, limit });
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
      async (request) => {
        const isDryRun = request.query.dry_run;
        const caller = isDryRun ? callerOf(request) : operatorOf(request);
        const result = await applyRouteFiles(parts, {
          files: toFiles(typeof request.body === 'string' ? request.body : '', request.headers['content-type']),
          tenantId: caller.tenantId,
          isDryRun,
          actor: actorOf(caller),
        });
        if (result.type === 'applied') return result.applied;
        throw new LongshoreError('ROUTE_INVALID', describeFaults(result.faults.length), {
          details: { faults: result.faults.slice(0, 500) },
        });
      },
    );
  });
}

function describeFaults(count: number): string {
  return count === 1 ? 'There is 1 fault; nothing was applied.' : `There are ${count} faults; nothing was applied.`;
}

function toFiles(text: string, contentType = ''): readonly RouteFile[] {
  if (!contentType.startsWith('application/json')) return [{ text }];
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // As YAML it gives a fault with its place.
    return [{ text }];
  }
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, 'files')) return [{ text }];
  const parsed = filesSchema.safeParse(json);
  if (parsed.success) return parsed.data.files;
  const faults = parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), message: issue.message }));
  throw new LongshoreError('REQUEST_INVALID', 'The list of files is not as it should be.', {
    details: { in: 'body', faults: faults.slice(0, 50) },
  });
}
