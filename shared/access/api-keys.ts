/**
 * API keys: shown once, stored hashed, with a role; they end by a date or when they are revoked.
 *
 * A key is `ls_` and 256 random bits in base64url.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { type Caller, defaultRole, type Role } from './permissions.ts';
import { hashToken, newToken } from './random-token.ts';
import type { Scope } from './scopes.ts';

export interface NewApiKey {
  readonly tenantId: string | null;
  readonly label: string;
  /** `admin` for an operator's key, `tenant-admin` for a tenant's, when absent. */
  readonly role?: Role | undefined;
  /** All that the role allows when absent. */
  readonly scopes?: readonly Scope[] | undefined;
  /** Never when absent. */
  readonly expiresAt?: Date | undefined;
  readonly actor: string;
}

/** Resolves to the key itself, which nothing can show again. Event: `api-key.created`. */
export async function createApiKey(
  sql: Sql,
  { tenantId, label, role = defaultRole(tenantId), scopes, expiresAt, actor }: NewApiKey,
): Promise<{ readonly keyId: string; readonly key: string }> {
  const key = newKey();
  const [row] = await sql<{ id: string }[]>`
    WITH created AS (
      INSERT INTO api_keys (id, tenant_id, label, role, scopes, key_hash, expires_at)
      VALUES (uuid_v7(), ${tenantId}, ${label}, ${role}, ${scopes === undefined ? null : [...scopes]}, ${hashToken(key)},
        ${expiresAt ?? null}) RETURNING *),
    event AS (
      SELECT 'api-key.created' AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id,
        NULL::uuid AS job_id, jsonb_strip_nulls(jsonb_build_object('keyId', id, 'label', label, 'role', role,
          'scopes', scopes, 'expiresAt', expires_at)) AS detail, '{events}'::text[] AS topics
      FROM created),
    ${recordEvents(sql, actor)}
    SELECT id FROM created`;
  if (row === undefined) throw new Error('INSERT INTO api_keys returned no row');
  return { keyId: row.id, key };
}

/** Whose key this is; undefined when unknown, revoked, expired, or of a disabled tenant. */
export async function findApiKey(sql: Sql, key: string): Promise<Caller | undefined> {
  const [row] = await sql<(Omit<Caller, 'role' | 'scopes'> & { role: Role | null; scopes: Scope[] | null })[]>`
    SELECT k.id AS "keyId", k.tenant_id AS "tenantId", k.label, k.role, k.scopes
    FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id
    WHERE k.key_hash = ${hashToken(key)} AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
      AND t.disabled_at IS NULL`;
  if (row === undefined) return undefined;
  const { scopes, role, ...owner } = row;
  return { ...owner, role: role ?? defaultRole(owner.tenantId), ...(scopes !== null && { scopes }) };
}

/** Keeps when a key was last used, to the minute: enough to know which one nobody would miss. */
export async function noteKeyUse(sql: Sql, keyId: string): Promise<void> {
  await sql`
    UPDATE api_keys SET last_used_at = now()
    WHERE id = ${keyId}::uuid AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`;
}

export interface RotateApiKey {
  readonly keyId: string;
  /** Only a key of this tenant; any key when null. */
  readonly tenantId: string | null;
  /** For so long both keys work. */
  readonly overlapHours: number;
  readonly actor: string;
}

/**
 * A successor with the same owner, label, role, scopes and length of life; the old key ends after the overlap, or earlier when it would have.
 * Undefined: there is no such key that still works. Event: `api-key.rotated`.
 */
export async function rotateApiKey(
  sql: Sql,
  { keyId, tenantId, overlapHours, actor }: RotateApiKey,
): Promise<{ readonly keyId: string; readonly key: string; readonly oldExpiresAt: Date } | undefined> {
  const key = newKey();
  const [row] = await sql<{ keyId: string; oldExpiresAt: Date }[]>`
    WITH found AS (
      SELECT * FROM api_keys
      WHERE id = ${keyId}::uuid AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId})
      FOR UPDATE),
    created AS (
      INSERT INTO api_keys (id, tenant_id, label, role, scopes, key_hash, expires_at)
      SELECT uuid_v7(), tenant_id, label, role, scopes, ${hashToken(key)}, now() + (expires_at - created_at) FROM found RETURNING *),
    ended AS (
      UPDATE api_keys k SET expires_at = least(k.expires_at, now() + ${overlapHours}::int * interval '1 hour')
      FROM found f WHERE k.id = f.id RETURNING k.*),
    event AS (
      SELECT 'api-key.rotated' AS type, coalesce(e.tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('keyId', e.id, 'label', e.label, 'successor', c.id, 'expiresAt', e.expires_at) AS detail,
        '{events}'::text[] AS topics
      FROM ended e CROSS JOIN created c),
    ${recordEvents(sql, actor)}
    SELECT c.id AS "keyId", e.expires_at AS "oldExpiresAt" FROM created c CROSS JOIN ended e`;
  return row && { ...row, key };
}

export interface RevokeApiKey {
  readonly keyId: string;
  /** Only a key of this tenant. */
  readonly tenantId?: string | null;
  readonly actor: string;
}

/** Resolves to whether there was such a key to revoke. Event: `api-key.revoked`. */
export async function revokeApiKey(sql: Sql, { keyId, tenantId = null, actor }: RevokeApiKey): Promise<boolean> {
  const rows = await sql`
    WITH revoked AS (
      UPDATE api_keys SET revoked_at = now()
      WHERE id = ${keyId}::uuid AND revoked_at IS NULL AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId}) RETURNING *),
    event AS (
      SELECT 'api-key.revoked' AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id,
        NULL::uuid AS job_id, jsonb_build_object('keyId', id, 'label', label) AS detail, '{events}'::text[] AS topics
      FROM revoked),
    ${recordEvents(sql, actor)}
    SELECT id FROM revoked`;
  return rows.length > 0;
}

function newKey(): string {
  return `ls_${newToken()}`;
}
