/**
 * One-time sign-in links, for the machine that the fleet runs on: whoever has a key signs in with that key's role, and as long as the key
 * counts. A link works once, within two minutes.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { actorOf, type Caller, personActor, type Role } from './permissions.ts';
import { hashToken, newToken } from './random-token.ts';
import { openSession, type Visitor } from './sessions.ts';

const LINK_SECONDS = 120;
/** In `people.issuer`. */
const KEY_ISSUER = 'key';

/** The path of the page that takes the token. It is in the fragment, which neither logs nor `Referer` headers have. */
export function linkPathOf(tenantId: string | null, token: string): string {
  return `/${tenantId === null ? 'console' : 'portal'}/sign-in#link=${token}`;
}

/** Resolves to undefined when the person who signs in with this key is disabled. Event: `sign-in.link-created`. */
export async function createSignInLink(
  sql: Sql,
  maker: Caller,
): Promise<{ readonly token: string; readonly expiresAt: Date } | undefined> {
  const token = newToken();
  const [row] = await sql<{ expiresAt: Date }[]>`
    WITH expired AS (DELETE FROM sign_ins WHERE expires_at < now() - interval '1 day'),
    made AS (
      INSERT INTO sign_ins (id, way, token_hash, key_id, expires_at)
      SELECT uuid_v7(), 'link', ${hashToken(token)}, ${maker.keyId}::uuid, now() + ${LINK_SECONDS}::int * interval '1 second'
      WHERE NOT EXISTS (
        SELECT 1 FROM people WHERE issuer = ${KEY_ISSUER} AND subject = ${maker.keyId ?? ''} AND disabled_at IS NOT NULL)
      RETURNING *),
    event AS (
      SELECT 'sign-in.link-created' AS type, ${maker.tenantId ?? 'unassigned'} AS tenant_id, NULL::uuid AS file_id,
        NULL::uuid AS job_id, jsonb_build_object('keyId', key_id) AS detail, '{events}'::text[] AS topics
      FROM made),
    ${recordEvents(sql, actorOf(maker))}
    SELECT expires_at AS "expiresAt" FROM made`;
  return row && { token, expiresAt: row.expiresAt };
}

export interface LinkUse {
  readonly token: string;
  readonly visitor: Visitor;
}

/** Resolves to the new session's token; undefined when the link is unknown, used or expired, or its key no longer counts. */
export async function useSignInLink(
  sql: Sql,
  { token, visitor }: LinkUse,
): Promise<{ readonly sessionToken: string; readonly tenantId: string | null } | undefined> {
  const [key] = await sql<{ label: string; tenantId: string | null }[]>`
    SELECT k.label, k.tenant_id AS "tenantId" FROM sign_ins i JOIN api_keys k ON k.id = i.key_id
    WHERE i.token_hash = ${hashToken(token)} AND i.way = 'link'`;
  if (key === undefined) return undefined;
  const sessionToken = newToken();
  const [row] = await sql<{ tenantId: string | null; role: Role }[]>`
    WITH used AS (
      UPDATE sign_ins SET used_at = now()
      WHERE token_hash = ${hashToken(token)} AND way = 'link' AND used_at IS NULL AND expires_at > now() RETURNING key_id),
    known AS (
      INSERT INTO people (id, tenant_id, name, role, issuer, subject, last_signed_in_at)
      SELECT uuid_v7(), k.tenant_id, k.label, coalesce(k.role, CASE WHEN k.tenant_id IS NULL THEN 'admin' ELSE 'tenant-admin' END),
        ${KEY_ISSUER}, k.id::text, now()
      FROM used u JOIN api_keys k ON k.id = u.key_id LEFT JOIN tenants t ON t.id = k.tenant_id
      WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND t.disabled_at IS NULL
      ON CONFLICT (issuer, subject, coalesce(tenant_id, '')) WHERE issuer IS NOT NULL DO UPDATE SET name = excluded.name, role = excluded.role, last_signed_in_at = now()
      RETURNING *),
    person AS (
      SELECT id, tenant_id, role, subject::uuid AS key_id, now() AS proved_at FROM known WHERE disabled_at IS NULL),
    ${openSession(sql, { way: 'link', token: sessionToken, visitor, actor: personActor(key.tenantId, key.label) })}
    SELECT p.tenant_id AS "tenantId" FROM session s JOIN person p ON p.id = s.person_id`;
  return row && { sessionToken, tenantId: row.tenantId };
}
