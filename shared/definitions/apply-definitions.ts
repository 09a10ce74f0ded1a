/**
 * Applies tenants, partners, external stores and routes. A route whose definition did not change keeps its version, so applying a file twice is harmless;
 * a changed one becomes the next version, and files routed before stay on the version they were given. Of a partner or
 * a store only the present definition is kept and counts, for work under way too: its version says that it changed.
 *
 * Channels that a definition tells of (`notify`) are written with it; those that it no longer has go, with what they were to be told.
 *
 * What an operator disabled stays so: see `disable-access.ts`.
 *
 * Events: `tenant.applied`, `sftp-user.applied`, `sftp-user.removed`; `partner.applied`, `store.applied`, `route.applied` (for new versions only).
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { ChannelDefinition } from '#shared/definitions/notify-schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { toJsonb } from '#shared/jobs/to-jsonb.ts';
import { applyChannels } from './apply-channels.ts';

export interface TenantDefinition {
  readonly id: string;
  readonly name: string;
  readonly timeZone: string;
  readonly homeRegion: string | null;
  readonly ignoreGlobs: readonly string[];
  /** Whom to tell of what; nobody when absent. */
  readonly notify?: readonly ChannelDefinition[];
}

export interface RouteDefinitionRow {
  readonly tenantId: string;
  readonly name: string;
  readonly definition: unknown;
  readonly definitionHash: string;
  /** Of a route: whom to tell of its files. */
  readonly notify?: readonly ChannelDefinition[];
}

export interface AppliedRoute {
  readonly routeId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly version: number;
  readonly isNew: boolean;
}

export async function applyTenants(sql: Sql, tenants: readonly TenantDefinition[], actor: string): Promise<void> {
  const channels = tenants.flatMap(({ id, notify = [] }) =>
    notify.map((channel) => ({ tenantId: id, route: '', channel })),
  );
  await sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(tenants)}::text::jsonb) AS r(
        id text, name text, "timeZone" text, "homeRegion" text, "ignoreGlobs" jsonb)),
    applied AS (
      INSERT INTO tenants AS t (id, name, time_zone, home_region, ignore_globs)
      SELECT id, name, "timeZone", "homeRegion", ARRAY(SELECT jsonb_array_elements_text("ignoreGlobs")) FROM input ORDER BY id
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone,
        home_region = excluded.home_region, ignore_globs = excluded.ignore_globs
      RETURNING *),
    channel_owner AS (SELECT id AS tenant_id, '' AS route FROM applied),
    ${applyChannels(sql, channels)},
    event AS (
      SELECT 'tenant.applied' AS type, id AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('name', name) AS detail, '{events}'::text[] AS topics
      FROM applied),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

/**
 * One statement for each route: the row of `routes` is locked by its upsert, so versions applied side by side are numbered in turn.
 *
 * @throws the database's 23503 when the tenant is unknown.
 */
export async function applyRoute(sql: Sql, route: RouteDefinitionRow, actor: string): Promise<AppliedRoute> {
  const { tenantId, name, notify = [] } = route;
  const channels = notify.map((channel) => ({ tenantId, route: name, channel }));
  await sql`
    INSERT INTO routes (id, tenant_id, name, active_version) VALUES (uuid_v7(), ${route.tenantId}, ${route.name}, 0)
    ON CONFLICT (tenant_id, name) DO NOTHING`;
  const [row] = await sql<AppliedRoute[]>`
    WITH locked AS (
      SELECT * FROM routes WHERE tenant_id = ${route.tenantId} AND name = ${route.name} FOR UPDATE),
    active AS (
      SELECT v.definition_hash FROM route_versions v JOIN locked r ON v.route_id = r.id AND v.version = r.active_version),
    changed AS (
      UPDATE routes r SET
        active_version = l.active_version + (NOT EXISTS (SELECT 1 FROM active WHERE definition_hash = ${route.definitionHash}))::int
      FROM locked l WHERE r.id = l.id
      RETURNING r.*, r.active_version > l.active_version AS is_new),
    inserted AS (
      INSERT INTO route_versions (id, route_id, version, definition, definition_hash, created_by)
      SELECT uuid_v7(), id, active_version, ${toJsonb(route.definition)}::text::jsonb, ${route.definitionHash}, ${actor}
      FROM changed WHERE is_new),
    channel_owner AS (SELECT tenant_id, name AS route FROM changed),
    ${applyChannels(sql, channels)},
    event AS (
      SELECT 'route.applied' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('route', name, 'version', active_version) AS detail, '{events}'::text[] AS topics
      FROM changed WHERE is_new),
    ${recordEvents(sql, actor)}
    SELECT id AS "routeId", tenant_id AS "tenantId", name, active_version AS version, is_new AS "isNew" FROM changed`;
  if (row === undefined) throw new Error('the route vanished while it was applied');
  return row;
}

