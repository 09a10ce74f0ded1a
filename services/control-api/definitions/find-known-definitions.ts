/** What is in force already of that which route files speak of: tenants, their SFTP users, partners, stores and routes. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, eq, inArray, or } from '#shared/db/drizzle.ts';
import { partners, routes, routeVersions, sftpUsers, stores, tenants } from '#shared/db/schema.ts';
import { callsIn, type StoredDefinitions } from '#shared/definitions/routes/find-call-faults.ts';
import { deliveriesIn, type StoredStores } from '#shared/definitions/routes/find-store-faults.ts';
import type { RouteFileDocument } from '#shared/definitions/routes/route-schema.ts';

interface KnownVersion {
  readonly version: number;
  readonly hash: string | null;
}

export interface KnownDefinitions {
  readonly tenantIds: ReadonlySet<string>;
  /** By id; of routes by `<tenant>/<name>`. */
  readonly disabled: { readonly tenants: ReadonlySet<string>; readonly routes: ReadonlySet<string> };
  /** That the tenants' files have so far. */
  readonly declaredUsers: readonly { readonly tenantId: string; readonly username: string }[];
  /** By username. */
  readonly userTenants: ReadonlyMap<string, string>;
  /** All by `<tenant>/<name>`. */
  readonly partners: ReadonlyMap<string, KnownVersion>;
  readonly stores: ReadonlyMap<string, KnownVersion>;
  readonly routes: ReadonlyMap<string, KnownVersion>;
  readonly stored: StoredDefinitions & StoredStores;
}

export async function findKnownDefinitions(
  reads: Reads,
  documents: readonly RouteFileDocument[],
): Promise<KnownDefinitions> {
  const ids = [...new Set(documents.map((document) => (document.kind === 'tenant' ? document.id : document.tenant)))];
  const usernames = documents.flatMap((document) =>
    document.kind === 'tenant' ? document.sftpUsers.map(({ username }) => username) : [],
  );
  const [tenantRows, userRows, partnerRows, storeRows, routeRows] = await Promise.all([
    ids.length === 0
      ? []
      : reads.select({ id: tenants.id, disabledAt: tenants.disabledAt }).from(tenants).where(inArray(tenants.id, ids)),
    ids.length === 0
      ? []
      : reads
          .select()
          .from(sftpUsers)
          .where(or(inArray(sftpUsers.username, usernames), inArray(sftpUsers.tenantId, ids))),
    ids.length === 0 ? [] : findDefinitions(reads, partners, ids),
    ids.length === 0 ? [] : findDefinitions(reads, stores, ids),
    ids.length === 0 ? [] : findRoutes(reads, ids),
  ]);
  const versionOf = <Row extends KnownVersion & { tenantId: string; name: string }>(row: Row) =>
    [`${row.tenantId}/${row.name}`, { version: row.version, hash: row.hash }] as const;
  return {
    tenantIds: new Set(tenantRows.map(({ id }) => id)),
    disabled: {
      tenants: new Set(tenantRows.filter(({ disabledAt }) => disabledAt !== null).map(({ id }) => id)),
      routes: new Set(
        routeRows.filter(({ disabledAt }) => disabledAt !== null).map(({ tenantId, name }) => `${tenantId}/${name}`),
      ),
    },
    declaredUsers: userRows.filter(({ isDeclared, removedAt }) => isDeclared && removedAt === null),
    userTenants: new Map(userRows.map((user) => [user.username, user.tenantId])),
    partners: new Map(partnerRows.map(versionOf)),
    stores: new Map(storeRows.map(versionOf)),
    routes: new Map(routeRows.map(versionOf)),
    stored: {
      partners: partnerRows.map(({ tenantId, name, definition }) => ({
        tenantId,
        name,
        operations: operationsIn(definition),
      })),
      stores: storeRows.map(({ tenantId, name, definition }) => ({ tenantId, name, buckets: bucketsIn(definition) })),
      routes: routeRows
        .filter(({ disabledAt }) => disabledAt === null)
        .map(({ tenantId, name, definition }) => ({ tenantId, name, ...usesIn(tenantId, name, definition) })),
    },
  };
}

function findDefinitions(reads: Reads, table: typeof partners | typeof stores, tenantIds: readonly string[]) {
  return reads
    .select({
      tenantId: table.tenantId,
      name: table.name,
      version: table.version,
      hash: table.definitionHash,
      definition: table.definition,
    })
    .from(table)
    .where(inArray(table.tenantId, [...tenantIds]));
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
const bucketsSchema = z.object({ buckets: z.array(z.string()) });
const stepsSchema = z.object({ steps: z.array(z.record(z.string(), z.unknown())) });

function operationsIn(definition: unknown): string[] {
  const parsed = operationsSchema.safeParse(definition);
  return parsed.success ? Object.keys(parsed.data.operations) : [];
}

function bucketsIn(definition: unknown): string[] {
  const parsed = bucketsSchema.safeParse(definition);
  return parsed.success ? parsed.data.buckets : [];
}

function usesIn(tenantId: string, name: string, definition: unknown) {
  const parsed = stepsSchema.safeParse(definition);
  const steps = parsed.success ? parsed.data.steps : [];
  return { calls: callsIn(steps).map(({ call }) => call), deliveries: deliveriesIn({ tenantId, name, steps }) };
}
