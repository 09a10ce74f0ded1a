/** The routes of a tenant as they are in force, and as they would be with documents that are proposed, for the simulator. */
import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import type { ParsedDocument } from '#shared/definitions/parse-route-files.ts';
import { type CompiledRoute, compileRoute } from '#shared/definitions/routes/compile-route.ts';
import { compileGlobs } from '#shared/definitions/routes/match-glob.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { RuleSet, SimulatedRoute, SimulatedTenant } from './simulate-file.ts';

export interface RuleSets {
  readonly present: RuleSet;
  /** The same as `present` when nothing is proposed. */
  readonly proposed: RuleSet;
}

interface RouteRow {
  readonly routeId: string;
  readonly versionId: string;
  readonly name: string;
  readonly version: number;
  readonly definition: unknown;
  readonly isDisabled: boolean;
}

interface TenantRow {
  readonly id: string;
  readonly timeZone: string;
  readonly homeRegion: string | null;
  readonly priority: Lane;
  readonly ignoreGlobs: readonly string[];
  readonly isDisabled: boolean;
  readonly channels: SimulatedTenant['channels'];
}

/** A version never changes. */
const COMPILED_KEPT = 5_000;
/** Then others get a turn at the event loop. */
const COMPILED_AT_ONCE = 20;

export function createRuleSetLoader(sql: Sql) {
  const compiled = new LRUCache<string, { readonly route: CompiledRoute | undefined }>({ max: COMPILED_KEPT });

  function compile(versionId: string, definition: unknown): CompiledRoute | undefined {
    const known = compiled.get(versionId);
    if (known !== undefined) return known.route;
    const route = tryCompile(definition);
    compiled.set(versionId, { route });
    return route;
  }

  async function loadPresent(tenantId: string): Promise<RuleSet | undefined> {
    const [[tenant], routes, partners] = await Promise.all([
      sql<TenantRow[]>`
        SELECT id, time_zone AS "timeZone", home_region AS "homeRegion", priority, ignore_globs AS "ignoreGlobs", disabled_at IS NOT NULL AS "isDisabled", (
          SELECT coalesce(jsonb_agg(definition ORDER BY name), '[]') FROM notice_channels c WHERE c.tenant_id = t.id AND c.route = ''
        ) AS channels
        FROM tenants t WHERE id = ${tenantId}`,
      sql<RouteRow[]>`
        SELECT r.id AS "routeId", v.id AS "versionId", r.name, v.version, v.definition, r.disabled_at IS NOT NULL AS "isDisabled"
        FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
        WHERE r.tenant_id = ${tenantId} AND r.removed_at IS NULL ORDER BY r.name`,
      sql<{ name: string; definition: unknown }[]>`
        SELECT name, definition FROM partners WHERE tenant_id = ${tenantId} AND removed_at IS NULL`,
    ]);
    if (tenant === undefined) return undefined;
    const read: SimulatedRoute[] = [];
    const unreadable: string[] = [];
    for (const [index, row] of routes.entries()) {
      if (index % COMPILED_AT_ONCE === COMPILED_AT_ONCE - 1) await setImmediate();
      const route = compile(row.versionId, row.definition);
      if (route === undefined) unreadable.push(row.name);
      else read.push({ ...row, routeVersionId: row.versionId, route, channels: channelsIn(row.definition) });
    }
    return {
      tenant: { ...tenant, ignores: compileGlobs(tenant.ignoreGlobs) },
      routes: read,
      unreadable,
      operations: new Map(partners.flatMap(({ name, definition }) => operationsOf(name, definition))),
    };
  }

  /** Undefined: there is no such tenant. */
  return async (tenantId: string, documents: readonly ParsedDocument[]): Promise<RuleSets | undefined> => {
    const present = await loadPresent(tenantId);
    if (present === undefined) return undefined;
    return { present, proposed: documents.length === 0 ? present : await propose(present, documents) };
  };
}

async function propose(present: RuleSet, documents: readonly ParsedDocument[]): Promise<RuleSet> {
  let tenant = present.tenant;
  const routes = new Map(present.routes.map((route) => [route.route.name, route]));
  const unreadable = new Set(present.unreadable);
  const operations = new Map(present.operations);
  for (const [index, { document, definitionHash }] of documents.entries()) {
    if (index % COMPILED_AT_ONCE === COMPILED_AT_ONCE - 1) await setImmediate();
    if (document.kind === 'tenant') {
      if (document.id !== tenant.id) continue;
      const { timeZone, homeRegion, priority, ignore, notify } = document;
      tenant = { ...tenant, timeZone, homeRegion, priority, ignores: compileGlobs(ignore), channels: notify };
      continue;
    }
    if (document.tenant !== tenant.id) continue;
    if (document.kind === 'partner')
      for (const [key, request] of operationsOf(document.name, document)) operations.set(key, request);
    if (document.kind !== 'route') continue;
    const known = routes.get(document.name);
    unreadable.delete(document.name);
    routes.set(document.name, {
      routeId: known?.routeId ?? document.name,
      routeVersionId: `proposed ${definitionHash} ${document.name}`,
      version: null,
      isDisabled: known?.isDisabled ?? false,
      channels: document.notify,
      route: compileRoute(document),
    });
  }
  const inOrder = [...routes.values()].sort((a, b) => (a.route.name < b.route.name ? -1 : 1));
  return { tenant, routes: inOrder, unreadable: [...unreadable], operations };
}

function tryCompile(definition: unknown): CompiledRoute | undefined {
  try {
    return compileRoute(definition);
  } catch (error) {
    if (error instanceof LongshoreError) return undefined;
    throw error;
  }
}

/** Stored definitions can be those of another version: only what is needed is read. */
const channelsSchema = z.looseObject({ notify: z.array(z.custom<SimulatedRoute['channels'][number]>()).default([]) });
const operationsSchema = z.looseObject({
  baseUrl: z.string(),
  operations: z.record(z.string(), z.looseObject({ method: z.string(), path: z.string() })),
});

function channelsIn(definition: unknown): SimulatedRoute['channels'] {
  return channelsSchema.safeParse(definition).data?.notify ?? [];
}

function operationsOf(partner: string, definition: unknown): [string, string][] {
  const parsed = operationsSchema.safeParse(definition);
  if (!parsed.success) return [];
  const { baseUrl, operations } = parsed.data;
  return Object.entries(operations).map(([name, { method, path }]) => [
    `${partner} ${name}`,
    `${method} ${baseUrl.replace(/\/$/, '')}${path}`,
  ]);
}
