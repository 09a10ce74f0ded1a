/**
 * Sessions of people who signed in. The browser has 256 random bits in a cookie; here is their SHA-256.
 *
 * 1. A session ends when the person ends it, when it is idle for too long, 12 hours after sign-in, when the person, its tenant or the key
 *    that made its link is out of use or the role is another, and when the tenant's people sign in elsewhere by now.
 * 2. Each sign-in makes a new session, and ends the one that the browser had before: what was planted in a browser is worth nothing.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { type Caller, personActor, type Role, type Session, type SignInWay } from './permissions.ts';
import { hashToken } from './random-token.ts';

const LONGEST_SECONDS = 12 * 3_600;
const OPERATOR_IDLE_SECONDS = 30 * 60;
const TENANT_IDLE_SECONDS = 8 * 3_600;

/** The browser that signs in. */
export interface Visitor {
  readonly address: string;
  readonly userAgent: string;
  /** Of the session that its cookie names, if any. */
  readonly oldToken?: string | undefined;
}

export interface NewSession {
  readonly way: SignInWay;
  readonly token: string;
  readonly visitor: Visitor;
  readonly actor: string;
}

/**
 * CTEs that open a session. The statement provides a CTE `person(id, tenant_id, role, key_id, proved_at)`; without a row in it none is
 * opened. Event: `person.signed-in`.
 */
export function openSession(sql: Sql, { way, token, visitor, actor }: NewSession) {
  return sql`
    forgotten AS (DELETE FROM sessions WHERE expires_at < now() - interval '30 days'),
    replaced AS (
      UPDATE sessions SET ended_at = now()
      WHERE token_hash = ${visitor.oldToken === undefined ? null : hashToken(visitor.oldToken)} AND ended_at IS NULL),
    session AS (
      INSERT INTO sessions (id, token_hash, person_id, role, way, key_id, address, user_agent, proved_at, idle_seconds, expires_at)
      SELECT uuid_v7(), ${hashToken(token)}, p.id, p.role, ${way}, p.key_id, ${visitor.address}, ${visitor.userAgent}, p.proved_at,
        CASE WHEN p.tenant_id IS NULL THEN ${OPERATOR_IDLE_SECONDS}::int ELSE ${TENANT_IDLE_SECONDS}::int END,
        now() + ${LONGEST_SECONDS}::int * interval '1 second'
      FROM person p RETURNING *),
    event AS (
      SELECT 'person.signed-in' AS type, coalesce(p.tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id,
        NULL::uuid AS job_id, jsonb_strip_nulls(jsonb_build_object('personId', p.id, 'sessionId', s.id, 'role', s.role, 'way', s.way,
          'keyId', s.key_id, 'address', s.address)) AS detail, '{events}'::text[] AS topics
      FROM session s JOIN person p ON p.id = s.person_id),
    ${recordEvents(sql, actor)}`;
}

/** Rows of `sessions s`, `people p` that count. */
const isOpen = (sql: Sql) => sql`
  s.ended_at IS NULL AND s.expires_at > now() AND s.last_seen_at + s.idle_seconds * interval '1 second' > now()
  AND s.role = p.role AND p.disabled_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM tenants t WHERE t.id = p.tenant_id AND (t.disabled_at IS NOT NULL
      OR s.way = 'oidc' AND t.sign_in -> 'oidc' ->> 'issuer' IS DISTINCT FROM p.issuer
      OR s.way = 'mail' AND t.sign_in IS NOT NULL))
  AND NOT EXISTS (
    SELECT 1 FROM api_keys k WHERE k.id = s.key_id AND (k.revoked_at IS NOT NULL OR k.expires_at <= now()))`;

/** Whose session this is; undefined when it is unknown or has ended. */
export async function findSession(sql: Sql, token: string): Promise<Caller | undefined> {
  const [row] = await sql<(Session & { tenantId: string | null; role: Role })[]>`
    SELECT s.id, p.id AS "personId", p.name, p.email, s.way, extract(epoch FROM s.proved_at)::float8 * 1000 AS "provedAtMs",
      s.proved_at > now() - interval '10 minutes' AS "isRecent",
      p.tenant_id AS "tenantId", p.role
    FROM sessions s JOIN people p ON p.id = s.person_id
    WHERE s.token_hash = ${hashToken(token)} AND ${isOpen(sql)}`;
  if (row === undefined) return undefined;
  const { tenantId, role, ...session } = row;
  return { keyId: `person:${row.personId}`, tenantId, label: row.email ?? row.name, role, session };
}

/** When the session ends if nothing more is asked in it; undefined when it has ended. */
export async function findSessionEnd(sql: Sql, sessionId: string): Promise<Date | undefined> {
  const [row] = await sql<{ endsAt: Date }[]>`
    SELECT least(s.expires_at, s.last_seen_at + s.idle_seconds * interval '1 second') AS "endsAt"
    FROM sessions s JOIN people p ON p.id = s.person_id WHERE s.id = ${sessionId} AND ${isOpen(sql)}`;
  return row?.endsAt;
}

/** Keeps when a person last asked something, to the minute; a session that was idle for too long does not come back. */
export async function noteSessionUse(sql: Sql, sessionId: string): Promise<void> {
  await sql`
    UPDATE sessions SET last_seen_at = now()
    WHERE id = ${sessionId} AND ended_at IS NULL AND last_seen_at < now() - interval '1 minute'
      AND last_seen_at + idle_seconds * interval '1 second' > now()`;
}

/** Event: `person.signed-out`. */
export async function signOut(sql: Sql, { tenantId, label, session }: Caller & { session: Session }): Promise<void> {
  await sql`
    WITH ended AS (UPDATE sessions SET ended_at = now() WHERE id = ${session.id} AND ended_at IS NULL RETURNING *),
    event AS (
      SELECT 'person.signed-out' AS type, ${tenantId ?? 'unassigned'} AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('personId', person_id, 'sessionId', id) AS detail, '{events}'::text[] AS topics
      FROM ended),
    ${recordEvents(sql, personActor(tenantId, label))}
    SELECT 1`;
}
