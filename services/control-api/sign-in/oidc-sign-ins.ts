/** Sign-ins under way at a provider: one row each, used once within ten minutes, by the browser that began it. */
import type { Role } from '#shared/access/permissions.ts';
import { personActor } from '#shared/access/permissions.ts';
import { hashToken, newToken } from '#shared/access/random-token.ts';
import { openSession, type Visitor } from '#shared/access/sessions.ts';
import type { Sql } from '#shared/db/connect-database.ts';

const SIGN_IN_SECONDS = 600;

export interface OidcSignIn {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly browser: string;
  readonly returnTo: string;
  /** Whose provider; null: the operators'. */
  readonly tenantId: string | null;
}

export async function keepOidcSignIn(sql: Sql, signIn: OidcSignIn): Promise<void> {
  await sql`
    WITH expired AS (DELETE FROM sign_ins WHERE expires_at < now() - interval '1 day')
    INSERT INTO sign_ins (id, way, token_hash, browser_hash, nonce, verifier, return_to, tenant_id, expires_at)
    VALUES (uuid_v7(), 'oidc', ${hashToken(signIn.state)}, ${hashToken(signIn.browser)}, ${signIn.nonce}, ${signIn.verifier},
      ${signIn.returnTo}, ${signIn.tenantId}, now() + ${SIGN_IN_SECONDS}::int * interval '1 second')`;
}

/** Undefined when it is unknown, used, too old, or of another browser. */
export async function useOidcSignIn(
  sql: Sql,
  { state, browser }: Pick<OidcSignIn, 'state' | 'browser'>,
): Promise<Omit<OidcSignIn, 'browser'> | undefined> {
  const [row] = await sql<Omit<OidcSignIn, 'browser' | 'state'>[]>`
    UPDATE sign_ins SET used_at = now()
    WHERE token_hash = ${hashToken(state)} AND way = 'oidc' AND browser_hash = ${hashToken(browser)} AND used_at IS NULL
      AND expires_at > now()
    RETURNING nonce, verifier, return_to AS "returnTo", tenant_id AS "tenantId"`;
  return row && { ...row, state };
}

export interface ProvenPerson {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | null;
  readonly name: string;
  readonly role: Role;
  readonly tenantId: string | null;
  /** When the provider says that the person proved who it is, in ms since 1970; undefined: it does not say. */
  readonly provedAtMs: number | undefined;
}

/** Resolves to the new session's token; undefined when the person or the tenant is disabled. */
export async function openProvenSession(
  sql: Sql,
  { issuer, subject, email, name, role, tenantId, provedAtMs = 0 }: ProvenPerson,
  visitor: Visitor,
): Promise<string | undefined> {
  const token = newToken();
  const rows = await sql`
    WITH known AS (
      INSERT INTO people AS p (id, tenant_id, email, name, role, issuer, subject, last_signed_in_at)
      VALUES (uuid_v7(), ${tenantId}, ${email}, ${name}, ${role}, ${issuer}, ${subject}, now())
      ON CONFLICT (issuer, subject, coalesce(tenant_id, '')) WHERE issuer IS NOT NULL DO UPDATE
      SET email = excluded.email, name = excluded.name, role = excluded.role, last_signed_in_at = now()
      WHERE p.disabled_at IS NULL
      RETURNING *),
    person AS (
      SELECT k.id, k.tenant_id, k.role, NULL::uuid AS key_id,
        least(now(), to_timestamp(${provedAtMs}::float8 / 1000)) AS proved_at
      FROM known k LEFT JOIN tenants t ON t.id = k.tenant_id WHERE t.disabled_at IS NULL),
    ${openSession(sql, { way: 'oidc', token, visitor, actor: personActor(tenantId, email ?? name) })}
    SELECT id FROM session`;
  return rows.length === 0 ? undefined : token;
}
