/**
 * People: who may sign in, with which role and for which tenant. Those who sign in at a provider, or by the link of a key, come with
 * their first sign-in and have the role that provider or key gives; those who sign in by mail are invited.
 *
 * Whatever takes rights away ends the person's sessions in the same statement.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { Role } from './permissions.ts';

export interface Invitation {
  readonly tenantId: string;
  /** Lower case. */
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly actor: string;
}

/** Resolves to the person's id; undefined when the tenant has a person with this address, or there is no such tenant. Event: `person.invited`. */
export async function invitePerson(
  sql: Sql,
  { tenantId, email, name, role, actor }: Invitation,
): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`
    WITH invited AS (
      INSERT INTO people (id, tenant_id, email, name, role)
      SELECT uuid_v7(), id, ${email}, ${name}, ${role} FROM tenants WHERE id = ${tenantId}
      ON CONFLICT (email, tenant_id) WHERE issuer IS NULL DO NOTHING RETURNING *),
    event AS (
      SELECT 'person.invited' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('personId', id, 'email', email, 'name', name, 'role', role) AS detail, '{events}'::text[] AS topics
      FROM invited),
    ${recordEvents(sql, actor)}
    SELECT id FROM invited`;
  return row?.id;
}

interface PersonTarget {
  readonly personId: string;
  /** Only a person of this tenant; any when null. */
  readonly tenantId: string | null;
  readonly actor: string;
}

export type PersonResult = 'changed' | 'unchanged' | 'unknown';

/** Of a person who was invited; the role of others is not ours to give. Event: `person.role-changed`. */
export async function changeRole(
  sql: Sql,
  { role, ...target }: PersonTarget & { readonly role: Role },
): Promise<PersonResult> {
  return await change(sql, target, {
    type: 'person.role-changed',
    set: sql`role = ${role}`,
    where: sql`role <> ${role} AND issuer IS NULL`,
    detail: sql`jsonb_build_object('role', ${role}::text)`,
  });
}

/** Event: `person.disabled`, `person.enabled`. */
export async function setPersonDisabled(
  sql: Sql,
  { isDisabled, reason, ...target }: PersonTarget & { readonly isDisabled: boolean; readonly reason: string },
): Promise<PersonResult> {
  return await change(sql, target, {
    type: isDisabled ? 'person.disabled' : 'person.enabled',
    set: sql`disabled_at = CASE WHEN ${isDisabled} THEN now() END`,
    where: sql`(disabled_at IS NULL) = ${isDisabled}`,
    detail: sql`jsonb_build_object('reason', ${reason}::text)`,
  });
}

type Fragment = ReturnType<Sql>;

interface PersonChange {
  readonly type: string;
  readonly set: Fragment;
  /** Rows that it changes. */
  readonly where: Fragment;
  readonly detail: Fragment;
}

async function change(
  sql: Sql,
  { personId, tenantId, actor }: PersonTarget,
  { type, set, where, detail }: PersonChange,
): Promise<PersonResult> {
  const meant = sql`id = ${personId} AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId})`;
  const [found] = await sql<{ known: number; changed: number }[]>`
    WITH known AS (SELECT 1 FROM people WHERE ${meant}),
    changed AS (UPDATE people SET ${set} WHERE ${meant} AND ${where} RETURNING *),
    ended AS (
      UPDATE sessions s SET ended_at = now() FROM changed c WHERE s.person_id = c.id AND s.ended_at IS NULL RETURNING s.id),
    event AS (
      SELECT ${type}::text AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('personId', id, 'name', coalesce(email, name)) || ${detail} AS detail, '{events}'::text[] AS topics
      FROM changed),
    ${recordEvents(sql, actor)}
    SELECT (SELECT count(*) FROM known)::int AS known, (SELECT count(*) FROM changed)::int AS changed`;
  if (found === undefined || found.known === 0) return 'unknown';
  return found.changed === 0 ? 'unchanged' : 'changed';
}

export interface SessionsToEnd {
  /** One session; null: all of the person. */
  readonly sessionId: string | null;
  /** Null: whoever's session it is. */
  readonly personId: string | null;
  readonly tenantId: string | null;
  readonly reason: string;
  readonly actor: string;
}

/** Resolves to how many ended. Event: `person.sessions-ended`. */
export async function endSessions(
  sql: Sql,
  { sessionId, personId, tenantId, reason, actor }: SessionsToEnd,
): Promise<number> {
  const rows = await sql`
    WITH ended AS (
      UPDATE sessions s SET ended_at = now() FROM people p
      WHERE p.id = s.person_id AND s.ended_at IS NULL AND (${sessionId}::uuid IS NULL OR s.id = ${sessionId})
        AND (${personId}::uuid IS NULL OR p.id = ${personId}) AND (${tenantId}::text IS NULL OR p.tenant_id = ${tenantId})
        AND (${sessionId}::uuid IS NOT NULL OR ${personId}::uuid IS NOT NULL)
      RETURNING s.id, p.id AS person_id, p.tenant_id, coalesce(p.email, p.name) AS name),
    event AS (
      SELECT 'person.sessions-ended' AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('personId', person_id, 'name', name, 'sessions', count(*), 'reason', ${reason}::text) AS detail,
        '{events}'::text[] AS topics
      FROM ended GROUP BY person_id, tenant_id, name),
    ${recordEvents(sql, actor)}
    SELECT id FROM ended`;
  return rows.length;
}
