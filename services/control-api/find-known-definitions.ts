/** What is in force already of that which route files speak of: tenants, their SFTP users, partners and routes. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, eq, inArray } from '#shared/db/drizzle.ts';
import { partners, routes, routeVersions, sftpUsers, tenants } from '#shared/db/schema.ts';
import { callsIn, type StoredDefinitions } from '#shared/routes/find-call-faults.ts';
import type { RouteFileDocument } from '#shared/routes/route-schema.ts';

interface KnownVersion {
  readonly version: number;
  readonly hash: string | null;
}

export interface KnownDefinitions {
  readonly tenantIds: ReadonlySet<string>;
  /** By username. */
  readonly userTenants: ReadonlyMap<string, string>;
  /** Both by `<tenant>/<name>`. */
  readonly partners: ReadonlyMap<string, KnownVersion>;
  readonly routes: ReadonlyMap<string, KnownVersion>;
  readonly stored: StoredDefinitions;
}

export async function findKnownDefinitions(
  reads: Reads,
  documents: readonly RouteFileDocument[],
): Promise<KnownDefinitions> {
  const ids = [...new Set(documents.map((document) => (document.kind === 'tenant' ? document.id : document.tenant)))];
  const usernames = documents.flatMap((document) =>
    document.kind === 'tenant' ? document.sftpUsers.map(({ username }) => username) : [],
  );
  const [tenantRows, userRows, partnerRows, routeRows] = await Promise.all([
    ids.length === 0 ? [] : reads.select({ id: tenants.id }).from(tenants).where(inArray(tenants.id, ids)),
    usernames.length === 0 ? [] : reads.select().from(sftpUsers).where(inArray(sftpUsers.username, usernames)),
    ids.length === 0 ? [] : findPartners(reads, ids),
    ids.length === 0 ? [] : findRoutes(reads, ids),
  ]);
  const versionOf = <Row extends KnownVersion & { tenantId: string; name: string }>(row: Row) =>
    [`${row.tenantId}/${row.name}`, { version: row.version, hash: row.hash }] as const;
  return {
    tenantIds: new Set(tenantRows.map(({ id }) => id)),
    userTenants: new Map(userRows.map((user) => [user.username, user.tenantId])),
    partners: new Map(partnerRows.map(versionOf)),
    routes: new Map(routeRows.map(versionOf)),
    stored: {
      partners: partnerRows.map(({ tenantId, name, definition }) => ({
        tenantId,
        name,
        operations: operationsIn(definition),
      })),
      routes: routeRows
        .filter(({ disabledAt }) => disabledAt === null)
        .map(({ tenantId, name, definition }) => ({ tenantId, name, calls: callsOf(definition) })),
    },
  };
}

function findPartners(reads: Reads, tenantIds: readonly string[]) {
  return reads
    .select({
      tenantId: partners.tenantId,
      name: partners.name,
      version: partners.version,
      hash: partners.definitionHash,
      definition: partners.definition,
    })
    .from(partners)
    .where(inArray(partners.tenantId, [...tenantIds]));
}

function findRoutes(reads: Reads, tenantIds: readonly string[]) {
  return reads
    .select({
      tenantId: routes.tenantId,
      name: routes.name,
      version: routes.activeVersion,
      hash: routeVersions.definitionHash,
      definition: routeVersions.definition,
      disabledAt: routes.disabledAt,
    })
    .from(routes)
    .leftJoin(routeVersions, and(eq(routeVersions.routeId, routes.id), eq(routeVersions.version, routes.activeVersion)))
    .where(inArray(routes.tenantId, [...tenantIds]));
}

/** Stored definitions can be those of another version: only what is needed is read. */
const operationsSchema = z.object({ operations: z.record(z.string(), z.unknown()) });
const stepsSchema = z.object({ steps: z.array(z.record(z.string(), z.unknown())) });

function operationsIn(definition: unknown): string[] {
  const parsed = operationsSchema.safeParse(definition);
  return parsed.success ? Object.keys(parsed.data.operations) : [];
}

function callsOf(definition: unknown) {
  const parsed = stepsSchema.safeParse(definition);
  return parsed.success ? callsIn(parsed.data.steps).map(({ call }) => call) : [];
}
