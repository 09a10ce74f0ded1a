/** What is in force already of that which route files speak of: tenants, their SFTP users, partners, stores, remotes, sources and routes. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, eq, inArray, or } from '#shared/db/drizzle.ts';
import {
  calendars,
  databases,
  expectations,
  partners,
  remotes,
  routes,
  routeVersions,
  senders,
  sftpUsers,
  sources,
  stores,
  tenants,
} from '#shared/db/schema.ts';
import { callsIn, type StoredDefinitions } from '#shared/definitions/routes/find-call-faults.ts';
import { loadsIn, type StoredDatabases } from '#shared/definitions/routes/find-load-faults.ts';
import { deliveriesIn, type StoredStores } from '#shared/definitions/routes/find-store-faults.ts';
import type { RouteFileDocument } from '#shared/definitions/routes/route-schema.ts';
import type { VersionedKind } from './find-versions.ts';

export interface KnownVersion {
  readonly version: number;
  readonly hash: string | null;
  readonly isRemoved: boolean;
}

export interface KnownDefinitions {
  readonly tenantIds: ReadonlySet<string>;
  /** By id; of routes by `<tenant>/<name>`. */
  readonly disabled: { readonly tenants: ReadonlySet<string>; readonly routes: ReadonlySet<string> };
  /** That the tenants' files have so far. */
  readonly declaredUsers: readonly { readonly tenantId: string; readonly username: string }[];
  /** By username. */
  readonly userTenants: ReadonlyMap<string, string>;
  /** All of these tenants, by `<tenant>/<name>`. */
  readonly versions: Readonly<Record<VersionedKind, ReadonlyMap<string, KnownVersion>>>;
  /** Without what was removed. */
  readonly stored: Pick<StoredDefinitions, 'partners'> &
    Pick<StoredStores, 'stores'> &
    StoredDatabases & {
      readonly sources: readonly StoredSource[];
      readonly calendars: readonly StoredCalendar[];
      readonly expectations: readonly StoredExpectation[];
      readonly routes: readonly RouteUses[];
    };
}

interface StoredCalendar {
  readonly tenantId: string;
  readonly name: string;
  /** From which it reads its holidays. */
  readonly store: string | undefined;
}

interface StoredExpectation {
  readonly tenantId: string;
  readonly name: string;
  /** Undefined: every day counts. */
  readonly calendar: string | undefined;
}

interface StoredSource {
  readonly tenantId: string;
  readonly name: string;
  readonly remote: string | undefined;
}

export async function findKnownDefinitions(
  reads: Reads,
  documents: readonly RouteFileDocument[],
): Promise<KnownDefinitions> {
  const ids = [...new Set(documents.map((document) => (document.kind === 'tenant' ? document.id : document.tenant)))];
  const usernames = documents.flatMap((document) =>
    document.kind === 'tenant' ? document.sftpUsers.map(({ username }) => username) : [],
  );
  const [
    tenantRows,
    userRows,
    partnerRows,
    storeRows,
    databaseRows,
    remoteRows,
    sourceRows,
    calendarRows,
    expectationRows,
    senderRows,
    routeRows,
  ] = await Promise.all([
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
    ids.length === 0 ? [] : findDefinitions(reads, databases, ids),
    ids.length === 0 ? [] : findDefinitions(reads, remotes, ids),
    ids.length === 0 ? [] : findDefinitions(reads, sources, ids),
    ids.length === 0 ? [] : findDefinitions(reads, calendars, ids),
    ids.length === 0 ? [] : findDefinitions(reads, expectations, ids),
    ids.length === 0 ? [] : findDefinitions(reads, senders, ids),
    ids.length === 0 ? [] : findRoutes(reads, ids),
  ]);
  const versionsOf = (rows: readonly (typeof partnerRows | typeof routeRows)[number][]) =>
    new Map(
      rows.map(({ tenantId, name, version, hash, removedAt }) => [
        `${tenantId}/${name}`,
        { version, hash, isRemoved: removedAt !== null },
      ]),
    );
  const isInForce = ({ removedAt }: { readonly removedAt: string | null }) => removedAt === null;
  return {
    tenantIds: new Set(tenantRows.map(({ id }) => id)),
    disabled: {
      tenants: new Set(tenantRows.filter(({ disabledAt }) => disabledAt !== null).map(({ id }) => id)),
      routes: new Set(
        routeRows
          .filter(({ disabledAt, removedAt }) => disabledAt !== null && disabledAt !== removedAt)
          .map(({ tenantId, name }) => `${tenantId}/${name}`),
      ),
    },
    declaredUsers: userRows.filter(({ isDeclared, removedAt }) => isDeclared && removedAt === null),
    userTenants: new Map(userRows.map((user) => [user.username, user.tenantId])),
    versions: {
      partner: versionsOf(partnerRows),
      store: versionsOf(storeRows),
      database: versionsOf(databaseRows),
      remote: versionsOf(remoteRows),
      source: versionsOf(sourceRows),
      calendar: versionsOf(calendarRows),
      expectation: versionsOf(expectationRows),
      sender: versionsOf(senderRows),
      route: versionsOf(routeRows),
    },
    stored: {
      partners: partnerRows.filter(isInForce).map(({ tenantId, name, definition }) => ({
        tenantId,
        name,
        operations: operationsIn(definition),
      })),
      stores: storeRows
        .filter(isInForce)
        .map(({ tenantId, name, definition }) => ({ tenantId, name, buckets: bucketsIn(definition) })),
      databases: databaseRows
        .filter(isInForce)
        .map(({ tenantId, name, definition }) => ({ tenantId, name, ...tablesIn(definition) })),
      sources: sourceRows
        .filter(isInForce)
        .map(({ tenantId, name, definition }) => ({ tenantId, name, remote: remoteIn(definition) })),
      calendars: calendarRows
        .filter(isInForce)
        .map(({ tenantId, name, definition }) => ({ tenantId, name, store: holidayStoreIn(definition) })),
      expectations: expectationRows
        .filter(isInForce)
        .map(({ tenantId, name, definition }) => ({ tenantId, name, calendar: calendarIn(definition) })),
      routes: routeRows
        .filter(({ disabledAt }) => disabledAt === null)
        .map(({ tenantId, name, definition }) => usesIn(tenantId, name, stepsIn(definition))),
    },
  };
}

