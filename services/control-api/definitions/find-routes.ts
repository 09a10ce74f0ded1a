/** Reads of routes and tenants: what is in force now. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, asc, eq, sql } from '#shared/db/drizzle.ts';
import { campaigns, routes, routeVersions, tenants, UNASSIGNED_TENANT } from '#shared/db/schema.ts';
import { LANES } from '#shared/definitions/lanes.ts';
import { tenantSignInSchema } from '#shared/definitions/sign-in-schema.ts';
import type { ApiParts } from '../http/api-server.ts';
import { encodeCursor, type PagePosition } from '../http/page-cursor.ts';
import { exactInstantOf, instantOf, instantOrNullOf } from '../records/read-columns.ts';
import { versionPageSchema, versionSchema } from './find-versions.ts';
import { portalLookSchema } from './portal-look.ts';

const routeSchema = z
  .object({
    route_id: z.string(),
    customer_id: z.string(),
    name: z.string(),
    version: z.number(),
    definition: z.unknown().describe('As applied, with defaults.'),
    applied_by: z.string(),
    applied_at: z.string(),
    disabled_at: z.string().nullable(),
    removed_at: z.string().nullable().describe('When `apply --prune` removed it; it is disabled since then.'),
  })
  .meta({ id: 'Route' });
export const routePageSchema = z.object({ routes: z.array(routeSchema), next_cursor: z.string().nullable() });

export const routeDetailSchema = routeSchema
  .extend({
    source: versionSchema.shape.source,
    source_kept: versionSchema.shape.source_kept,
    versions: versionPageSchema.shape.versions.describe('Newest first, the newest 200.'),
  })
  .meta({ id: 'RouteDetail' });

export type RoutePage = z.infer<typeof routePageSchema>;
export type RouteDetail = z.infer<typeof routeDetailSchema>;

interface PageOptions {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly after?: PagePosition | undefined;
  readonly limit: number;
}

const routeColumns = {
  id: routes.id,
  tenantId: routes.tenantId,
  name: routes.name,
  version: routeVersions.version,
  definition: routeVersions.definition,
  appliedBy: routeVersions.createdBy,
  appliedAt: instantOf(routeVersions.createdAt),
  disabledAt: instantOrNullOf(routes.disabledAt),
  removedAt: instantOrNullOf(routes.removedAt),
};

interface RouteRow {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly version: number;
  readonly definition: unknown;
  readonly appliedBy: string;
  readonly appliedAt: string;
  readonly disabledAt: string | null;
  readonly removedAt: string | null;
}

function toRoute(row: RouteRow): z.infer<typeof routeSchema> {
  return {
    route_id: row.id,
    customer_id: row.tenantId,
    name: row.name,
    version: row.version,
    definition: row.definition,
    applied_by: row.appliedBy,
    applied_at: row.appliedAt,
    disabled_at: row.disabledAt,
    removed_at: row.removedAt,
  };
}

/** Oldest first. The route of a campaign is not a tenant's to read: it is hidden. */
export async function findRoutes(
  reads: Reads,
  { tenantId, after, limit }: PageOptions,
): Promise<z.infer<typeof routePageSchema>> {
  const rows = await reads
    .select({ ...routeColumns, at: exactInstantOf(routes.createdAt) })
    .from(routes)
    .innerJoin(
      routeVersions,
      and(eq(routeVersions.routeId, routes.id), eq(routeVersions.version, routes.activeVersion)),
    )
    .where(
      and(
        sql`NOT EXISTS (SELECT FROM ${campaigns} WHERE ${campaigns.routeId} = ${routes.id})`,
        tenantId === null ? undefined : eq(routes.tenantId, tenantId),
        after && sql`(${routes.createdAt}, ${routes.id}) > (${after.at}::timestamptz, ${after.id}::uuid)`,
      ),
    )
    .orderBy(asc(routes.createdAt), asc(routes.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    routes: page.map(toRoute),
    next_cursor: last === undefined ? null : encodeCursor(last),
  };
}

const tenantSchema = z
  .object({
    tenant: z.string(),
    name: z.string(),
    time_zone: z.string(),
    home_region: z.string().nullable(),
    priority: z.enum(LANES),
    ignore: z.array(z.string()),
    created_at: z.string(),
    disabled_at: z.string().nullable(),
  })
  .meta({ id: 'Tenant' });
export const tenantListSchema = z.object({ tenants: z.array(tenantSchema) });
export type TenantList = z.infer<typeof tenantListSchema>;

const count = z.number();
export const tenantDetailSchema = tenantSchema
  .extend({
    has: z
      .object({ routes: count, partners: count, stores: count, sftp_users: count, api_keys: count, channels: count })
      .describe('How many are in use: not disabled, removed, revoked or expired.'),
    sign_in: tenantSignInSchema.nullable().describe('The provider of its people; null: they sign in by mail.'),
    portal: portalLookSchema.nullable().describe('How the portal looks for them; null: like Longshore’s.'),
  })
  .meta({ id: 'TenantDetail' });

type TenantDetail = z.infer<typeof tenantDetailSchema>;

/** Undefined: there is none in sight. */
export async function findTenant(
  { sql: write, reads }: Pick<ApiParts, 'sql' | 'reads'>,
  tenantId: string | null,
  id: string,
): Promise<TenantDetail | undefined> {
  const tenant = (await findTenants(reads, tenantId)).tenants.find((each) => each.tenant === id);
  if (tenant === undefined) return undefined;
  const [found] = await write<
    (TenantDetail['has'] & { signIn: TenantDetail['sign_in']; portal: TenantDetail['portal'] })[]
  >`
    SELECT (SELECT sign_in FROM tenants WHERE id = ${id}) AS "signIn",
      (SELECT portal FROM tenants WHERE id = ${id}) AS portal,
      (SELECT count(*) FROM routes WHERE tenant_id = ${id} AND disabled_at IS NULL)::int AS routes,
      (SELECT count(*) FROM partners WHERE tenant_id = ${id} AND removed_at IS NULL)::int AS partners,
      (SELECT count(*) FROM stores WHERE tenant_id = ${id} AND removed_at IS NULL)::int AS stores,
      (SELECT count(*) FROM sftp_users WHERE tenant_id = ${id} AND disabled_at IS NULL AND removed_at IS NULL)::int AS sftp_users,
      (SELECT count(*) FROM api_keys WHERE tenant_id = ${id} AND revoked_at IS NULL AND coalesce(expires_at > now(), true))::int AS api_keys,
      (SELECT count(*) FROM notice_channels WHERE tenant_id = ${id})::int AS channels`;
  if (found === undefined) return undefined;
  const { signIn, portal, ...has } = found;
  return { ...tenant, has, sign_in: signIn, portal };
}

/** A fleet has hundreds, not more. */
const MOST_TENANTS = 10_000;

export async function findTenants(reads: Reads, tenantId: string | null): Promise<TenantList> {
  const rows = await reads
    .select({
      tenant: tenants.id,
      name: tenants.name,
      time_zone: tenants.timeZone,
      home_region: tenants.homeRegion,
      priority: tenants.priority,
      ignore: tenants.ignoreGlobs,
      created_at: instantOf(tenants.createdAt),
      disabled_at: instantOrNullOf(tenants.disabledAt),
    })
    .from(tenants)
    .where(tenantId === null ? sql`${tenants.id} <> ${UNASSIGNED_TENANT}` : eq(tenants.id, tenantId))
    .orderBy(asc(tenants.id))
    .limit(MOST_TENANTS);
  return { tenants: rows };
}
