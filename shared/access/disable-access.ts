/**
 * Operator action: that a tenant, a route or an SFTP user is out of use, and that it is in use again. Applying a definition
 * does not take it back.
 *
 * - tenant: its files are quarantined as they arrive, its API keys and SFTP users are refused; jobs that exist continue.
 * - route: takes no new files; jobs that exist continue.
 * - SFTP user: is refused, and its open sessions end.
 *
 * Events: `tenant.disabled`, `tenant.enabled`, and of `route` and `sftp-user` likewise.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { UNASSIGNED_TENANT } from '#shared/db/schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export type AccessTarget =
  | { readonly kind: 'tenant'; readonly tenant: string }
  | { readonly kind: 'route'; readonly tenant: string; readonly name: string }
  | { readonly kind: 'sftp-user'; readonly username: string };

export interface AccessChange {
  readonly isDisabled: boolean;
  readonly reason: string;
  readonly actor: string;
}

/** Resolves to what it was before; to `unknown` when there is no such thing. */
export async function setAccess(
  sql: Sql,
  target: AccessTarget,
  { isDisabled, reason, actor }: AccessChange,
): Promise<'changed' | 'unchanged' | 'unknown'> {
  const { table, condition, tenant, detail, also } = describe(sql, target);
  const type = `${target.kind}.${isDisabled ? 'disabled' : 'enabled'}`;
  const [found] = await sql<{ known: number; changed: number }[]>`
    WITH known AS (SELECT 1 FROM ${sql(table)} WHERE ${condition}),
    changed AS (
      UPDATE ${sql(table)} SET disabled_at = CASE WHEN ${isDisabled} THEN now() END ${also}
      WHERE ${condition} AND (disabled_at IS NULL) = ${isDisabled}
      RETURNING *),
    event AS (
      SELECT ${type}::text AS type, ${tenant} AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        ${detail} || jsonb_build_object('reason', ${reason}::text) AS detail, '{events}'::text[] AS topics
      FROM changed),
    ${recordEvents(sql, actor)}
    SELECT (SELECT count(*) FROM known)::int AS known, (SELECT count(*) FROM changed)::int AS changed`;
  if (found === undefined || found.known === 0) return 'unknown';
  return found.changed === 0 ? 'unchanged' : 'changed';
}

function describe(sql: Sql, target: AccessTarget) {
  switch (target.kind) {
    case 'tenant':
      return {
        table: 'tenants',
        condition: sql`id = ${target.tenant} AND id <> ${UNASSIGNED_TENANT}`,
        tenant: sql`id`,
        detail: sql`'{}'::jsonb`,
        also: sql``,
      };
    case 'route':
      return {
        table: 'routes',
        condition: sql`tenant_id = ${target.tenant} AND name = ${target.name}`,
        tenant: sql`tenant_id`,
        detail: sql`jsonb_build_object('route', name)`,
        also: sql`, revision = revision + 1, removed_at = NULL`,
      };
    case 'sftp-user':
      return {
        table: 'sftp_users',
        condition: sql`username = ${target.username} AND removed_at IS NULL`,
        tenant: sql`tenant_id`,
        detail: sql`jsonb_build_object('username', username)`,
        also: sql``,
      };
  }
}
