/**
 * Access of a home's tenants and of its operator: keys in files, what checks them in the database.
 *
 * Runs at every start: a home whose database was thrown away, or whose keys were, is whole again afterwards.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TenantAccess } from '#local/launcher/endpoints.ts';
import { ensureApiKey, ensureSshKey } from '#local/launcher/keys.ts';
import type { Sql } from '#shared/db/connect-database.ts';

export interface TenantToRegister {
  readonly id: string;
  readonly name?: string;
}

const DEFAULT_IGNORE_GLOBS = ['*.part', '*.tmp', '*.filepart', '.*'];
const OPERATOR_LABEL = 'operator of this machine';
const TENANT_LABEL = 'key of this machine';

export async function ensureOperator(sql: Sql, keys: string): Promise<void> {
  const key = await ensureApiKey(join(keys, 'operator.key'));
  await registerApiKey(sql, { tenantId: null, label: OPERATOR_LABEL, key });
}

/** Registers `tenants` and those whose keys the home already holds; resolves to the access of them all, by id. */
export async function ensureTenants(
  sql: Sql,
  keys: string,
  tenants: readonly TenantToRegister[],
): Promise<Record<string, TenantAccess>> {
  const directory = join(keys, 'tenants');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const wanted = new Map((await readdir(directory)).map((id): [string, TenantToRegister] => [id, { id }]));
  for (const tenant of tenants) wanted.set(tenant.id, tenant);
  const access: Record<string, TenantAccess> = {};
  for (const tenant of [...wanted.values()].sort((a, b) => a.id.localeCompare(b.id))) {
    access[tenant.id] = await ensureTenant(sql, join(directory, tenant.id), tenant);
  }
  return access;
}

async function ensureTenant(sql: Sql, directory: string, { id, name = id }: TenantToRegister): Promise<TenantAccess> {
  const access = {
    sftpUser: id,
    privateKeyFile: join(directory, 'sftp_ed25519'),
    apiKeyFile: join(directory, 'api.key'),
  };
  const { publicKey } = await ensureSshKey(access.privateKeyFile, `${id}@longshore`);
  await sql`
    INSERT INTO tenants (id, name, ignore_globs) VALUES (${id}, ${name}, ${DEFAULT_IGNORE_GLOBS})
    ON CONFLICT (id) DO NOTHING`;
  await sql`
    INSERT INTO sftp_users (username, tenant_id, public_key, home_prefix) VALUES (${id}, ${id}, ${publicKey}, ${`${id}/`})
    ON CONFLICT (username) DO UPDATE SET public_key = excluded.public_key`;
  await registerApiKey(sql, { tenantId: id, label: TENANT_LABEL, key: await ensureApiKey(access.apiKeyFile) });
  return access;
}

async function registerApiKey(sql: Sql, row: { tenantId: string | null; label: string; key: string }): Promise<void> {
  const hash = createHash('sha256').update(row.key).digest('hex');
  // A key that was revoked stays revoked: only its absence is made good.
  await sql`
    INSERT INTO api_keys (id, tenant_id, label, key_hash) VALUES (uuidv7(), ${row.tenantId}, ${row.label}, ${hash})
    ON CONFLICT (key_hash) DO NOTHING`;
}
