/**
 * Applies route files: all faults of all files first, and nothing applied while there is one.
 *
 * 1. Tenants go before their routes, whatever the order of the files.
 * 2. Applying the same files again changes nothing, so a call that was cut off is simply repeated.
 */
import { z } from 'zod';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { and, eq, inArray } from '#shared/db/drizzle.ts';
import { routes, routeVersions, sftpUsers, tenants } from '#shared/db/schema.ts';
import { applyRoute, applySftpUser, applyTenants } from '#shared/jobs/apply-definitions.ts';
import {
  type ParsedDocument,
  parseRouteFiles,
  type RouteFile,
  type RouteFileFault,
} from '#shared/routes/parse-route-files.ts';
import type { RouteDocument, TenantDocument } from '#shared/routes/route-schema.ts';

export const appliedSchema = z.object({
  dry_run: z.boolean(),
  tenants: z.array(z.object({ tenant: z.string(), change: z.enum(['created', 'applied']) })),
  sftp_users: z.array(
    z.object({
      username: z.string(),
      tenant: z.string(),
      change: z.enum(['applied', 'skipped']).describe('Skipped: the file names no public key.'),
    }),
  ),
  routes: z.array(
    z.object({
      tenant: z.string(),
      name: z.string(),
      version: z.number(),
      change: z.enum(['created', 'changed', 'unchanged']),
    }),
  ),
});
type Applied = z.infer<typeof appliedSchema>;

export type ApplyResult =
  | { readonly type: 'applied'; readonly applied: Applied }
  | { readonly type: 'faulty'; readonly faults: readonly RouteFileFault[] };

export interface ApplyOptions {
  readonly files: readonly RouteFile[];
  /** Null: an operator. A tenant's own routes are all that its key may check. */
  readonly tenantId: string | null;
  readonly isDryRun: boolean;
  readonly actor: string;
}

type RouteEntry = ParsedDocument & { readonly document: RouteDocument };
type TenantEntry = ParsedDocument & { readonly document: TenantDocument };

export async function applyRouteFiles(
  { sql, reads }: { readonly sql: Sql; readonly reads: Reads },
  { files, tenantId, isDryRun, actor }: ApplyOptions,
): Promise<ApplyResult> {
  const parsed = parseRouteFiles(files);
  if (!parsed.ok) return { type: 'faulty', faults: parsed.faults };
  const tenantEntries = parsed.documents.filter((entry): entry is TenantEntry => entry.document.kind === 'tenant');
  const routeEntries = parsed.documents.filter((entry): entry is RouteEntry => entry.document.kind === 'route');

  const known = await findKnown(reads, tenantEntries, routeEntries);
  const faults = [
    ...routeEntries.flatMap((entry) => faultsOfRoute(entry, tenantEntries, known.tenantIds, tenantId)),
    ...tenantEntries.flatMap((entry) => faultsOfTenant(entry, known.userTenants, tenantId)),
  ];
  if (faults.length > 0) return { type: 'faulty', faults };

  const applied = describeChanges(tenantEntries, routeEntries, known, isDryRun);
  if (isDryRun) return { type: 'applied', applied };
  await storeTenants(sql, tenantEntries, actor);
  const versions: number[] = [];
  for (const { document, definitionHash } of routeEntries) {
    const { tenant, name } = document;
    const row = await applyRoute(sql, { tenantId: tenant, name, definition: document, definitionHash }, actor);
    versions.push(row.version);
  }
  return {
    type: 'applied',
    applied: {
      ...applied,
      routes: applied.routes.map((route, index) => ({ ...route, version: versions[index] ?? route.version })),
    },
  };
}

interface Known {
  readonly tenantIds: ReadonlySet<string>;
  readonly userTenants: ReadonlyMap<string, string>;
  readonly routes: ReadonlyMap<string, { readonly version: number; readonly hash: string | null }>;
}

