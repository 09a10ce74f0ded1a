/**
 * Brings a database to this version: roles, schema, rights, and on the first day an operator's key.
 *
 * 1. Every part may be repeated, and stopped anywhere: a deployment that failed is deployed again.
 * 2. The key is put away before it counts, so that none exists that nobody can know.
 */

import { createApiKey, revokeApiKey } from '#shared/access/api-keys.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { migrate } from '#shared/db/migrate.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { grantRows, OWNER, prepareRoles } from './prepare-roles.ts';

export interface MigrateFleetOptions {
  readonly databaseUrl: string;
  /** Where the first operator's key goes; none is made without it. */
  readonly storeKey?: (key: string) => Promise<void>;
  readonly logger: Logger;
}

const NAME = 'migration';

export async function migrateFleet({ databaseUrl, storeKey, logger }: MigrateFleetOptions): Promise<void> {
  const ownerUrl = asOwner(databaseUrl);
  await withDatabase(databaseUrl, prepareRoles);
  await migrate(ownerUrl);
  await withDatabase(ownerUrl, grantRows);
  logger.info({}, 'database migrated');
  if (storeKey !== undefined) await withDatabase(ownerUrl, (sql) => ensureOperatorKey(sql, storeKey, logger));
}

/** What is made belongs to the owner, whoever signs in. */
function asOwner(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('role', OWNER);
  return url.href;
}

async function ensureOperatorKey(sql: Sql, storeKey: (key: string) => Promise<void>, logger: Logger): Promise<void> {
  const [known] = await sql`SELECT FROM api_keys WHERE tenant_id IS NULL AND revoked_at IS NULL LIMIT 1`;
  if (known !== undefined) return;
  const { key, keyId } = await createApiKey(sql, { tenantId: null, label: 'first operator', actor: NAME });
  try {
    await storeKey(key);
    logger.info({ keyId }, 'first operator key stored');
  } catch (error) {
    await revokeApiKey(sql, { keyId, actor: NAME });
    throw error;
  }
}

async function withDatabase(databaseUrl: string, run: (sql: Sql) => Promise<void>): Promise<void> {
  const sql = connectDatabase(
    {
      DATABASE_URL: databaseUrl,
      DATABASE_POOL_MAX: 1,
      DATABASE_PREPARE: false,
      DATABASE_STATEMENT_TIMEOUT_MS: 600_000,
    },
    `longshore-${NAME}`,
  );
  try {
    await run(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
