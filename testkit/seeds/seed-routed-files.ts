/** Rows for tests of whole jobs: a tenant with real route definitions, its files and their jobs. */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { compileRoute } from '#shared/definitions/routes/compile-route.ts';
import { newJob } from '#shared/jobs/new-job.ts';
import { type ArrivedObject, registerFiles } from '#shared/jobs/register-files.ts';
import { routeFiles, type WokenJob } from '#shared/jobs/route-files.ts';
import { arrivedObject } from './seed-jobs.ts';

export interface SeedRouteOptions {
  /** Step kinds of each route; default one route of validate, deliver, confirm. */
  readonly routes?: readonly (readonly string[])[];
  readonly retry?: Readonly<Record<string, unknown>>;
  readonly isOrdered?: boolean;
}

const STEP_OPTIONS: Readonly<Record<string, unknown>> = {
  deliver: { bucket: 'delivered' },
  transform: { ops: [{ gunzip: {} }] },
};

/** Tenant `acme` with routes that take everything. */
export async function seedRoutes(sql: Sql, options: SeedRouteOptions = {}): Promise<void> {
  const { routes = [['validate', 'deliver', 'confirm']], retry = {}, isOrdered = false } = options;
  const acme = { id: 'acme', name: 'Acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] };
  await applyTenants(sql, [acme], 'test');
  for (const [index, kinds] of routes.entries()) {
    const name = `route-${index}`;
    const steps = kinds.map((kind) => ({ [kind]: STEP_OPTIONS[kind] ?? {} }));
    const definition = {
      kind: 'route',
      tenant: 'acme',
      name,
      match: { path: ['**'] },
      ordered: isOrdered,
      retry,
      steps,
    };
    await applyRoute(sql, { tenantId: 'acme', name, definition, definitionHash: randomUUID() }, 'test');
  }
}

export interface SeedFilesOptions {
  readonly count?: number;
  readonly isLarge?: boolean;
  /** What arrived; invented when absent. */
  readonly objects?: readonly ArrivedObject[];
  /** Wake-ups of the tenant that may be in one queue. */
  readonly window?: number;
}

/** Files of tenant `acme` on all of its routes. Resolves to their jobs. */
export async function seedFiles(sql: Sql, options: SeedFilesOptions = {}): Promise<WokenJob[]> {
  const { count = 1, isLarge = false } = options;
  const objects = options.objects ?? Array.from({ length: count }, () => arrivedObject());
  const { files } = await registerFiles(sql, objects, 'test');
  const inputs = await loadRoutingInput(
    sql,
    files.map(({ id }) => id),
  );
  const versions = await sql<{ id: string; definition: unknown }[]>`SELECT id, definition FROM route_versions`;
  const compiled = new Map(versions.map(({ id, definition }) => [id, compileRoute(definition)]));
  const decisions = inputs.map(({ fileId, routes }) => ({
    fileId,
    isLarge,
    jobs: routes.map(({ routeId, routeVersionId }) => {
      const route = compiled.get(routeVersionId);
      if (route === undefined) throw new Error('the route was not seeded');
      return newJob({ routeId, routeVersionId, route }, { isLarge, priority: 'standard' });
    }),
  }));
  return await routeFiles(sql, decisions, 'test', {
    settleMs: 0,
    ...(options.window !== undefined && { window: options.window }),
  });
}
