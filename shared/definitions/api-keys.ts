/**
 * API keys: shown once, stored hashed, revoked by a date.
 *
 * A key is `ls_` and 256 random bits in base64url. Because it is random, one SHA-256 is enough; slow hashes are for passwords.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface ApiKeyOwner {
  readonly keyId: string;
  /** Null: an operator, who sees every tenant. */
  readonly tenantId: string | null;
  readonly label: string;
}

/** Resolves to the key itself, which nothing can show again. Event: `api-key.created`. */
export async function createApiKey(
  sql: Sql,
  options: { readonly tenantId: string | null; readonly label: string; readonly actor: string },
): Promise<{ readonly keyId: string; readonly key: string }> {
  const key = `ls_${randomBytes(32).toString('base64url')}`;
  const [row] = await sql<{ id: string }[]>`
    WITH created AS (
      INSERT INTO api_keys (id, tenant_id, label, key_hash)
      VALUES (uuid_v7(), ${options.tenantId}, ${options.label}, ${hashApiKey(key)}) RETURNING *),
    event AS (
      SELECT 'api-key.created' AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id,
        NULL::uuid AS job_id, jsonb_build_object('keyId', id, 'label', label) AS detail, '{events}'::text[] AS topics
      FROM created),
    ${recordEvents(sql, options.actor)}
    SELECT id FROM created`;
  if (row === undefined) throw new Error('INSERT INTO api_keys returned no row');
  return { keyId: row.id, key };
}

/** Whose key this is; undefined when unknown, revoked, or of a disabled tenant. */
export async function findApiKey(sql: Sql, key: string): Promise<ApiKeyOwner | undefined> {
  const [row] = await sql<ApiKeyOwner[]>`
    SELECT k.id AS "keyId", k.tenant_id AS "tenantId", k.label
    FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id
    WHERE k.key_hash = ${hashApiKey(key)} AND k.revoked_at IS NULL AND t.disabled_at IS NULL`;
  return row;
}

/** Resolves to whether there was such a key to revoke. Event: `api-key.revoked`. */
export async function revokeApiKey(
  sql: Sql,
  options: { readonly keyId: string; readonly actor: string },
): Promise<boolean> {
  const rows = await sql`
    WITH revoked AS (
      UPDATE api_keys SET revoked_at = now() WHERE id = ${options.keyId}::uuid AND revoked_at IS NULL RETURNING *),
    event AS (
      SELECT 'api-key.revoked' AS type, coalesce(tenant_id, 'unassigned') AS tenant_id, NULL::uuid AS file_id,
        NULL::uuid AS job_id, jsonb_build_object('keyId', id, 'label', label) AS detail, '{events}'::text[] AS topics
      FROM revoked),
    ${recordEvents(sql, options.actor)}
    SELECT id FROM revoked`;
  return rows.length > 0;
}

function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