async function findKnown(
  reads: Reads,
  tenantEntries: readonly TenantEntry[],
  routeEntries: readonly RouteEntry[],
): Promise<Known> {
  const ids = [
    ...new Set([
      ...tenantEntries.map(({ document }) => document.id),
      ...routeEntries.map(({ document }) => document.tenant),
    ]),
  ];
  const usernames = tenantEntries.flatMap(({ document }) => document.sftpUsers.map(({ username }) => username));
  const [tenantRows, userRows, routeRows] = await Promise.all([
    ids.length === 0 ? [] : reads.select({ id: tenants.id }).from(tenants).where(inArray(tenants.id, ids)),
    usernames.length === 0 ? [] : reads.select().from(sftpUsers).where(inArray(sftpUsers.username, usernames)),
    ids.length === 0
      ? []
      : reads
          .select({
            tenantId: routes.tenantId,
            name: routes.name,
            version: routes.activeVersion,
            hash: routeVersions.definitionHash,
          })
          .from(routes)
          .leftJoin(
            routeVersions,
            and(eq(routeVersions.routeId, routes.id), eq(routeVersions.version, routes.activeVersion)),
          )
          .where(inArray(routes.tenantId, ids)),
  ]);
  return {
    tenantIds: new Set(tenantRows.map(({ id }) => id)),
    userTenants: new Map(userRows.map((user) => [user.username, user.tenantId])),
    routes: new Map(routeRows.map(({ tenantId, name, version, hash }) => [`${tenantId}/${name}`, { version, hash }])),
  };
}

/** To a tenant's key other tenants are as unknown as those that do not exist. */
function faultsOfRoute(
  entry: RouteEntry,
  tenantEntries: readonly TenantEntry[],
  tenantIds: ReadonlySet<string>,
  caller: string | null,
): RouteFileFault[] {
  const { tenant } = entry.document;
  const isKnown = tenantIds.has(tenant) || tenantEntries.some(({ document }) => document.id === tenant);
  if (isKnown && (caller === null || caller === tenant)) return [];
  return [faultAt(entry, 'tenant', `the tenant ${tenant} does not exist; define it with kind: tenant`)];
}

function faultsOfTenant(
  entry: TenantEntry,
  userTenants: ReadonlyMap<string, string>,
  caller: string | null,
): RouteFileFault[] {
  const { id, sftpUsers: users } = entry.document;
  if (caller !== null) return [faultAt(entry, 'kind', 'only an operator defines tenants')];
  return users.flatMap(({ username }, index) => {
    const owner = userTenants.get(username);
    if (owner === undefined || owner === id) return [];
    return [faultAt(entry, `sftpUsers.${index}.username`, `the username ${username} belongs to another tenant`)];
  });
}

function faultAt({ file, line }: ParsedDocument, path: string, message: string): RouteFileFault {
  return { ...(file !== undefined && { file }), line, column: 1, path, code: 'ROUTE_INVALID', message };
}

function describeChanges(
  tenantEntries: readonly TenantEntry[],
  routeEntries: readonly RouteEntry[],
  known: Known,
  isDryRun: boolean,
): Applied {
  return {
    dry_run: isDryRun,
    tenants: tenantEntries.map(({ document: { id } }) => ({
      tenant: id,
      change: known.tenantIds.has(id) ? 'applied' : 'created',
    })),
    sftp_users: tenantEntries.flatMap(({ document: { id, sftpUsers: users } }) =>
      users.map(({ username, publicKey }) => ({
        username,
        tenant: id,
        change: publicKey === undefined ? ('skipped' as const) : ('applied' as const),
      })),
    ),
    routes: routeEntries.map(({ document: { tenant, name }, definitionHash }) => {
      const present = known.routes.get(`${tenant}/${name}`);
      if (present === undefined) return { tenant, name, version: 1, change: 'created' };
      const isSame = present.hash === definitionHash;
      return { tenant, name, version: present.version + (isSame ? 0 : 1), change: isSame ? 'unchanged' : 'changed' };
    }),
  };
}

async function storeTenants(sql: Sql, entries: readonly TenantEntry[], actor: string): Promise<void> {
  if (entries.length === 0) return;
  const rows = entries.map(({ document: { id, name, timeZone, homeRegion, ignore } }) => ({
    id,
    name,
    timeZone,
    homeRegion,
    ignoreGlobs: ignore,
  }));
  await applyTenants(sql, rows, actor);
  for (const { document } of entries) {
    for (const { username, publicKey } of document.sftpUsers) {
      if (publicKey === undefined) continue;
      const user = { username, tenantId: document.id, publicKey, homePrefix: `${document.id}/` };
      await applySftpUser(sql, user, actor);
    }
  }
}