export interface DefinitionRow {
  readonly tenantId: string;
  readonly name: string;
  readonly definition: unknown;
  readonly definitionHash: string;
}

export interface AppliedDefinition {
  readonly version: number;
  readonly isNew: boolean;
}

/**
 * The row is locked by its upsert, so versions applied side by side are numbered in turn.
 *
 * @throws the database's 23503 when the tenant is unknown.
 */
export const applyPartner = (sql: Sql, row: DefinitionRow, actor: string): Promise<AppliedDefinition> =>
  applyDefinition(sql, { table: 'partners', word: 'partner', row }, actor);

/** As `applyPartner`. */
export const applyStore = (sql: Sql, row: DefinitionRow, actor: string): Promise<AppliedDefinition> =>
  applyDefinition(sql, { table: 'stores', word: 'store', row }, actor);

interface DefinitionToApply {
  readonly table: 'partners' | 'stores';
  readonly word: 'partner' | 'store';
  readonly row: DefinitionRow;
}

async function applyDefinition(
  sql: Sql,
  { table, word, row }: DefinitionToApply,
  actor: string,
): Promise<AppliedDefinition> {
  const { tenantId, name, definition, definitionHash } = row;
  const [changed] = await sql<{ version: number }[]>`
    WITH applied AS (
      INSERT INTO ${sql(table)} AS p (tenant_id, name, definition, definition_hash, version, created_by)
      VALUES (${tenantId}, ${name}, ${toJsonb(definition)}::text::jsonb, ${definitionHash}, 1, ${actor})
      ON CONFLICT (tenant_id, name) DO UPDATE SET definition = excluded.definition,
        definition_hash = excluded.definition_hash, version = p.version + 1, created_by = excluded.created_by, updated_at = now()
      WHERE p.definition_hash <> excluded.definition_hash
      RETURNING *),
    event AS (
      SELECT ${`${word}.applied`}::text AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object(${word}::text, name, 'version', version) AS detail, '{events}'::text[] AS topics
      FROM applied),
    ${recordEvents(sql, actor)}
    SELECT version FROM applied`;
  if (changed !== undefined) return { version: changed.version, isNew: true };
  const [present] = await sql<{ version: number }[]>`
    SELECT version FROM ${sql(table)} WHERE tenant_id = ${tenantId} AND name = ${name}`;
  if (present === undefined) throw new Error(`the ${word} vanished while it was applied`);
  return { version: present.version, isNew: false };
}

export interface SftpUser {
  readonly username: string;
  readonly tenantId: string;
  /** OpenSSH form, `ssh-ed25519 AAAA...`; several have a line each. */
  readonly publicKey: string;
  /** Prefix in the landing bucket, ending in `/`. */
  readonly homePrefix: string;
  /** Whether the tenant's file has it, so that it goes when the file no longer does; true when absent. */
  readonly isDeclared?: boolean;
}

/** A user that was removed is back; one that an operator disabled stays so. Event: `sftp-user.applied`. */
export async function applySftpUser(sql: Sql, user: SftpUser, actor: string): Promise<void> {
  await sql`
    WITH applied AS (
      INSERT INTO sftp_users (username, tenant_id, public_key, home_prefix, is_declared)
      VALUES (${user.username}, ${user.tenantId}, ${user.publicKey}, ${user.homePrefix}, ${user.isDeclared ?? true})
      ON CONFLICT (username) DO UPDATE SET public_key = excluded.public_key, home_prefix = excluded.home_prefix,
        is_declared = excluded.is_declared, removed_at = NULL
      WHERE sftp_users.tenant_id = excluded.tenant_id
      RETURNING *),
    event AS (
      SELECT 'sftp-user.applied' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('username', username) AS detail, '{events}'::text[] AS topics
      FROM applied),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

/** Removes the users that the tenant's file no longer has. Event: `sftp-user.removed`. */
export async function removeOtherSftpUsers(
  sql: Sql,
  { tenantId, kept }: { readonly tenantId: string; readonly kept: readonly string[] },
  actor: string,
): Promise<void> {
  await sql`
    WITH removed AS (
      UPDATE sftp_users SET removed_at = now()
      WHERE tenant_id = ${tenantId} AND is_declared AND removed_at IS NULL AND username <> ALL(${[...kept]}::text[])
      RETURNING *),
    event AS (
      SELECT 'sftp-user.removed' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('username', username) AS detail, '{events}'::text[] AS topics
      FROM removed),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}
