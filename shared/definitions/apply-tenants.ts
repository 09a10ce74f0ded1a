/**
 * Applies tenants. What an operator disabled stays so: see `disable-access.ts`. Event: `tenant.applied`.
 *
 * Channels that a tenant tells of (`notify`) are written with it; those that it no longer has go, with what they were to be told.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import type { ChannelDefinition } from '#shared/definitions/notify-schema.ts';
import type { PortalLook } from '#shared/definitions/portal-schema.ts';
import type { Retention } from '#shared/definitions/retention-schema.ts';
import type { TenantSignIn } from '#shared/definitions/sign-in-schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { dateFilesAgain } from '#shared/retention/redate-files.ts';
import { applyChannels } from './apply-channels.ts';

export interface TenantDefinition {
  readonly id: string;
  readonly name: string;
  readonly timeZone: string;
  readonly homeRegion: string | null;
  /** `standard` when absent. */
  readonly priority?: Lane | undefined;
  readonly ignoreGlobs: readonly string[];
  /** How its people sign in; by mail when absent. */
  readonly signIn?: TenantSignIn | undefined;
  /** How the portal looks for them; like Longshore's when absent. */
  readonly portal?: PortalLook | undefined;
  /** Whom to tell of what; nobody when absent. */
  readonly notify?: readonly ChannelDefinition[];
  /** For how long its finished files are kept; the default when absent. */
  readonly retention?: Retention | undefined;
}

export async function applyTenants(sql: Sql, tenants: readonly TenantDefinition[], actor: string): Promise<void> {
  const channels = tenants.flatMap(({ id, notify = [] }) =>
    notify.map((channel) => ({ tenantId: id, route: '', channel })),
  );
  await sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(tenants)}::text::jsonb) AS r(
        id text, name text, "timeZone" text, "homeRegion" text, priority text, "ignoreGlobs" jsonb, "signIn" jsonb, portal jsonb, retention jsonb)),
    applied AS (
      INSERT INTO tenants AS t (id, name, time_zone, home_region, priority, ignore_globs, sign_in, portal, retention)
      SELECT id, name, "timeZone", "homeRegion", coalesce(priority, 'standard'), ARRAY(SELECT jsonb_array_elements_text("ignoreGlobs")), "signIn", portal, retention
      FROM input ORDER BY id
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone,
        home_region = excluded.home_region, priority = excluded.priority, ignore_globs = excluded.ignore_globs, sign_in = excluded.sign_in,
        portal = excluded.portal, retention = excluded.retention
      RETURNING t.*, old.id IS NOT NULL AND old.retention IS DISTINCT FROM t.retention AS is_kept_otherwise,
        CASE WHEN old.id IS NOT NULL THEN jsonb_build_object(
        'name', old.name, 'timeZone', old.time_zone, 'homeRegion', old.home_region, 'priority', old.priority,
        'ignore', old.ignore_globs, 'signIn', old.sign_in, 'portal', ${withoutLogo(sql, sql`old.portal`)}, 'retention', old.retention) END AS before),
    judged AS (
      SELECT *, jsonb_build_object(
        'name', name, 'timeZone', time_zone, 'homeRegion', home_region, 'priority', priority, 'ignore', ignore_globs, 'signIn', sign_in,
        'portal', ${withoutLogo(sql, sql`portal`)}, 'retention', retention) AS after FROM applied),
    ${dateFilesAgain(sql, sql`SELECT id AS tenant_id FROM applied WHERE is_kept_otherwise`)},
    channel_owner AS (SELECT id AS tenant_id, '' AS route FROM applied),
    ${applyChannels(sql, channels)},
    event AS (
      SELECT 'tenant.applied' AS type, id AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('name', name, 'before', CASE WHEN before <> after THEN before END,
          'after', CASE WHEN before <> after THEN after END)) AS detail, '{events}'::text[] AS topics
      FROM judged),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}

/** For the audit, which is kept for years: of a logo its SHA-256. */
function withoutLogo(sql: Sql, portal: ReturnType<Sql>) {
  return sql`CASE WHEN ${portal} ? 'logo'
    THEN jsonb_set(${portal}, '{logo}', to_jsonb('sha256:' || encode(sha256(convert_to(${portal} ->> 'logo', 'UTF8')), 'hex')))
    ELSE ${portal} END`;
}
