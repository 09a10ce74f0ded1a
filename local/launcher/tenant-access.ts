/**
 * Access of a home's tenants and of its operator: the keys in files, what checks them in the database.
 *
 * Runs at every start and changes nothing that still fits. A key file that opens nothing any more (the database is another, the
 * key was revoked) is replaced, so that what `endpoints.json` names always works.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TenantAccess } from '#local/launcher/endpoints.ts';
import { ensureSshKey, writeSecret } from '#local/launcher/keys.ts';
import { createApiKey, findApiKey } from '#shared/access/api-keys.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { applySftpUser } from '#shared/definitions/apply-sftp-users.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { type TenantDocument, tenantDocumentSchema } from '#shared/definitions/routes/route-schema.ts';

/** A tenant as a route file describes it; whatever is absent takes that schema's default. */
export type TenantToRegister = Partial<TenantDocument> & { readonly id: string };

/** Who did it, in the audit. */
const ACTOR = 'launcher';
/** The gateway takes no shorter user names. */
const MIN_USERNAME_LENGTH = 3;

export async function ensureOperator(sql: Sql, keys: string): Promise<void> {
  await ensureApiKey(sql, { path: join(keys, 'operator.key'), tenantId: null });
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
    await mkdir(join(directory, tenant.id), { recursive: true, mode: 0o700 });
    access[tenant.id] = await ensureTenant(sql, join(directory, tenant.id), tenant);
  }
  return access;
}

async function ensureTenant(sql: Sql, directory: string, tenant: TenantToRegister): Promise<TenantAccess> {
  const definition = tenantDocumentSchema.parse({ kind: 'tenant', name: tenant.id, ...tenant });
  const { id } = definition;
  const [known] = await sql`SELECT id FROM tenants WHERE id = ${id}`;
  if (known === undefined) await applyTenants(sql, [{ ...definition, ignoreGlobs: definition.ignore }], ACTOR);

  const privateKeyFile = join(directory, 'sftp_ed25519');
  const { publicKey } = await ensureSshKey(privateKeyFile, `${id}@longshore`);
  const [user] = await sql<{ username: string }[]>`
    SELECT username FROM sftp_users WHERE tenant_id = ${id} AND public_key = ${publicKey} AND removed_at IS NULL`;
  const sftpUser = user?.username ?? definition.sftpUsers[0]?.username ?? defaultUsername(id);
  if (user === undefined) {
    const isDeclared = definition.sftpUsers.some(({ username }) => username === sftpUser);
    await applySftpUser(sql, { username: sftpUser, tenantId: id, publicKey, homePrefix: `${id}/`, isDeclared }, ACTOR);
  }

  const apiKeyFile = join(directory, 'api.key');
  await ensureApiKey(sql, { path: apiKeyFile, tenantId: id });
  return { sftpUser, privateKeyFile, apiKeyFile };
}

function defaultUsername(tenantId: string): string {
  return tenantId.length < MIN_USERNAME_LENGTH ? `${tenantId}-sftp` : tenantId;
}

async function ensureApiKey(sql: Sql, { path, tenantId }: { path: string; tenantId: string | null }): Promise<void> {
  const kept = (await readFile(path, 'utf8').catch(() => '')).trim();
  const owner = kept === '' ? undefined : await findApiKey(sql, kept);
  if (owner?.tenantId === tenantId) return;
  const { key } = await createApiKey(sql, {
    tenantId,
    label: `${tenantId ?? 'operator'} on this machine`,
    actor: ACTOR,
  });
  await writeSecret(path, key);
}
