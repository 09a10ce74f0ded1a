/** Runs once, before the services of a new version: exit code 0, or nothing may be updated. */
import { createLogger } from '#shared/runtime/logger.ts';
import { putAwsSecret } from '#shared/secrets/put-aws-secret.ts';
import { loadMigrationConfig } from './config.ts';
import { migrateFleet } from './migrate-fleet.ts';

const { DATABASE_URL, DATABASE_PASSWORD, LONGSHORE_OPERATOR_KEY_SECRET: secretName, LOG_LEVEL } = loadMigrationConfig();
const url = new URL(DATABASE_URL);
if (DATABASE_PASSWORD !== undefined) url.password = encodeURIComponent(DATABASE_PASSWORD);

await migrateFleet({
  databaseUrl: url.href,
  logger: createLogger({ service: 'migration', level: LOG_LEVEL }),
  ...(secretName !== undefined && { storeKey: (key) => putAwsSecret(secretName, key) }),
});
