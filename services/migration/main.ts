/** Runs once, before the services of a new version: exit code 0, or nothing may be updated. */
import { createLogger } from '#shared/runtime/logger.ts';
import { putAwsSecret } from '#shared/runtime/secrets/put-aws-secret.ts';
import { loadMigrationConfig, type MigrationConfig } from './config.ts';
import { migrateFleet } from './migrate-fleet.ts';

const config = loadOrExit();
const { DATABASE_PASSWORD: password, LONGSHORE_OPERATOR_KEY_SECRET: secretName } = config;
const url = new URL(config.DATABASE_URL);
if (password !== undefined) url.password = encodeURIComponent(password);

const logger = createLogger({ service: 'migration', level: config.LOG_LEVEL });

try {
  await migrateFleet({
    databaseUrl: url.href,
    logger,
    ...(secretName !== undefined && { storeKey: (key) => putAwsSecret(secretName, key) }),
  });
} catch (error) {
  logger.fatal({ err: error }, 'the migration failed; nothing may be updated');
  process.exitCode = 1;
}

/** A wrong configuration is one message, without a stack. */
function loadOrExit(): MigrationConfig {
  try {
    return loadMigrationConfig();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
}
