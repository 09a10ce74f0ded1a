/** What tenants define, in every version: routes, and stores and databases as they are now. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, removedAt, revision, source } from './columns.ts';
import { tenants } from './tenants.ts';

const { index, integer, jsonb, pgTable, primaryKey, text, unique, uuid } = pg;

export const routes = pgTable(
  'routes',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    activeVersion: integer('active_version').notNull(),
    /** Of the active version; counts before the tenant's. */
    retention: jsonb('retention'),
    revision: revision(),
    createdAt: createdAt(),
    disabledAt: instant('disabled_at'),
    removedAt: removedAt(),
  },
  (table) => [
    unique('routes_tenant_name').on(table.tenantId, table.name),
    index('routes_name').on(table.name.op('text_pattern_ops')),
  ],
);

export const routeVersions = pgTable(
  'route_versions',
  {
    id: uuid('id').primaryKey(),
    routeId: uuid('route_id')
      .notNull()
      .references(() => routes.id),
    version: integer('version').notNull(),
    definition: jsonb('definition').notNull(),
    definitionHash: text('definition_hash').notNull(),
    source: source(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
  },
  (table) => [unique('route_versions_route_version').on(table.routeId, table.version)],
);

export const DEFINITION_KINDS = [
  'partner',
  'store',
  'database',
  'remote',
  'source',
  'calendar',
  'expectation',
  'sender',
] as const;
export type DefinitionKind = (typeof DEFINITION_KINDS)[number];

/** Every version of partners, stores, remotes and sources; the present one is in their own tables too, where work reads it. */
export const definitionVersions = pgTable(
  'definition_versions',
  {
    kind: text('kind').$type<DefinitionKind>().notNull(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    version: integer('version').notNull(),
    definition: jsonb('definition').notNull(),
    definitionHash: text('definition_hash').notNull(),
    source: source(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.kind, table.name, table.version] })],
);

/** Of a definition that is kept as it is now. */
export function definitionColumns() {
  return {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    definition: jsonb('definition').notNull(),
    definitionHash: text('definition_hash').notNull(),
    version: integer('version').notNull(),
    revision: revision(),
    removedAt: removedAt(),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  };
}

/** Object external stores, as they are described now; a definition names secrets and holds none. */
export const stores = pgTable('stores', definitionColumns(), (table) => [
  primaryKey({ columns: [table.tenantId, table.name] }),
]);

/** Databases that a tenant's routes load rows into, as they are described now; a definition names secrets and holds none. */
export const databases = pgTable('databases', definitionColumns(), (table) => [
  primaryKey({ columns: [table.tenantId, table.name] }),
]);