function findDefinitions(
  reads: Reads,
  table:
    | typeof partners
    | typeof stores
    | typeof databases
    | typeof remotes
    | typeof sources
    | typeof calendars
    | typeof expectations
    | typeof senders,
  tenantIds: readonly string[],
) {
  return reads
    .select({
      tenantId: table.tenantId,
      name: table.name,
      version: table.version,
      hash: table.definitionHash,
      definition: table.definition,
      removedAt: table.removedAt,
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
      removedAt: routes.removedAt,
    })
    .from(routes)
    .leftJoin(routeVersions, and(eq(routeVersions.routeId, routes.id), eq(routeVersions.version, routes.activeVersion)))
    .where(inArray(routes.tenantId, [...tenantIds]));
}

/** Stored definitions can be those of another version: only what is needed is read. */
const operationsSchema = z.object({ operations: z.record(z.string(), z.unknown()) });
const bucketsSchema = z.object({ buckets: z.array(z.string()) });
const tablesSchema = z.object({ tables: z.array(z.string()), reads: z.array(z.string()).default([]) });
const stepsSchema = z.object({ steps: z.array(z.record(z.string(), z.unknown())) });

function operationsIn(definition: unknown): string[] {
  const parsed = operationsSchema.safeParse(definition);
  return parsed.success ? Object.keys(parsed.data.operations) : [];
}

function remoteIn(definition: unknown): string | undefined {
  const parsed = z.object({ remote: z.string() }).safeParse(definition);
  return parsed.success ? parsed.data.remote : undefined;
}

function calendarIn(definition: unknown): string | undefined {
  const parsed = z.object({ due: z.object({ calendar: z.string().optional() }) }).safeParse(definition);
  return parsed.success ? parsed.data.due.calendar : undefined;
}

function holidayStoreIn(definition: unknown): string | undefined {
  const parsed = z.object({ holidaysFrom: z.object({ store: z.string() }) }).safeParse(definition);
  return parsed.success ? parsed.data.holidaysFrom.store : undefined;
}

function bucketsIn(definition: unknown): string[] {
  const parsed = bucketsSchema.safeParse(definition);
  return parsed.success ? parsed.data.buckets : [];
}

function tablesIn(definition: unknown): z.output<typeof tablesSchema> {
  const parsed = tablesSchema.safeParse(definition);
  return parsed.success ? parsed.data : { tables: [], reads: [] };
}

function stepsIn(definition: unknown): readonly Step[] {
  const parsed = stepsSchema.safeParse(definition);
  return parsed.success ? parsed.data.steps : [];
}

type Step = Readonly<Record<string, unknown>>;

type RouteUses = StoredDefinitions['routes'][number] &
  StoredStores['routes'][number] & { readonly loads: readonly string[] };

/** The partners and the stores that a route uses. */
export function usesIn(tenantId: string, name: string, steps: readonly Step[]): RouteUses {
  return {
    tenantId,
    name,
    calls: callsIn(steps).map(({ call }) => call),
    deliveries: deliveriesIn({ tenantId, name, steps }),
    loads: loadsIn(steps),
  };
}
